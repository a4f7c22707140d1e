"""Rhythm changes of a record as WFDB notes, from what was said of its strips and from runs of beats.

The notes are those of the MIT-BIH databases where they have one: (N, (AFIB, (VT …
"""

from collections.abc import Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from ecg.study import Finding

Indices = NDArray[np.int64]

NOTES: dict[str, str] = {
    "ventricular_fibrillation": "(VF",
    "ventricular_flutter": "(VFL",
    "asystole": "(ASYS",
    "ventricular_standstill": "(ASYS",
    "torsades_de_pointes": "(VT",
    "polymorphic_ventricular_tachycardia": "(VT",
    "ventricular_tachycardia": "(VT",
    "ventricular_tachycardia_unsustained": "(VT",
    "wide_qrs_tachycardia": "(VT",
    "atrial_fibrillation_preexcited": "(AFIB",
    "atrial_fibrillation": "(AFIB",
    "atrial_flutter": "(AFL",
    "paced_rhythm": "(P",
    "av_block_3": "(BIII",
    "av_block_high_grade": "(BII",
    "av_block_2_1": "(BII",
    "av_block_2": "(BII",
    "av_block_2_mobitz_1": "(BII",
    "av_block_2_mobitz_2": "(BII",
    "supraventricular_tachycardia": "(SVTA",
    "atrial_tachycardia": "(SVTA",
    "accelerated_ventricular_rhythm": "(IVR",
    "ventricular_rhythm": "(IVR",
    "accelerated_junctional_rhythm": "(NOD",
    "junctional_rhythm": "(NOD",
    "preexcitation_syndrome": "(PREX",
    "ventricular_preexcitation": "(PREX",
    "sinus_bradycardia": "(SBR",
    "sinus_tachycardia": "(N",
    "sinus_arrhythmia": "(N",
    "wandering_pacemaker": "(N",
    "atrial_rhythm": "(N",
    "sinus_rhythm": "(N",
}
"""Statement code → note; of several in one strip the first here is the rhythm."""
_RANK = {code: rank for rank, code in enumerate(NOTES)}
_RUN = 3
"""Ventricular beats in a row from which they are a rhythm of their own: a tachycardia, or idioventricular
(AHA/ACC/HRS statements 70 and 63, 2007)."""
_TACHYCARDIA = 100.0
"""Beats a minute above which such a run is a tachycardia."""
_PATTERNS = ("(B", "(T")
_ALONE = ("(P", "(VF", "(VFL")
"""Rhythms in which a run of ventricular beats is no change."""
_LEADING = (*_ALONE, "(AFIB")
"""And those in which bigeminy and trigeminy are none: the atria go on fibrillating between the beats."""
_COUPLETS = 3
"""So many times N V, or N N V, in a row make bigeminy or trigeminy."""


def notes(
    said: Sequence[tuple[int, int, Sequence[Finding]]],
    r_peaks: Indices,
    classes: Sequence[str],
    rate_hz: float,
) -> tuple[tuple[int, str], ...]:
    """(sample, note) wherever the rhythm becomes another, from the first rhythm known on.

    `said`: start and end of each strip and the findings in it; all samples count from the record's start.

    A change stands one sample before the first beat of the new rhythm; where there are no beats, at the start
    of the strip.
    """
    per_beat: list[str | None] = [None] * r_peaks.size
    events: list[tuple[int, str]] = []
    for start, end, findings in said:
        first, last = np.searchsorted(r_peaks, [start, end]).tolist()
        known = sorted((f for f in findings if f.code in NOTES), key=lambda f: _RANK[f.code], reverse=True)
        if first == last and known:
            events.append((start, NOTES[known[-1].code]))
        # What is about a part is written over what is about the whole, the most telling last.
        whole = [f for f in known if not _part_of(f, start, end)]
        for finding in whole:
            per_beat[first:last] = [NOTES[finding.code]] * (last - first)
        for finding in (f for f in known if f not in whole):
            begin, stop = start if finding.start is None else finding.start, finding.end or end
            a, b = np.searchsorted(r_peaks, [begin, stop]).tolist()
            per_beat[a:b] = [NOTES[finding.code]] * (b - a)
    for start, end, note in _runs(r_peaks, classes, rate_hz):
        kept = _LEADING if note in _PATTERNS else _ALONE
        if per_beat[start] not in kept:
            per_beat[start:end] = [note] * (end - start)
    events += [
        (max(0, int(at) - 1), note) for at, note in zip(r_peaks.tolist(), per_beat, strict=True) if note
    ]
    events.sort(key=lambda event: event[0])
    return tuple(next(group) for _, group in groupby(events, key=lambda event: event[1]))


def _part_of(finding: Finding, start: int, end: int) -> bool:
    return (finding.start or start) > start or (finding.end or end) < end


def _runs(r_peaks: Indices, classes: Sequence[str], rate_hz: float) -> list[tuple[int, int, str]]:
    """(first beat, end beat, note) of runs of ventricular beats, bigeminy and trigeminy."""
    out: list[tuple[int, int, str]] = []
    text = "".join("V" if kind == "V" else "N" if kind in "NS" else "-" for kind in classes)
    for note, cycle in (("(T", "NNV"), ("(B", "NV")):
        out += [(a, b, note) for a, b in _repeated(text, cycle)]
    at = 0
    for kind, group in groupby(text):
        length = len(list(group))
        if kind == "V" and length >= _RUN:
            rr_s = float(np.diff(r_peaks[at : at + length]).mean()) / rate_hz
            out.append((at, at + length, "(VT" if 60 / rr_s > _TACHYCARDIA else "(IVR"))
        at += length
    return out


def _repeated(text: str, cycle: str) -> list[tuple[int, int]]:
    """Where the cycle comes at least _COUPLETS times in a row."""
    out: list[tuple[int, int]] = []
    at = text.find(cycle)
    while at >= 0:
        end = at
        while text.startswith(cycle, end):
            end += len(cycle)
        if end - at >= _COUPLETS * len(cycle):
            out.append((at, end))
        at = text.find(cycle, end)
    return out
