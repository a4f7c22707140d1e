"""A4 landscape pages in millimetres from the top left corner: text that drops nothing, lines that are exact.

Lines are written in a coordinate system of 0.01 mm, y downward, so that at 10 mm/mV one unit is one
microvolt and the numbers in the file are the samples themselves.
"""

import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from xml.sax.saxutils import escape

from fpdf import FPDF
from fpdf.enums import TextMode
from fpdf.fonts import TTFFont

from hub.render.fonts import Font

WIDTH_MM, HEIGHT_MM = 297.0, 210.0
UNITS_PER_MM = 100
POINTS_PER_MM = 72 / 25.4

Colour = tuple[int, int, int]
INK: Colour = (0x16, 0x20, 0x2C)
INK_2: Colour = (0x44, 0x51, 0x61)
INK_3: Colour = (0x5F, 0x6C, 0x7B)
LINE: Colour = (0xBC, 0xC6, 0xD2)

_CREATOR = "Maitong"
_FAMILY = "text"
# 行首不用的标点 (GB/T 15834-2011 §5.1.6): a line of text does not begin with these.
_NOT_FIRST = frozenset("，。、；：？！）》」』】〉”’％,.;:?!)]}%")


class Sheet(FPDF):
    """The document, blank until `begin`. `missing` collects, in order, what the font has no glyph for."""

    def __init__(self, font: Font) -> None:
        super().__init__("landscape", "mm", "A4", enforce_compliance="PDF/A-2B")
        self.set_auto_page_break(False)
        self.set_margin(0)
        self.set_creator(_CREATOR)
        self.add_font(_FAMILY, fname=font.path, collection_font_number=font.number)
        self.set_font(_FAMILY, size=9)
        face = self.fonts[_FAMILY]
        assert isinstance(face, TTFFont)
        self._widths = {code: face.cw[code] / 1000 for code in face.cmap}
        self.missing: dict[str, None] = {}

    def begin(self, created: datetime, title: str, language: str) -> None:
        """What this document is; the first page."""
        self.set_creation_date(created)
        self.set_title(title)
        self.set_lang(language)
        self.set_xmp_metadata(_xmp(title, created))  # the library's own names the moment of writing
        self.add_page()

    def has_glyph(self, char: str) -> bool:
        # Controls, surrogates and unassigned code points never reach the font, whatever it claims.
        return ord(char) in self._widths and unicodedata.category(char)[0] != "C"

    def close(self) -> None:
        """Close the font's file; nothing can be written afterwards."""
        for font in self.fonts.values():
            if isinstance(font, TTFFont):
                font.close()

    def turn_to(self, page: int) -> None:
        """Go on writing on an earlier page."""
        self.page = page
        self.current_font_is_set_on_page = False

    def width_of(self, text: str, size_pt: float) -> float:
        """Millimetres; a character without a glyph is a box one em wide."""
        ems = sum(self._widths[ord(char)] if self.has_glyph(char) else 1.0 for char in text)
        return ems * size_pt / POINTS_PER_MM

    def put(
        self,
        x: float,
        y: float,
        text: str,
        size_pt: float,
        *,
        colour: Colour = INK,
        bold: bool = False,
        align: str = "left",
    ) -> float:
        """One line of text with its baseline at y; x is its left, centre or right. Returns its width.

        What the font lacks becomes a box with the code point in it, and is noted in `missing`.
        """
        width = self.width_of(text, size_pt)
        x -= {"left": 0.0, "center": width / 2, "right": width}[align]
        for known, run in itertools.groupby(text, self.has_glyph):
            chars = "".join(run)
            if known:
                self._put_run(x, y, chars, size_pt, colour, bold=bold)
            else:
                self._put_boxes(x, y, chars, size_pt, colour)
            x += self.width_of(chars, size_pt)
        return width

    def wrap(self, text: str, size_pt: float, width: float) -> list[str]:
        """Text as lines no wider than `width`: Latin words stay whole, no line begins with a stop."""
        lines = text.replace("\r\n", "\n").replace("\t", " ").split("\n")
        return [line for part in lines for line in self._wrap_one(part, size_pt, width)]

    def stroke(
        self,
        paths: Iterable[Sequence[tuple[float, float]]],
        *,
        colour: Colour,
        width_mm: float,
        dash_mm: tuple[float, ...] = (),
        round_ends: bool = False,
    ) -> None:
        """Open polylines, points in millimetres."""
        self.stroke_units(
            (
                " l ".join(f"{_number(x * UNITS_PER_MM)} {_number(y * UNITS_PER_MM)}" for x, y in path)
                for path in paths
            ),
            colour=colour,
            width_mm=width_mm,
            dash_mm=dash_mm,
            round_ends=round_ends,
        )

    def stroke_units(
        self,
        paths: Iterable[str],
        *,
        colour: Colour,
        width_mm: float,
        dash_mm: tuple[float, ...] = (),
        round_ends: bool = False,
    ) -> None:
        """Open polylines already written as "x y l x y l x y" in units of 0.01 mm."""
        body = "\n".join(f"{path.replace(' l', ' m', 1)} l" for path in paths if " l " in path)
        if not body:
            return
        scale = POINTS_PER_MM / UNITS_PER_MM
        dash = " ".join(_number(d * UNITS_PER_MM) for d in dash_mm)
        cap = "1 J 1 j" if round_ends else "0 J 0 j"
        self._out(
            f"q {scale:.10f} 0 0 {-scale:.10f} 0 {self.h_pt:.4f} cm\n"
            f"{_rgb(colour)} RG {_number(width_mm * UNITS_PER_MM)} w {cap} [{dash}] 0 d\n{body}\nS Q"
        )

    @contextmanager
    def clipped(self, x: float, y: float, width: float, height: float) -> Iterator[None]:
        """Nothing drawn inside reaches beyond this rectangle."""
        k = POINTS_PER_MM
        self._out(f"q {x * k:.4f} {self.h_pt - (y + height) * k:.4f} {width * k:.4f} {height * k:.4f} re W n")
        yield
        self._out("Q")

    def frame(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        *,
        colour: Colour = LINE,
        line_mm: float = 0.2,
        fill: Colour | None = None,
    ) -> None:
        """A rectangle."""
        self.set_draw_color(*colour)
        self.set_line_width(line_mm)
        if fill:
            self.set_fill_color(*fill)
        self.rect(x, y, width, height, style="DF" if fill else "D")

    def _put_run(self, x: float, y: float, text: str, size_pt: float, colour: Colour, *, bold: bool) -> None:
        self.set_font(_FAMILY, size=size_pt)
        self.set_text_color(*colour)
        if not bold:
            self.text(x, y, text)
            return
        # Only the regular weight is embedded: bold is the same outline with a stroke around it.
        self.set_draw_color(*colour)
        with self.local_context(text_mode=TextMode.FILL_STROKE, line_width=size_pt * 0.035):
            self.text(x, y, text)

    def _put_boxes(self, x: float, y: float, chars: str, size_pt: float, colour: Colour) -> None:
        em = size_pt / POINTS_PER_MM
        for n, char in enumerate(chars):
            self.missing[char] = None
            left = x + n * em
            self.frame(left + 0.06 * em, y - 0.8 * em, 0.88 * em, 0.92 * em, colour=colour, line_mm=0.03 * em)
            digits = f"{ord(char):04X}" if ord(char) <= 0xFFFF else f"{ord(char):06X}"
            half, tiny = len(digits) // 2, size_pt * (0.4 if len(digits) == 4 else 0.36)
            for row, part in enumerate((digits[:half], digits[half:])):
                middle = left + em / 2 - self.width_of(part, tiny) / 2
                self._put_run(middle, y - 0.43 * em + 0.42 * em * row, part, tiny, colour, bold=False)

    def _wrap_one(self, text: str, size_pt: float, width: float) -> Iterator[str]:
        line, used = "", 0.0
        for word in _words(text):
            wide = self.width_of(word, size_pt)
            if used + wide <= width or (word in _NOT_FIRST and line):
                line, used = line + word, used + wide
                continue
            if line:
                yield line.rstrip()
            line, used = "", 0.0
            for char in word.lstrip():  # one word may be wider than the column
                wide = self.width_of(char, size_pt)
                if line and used + wide > width:
                    yield line
                    line, used = "", 0.0
                line, used = line + char, used + wide
        yield line.rstrip()


def _words(text: str) -> list[str]:
    """Pieces between which a line may break: runs of Latin letters and digits whole, all else singly."""
    return re.findall(r"[!-~\u00b0-\u024f]+|.", text, flags=re.DOTALL)


def _xmp(title: str, created: datetime) -> str:
    """The metadata PDF/A-2b asks for (ISO 19005-2 §6.6), saying the same as the document's own."""
    at = created.isoformat(timespec="seconds")
    return f"""\
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/"
 xmp:CreatorTool="{_CREATOR}" xmp:CreateDate="{at}" xmp:ModifyDate="{at}" xmp:MetadataDate="{at}">
<pdfaid:part>2</pdfaid:part><pdfaid:conformance>B</pdfaid:conformance>
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{escape(title)}</rdf:li></rdf:Alt></dc:title>
</rdf:Description></rdf:RDF></x:xmpmeta>"""


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _rgb(colour: Colour) -> str:
    return " ".join(f"{part / 255:.3f}" for part in colour)
