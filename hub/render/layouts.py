"""Where each lead stands on the 270 × 120 mm paper, and from when to when it is shown."""

from dataclasses import dataclass

SPEED_MM_PER_S = 25
GAIN_MM_PER_MV = 10
SECONDS = 10.0
LEAD_CHANGE_S = 0.05
"""Left blank on each side of a lead change."""

_LIMB = ("I", "II", "III", "aVR", "aVL", "aVF")
_CHEST = ("V1", "V2", "V3", "V4", "V5", "V6")
_ROWS = (("I", "aVR", "V1", "V4"), ("II", "aVL", "V2", "V5"), ("III", "aVF", "V3", "V6"))
_COLUMN_S = SECONDS / len(_ROWS[0])
_BASELINES_MM = (20.0, 50.0, 80.0, 110.0)


@dataclass(frozen=True, slots=True)
class Cell:
    """One lead for some time. `left_mm` is where second 0 of it stands, from second 0 of the row."""

    lead: str
    y_mm: float
    begin_s: float = 0.0
    end_s: float = SECONDS
    left_mm: float = 0.0


@dataclass(frozen=True, slots=True)
class Layout:
    word: str
    """Its name, in hub.render.words."""
    gain_mm_per_mv: int
    row_mm: float
    baselines_mm: tuple[float, ...]
    cells: tuple[Cell, ...]
    changes: tuple[tuple[float, float], ...] = ()
    """Where one lead follows another: (mm from second 0, baseline)."""
    origins_mm: tuple[float, ...] = (0.0,)
    """Where second 0 stands, in each column of its own time."""


def layout_for(seconds: float, rhythm: str) -> Layout:
    """3 × 4 columns and the strip of `rhythm`; of a recording that ends before every column has half its
    length, all leads from their first second to their last.

    Those are two columns of six at the usual gain while they fit beside each other, else twelve rows. Twelve
    rows in 120 mm are 9.5 mm apart, where an R wave at the usual gain stands in the row above: half the gain.
    """
    if seconds >= SECONDS - _COLUMN_S / 2 or seconds == 0:
        return _columns(rhythm)
    if seconds <= SECONDS / 2 - 4 * LEAD_CHANGE_S:
        return _six_by_two()
    return _twelve_by_one()


def _columns(rhythm: str) -> Layout:
    cells = [
        Cell(
            lead,
            y,
            n * _COLUMN_S + (LEAD_CHANGE_S if n else 0.0),
            (n + 1) * _COLUMN_S - (LEAD_CHANGE_S if n + 1 < len(row) else 0.0),
        )
        for row, y in zip(_ROWS, _BASELINES_MM, strict=False)
        for n, lead in enumerate(row)
    ]
    changes = tuple(
        (n * _COLUMN_S * SPEED_MM_PER_S, y) for y in _BASELINES_MM[:-1] for n in range(1, len(_ROWS[0]))
    )
    strip = Cell(rhythm, _BASELINES_MM[-1])
    return Layout("layout_3x4", GAIN_MM_PER_MV, 30.0, _BASELINES_MM, (*cells, strip), changes)


def _six_by_two() -> Layout:
    half = SECONDS / 2 * SPEED_MM_PER_S
    baselines = tuple(14.0 + 19 * n for n in range(6))
    cells = [
        Cell(lead, y, 0.0, SECONDS / 2, left)
        for leads, left in ((_LIMB, 0.0), (_CHEST, half))
        for lead, y in zip(leads, baselines, strict=True)
    ]
    changes = tuple((half, y) for y in baselines)
    return Layout("layout_6x2", GAIN_MM_PER_MV, 19.0, baselines, tuple(cells), changes, (0.0, half))


def _twelve_by_one() -> Layout:
    baselines = tuple(8.0 + 9.5 * n for n in range(12))
    cells = tuple(Cell(lead, y) for lead, y in zip(_LIMB + _CHEST, baselines, strict=True))
    return Layout("layout_12x1", GAIN_MM_PER_MV // 2, 9.5, baselines, cells)
