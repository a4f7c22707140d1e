"""How right is what was found? Beats, boundaries and statements beside a reference; arithmetic only.

Beats after ANSI/AAMI EC57 (150 ms, one to one); boundaries as differences found minus reference; shares with
Wilson's interval. Counts are kept apart from figures, so that records add up to gross figures.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecg.record import Annotations

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

WINDOW_S = 0.150
"""A detection this near a reference beat is that beat (ANSI/AAMI EC57). Boundaries are paired as widely."""
CLASS_OF: dict[str, str] = (
    dict.fromkeys("NLRBejn", "N") | dict.fromkeys("AaJS", "S") | dict.fromkeys("VrE", "V") | {"F": "F"}
) | dict.fromkeys("/fQ?", "Q")
"""WFDB symbol of a beat → AAMI class. Escape beats count as N, as is usual for the MIT-BIH set."""
BEAT_SYMBOLS = frozenset(CLASS_OF)
CLASSES = ("N", "S", "V", "F", "Q")
MISSED = "-"
"""Class of what has no partner on the other side."""
POINTS = ("p_on", "p_peak", "p_off", "qrs_on", "qrs_peak", "qrs_off", "t_on", "t_peak", "t_off")
_WAVE_OF = {"p": "p", "N": "qrs", "t": "t"}
_TAIL = 98.0
"""Percentile beside the worst: one beat marked wrongly by hand should not be the only word on the tail."""


def matched(reference: Indices, found: Indices, width: int) -> list[tuple[int, int]]:
    """One-to-one pairs (reference index, found index), nearest first, at most width samples apart.

    Both ascending.
    """
    pairs: list[tuple[int, int, int]] = []
    first = np.searchsorted(found, reference - width)
    end = np.searchsorted(found, reference + width, side="right")
    for i, (a, b) in enumerate(zip(first.tolist(), end.tolist(), strict=True)):
        pairs += [(abs(int(found[j] - reference[i])), i, j) for j in range(a, b)]
    used_reference: set[int] = set()
    used_found: set[int] = set()
    out: list[tuple[int, int]] = []
    for _, i, j in sorted(pairs):
        if i not in used_reference and j not in used_found:
            used_reference.add(i)
            used_found.add(j)
            out.append((i, j))
    return out


class BeatScore(NamedTuple):
    """Beats of one record or of several together."""

    pairs: Counter[tuple[str, str]]
    """(reference class, found class) → beats; MISSED on either side."""
    offsets_ms: Array
    """Found minus reference of each pair."""

    @property
    def true(self) -> int:
        return sum(n for (a, b), n in self.pairs.items() if MISSED not in (a, b))

    @property
    def missed(self) -> int:
        return sum(n for (_, b), n in self.pairs.items() if b == MISSED)

    @property
    def false(self) -> int:
        return sum(n for (a, _), n in self.pairs.items() if a == MISSED)


def beats(marks: Annotations, found: Annotations, rate_hz: float, start: int = 0) -> BeatScore:
    """Found beats beside reference beats, from sample `start` on.

    Ventricular flutter, between [ and ], has no beats to find: it is left out on both sides. A reference
    that is not the whole record (LUDB leaves out first and last beats, QTDB all but some thirty) starts and
    ends with its marks: what is found outside is neither right nor wrong.
    """
    width = round(WINDOW_S * rate_hz)
    at, kinds = _beats_of(marks)
    own, own_kinds = _beats_of(found)
    keep, own_keep = at >= start, own >= start
    for first, last in _flutter(marks):
        keep &= (at < first - width) | (at > last + width)
        own_keep &= (own < first - width) | (own > last + width)
    at, kinds = at[keep], kinds[keep]
    own, own_kinds = own[own_keep], own_kinds[own_keep]
    pairs = matched(at, own, width)
    table = Counter((str(kinds[i]), str(own_kinds[j])) for i, j in pairs)
    hit_reference, hit_found = {i for i, _ in pairs}, {j for _, j in pairs}
    table.update((str(kind), MISSED) for i, kind in enumerate(kinds) if i not in hit_reference)
    partial = _partial(marks)
    low, high = (marks.samples[0], marks.samples[-1]) if partial and at.size else (-np.inf, np.inf)
    table.update(
        (MISSED, str(kind))
        for j, kind in enumerate(own_kinds)
        if j not in hit_found and low <= own[j] <= high
    )
    offsets = np.array([float(own[j] - at[i]) / rate_hz * 1e3 for i, j in pairs])
    return BeatScore(table, offsets)


def beats_together(scores: Iterable[BeatScore]) -> BeatScore:
    """Gross: every beat counts the same."""
    table: Counter[tuple[str, str]] = Counter()
    offsets = [np.zeros(0)]
    for score in scores:
        table.update(score.pairs)
        offsets.append(score.offsets_ms)
    return BeatScore(table, np.concatenate(offsets))


def _beats_of(marks: Annotations) -> tuple[Indices, NDArray[np.str_]]:
    beat = np.array([symbol in CLASS_OF for symbol in marks.symbols], dtype=bool)
    kinds = np.array([CLASS_OF[symbol] for symbol in marks.symbols if symbol in CLASS_OF], dtype="<U1")
    return marks.samples[beat], kinds


def _partial(marks: Annotations) -> bool:
    """Does the reference mark waves, not the beats of a whole record?"""
    return "(" in marks.symbols or ")" in marks.symbols


def _flutter(marks: Annotations) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    start: int | None = None
    for sample, symbol in zip(marks.samples.tolist(), marks.symbols, strict=True):
        if symbol == "[":
            start = sample
        elif symbol == "]" and start is not None:
            spans.append((start, sample))
            start = None
    return spans


def percent(part: int, whole: int) -> float | None:
    """Share in percent, None of nothing."""
    return 100 * part / whole if whole else None


def class_figures(table: Counter[tuple[str, str]], kind: str) -> dict[str, float | int | None]:
    """Sensitivity, positive predictive value and false-positive rate of S or V beats (EC57, clause 4).

    A beat whose reference is fusion or unclassifiable does not make a detection wrong: for V neither F nor Q,
    for S only Q.
    """
    neutral = ("F", "Q") if kind == "V" else ("Q",)
    reference = sum(n for (a, _), n in table.items() if a == kind)
    hit = table[(kind, kind)]
    wrong = sum(n for (a, b), n in table.items() if b == kind and a != kind and a not in neutral)
    others = sum(n for (a, _), n in table.items() if a not in (kind, MISSED, *neutral))
    return {
        "reference": reference,
        "hit": hit,
        "false": wrong,
        "se_percent": percent(hit, reference),
        "ppv_percent": percent(hit, hit + wrong),
        "fpr_percent": percent(wrong, others),
    }


class PointScore(NamedTuple):
    """One kind of boundary in one record or in several together."""

    true: int
    missed: int
    false: int
    errors_ms: Array
    """Found minus reference of each pair."""


def points_of(marks: Annotations) -> dict[str, Indices]:
    """Boundaries in an annotation file: each p, N or t with the ( before it and the ) behind it.

    Only the bracket next to a peak is its own: a T whose onset nobody marked has none.
    """
    out: dict[str, list[int]] = {name: [] for name in POINTS}
    symbols, samples = marks.symbols, marks.samples.tolist()
    for k, symbol in enumerate(symbols):
        wave = _WAVE_OF.get(symbol)
        if wave is None:
            continue
        out[f"{wave}_peak"].append(samples[k])
        if k and symbols[k - 1] == "(":
            out[f"{wave}_on"].append(samples[k - 1])
        if k + 1 < len(symbols) and symbols[k + 1] == ")":
            out[f"{wave}_off"].append(samples[k + 1])
    return {name: np.unique(np.array(at, dtype=np.int64)) for name, at in out.items()}


def point(
    reference: Indices, found: Indices, rate_hz: float, within: tuple[float, float], false_count: bool = True
) -> PointScore:
    """Found beside reference boundaries of one kind; `within`: from where to where the reference was marked.

    `false_count=False` where a reference marks some beats only: what it leaves out is not wrong.
    """
    pairs = matched(reference, found, round(WINDOW_S * rate_hz))
    hit = {j for _, j in pairs}
    false = sum(1 for j, at in enumerate(found.tolist()) if j not in hit and within[0] <= at <= within[1])
    errors = np.array([float(found[j] - reference[i]) / rate_hz * 1e3 for i, j in pairs])
    return PointScore(len(pairs), len(reference) - len(pairs), false if false_count else 0, errors)


def points_together(scores: Iterable[PointScore]) -> PointScore:
    true = missed = false = 0
    errors = [np.zeros(0)]
    for score in scores:
        true, missed, false = true + score.true, missed + score.missed, false + score.false
        errors.append(score.errors_ms)
    return PointScore(true, missed, false, np.concatenate(errors))


def point_figures(score: PointScore) -> dict[str, float | int | None]:
    """Sensitivity, predictive value, F1, and mean, SD, 98th percentile and worst of the differences in ms."""
    figures: dict[str, float | int | None] = {
        "reference": score.true + score.missed,
        "se_percent": percent(score.true, score.true + score.missed),
        "ppv_percent": percent(score.true, score.true + score.false),
        "f1_percent": percent(2 * score.true, 2 * score.true + score.missed + score.false),
    }
    return figures | spread_figures(score.errors_ms)


def spread_figures(errors: Array) -> dict[str, float | int | None]:
    """Mean, SD (n − 1), 98th percentile and worst of differences, None without enough of them."""
    size = np.abs(errors)
    return {
        "n": int(errors.size),
        "mean": float(errors.mean()) if errors.size else None,
        "sd": float(errors.std(ddof=1)) if errors.size > 1 else None,
        "p98": float(np.percentile(size, _TAIL)) if errors.size else None,
        "worst": float(size.max()) if errors.size else None,
    }


class Share(NamedTuple):
    """How often, of how many, with the interval that holds the true share with 95 %."""

    part: int
    whole: int
    percent: float | None
    low: float | None
    high: float | None


def share(part: int, whole: int) -> Share:
    """Share in percent with Wilson's score interval at 95 % (E. B. Wilson, J Am Stat Assoc 22:209, 1927)."""
    if not whole:
        return Share(part, whole, None, None, None)
    z = 1.959964  # the normal distribution's 97.5 % point
    p = part / whole
    middle = p + z * z / (2 * whole)
    half = z * ((p * (1 - p) + z * z / (4 * whole)) / whole) ** 0.5
    scale = 100 / (1 + z * z / whole)
    return Share(part, whole, 100 * p, max(0.0, (middle - half) * scale), min(100.0, (middle + half) * scale))


def statement_figures(said: Sequence[bool], so: Sequence[bool]) -> dict[str, Share]:
    """Sensitivity, specificity and predictive value of one statement over records."""
    pairs = Counter(zip(said, so, strict=True))
    right, wrong = pairs[(True, True)], pairs[(True, False)]
    return {
        "sensitivity": share(right, right + pairs[(False, True)]),
        "specificity": share(pairs[(False, False)], pairs[(False, False)] + wrong),
        "predictive": share(right, right + wrong),
    }
