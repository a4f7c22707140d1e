"""Recording and report → PDF on exact millimetre paper; pure.

`render_report_pdf(ReportContext) -> Rendered` is the one way in. The PDF engine takes a second to load and
some 40 MB: only a process that prints pays for it.
"""

from hub.render.context import Rendered, ReportContext

__all__ = ["Rendered", "ReportContext", "render_report_pdf", "warm_up"]


def render_report_pdf(context: ReportContext) -> Rendered:
    """The report as a PDF: A4 landscape, vector only, one page, or more where the text is long.

    Raises FontMissing.
    """
    from hub.render import report  # noqa: PLC0415, RUF100 - see above

    return report.render_report_pdf(context)


def warm_up() -> None:
    """Load the engine and have the first sheet made, so that no one who signs waits. Raises FontMissing."""
    from hub.render import blank, fonts, report  # noqa: F401, PLC0415, RUF100

    blank.prepare(fonts.find_font())
