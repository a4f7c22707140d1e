"""Beats out of turn, runs of them, pauses, and spikes that nothing answers. numpy only."""

from dataclasses import replace
from itertools import groupby, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecg.rules.strip import Strip
from ecg.study import Finding

Array = NDArray[np.float64]

_PAUSE_S = 2.0
"""RR that is told of (spec-clinical 5.5: pauses of 2 to 3 s are urgent; AHA/ACC/HRS statement 26)."""
_QUIET = 0.4
"""A pause shows nothing this high, as a share of the QRS: else a beat was missed and it is none."""
_TACHYCARDIA = 100.0
_RUN = 3
"""Ventricular beats in a row from which they are a run, and beats a minute from which that is a tachycardia
(AHA/ACC/HRS 2017 ventricular arrhythmia guideline)."""
_SUSTAINED_S = 30.0
_WHOLE = 0.85
"""Share of the strip that a run must fill to count as all of it: it neither begins nor ends in sight."""
_LATE, _MOST_LATE = 1.2, 0.5
"""A ventricular beat after so many usual RR stands in for one that is missing."""
_PATTERN = 3
"""Repeats from which bigeminy and trigeminy are spoken of."""
_ANSWER_S = (-0.02, 0.16)
"""From a ventricular spike to the R of the beat that it makes."""
_ATRIAL_ANSWER_S, _SAME_DELAY_S, _FEWEST_SPIKES = 0.32, 0.02, 3
"""From an atrial spike to R, how constant a pacemaker is, and how many spikes are no chance."""
_REFRACTORY_S = 0.30
"""A spike so soon after a beat cannot be answered."""
_UNANSWERED = 2
_ATRIAL_SPIKE_S = 0.35
"""A spike followed by another in this time paces the atria: no QRS is due."""
_POLYMORPHIC = 0.6
"""Median correlation of neighbouring QRS complexes in a run below which their shape changes from beat to
beat."""
_MONOMORPHIC_LEAST = 4


class Run(NamedTuple):
    """Ventricular beats in a row."""

    first: int
    last: int
    """Numbers of its beats, both included."""
    rate: float


def runs(seen: Strip, kind: str = "V", least: int = _RUN) -> list[Run]:
    """Runs of at least so many beats of one kind."""
    out: list[Run] = []
    start = 0
    for name, group in groupby(seen.kinds):
        length = len(list(group))
        if name == kind and length >= least:
            rr = seen.rr_s[start : start + length - 1]
            rr = rr[np.isfinite(rr)]
            rate = 60.0 / float(rr.mean()) if rr.size else float("nan")
            out.append(Run(start, start + length - 1, rate))
        start += length
    return out


def _place(seen: Strip, run: Run) -> tuple[int, int]:
    """Sample range of a run, a QRS to either side."""
    half = round(0.1 * seen.study.rate_hz)
    r = seen.study.r_peaks
    return max(0, int(r[run.first]) - half), min(seen.study.samples.shape[1], int(r[run.last]) + half)


def fills(seen: Strip, run: Run) -> bool:
    """Does the run begin and end out of sight?"""
    start, end = _place(seen, run)
    return bool(end - start >= _WHOLE * seen.study.samples.shape[1])


def tachycardia(seen: Strip, run: Run, wide_rule: str = "v_run") -> Finding:
    """The statement for a run of ventricular beats, by its rate and length."""
    start, end = _place(seen, run)
    seconds = (end - start) / seen.study.rate_hz
    numbers = {
        "rate_per_min": round(run.rate, 0),
        "beats": float(run.last - run.first + 1),
        "seconds": round(seconds, 1),
    }
    whole = fills(seen, run)
    place = (None, None) if whole else (start, end)
    if not run.rate >= _TACHYCARDIA:
        code = "accelerated_ventricular_rhythm" if run.rate >= 50 else "ventricular_rhythm"
        return Finding(code, f"ventricular.{wide_rule}", seen.leads, numbers, *place)
    if _changing(seen, run):
        code = "polymorphic_ventricular_tachycardia"
    elif whole or seconds >= _SUSTAINED_S:
        code = "ventricular_tachycardia"
    else:
        code = "ventricular_tachycardia_unsustained"
    return Finding(code, f"ventricular.{wide_rule}", seen.leads, numbers, *place)


def _changing(seen: Strip, run: Run) -> bool:
    """Does the QRS change from beat to beat? In at least four beats faster than 120 a minute."""
    if run.last - run.first + 1 < _MONOMORPHIC_LEAST or run.rate < 120:
        return False
    data = seen.study.clean
    rows = [k for k in range(len(data)) if np.isfinite(data[k]).all()]
    if not rows:
        return False
    half = round(0.08 * seen.study.rate_hz)
    at = seen.study.r_peaks[run.first : run.last + 1]
    at = at[(at >= half) & (at + half < data.shape[1])]
    if at.size < _MONOMORPHIC_LEAST:
        return False
    cuts = data[rows][:, at[:, None] + np.arange(-half, half + 1)]
    cuts = cuts - cuts.mean(axis=2, keepdims=True)
    flat = cuts.transpose(1, 0, 2).reshape(at.size, -1)
    flat = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-9)
    return bool(np.median((flat[1:] * flat[:-1]).sum(axis=1)) < _POLYMORPHIC)


def beats(seen: Strip) -> list[Finding]:
    """Premature beats, in pairs, in patterns, in runs; R on T."""
    out: list[Finding] = []
    late = _late(seen)
    if late:
        numbers = {
            "beats": float(len(late)),
            "longest_rr_ms": round(1e3 * max(seen.rr_s[k - 1] for k in late), 0),
        }
        at = int(seen.study.r_peaks[late[0]])
        half = round(0.1 * seen.study.rate_hz)
        out.append(
            Finding(
                "ventricular_escape", "ventricular.escape", seen.leads, numbers, max(0, at - half), at + half
            )
        )
        seen = replace(seen, kinds=tuple("N" if k in late else kind for k, kind in enumerate(seen.kinds)))
    kinds = seen.kinds
    singles_v = kinds.count("V")
    in_runs = sum(run.last - run.first + 1 for run in runs(seen))
    base = len(kinds) - singles_v
    if base < 2:  # ventricular beats alone are a rhythm of their own, not premature
        return out
    out += [tachycardia(seen, run) for run in runs(seen)]
    if singles_v > in_runs:
        out.append(_premature(seen, "V", "ventricular_premature"))
        out += _groups(seen, "V", "ventricular_couplet", "ventricular_bigeminy", "ventricular_trigeminy")
        out += _on_t(seen)
    if kinds.count("S"):
        run = max(runs(seen, "S"), key=lambda r: r.last - r.first, default=None)
        if run is not None and run.rate >= _TACHYCARDIA:
            start, end = _place(seen, run)
            numbers = {"rate_per_min": round(run.rate, 0), "beats": float(run.last - run.first + 1)}
            out.append(Finding("atrial_tachycardia", "atrial.run", seen.leads, numbers, start, end))
        out.append(_premature(seen, "S", "atrial_premature"))
        out += _groups(seen, "S", "atrial_couplet", "atrial_bigeminy", None)
    return out


def _late(seen: Strip) -> list[int]:
    """Single ventricular beats that come later than the next one was due: they stand in, they do not come
    early."""
    if seen.share("V") > _MOST_LATE:
        return []
    known = seen.rr_s[seen.own] if seen.own.any() else seen.rr_s
    usual = float(np.nanmedian(known)) if np.isfinite(known).any() else float("nan")
    return [
        k
        for k, kind in enumerate(seen.kinds)
        if kind == "V" and k > 0 and seen.kinds[k - 1] != "V" and seen.rr_s[k - 1] > _LATE * usual
    ]


def _premature(seen: Strip, kind: str, code: str) -> Finding:
    numbers_of = [k for k, name in enumerate(seen.kinds) if name == kind]
    coupling = [seen.rr_s[k - 1] for k in numbers_of if k > 0]
    coupling = [value for value in coupling if np.isfinite(value)]
    numbers = {"beats": float(len(numbers_of)), "of_beats": float(len(seen.kinds))}
    if coupling:
        numbers["shortest_coupling_ms"] = round(min(coupling) * 1e3, 0)
    at = seen.study.r_peaks[numbers_of[0]]
    half = round(0.1 * seen.study.rate_hz)
    rule = "ventricular.premature" if kind == "V" else "atrial.premature"
    return Finding(code, rule, seen.leads, numbers, max(0, int(at) - half), int(at) + half)


def _groups(seen: Strip, kind: str, pair: str, two: str, three: str | None) -> list[Finding]:
    """Couplets, bigeminy and trigeminy of one kind."""
    rule = "ventricular" if kind == "V" else "atrial"
    text = "".join("x" if name == kind else "n" for name in seen.kinds)
    out: list[Finding] = []
    couplets = f"n{text}n".count("nxxn")
    if couplets:
        out.append(Finding(pair, f"{rule}.couplet", seen.leads, {"couplets": float(couplets)}))
    for code, cycle in ((two, "nx"), (three, "nnx")):
        repeats = _repeats(text, cycle)
        if code is not None and repeats >= _PATTERN:
            out.append(Finding(code, f"{rule}.pattern", seen.leads, {"repeats": float(repeats)}))
            break
    return out


def _repeats(text: str, cycle: str) -> int:
    """How often a cycle follows itself without a break, at most."""
    count = 1
    while cycle * (count + 1) in text:
        count += 1
    return count if cycle in text else 0


def _on_t(seen: Strip) -> list[Finding]:
    """Ventricular beats that begin before the T wave of the beat before has ended."""
    study = seen.study
    t_off, usual = study.boundaries.t_off, study.usual
    qrs_on = study.boundaries.qrs_on
    if t_off is None or usual is None or qrs_on is None:
        return []
    # From R to the end of T, and from the onset of QRS to R: the premature QRS begins about as long before R.
    to_t_s = (t_off - usual.r_index) / study.rate_hz
    on_s = (usual.r_index - qrs_on) / study.rate_hz
    for k, name in enumerate(seen.kinds):
        if name != "V" or k == 0 or seen.kinds[k - 1] == "V":
            continue
        if seen.rr_s[k - 1] - on_s <= to_t_s:
            at = int(study.r_peaks[k])
            numbers = {
                "coupling_ms": round(seen.rr_s[k - 1] * 1e3, 0),
                "r_to_t_end_ms": round(to_t_s * 1e3, 0),
            }
            half = round(0.1 * study.rate_hz)
            return [
                Finding("r_on_t", "ventricular.r_on_t", seen.leads, numbers, max(0, at - half), at + half)
            ]
    return []


def pauses(seen: Strip) -> list[Finding]:
    """The longest RR of two seconds or more in which nothing is seen that could be a missed beat."""
    r = seen.study.r_peaks
    n = seen.study.samples.shape[1]
    spans = [(int(a), int(b)) for a, b in pairwise(r)]
    known = list(np.isfinite(seen.rr_s))
    # What is open at the ends is at least so long.
    spans += [(0, int(r[0])), (int(r[-1]), n)]
    known += [True, True]
    long = [
        (b - a, a, b)
        for (a, b), is_known in zip(spans, known, strict=True)
        if is_known and (b - a) / seen.study.rate_hz >= _PAUSE_S and _empty(seen, a, b)
    ]
    if not long:
        return []
    length, start, end = max(long)
    numbers = {"rr_ms": round(length / seen.study.rate_hz * 1e3, 0), "pauses": float(len(long))}
    return [Finding("long_rr", "pause.long_rr", seen.leads, numbers, start, end)]


def _empty(seen: Strip, start: int, end: int) -> bool:
    """Is there nothing between two beats that is as high as a share of their QRS, and is there a signal?"""
    study = seen.study
    guard = round(0.45 * study.rate_hz)
    before = round(0.12 * study.rate_hz)
    rows = [k for k, row in enumerate(study.clean) if np.isfinite(row).all()]
    a, b = (start + guard if start else 0), (end - before if end < study.samples.shape[1] else end)
    if not rows or b - a < round(0.3 * study.rate_hz):
        return bool(rows)
    step = np.abs(np.diff(study.clean[rows], axis=1))
    width = max(1, round(0.04 * study.rate_hz))
    for spike in study.spikes.tolist():
        step[:, max(0, spike - width) : spike + width] = 0.0
    r = study.r_peaks
    steep = np.median(
        [step[:, max(0, int(at) - 2 * width) : int(at) + 2 * width].max(axis=1, initial=0.0) for at in r],
        axis=0,
    )
    inside = step[:, a:b].max(axis=1, initial=0.0)
    return bool(np.median(inside / np.maximum(steep, 1e-9)) < _QUIET)


def answered(seen: Strip) -> float:
    """Share of the beats before which, and always as long before, a pacing spike stands."""
    spikes = seen.study.spikes / seen.study.rate_hz
    if spikes.size < _FEWEST_SPIKES or not seen.r_s.size:
        return 0.0
    delay = seen.r_s[:, None] - spikes[None, :]
    delay[(delay < _ANSWER_S[0]) | (delay > _ATRIAL_ANSWER_S)] = np.inf
    nearest = delay.min(axis=1)
    if not np.isfinite(nearest).any():
        return 0.0
    usual = float(np.median(nearest[np.isfinite(nearest)]))
    return float(np.mean(np.abs(nearest - usual) <= _SAME_DELAY_S))


def pacing(seen: Strip) -> list[Finding]:
    """Spikes that are due an answer and get none."""
    spikes = seen.study.spikes / seen.study.rate_hz
    if not spikes.size or not seen.r_s.size:
        return []
    silent: list[float] = []
    for k, at in enumerate(spikes.tolist()):
        last = seen.r_s[seen.r_s <= at]
        following = seen.r_s[seen.r_s > at]
        if last.size and at - float(last[-1]) < _REFRACTORY_S:
            continue
        if k + 1 < spikes.size and spikes[k + 1] - at < _ATRIAL_SPIKE_S:
            continue
        if at > seen.seconds - 0.5:
            continue
        delay = float(following[0]) - at if following.size else np.inf
        if delay > _ANSWER_S[1] and not _around(seen, at):
            silent.append(at)
    if len(silent) < _UNANSWERED:
        return []
    numbers = {"silent_spikes": float(len(silent)), "spikes": float(spikes.size)}
    start = seen.sample(silent[0])
    return [
        Finding("failure_to_capture", "pacing.no_answer", seen.leads, numbers, start, seen.sample(silent[-1]))
    ]


def _around(seen: Strip, at: float) -> bool:
    """Is there a beat whose R peak stands at the spike itself (fusion, or the spike taken for R)?"""
    return bool((np.abs(seen.r_s - at) < 0.05).any())
