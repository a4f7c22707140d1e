"""Which font a report is set in: found, never downloaded, and embedded as a subset."""

from dataclasses import dataclass
from pathlib import Path

from fontTools.ttLib import TTFont
from fontTools.ttLib.ttCollection import TTCollection

from hub.errors import RenderFailed

BUNDLED = Path(__file__).parent.parent / "static" / "fonts" / "NotoSansSC-Regular.ttf"
"""Where the web build puts Noto Sans SC; part of the wheel."""
INSTALLED = (
    Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"),
    Path("/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc"),
)
"""Where Debian's fonts-noto-cjk and other distributions put the same design."""
_FACE = "SC"
"""Of a collection, the face with the mainland forms of the characters."""


class FontMissing(RenderFailed):
    """No font with Chinese characters: nothing can be printed, and nothing may be signed."""

    def __init__(self, places: tuple[Path, ...]) -> None:
        looked = ", ".join(str(place) for place in places)
        super().__init__(
            reason=f"no Chinese font: run the web build or install fonts-noto-cjk; looked for {looked}"
        )


@dataclass(frozen=True, slots=True)
class Font:
    path: Path
    number: int = 0
    """Which face, where the file is a collection."""


def find_font(font_file: Path | None = None) -> Font:
    """The font to set reports in: `font_file` if given, else the bundled one, else the installed one.

    Raises FontMissing, naming every place that was looked in.
    """
    places = (font_file,) if font_file else (BUNDLED, *INSTALLED)
    for path in places:
        if path.is_file():
            return Font(path, _face_number(path))
    raise FontMissing(places)


def _face_number(path: Path) -> int:
    with path.open("rb") as file:
        if file.read(4) != b"ttcf":
            return 0
        file.seek(0)
        faces: list[TTFont] = TTCollection(file, lazy=True).fonts
        names = [str(face["name"].getBestFamilyName()) for face in faces]
    wanted = [n for n, name in enumerate(names) if name.endswith(f" {_FACE}") and "Mono" not in name]
    return wanted[0] if wanted else 0
