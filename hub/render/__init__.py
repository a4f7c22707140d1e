"""Recording and report → PDF on exact millimetre paper; pure.

`render_report_pdf(ReportContext) -> Rendered` is the one way in.
"""

from hub.render.context import Rendered, ReportContext
from hub.render.fonts import FontMissing, find_font
from hub.render.report import NOT_SENT, REPORT_FIELDS, render_report_pdf

__all__ = [
    "NOT_SENT",
    "REPORT_FIELDS",
    "FontMissing",
    "Rendered",
    "ReportContext",
    "find_font",
    "render_report_pdf",
]
