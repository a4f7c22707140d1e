"""Rhythm statements by explicit rules, each with the numbers that made it fire.

The order is a reader's: is there a heartbeat at all; who leads it (pacemaker, ventricle, fibrillating or
fluttering atria, sinus node, a substitute); how does it get through the AV node; what comes out of turn.
"""

import numpy as np
from numpy.typing import NDArray

from ecg import arrest, ectopy, supraventricular, tachycardia
from ecg.strip import Strip, strip
from ecg.study import Finding, Person, Study

Array = NDArray[np.float64]

_WHOLE = 0.75
"""Share of the strip from which an arrest is all of it."""
_PACED = 0.3
"""Share of paced beats from which the rhythm is paced."""
_SPIKED = 0.5
"""Spikes per beat from which it is, whatever the beats are taken for."""


def statements(study: Study, person: Person | None = None) -> list[Finding]:
    """Every rhythm statement of one study; a strip that is to be repeated only tells of an arrest.

    `person` speaks before the study's own. Raises nothing, whatever the samples.
    """
    person = person or study.person or Person()
    stopped = arrested(study)
    if stopped is not None and stopped.start is None:
        return [stopped]
    found = [stopped] if stopped is not None else []
    if study.quality.verdict == "repeat" or study.r_peaks.size < 2:
        return found
    seen = strip(study)
    return found + leader(seen, person) + ectopy.pauses(seen) + ectopy.beats(seen)


def arrested(study: Study) -> Finding | None:
    """Fibrillation, flutter or sine-like tachycardia of the ventricles, or a heart that stands still."""
    still, waves = arrest.look(study)
    if still is not None:
        p_waves = arrest.has_p(still)
        code = "ventricular_standstill" if p_waves else "asystole"
        return Finding(code, f"arrest.{'p_only' if p_waves else 'still'}", still.leads, still.numbers)
    if waves is None:
        return None
    code = {
        "fibrillation": "ventricular_fibrillation",
        "flutter": "ventricular_flutter",
        "tachycardia": "ventricular_tachycardia",
        "torsades": "torsades_de_pointes",
    }[waves.kind]
    whole = waves.end - waves.start >= _WHOLE * study.samples.shape[1]
    numbers = waves.numbers | {"seconds": round((waves.end - waves.start) / study.rate_hz, 1)}
    place = (None, None) if whole else (waves.start, waves.end)
    return Finding(code, f"arrest.{waves.kind}", waves.leads, numbers, *place)


def leader(seen: Strip, person: Person) -> list[Finding]:
    """Who leads the heart, and what becomes of it on the way down."""
    spiked = seen.study.spikes.size >= max(2, _SPIKED * len(seen.kinds))
    if seen.paced >= _PACED or spiked:
        numbers = {
            "paced_beats": float(seen.kinds.count("/")),
            "spikes": float(seen.study.spikes.size),
            "rate_per_min": round(seen.rate, 0),
        }
        paced = Finding("paced_rhythm", "pacing.spikes", seen.leads, numbers)
        return [paced, *ectopy.pacing(seen), *supraventricular.under_pacing(seen)]
    broad = tachycardia.broad(seen)
    if broad:
        return broad
    return supraventricular.leader(seen, person)
