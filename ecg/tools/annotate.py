"""One record of anybody's, read from end to end: beats, boundaries, rhythm, numbers and statements.

Twelve leads are studied together. Of other records the first channel alone decides about beats and rhythm, as
detectors are compared (EC57); the other channels only get boundaries. Long records are worked through in
overlapping chunks, so that a day needs no more memory than five minutes.
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecg import delineate, electrodes, filters, foreign, quality, study
from ecg.foreign import Foreign
from ecg.leads import BOX_LEADS, LEADS, derive
from ecg.rules import changes, morphology, rhythm, triage
from ecg.study import Finding, Person, Study

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

CHUNK_S = 300.0
_MOST_COUNTS = 20_000_000
"""Samples of all leads in a chunk, whatever the rate."""
_MARGIN_S = 20.0
"""How much of its neighbours a chunk sees: a dozen beats, so that its first and last are judged as any."""
_CUT_S = 3.0
"""Chunks are cut in the widest gap between beats this near to where they nominally meet."""
RATES = ("heart_rate", "rr_ms", "rr_min_ms", "rr_max_ms")
"""Measurements that one channel allows."""
STRIP_S = 60.0
"""Statements are made on strips of at most this length; a shorter record is one strip."""
_STAND_IN = "II"
"""Row of the study that a first channel with an unknown name takes."""


class Stretch(NamedTuple):
    """What can be said of one stretch of the record."""

    start: int
    end: int
    quality: quality.Quality
    """Of the file's own leads."""
    measurements: dict[str, float | None]
    per_lead: dict[str, dict[str, float | None]]
    findings: tuple[Finding, ...]
    """Their samples count from the record's start."""
    verdict: triage.Verdict
    """How pressing."""
    reversals: electrodes.Reversals | None
    """Are electrodes swapped? None without twelve leads."""


@dataclass(frozen=True, slots=True)
class Annotated:
    """A record and everything found in it; sample numbers count from the record's start."""

    of: Foreign
    person: Person
    twelve: bool
    """Were twelve leads studied together?"""
    deciding: tuple[str, ...]
    """Leads that decided about beats."""
    r_peaks: Indices
    classes: tuple[str, ...]
    spikes: Indices
    together: delineate.Waves
    per_lead: dict[str, delineate.Waves]
    stretches: tuple[Stretch, ...]
    rhythm: tuple[tuple[int, str], ...]
    """Rhythm changes: from which sample on, and its WFDB note, as (AFIB."""


class _Chunk(NamedTuple):
    """What a chunk adds to the whole: sample numbers count from the record's start."""

    r_peaks: Indices
    classes: tuple[str, ...]
    spikes: Indices
    together: delineate.Waves
    per_lead: tuple[delineate.Waves, ...]


def annotate(
    of: Foreign,
    person: Person | None = None,
    *,
    start: int = 0,
    end: int | None = None,
    leads_alone: bool = False,
    progress: Callable[[float], None] | None = None,
) -> Annotated:
    """Read and study the record, or [start, end) of it. Raises RecordError where it cannot be read.

    `person`: what limits depend on; None: what the header's comments say. `leads_alone`: the boundaries of
    each lead are found in that lead alone, not with the help of the others. `progress` hears the share done.
    """
    person = person_of(of.comments) if person is None else person
    twelve = set(BOX_LEADS) <= set(of.leads)
    end = of.length if end is None else min(end, of.length)
    short = end - start <= STRIP_S * of.rate_hz
    chunks: list[_Chunk] = []
    stretches: list[Stretch] = []
    low = start
    for a, b in _spans(start, end, min(CHUNK_S * of.rate_hz, _MOST_COUNTS / len(of.leads))):
        margin = round(_MARGIN_S * of.rate_hz)
        first = max(start, a - margin)
        samples = foreign.samples(of, first, min(end, b + margin))
        one, judged = _study(samples, of, twelve, person)
        if short:
            stretches.append(_stretch(one, judged, twelve, start, person))
        found = _delineation(samples, of, twelve, one, leads_alone)
        cut = end if b == end else _cut(one.r_peaks + first, b, of.rate_hz)
        chunks.append(_kept(one, found, first, low, cut))
        low = cut
        if progress is not None:
            progress((b - start) / (end - start))
    for a, b in [] if short else _spans(start, end, STRIP_S * of.rate_hz):
        one, judged = _study(foreign.samples(of, a, b), of, twelve, person)
        stretches.append(_stretch(one, judged, twelve, a, person))
    r_peaks = np.concatenate([c.r_peaks for c in chunks])
    classes = tuple(kind for c in chunks for kind in c.classes)
    return Annotated(
        of=of,
        person=person,
        twelve=twelve,
        deciding=LEADS if twelve else of.leads[:1],
        r_peaks=r_peaks,
        classes=classes,
        spikes=np.concatenate([c.spikes for c in chunks]),
        together=_joined([c.together for c in chunks]),
        per_lead={
            lead: _joined([c.per_lead[k] for c in chunks]) for k, lead in enumerate(_delineated(of, twelve))
        },
        stretches=tuple(stretches),
        rhythm=changes.notes([(s.start, s.end, s.findings) for s in stretches], r_peaks, classes, of.rate_hz),
    )


_SEXES: dict[str, Literal["male", "female"]] = {"m": "male", "f": "female"}


def person_of(comments: Sequence[str]) -> Person:
    """Sex and age where the header's comments say them, as LUDB, PTB, the Challenges and MIT-BIH do."""
    sex: Literal["male", "female"] | None = None
    age: float | None = None
    for comment in comments:
        field = re.match(r"^\s*<?(age|sex)>?\s*:\s*(\S+)", comment, re.IGNORECASE)
        short = re.match(r"^\s*(\d{1,3}) ([MF])\b", comment)
        if field and field[1].lower() == "age":
            age = float(field[2]) if re.fullmatch(r"\d{1,3}(\.\d+)?", field[2]) else age
        elif field:
            sex = _SEXES.get(field[2][0].lower(), sex)
        elif short:
            age, sex = float(short[1]), "male" if short[2] == "M" else "female"
    return Person(sex, age)


def _spans(start: int, end: int, width: float) -> Iterator[tuple[int, int]]:
    """[start, end) in equal stretches of about that many samples."""
    count = max(1, round((end - start) / max(1.0, width)))
    yield from pairwise(start + (end - start) * k // count for k in range(count + 1))


def _delineated(of: Foreign, twelve: bool) -> tuple[str, ...]:
    """The leads that get boundaries of their own: twelve and what is beside them, or the file's."""
    return (*LEADS, *(lead for lead in of.leads if lead not in LEADS)) if twelve else of.leads


def _study(samples: Array, of: Foreign, twelve: bool, person: Person) -> tuple[Study, quality.Quality]:
    """The study of a stretch, and the quality of the file's own leads."""
    judged = quality.assess(samples, of.rate_hz, of.leads)
    if twelve:
        return study.study(derive(samples, of.leads), of.rate_hz, person=person), judged
    row = of.leads[0] if of.leads[0] in LEADS else _STAND_IN
    data = np.full((len(LEADS), samples.shape[1]), np.nan)
    data[LEADS.index(row)] = samples[0]
    # The one channel is read whatever it looks like: a beat list without beats helps nobody.
    usable = (row,) if np.isfinite(samples[0]).any() else ()
    words = dict.fromkeys(LEADS, "lead_off") | {row: judged.per_lead[of.leads[0]]}
    as_twelve = quality.Quality("rhythm_only" if usable else "repeat", judged.reasons, words, usable)
    return study.judged(data, of.rate_hz, as_twelve, person), judged


def _delineation(samples: Array, of: Foreign, twelve: bool, one: Study, alone: bool) -> delineate.Delineation:
    """Boundaries of each lead of `_delineated`, and of all leads together."""
    if twelve and not alone and len(_delineated(of, twelve)) == len(LEADS):
        return one.waves
    clean = one.clean
    own = [k for k, lead in enumerate(of.leads) if not twelve or lead not in LEADS]
    if own:
        band = filters.BANDS["diagnostic"]
        rest = filters.stored(samples[own], of.rate_hz, band.highpass_hz, band.lowpass_hz)
        clean = np.concatenate([clean, rest]) if twelve else rest
    found = delineate.waves(clean, of.rate_hz, one.r_peaks, one.classes)
    together = one.waves.together if twelve else found.together
    if not alone:
        return delineate.Delineation(found.per_lead, together)
    each = [delineate.waves(row[None, :], of.rate_hz, one.r_peaks, one.classes) for row in clean]
    return delineate.Delineation(tuple(lead.per_lead[0] for lead in each), together)


def _cut(r_peaks: Indices, near: int, rate_hz: float) -> int:
    """Where two chunks meet: between two beats, so that neither is lost nor found twice."""
    reach = round(_CUT_S * rate_hz)
    around = r_peaks[(r_peaks > near - reach) & (r_peaks < near + reach)]
    if around.size < 2:
        return near
    widest = int(np.diff(around).argmax())
    return int(around[widest] + around[widest + 1]) // 2


def _kept(one: Study, found: delineate.Delineation, first: int, low: int, cut: int) -> _Chunk:
    """The beats of a chunk between its two cuts, and their boundaries."""
    keep = (one.r_peaks + first >= low) & (one.r_peaks + first < cut)
    spikes = one.spikes + first

    def moved(waves: delineate.Waves) -> delineate.Waves:
        return delineate.Waves(*(points[keep] + first for points in waves))

    return _Chunk(
        r_peaks=(one.r_peaks + first)[keep],
        classes=tuple(kind for kind, kept in zip(one.classes, keep.tolist(), strict=True) if kept),
        spikes=spikes[(spikes >= low) & (spikes < cut)],
        together=moved(found.together),
        per_lead=tuple(moved(waves) for waves in found.per_lead),
    )


def _joined(waves: Sequence[delineate.Waves]) -> delineate.Waves:
    return delineate.Waves(*(np.concatenate(points) for points in zip(*waves, strict=True)))


def speak(
    one: Study, person: Person, *, twelve: bool, swapped: Collection[str] = ()
) -> tuple[tuple[Finding, ...], triage.Verdict]:
    """Every statement the rules make of a study, and how pressing it is; `swapped` as morphology has it.

    The shape of one channel is no shape of a heart: without twelve leads only the rhythm is spoken of.
    """
    said = rhythm.statements(one, person)
    if twelve:
        said = [*said, *morphology.statements(one, person, said, swapped)]
    return tuple(said), triage.judge(one, said, person)


def _stretch(one: Study, judged: quality.Quality, twelve: bool, start: int, person: Person) -> Stretch:
    """What the rules say of a stretch that begins at sample `start` of the record."""
    swaps = electrodes.reversals(one.samples, one.rate_hz, LEADS, one.quality.usable) if twelve else None
    swapped = electrodes.disturbed(swaps.found) if swaps is not None else ()
    findings, verdict = speak(one, person, twelve=twelve, swapped=swapped)
    moved = tuple(
        f._replace(
            start=None if f.start is None else f.start + start, end=None if f.end is None else f.end + start
        )
        for f in findings
    )
    measured = one.measurements if twelve else {k: one.measurements[k] for k in RATES}
    end = start + one.samples.shape[1]
    return Stretch(start, end, judged, measured, one.per_lead if twelve else {}, moved, verdict, swaps)
