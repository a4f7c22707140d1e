"""The next blank sheet, made ahead: reading the font costs more than all the rest of a report.

A sheet is used once and by one report. Whoever prints takes the spare of its font, or makes a sheet itself.
"""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

from fontTools.ttLib import TTLibError

from hub.render.fonts import Font
from hub.render.sheet import Sheet

LULL_S = 0.3
"""After a report nothing is made for so long: what called for the report still has to be stored."""

_Stamp = tuple[int, int, int]


class _Spare(threading.Thread):
    """A sheet in the making, then made. `sheet` stays None where the font could not be read."""

    def __init__(self, font: Font, lull_s: float) -> None:
        super().__init__(name=f"blank sheet {font.path}", daemon=True)
        self.font = font
        self.stamp: _Stamp | None = None
        self.sheet: Sheet | None = None
        self._lull_s = lull_s
        self._wanted = threading.Event()

    def run(self) -> None:
        self._wanted.wait(self._lull_s)
        try:
            self.stamp = _stamp(self.font)
            self.sheet = Sheet(self.font)
        except (OSError, TTLibError):
            return  # whoever prints meets the same, and says so

    def take(self) -> Sheet | None:
        """The sheet; None if the font has changed since.

        One still in the making is made to the end, which never takes longer than making another.
        """
        self._wanted.set()
        self.join()
        if self.sheet is not None and self.stamp != _stamp(self.font):
            self.sheet.close()
            return None
        return self.sheet


_lock = threading.Lock()
_spares: dict[Font, _Spare] = {}


def prepare(font: Font, *, lull_s: float = 0.0) -> None:
    """See to it that a spare of this font is made, in the background. Never waits for it, never fails."""
    with _lock:
        if font in _spares:
            return
        spare = _spares[font] = _Spare(font, lull_s)
        spare.start()


@contextmanager
def sheet(font: Font) -> Iterator[Sheet]:
    """A blank sheet of one's own, closed afterwards; the next is then made."""
    with _lock:
        spare = _spares.pop(font, None)
    blank = spare.take() if spare else None
    try:
        with closing(blank or Sheet(font)) as one:
            yield one
    finally:
        prepare(font, lull_s=LULL_S)


def _stamp(font: Font) -> _Stamp | None:
    """What changes when the file does: most of a font is read only when the report is written out."""
    try:
        status = font.path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
