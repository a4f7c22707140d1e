"""Rhythms led from above the ventricles: sinus node, atria, AV junction; and their way through the AV
node."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ecg.rules.strip import Strip
from ecg.study import Finding, Person

Array = NDArray[np.float64]

_SLOW, _FAST = 60.0, 100.0
"""Sinus rate below which it is slow, above which it is fast (spec-clinical 5.2; AHA/ACC/HRS statements 21,
22)."""
_CHILD = ((1.0, 100.0, 160.0), (3.0, 90.0, 140.0), (8.0, 70.0, 120.0), (16.0, 60.0, 105.0))
"""Younger than so many years: slow below, fast above. Rijnbeek et al., "New normal limits for the paediatric
electrocardiogram", Eur Heart J 2001: 2nd and 98th centiles, rounded."""
_SWING_S, _SWING = 0.12, 0.22
"""Range of sinus RR from which it is arrhythmia: 0.12 s (Chinese practice), and so much of the mean, since
readers of the development records call less a sinus rhythm."""
_SILENT, _WHOLE_CYCLE = 1.7, 0.1
"""RR over the usual one that is no swing any more, and how near to a whole number of cycles a block keeps
it."""
_AFTER_T_S, _BEFORE_OWN_P_S = 0.55, 0.45
_PAUSE = 1.6
"""An RR so much longer than the usual one is a pause, not a swing."""
_COHERENT = 0.5
"""Atrial.coherence that conducted P waves have, unless PR changes from beat to beat."""
_SVT = 150.0
_HIGHEST = 220.0
"""Sinus rhythm at rest does not reach 220 less the age in years (Fox et al., 1971); it is a rule of thumb."""
_STEADY, _STEADY_SPREAD = 0.06, 0.12
"""Median change from one RR to the next, and standard deviation, over the mean RR, up to which beats are
steady: of 140 fibrillating strips of ten seconds of the development records, one is within both."""
_FLUTTER, _FLUTTER_PART = 0.5, 0.7
"""Atrial.flutter from which it is flutter, with a cycle that much shorter than RR: in 149 development strips
without a flutter label it is 0.45 at most but for steady ventricular tachycardia, whose cycle is RR; in three
of six with one it is 0.62 to 0.88."""
_WAVES_UV, _WAVES_OVER, _WAVES_EVEN = 18.0, 0.85, 0.30
"""f waves under a steady rhythm (pacing, escape): Atrial.waves_uv, waves_over_wander, waves_even."""
_FIRST_DEGREE_MS, _CHILD_FIRST_DEGREE_MS = 200.0, 180.0
"""PR above which AV block is of first degree (spec-clinical 5.2; for children Rijnbeek 2001, 98th
centile)."""
_P_TO_R_LONG_S = 0.25
"""P peak to R where PR itself is not measured: half a P wave and the rise of R later than 0.2 s from onset to
onset, and the error of both."""
_SHORT_PR_MS = 120.0
_JUNCTION = 60.0
_IDIOVENTRICULAR = 50.0
"""Escape rhythms up to so many a minute; faster ones are accelerated (AHA/ACC/HRS statements 38, 39, 63,
64)."""
_ESCAPE_FASTEST = 100.0
_PREEXCITED_MIN_S, _PREEXCITED_RATE = 0.30, 130.0
"""Fibrillation this fast at its fastest and on the whole, with a broad QRS, may run over an accessory
pathway."""
_LEAST_RR = 3
"""Intervals between conducted beats from which they tell of the atria."""
AF_FEATURES = ("rr_change", "rr_spread", "rr_alike", "p_coherence", "f_share", "p_measured")
_AF_CENTRE = (-2.48, -2.41, 0.44, 0.47, 0.63, 0.47)
_AF_WEIGHT = (0.73, 0.39, -3.61, -5.44, 9.08, -3.18)
_AF_OFFSET = -1.39
"""Log odds of fibrillation, as `scripts/train_fibrillation.py` fits them."""
_ADULT_YEARS = 16.0


def conducted(seen: Strip) -> NDArray[np.bool_]:
    """RR intervals that tell of the atria; none where they are too few.

    Both beats are conducted: what leads to a ventricular or a paced beat is a clock of its own, and a beat
    told as premature shows that the others are in step. The interval after a ventricular beat's pause counts
    only where there are hardly others.
    """
    usual = np.array([kind in "NQ" for kind in seen.kinds], dtype=bool)
    both = np.isfinite(seen.rr_s) & usual[:-1] & usual[1:]
    undisturbed = both.copy()
    undisturbed[1:] &= usual[:-2]
    for chosen in (undisturbed, both):
        if chosen.sum() >= _LEAST_RR:
            return np.asarray(chosen)
    return np.zeros(both.size, dtype=bool)


def signs(seen: Strip) -> dict[str, float] | None:
    """What speaks for and against fibrillation: AF_FEATURES with their numbers; None with too few beats."""
    rr, own = seen.rr_s, conducted(seen)
    if not own.any():
        return None
    kept = rr[own]
    mean = float(kept.mean())
    pairs = own[1:] & own[:-1]
    change = np.abs(np.diff(rr))[pairs] if pairs.sum() >= _LEAST_RR else np.abs(np.diff(kept))
    away = np.abs(kept[:, None] - kept[None, :])[np.triu_indices(kept.size, 1)]
    atria = seen.atrial
    return {
        "rr_change": float(np.median(change)) / mean,
        "rr_spread": float(kept.std()) / mean,
        "rr_alike": float(np.mean(away < 0.05 * mean)),
        "p_coherence": 0.3 if np.isnan(atria.coherence) else atria.coherence,
        "f_share": 0.5 if np.isnan(atria.wave_share) else atria.wave_share,
        "p_measured": float(seen.study.measurements.get("pr_ms") is not None),
    }


def features(numbers: Mapping[str, float]) -> Array:
    """(6,) of AF_FEATURES as the odds take them: irregularity by its logarithm."""
    change, spread, *rest = (numbers[name] for name in AF_FEATURES)
    return np.array([np.log(change + 0.01), np.log(spread + 0.01), *rest])


def fibrillation(seen: Strip) -> tuple[float, dict[str, float]]:
    """Log odds of atrial fibrillation, and the numbers they are made of; −inf where nothing can be said, and
    where the beats are steady: fibrillation is irregular by its definition (ESC 2020, section 3.1)."""
    numbers = signs(seen)
    if numbers is None:
        return -np.inf, {}
    odds = float((features(numbers) - np.array(_AF_CENTRE)) @ np.array(_AF_WEIGHT)) + _AF_OFFSET
    rounded = {name: round(value, 3) for name, value in numbers.items()}
    steady = numbers["rr_change"] <= _STEADY and numbers["rr_spread"] <= _STEADY_SPREAD
    return (-np.inf if steady else odds), rounded


def _f_waves(seen: Strip) -> bool:
    """Fibrillatory waves in plain sight between steady beats, where RR cannot speak."""
    atria = seen.atrial
    return bool(
        atria.waves_uv >= _WAVES_UV
        and atria.waves_over_wander >= _WAVES_OVER
        and atria.waves_even >= _WAVES_EVEN
        and seen.conduction.kind in ("unknown", "one_to_one")
        and not atria.flutter >= _FLUTTER
    )


def under_pacing(seen: Strip) -> list[Finding]:
    """What the atria do while a pacemaker leads the ventricles."""
    if seen.conduction.kind == "dissociated":
        return [_block_3(seen)]
    if _f_waves(seen):
        return [_af(seen, "af.f_waves", {})]
    odds, numbers = fibrillation(seen)
    return [_af(seen, "af.irregular_no_p", numbers)] if odds > 0 else []


def above_escape(seen: Strip) -> list[Finding]:
    """Block of third degree over a slow ventricular rhythm; over a fast one dissociation means no block."""
    apart = seen.conduction.kind == "dissociated" and seen.rate < _ESCAPE_FASTEST
    return [_block_3(seen)] if apart else []


def _rate(seen: Strip) -> dict[str, float]:
    return {"rate_per_min": round(seen.rate, 0)}


def _af(seen: Strip, rule: str, numbers: dict[str, float]) -> Finding:
    shortest = float(np.nanmin(seen.rr_s)) if np.isfinite(seen.rr_s).any() else float("nan")
    longest = float(np.nanmax(seen.rr_s)) if np.isfinite(seen.rr_s).any() else float("nan")
    span = {"rr_min_ms": round(shortest * 1e3, 0), "rr_max_ms": round(longest * 1e3, 0)}
    return Finding("atrial_fibrillation", rule, seen.leads, _rate(seen) | span | numbers)


def _block_3(seen: Strip) -> Finding:
    numbers = _rate(seen) | {"atrial_rate_per_min": round(60.0 / seen.conduction.pace_s, 0)}
    return Finding("av_block_3", "av.dissociated", seen.leads, numbers)


def _steady(seen: Strip) -> bool:
    change = np.abs(np.diff(seen.rr_s))
    change = change[np.isfinite(change)]
    return bool(change.size >= 2 and np.median(change) <= _STEADY * np.nanmean(seen.rr_s))


def leader(seen: Strip, person: Person) -> list[Finding]:
    """The rhythm when neither a pacemaker nor the ventricles lead."""
    block = _block(seen)
    if block is not None and block.code == "av_block_3":
        return [block]
    odds, numbers = fibrillation(seen)
    if _flutters(seen):
        cycle = {
            "cycle_ms": round(seen.atrial.cycle_ms, 0),
            "atrial_rate_per_min": round(6e4 / seen.atrial.cycle_ms, 0),
            "likeness": round(seen.atrial.flutter, 2),
        }
        return [Finding("atrial_flutter", "flutter.cycle", seen.leads, _rate(seen) | cycle)]
    if odds > 0 and block is None:
        found = [_af(seen, "af.irregular_no_p", numbers)]
        return [*found, *_preexcited(seen)]
    if block is not None:
        return [*_sinus(seen, person, atrial_rate=60.0 / seen.conduction.pace_s), block]
    if seen.rate < _JUNCTION and _steady(seen) and seen.atrial.coherence < _COHERENT and _f_waves(seen):
        # Fibrillation above, a steady slow rhythm below: nothing is conducted.
        third = Finding("av_block_3", "av.steady_under_af", seen.leads, _rate(seen))
        return [_af(seen, "af.f_waves", {}), third]
    if _fast_without_p(seen, person):
        return [Finding("supraventricular_tachycardia", "svt.no_p", seen.leads, _rate(seen))]
    if seen.has_p:
        return _from_above(seen, person)
    return _substitute(seen)


def _flutters(seen: Strip) -> bool:
    """Does the strip look the same one flutter cycle later, several times in each RR?"""
    if not np.isfinite(seen.rr_s).any():
        return False
    usual_ms = float(np.nanmedian(seen.rr_s)) * 1e3
    return bool(
        seen.atrial.flutter >= _FLUTTER
        and seen.atrial.cycle_ms <= _FLUTTER_PART * usual_ms
        and not _sinus_sure(seen)
    )


def _sinus_sure(seen: Strip) -> bool:
    """P waves as the sinus node makes them, one before each QRS, at a rate that flutter does not have."""
    pr = seen.study.measurements.get("pr_ms")
    return pr is not None and seen.atrial.coherence >= 0.85 and seen.atrial.flutter < 0.6


def _preexcited(seen: Strip) -> list[Finding]:
    """Fibrillation so fast and broad that it may run over an accessory pathway."""
    rr = seen.rr_s[np.isfinite(seen.rr_s)]
    if not (seen.wide and seen.rate >= _PREEXCITED_RATE and rr.size and rr.min() <= _PREEXCITED_MIN_S):
        return []
    numbers = _rate(seen) | {"rr_min_ms": round(float(rr.min()) * 1e3, 0), "qrs_ms": seen.qrs_ms}
    return [Finding("atrial_fibrillation_preexcited", "af.broad_fast", seen.leads, numbers)]


def _block(seen: Strip) -> Finding | None:
    """AV block of second and third degree."""
    found = seen.conduction
    if found.kind == "dissociated":
        # Something alike before each QRS is conducted, whatever the clock says.
        return _block_3(seen) if seen.atrial.coherence < _COHERENT else None
    code = {
        "mobitz_1": "av_block_2_mobitz_1",
        "mobitz_2": "av_block_2_mobitz_2",
        "two_to_one": "av_block_2_1",
        "high_grade": "av_block_high_grade",
    }.get(found.kind)
    if code is None or (found.kind != "mobitz_1" and not seen.atrial.coherence >= _COHERENT):
        return None
    numbers = _rate(seen) | {
        "atrial_rate_per_min": round(60.0 / found.pace_s, 0),
        "p_to_r_ms": round(found.pr_s * 1e3, 0),
        "dropped": float(len(found.dropped_s)),
    }
    start = seen.sample(found.dropped_s[0])
    end = seen.sample(found.dropped_s[-1]) + 1
    return Finding(code, f"av.{found.kind}", seen.leads, numbers, start, end)


def limits(person: Person) -> tuple[float, float]:
    """Heart rate below which it is slow, above which it is fast, by age."""
    age = person.age_years
    if age is not None:
        for younger, slow, fast in _CHILD:
            if age < younger:
                return slow, fast
    return _SLOW, _FAST


def _fast_without_p(seen: Strip, person: Person) -> bool:
    """Steady, narrow, and faster than a sinus node goes, or fast without a P wave before the QRS."""
    if seen.wide or not seen.rate >= _SVT or not _steady(seen):
        return False
    age = person.age_years
    if age is not None and age < _ADULT_YEARS:
        return bool(seen.rate >= (_HIGHEST + 30 if age < 1 else _HIGHEST))
    fastest = _HIGHEST - (age if age is not None else 40.0)
    if seen.rate >= fastest:
        return True
    return seen.study.measurements.get("pr_ms") is None


def _sinus(seen: Strip, person: Person, atrial_rate: float | None = None) -> list[Finding]:
    """Sinus rhythm by its rate and its steadiness."""
    rate = seen.usual_rate if atrial_rate is None else atrial_rate
    slow, fast = limits(person)
    numbers = _rate(seen) | {"p_coherence": round(seen.atrial.coherence, 2)}
    if atrial_rate is not None:
        numbers["atrial_rate_per_min"] = round(atrial_rate, 0)
    code = "sinus_bradycardia" if rate < slow else "sinus_tachycardia" if rate > fast else "sinus_rhythm"
    out = [Finding(code, "sinus.rate", seen.leads, numbers)]
    if atrial_rate is None:
        swing = _swing(seen)
        if swing is not None:
            out.append(Finding("sinus_arrhythmia", "sinus.swing", seen.leads, swing))
        out += _silent_sinus(seen)
    return out


def _silent_sinus(seen: Strip) -> list[Finding]:
    """A gap in sinus rhythm without a P wave of its own: a whole number of cycles is a block, another an
    arrest."""
    usual = float(np.nanmedian(seen.rr_s))
    p_s = seen.atrial.p_peaks / seen.study.rate_hz
    for k, rr in enumerate(seen.rr_s.tolist()):
        if not rr >= _SILENT * usual or seen.kinds[k] in "SV" or seen.kinds[k + 1] == "V":
            continue
        a, b = float(seen.r_s[k]), float(seen.r_s[k + 1])
        if ((p_s > a + _AFTER_T_S) & (p_s < b - _BEFORE_OWN_P_S)).any():
            continue
        cycles = rr / usual
        whole = abs(cycles - round(cycles)) <= _WHOLE_CYCLE and round(cycles) >= 2
        code = "sinoatrial_block" if whole else "sinus_arrest"
        numbers = {"rr_ms": round(rr * 1e3, 0), "usual_rr_ms": round(usual * 1e3, 0)}
        return [Finding(code, "sinus.silent", seen.leads, numbers, seen.sample(a), seen.sample(b))]
    return []


def _swing(seen: Strip) -> dict[str, float] | None:
    """Range of RR among sinus beats, if it is large; intervals around premature beats do not count."""
    early = np.array([name in "SV" for name in seen.kinds], dtype=bool)
    own = np.isfinite(seen.rr_s) & ~early[1:] & ~early[:-1]
    rr = seen.rr_s[own]
    rr = rr[rr < _PAUSE * np.median(rr)] if rr.size else rr
    if rr.size < 4:
        return None
    span = float(np.ptp(rr))
    if span < _SWING_S or span < _SWING * float(rr.mean()):
        return None
    return {"rr_range_ms": round(span * 1e3, 0), "rr_range_share": round(span / float(rr.mean()), 2)}


def _from_above(seen: Strip, person: Person) -> list[Finding]:
    """P waves before the QRS: sinus node, or another place in the atria, by the direction of P."""
    pr = seen.study.measurements.get("pr_ms")
    axis = seen.study.measurements.get("p_axis_deg")
    if axis is not None and not -45 <= axis <= 110 and _inverted(seen):
        numbers = _rate(seen) | {"p_axis_deg": axis}
        if pr is not None:
            numbers["pr_ms"] = pr
        if pr is not None and pr < _SHORT_PR_MS:
            code = "junctional_rhythm" if seen.rate < _JUNCTION else "accelerated_junctional_rhythm"
            if seen.rate > _FAST:
                code = "supraventricular_tachycardia"
            return [Finding(code, "junction.p_inverted", seen.leads, numbers)]
        code = "atrial_tachycardia" if seen.rate > _FAST else "atrial_rhythm"
        return [Finding(code, "atrial.p_axis", seen.leads, numbers)]
    out = _sinus(seen, person)
    age = person.age_years
    child = age is not None and age < _ADULT_YEARS
    limit = _CHILD_FIRST_DEGREE_MS if child else _FIRST_DEGREE_MS
    if pr is not None and pr > limit:
        out.append(Finding("av_block_1", "av.pr_long", seen.leads, {"pr_ms": pr, "limit_ms": limit}))
    elif pr is None and seen.conduction.kind == "one_to_one" and seen.conduction.pr_s > _P_TO_R_LONG_S:
        numbers = {"p_to_r_ms": round(seen.conduction.pr_s * 1e3, 0)}
        out.append(Finding("av_block_1", "av.p_to_r_long", seen.leads, numbers))
    early = seen.conduction.early_s
    if early and seen.conduction.kind == "one_to_one" and len(early) < 0.3 * len(seen.kinds):
        long = [at for at in early if _pause_follows(seen, at)]
        if long:
            at = seen.sample(long[0])
            half = round(0.07 * seen.study.rate_hz)
            numbers = {"p_waves": float(len(long))}
            out.append(
                Finding(
                    "blocked_atrial_premature", "atrial.blocked", seen.leads, numbers, at - half, at + half
                )
            )
    return out


def _pause_follows(seen: Strip, at: float) -> bool:
    """Is the RR that holds this P wave longer than the usual one?"""
    k = int(np.searchsorted(seen.r_s, at)) - 1
    return bool(0 <= k < seen.rr_s.size and seen.rr_s[k] > 1.2 * np.nanmedian(seen.rr_s))


def _inverted(seen: Strip) -> bool:
    """Is P negative in II and aVF, as far as they are usable?"""
    signs = []
    for name in ("II", "aVF"):
        lead = seen.study.per_lead.get(name, {})
        up, down = lead.get("p_mv"), lead.get("p_neg_mv")
        if up is not None and down is not None and max(up, -down) >= 0.03:
            signs.append(-down > 1.5 * up)
    return bool(signs) and all(signs)


def _substitute(seen: Strip) -> list[Finding]:
    """No P waves, steady beats: the AV junction or the ventricles lead; nothing is said where P may be
    unseen."""
    unknown = np.isnan(seen.atrial.coherence)
    if unknown or not _steady(seen) or seen.has_p or seen.study.quality.verdict != "diagnostic":
        return []
    numbers = _rate(seen) | {"p_coherence": round(seen.atrial.coherence, 2)}
    if seen.wide and seen.rate <= _ESCAPE_FASTEST:
        code = "ventricular_rhythm" if seen.rate <= _IDIOVENTRICULAR else "accelerated_ventricular_rhythm"
        return [Finding(code, "ventricular.no_p", seen.leads, numbers | {"qrs_ms": seen.qrs_ms})]
    if seen.rate <= _ESCAPE_FASTEST and not seen.wide:
        code = "junctional_rhythm" if seen.rate < _JUNCTION else "accelerated_junctional_rhythm"
        return [Finding(code, "junction.no_p", seen.leads, numbers)]
    return []
