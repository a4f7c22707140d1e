"""Everything this arithmetic says of annotated records, beside what their annotators said.

Beats by ANSI/AAMI EC57, boundaries per lead and of all leads together, intervals, statements, rhythm in time
and triage; the same for the simulated heart, apart. Figures only: `ecg.tables` writes them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecg import record
from ecg.delineate import Waves
from ecg.foreign import Foreign
from ecg.record import Annotations
from ecg.scenarios import SCENARIOS
from ecg.simulate import simulate
from ecg.study import Person, study
from ecg.tools import labels, scoring
from ecg.tools.annotate import Annotated, annotate, speak
from ecg.tools.labels import Labels
from ecg.tools.scoring import POINTS, BeatScore, PointScore

Indices = NDArray[np.int64]
Array = NDArray[np.float64]

LEARNING_S = 300.0
"""EC57 leaves the first five minutes of a record to the detector to learn in; figures with and without."""
EDGES = ("p_on", "p_off", "qrs_on", "qrs_off", "t_on", "t_off")
_BEATS, _SOME_BEATS = "atr", "q1c"
"""Reference annotations: beats of the whole record; boundaries of some beats, whichever lead showed them."""
_BEFORE_R_S, _AFTER_R_S = 0.45, 0.65
"""How far before R its P may begin and how far after it its T may end, to be counted to that beat."""
_FEWEST_LEADS = 6
"""Leads in which a wave must be marked for the twelve together to have a reference."""
_FEWEST_BEATS = 3
_STRIP_S = 10.0
_FIBRILLATING = ("(AFIB", "(AFL")
INTERVALS: dict[str, tuple[str, str]] = {
    "p_ms": ("p_on", "p_off"),
    "pr_ms": ("p_on", "qrs_on"),
    "qrs_ms": ("qrs_on", "qrs_off"),
    "qt_ms": ("qrs_on", "t_off"),
}
"""Measurement → the boundaries that it lies between."""


@dataclass(frozen=True, slots=True)
class Examined:
    """One record beside its references; None or empty where it has none of that kind."""

    name: str
    seconds: float
    beats: BeatScore | None = None
    later: BeatScore | None = None
    """The same from LEARNING_S on."""
    paced: bool = False
    """Are there paced beats in the reference? EC57 leaves such records out of the figures by class."""
    points: Mapping[tuple[str, str], PointScore] = field(default_factory=dict)
    """(lead, point) → score."""
    together: Mapping[str, PointScore] = field(default_factory=dict)
    either: Mapping[str, PointScore] = field(default_factory=dict)
    """Against a reference that does not say its lead: the lead that comes nearest counts."""
    invented_p: tuple[int, int] | None = None
    """P waves marked where the readers marked none, and beats, in a rhythm without P waves."""
    intervals: Mapping[str, float] = field(default_factory=dict)
    """Measurement → its difference in ms."""
    labels: Labels | None = None
    said: frozenset[str] = frozenset()
    """Families of the statements made."""
    level: int | None = None
    fibrillating: Mapping[tuple[bool, bool], float] = field(default_factory=dict)
    """(found, so) → seconds."""
    verdict: str = ""
    held_out: frozenset[str] = frozenset()
    """Which networks, beats and waves, read it with weights that had not learned from it."""


def examine(of: Foreign) -> Examined:
    """Annotate a record and hold it against every reference that lies beside it. Raises RecordError."""
    found = annotate(of)
    levels = [
        s.verdict.level for s in found.stretches if s.verdict is not None and s.verdict.level is not None
    ]
    known = labels.labels(of.comments)
    return Examined(
        name=of.name,
        seconds=of.seconds,
        labels=known,
        said=labels.said(f.code for strip in found.stretches for f in strip.findings),
        level=min(levels, default=None),
        verdict=found.stretches[0].quality.verdict if len(found.stretches) == 1 else "",
        **_beats(found),
        **_boundaries(found, known),
    )


def has_reference(of: Foreign) -> bool:
    """Does anything lie beside the record, or stand in its header, to hold it against?"""
    extensions = (_BEATS, _SOME_BEATS, *(lead.lower() for lead in of.leads))
    return labels.labels(of.comments) is not None or any(
        (of.folder / f"{of.name}.{extension}").is_file() for extension in extensions
    )


def _read(of: Foreign, extension: str) -> Annotations | None:
    if not (of.folder / f"{of.name}.{extension}").is_file():
        return None
    return record.read_annotations(of.folder, of.name, extension)


def found_beats(found: Annotated) -> Annotations:
    return Annotations(found.r_peaks, found.classes)


def found_points(waves: Waves) -> dict[str, Indices]:
    """The points of a delineation, as sample numbers in order."""
    return {
        name: np.unique(np.rint(at[np.isfinite(at)]).astype(np.int64)) for name, at in waves._asdict().items()
    }


def _beats(found: Annotated) -> dict[str, Any]:
    of = found.of
    marks = _read(of, _BEATS) or next(
        (m for lead in ("ii", "i", *of.leads) if (m := _read(of, lead.lower())) is not None), None
    )
    if marks is None:
        return {}
    own = found_beats(found)
    out: dict[str, Any] = {"beats": scoring.beats(marks, own, of.rate_hz), "paced": "/" in marks.symbols}
    if of.seconds > 2 * LEARNING_S:
        out["later"] = scoring.beats(marks, own, of.rate_hz, round(LEARNING_S * of.rate_hz))
    if any(note.startswith("(") for note in marks.notes):
        out["fibrillating"] = fibrillating(marks, found)
    return out


def fibrillating(marks: Annotations, found: Annotated) -> dict[tuple[bool, bool], float]:
    """Seconds of atrial fibrillation or flutter, found against noted, from the first note on."""
    of = found.of
    noted = [
        (at, note)
        for at, s, note in zip(marks.samples.tolist(), marks.symbols, marks.notes, strict=True)
        if s == "+" and note.startswith("(")
    ]
    out: dict[tuple[bool, bool], float] = {}
    if not noted:
        return out
    edges = sorted({noted[0][0], of.length} | {at for at, _ in [*noted, *found.rhythm] if at > noted[0][0]})
    for a, b in pairwise(edges):
        key = (_rhythm_at(found.rhythm, a) in _FIBRILLATING, _rhythm_at(noted, a) in _FIBRILLATING)
        out[key] = out.get(key, 0.0) + (b - a) / of.rate_hz
    return out


def _rhythm_at(changes: Iterable[tuple[int, str]], at: int) -> str:
    now = ""
    for sample, note in changes:
        if sample > at:
            break
        now = note
    return now


def _boundaries(found: Annotated, known: Labels | None) -> dict[str, Any]:
    of = found.of
    references = {lead: m for lead in found.per_lead if (m := _read(of, lead.lower())) is not None}
    out: dict[str, Any] = {}
    if references:
        out["points"] = {
            (lead, name): score
            for lead, marks in references.items()
            for name, score in _of_lead(marks, found.per_lead[lead], of.rate_hz).items()
        }
        no_p = known is not None and any(name in known.families for name in labels.NO_P)
        if no_p and not any(m.symbols.count("p") for m in references.values()):
            lead = "II" if "II" in references else next(iter(references))
            marked = int(np.isfinite(found.per_lead[lead].p_peak).sum())
            out["invented_p"] = (marked, int(found.r_peaks.size))
    if len(references) >= _FEWEST_LEADS:
        reference = _of_all_leads(references, of.rate_hz)
        out["together"] = _together(reference, found, of.rate_hz)
        out["intervals"] = _intervals(reference, found, of.rate_hz)
    if (some := _read(of, _SOME_BEATS)) is not None:
        out["either"] = _either(some, list(found.per_lead.values()), of.rate_hz)
    return out


def _of_lead(marks: Annotations, waves: Waves, rate_hz: float) -> dict[str, PointScore]:
    reference, own = scoring.points_of(marks), found_points(waves)
    if not marks.samples.size:
        return {}
    within = (float(marks.samples[0]), float(marks.samples[-1]))
    return {name: scoring.point(reference[name], own[name], rate_hz, within) for name in POINTS}


def _either(marks: Annotations, leads: Sequence[Waves], rate_hz: float) -> dict[str, PointScore]:
    """Each reference point beside the nearest found in any lead; what lies elsewhere is not judged."""
    out: dict[str, PointScore] = {}
    for name, reference in scoring.points_of(marks).items():
        own = np.unique(np.concatenate([found_points(waves)[name] for waves in leads]))
        out[name] = scoring.point(reference, own, rate_hz, (0.0, 0.0), false_count=False)
    return out


def _of_all_leads(references: Mapping[str, Annotations], rate_hz: float) -> dict[str, Array]:
    """The leads' reference together: (n_beats,) of R and each of EDGES, NaN where there is none.

    The second earliest onset and the second latest end of the leads: one lead marked by a slip of the hand
    should not be the reference of twelve.
    """
    points = {lead: scoring.points_of(marks) for lead, marks in references.items()}
    most = max(points, key=lambda lead: points[lead]["qrs_peak"].size)
    r = points[most]["qrs_peak"].astype(np.float64)
    out = {"r": r} | {name: np.full(r.size, np.nan) for name in EDGES}
    for name in EDGES:
        wave, kind = name.split("_")
        for k, at in enumerate(r.tolist()):
            low, high = at - _BEFORE_R_S * rate_hz, at + _AFTER_R_S * rate_hz
            if wave == "qrs":
                low, high = at - scoring.WINDOW_S * rate_hz, at + scoring.WINDOW_S * rate_hz
            elif wave == "p":
                low, high = max(low, r[k - 1] if k else low), at
            else:
                low, high = at, min(high, r[k + 1] if k + 1 < r.size else high)
            seen = [
                float(inside[0] if kind == "on" else inside[-1])
                for each in points.values()
                if (inside := each[name][(each[name] >= low) & (each[name] <= high)]).size
            ]
            if len(seen) >= _FEWEST_LEADS:
                out[name][k] = sorted(seen)[1 if kind == "on" else -2]
    return out


def _together(reference: Mapping[str, Array], found: Annotated, rate_hz: float) -> dict[str, PointScore]:
    """Boundaries of all leads together, beat by beat; a beat that was not found misses them all."""
    r = np.rint(reference["r"]).astype(np.int64)
    pairs = scoring.matched(r, found.r_peaks, round(scoring.WINDOW_S * rate_hz))
    own = found.together._asdict()
    out: dict[str, PointScore] = {}
    for name in EDGES:
        wanted = int(np.isfinite(reference[name]).sum())
        errors = np.array([own[name][j] - reference[name][i] for i, j in pairs]) / rate_hz * 1e3
        errors = errors[np.isfinite(errors)]
        extra = sum(1 for i, j in pairs if np.isfinite(own[name][j]) and np.isnan(reference[name][i]))
        out[name] = PointScore(errors.size, wanted - errors.size, extra, errors)
    return out


def _intervals(reference: Mapping[str, Array], found: Annotated, rate_hz: float) -> dict[str, float]:
    """Measured less the median over beats of the reference, where both exist."""
    out: dict[str, float] = {}
    for name, (start, end) in INTERVALS.items():
        spans = (reference[end] - reference[start]) / rate_hz * 1e3
        spans = spans[np.isfinite(spans)]
        measured = found.stretches[0].measurements.get(name)
        if spans.size >= _FEWEST_BEATS and measured is not None:
            out[name] = measured - float(np.median(spans))
    return out


class Rehearsed(NamedTuple):
    """One strip of the simulated heart: what a perfect reader would say, and what was said."""

    scenario: str
    must: int | None
    """Triage level that it must have."""
    codes: frozenset[str]
    level: int | None


def rehearse(seeds: Sequence[int], names: Iterable[str] = tuple(SCENARIOS)) -> Iterator[Rehearsed]:
    """Every scenario once with every seed, ten seconds of twelve leads each."""
    for name in names:
        scenario = SCENARIOS[name]
        for seed in seeds:
            heart = simulate(name, _STRIP_S, 500.0, seed=seed)
            findings, verdict = speak(study(heart.samples, heart.rate_hz), Person(), twelve=True)
            yield Rehearsed(name, scenario.level, frozenset(f.code for f in findings), verdict.level)
