"""Rhythm statements by explicit rules, each with the numbers that made it fire.

The order is a reader's: is there a heartbeat at all; who leads it (pacemaker, ventricle, fibrillating or
fluttering atria, sinus node, a substitute); how does it get through the AV node; what comes out of turn.
"""

from collections import Counter
from dataclasses import replace

from ecg.rules import arrest, ectopy, supraventricular, tachycardia
from ecg.rules.strip import Strip, known, strip
from ecg.study import Finding, Person, Study

_MINUTE_S = 60.0
_WHOLE_STRIP = frozenset(
    {
        "sinus_rhythm",
        "sinus_bradycardia",
        "sinus_tachycardia",
        "atrial_fibrillation",
        "atrial_flutter",
        "paced_rhythm",
        "junctional_rhythm",
        "ventricular_rhythm",
        "ventricular_tachycardia",
        "supraventricular_tachycardia",
    }
)
"""Rhythms that are of the whole when every minute has them; beats and pauses have a place."""
_WHOLE = 0.75
"""Share of the strip from which an arrest is all of it."""
_PACED = 0.3
"""Share of paced beats from which the rhythm is paced."""
_SPIKED = 0.5
"""Share of beats that follow a spike, always after the same time, from which it is, whatever they are taken
for."""


def statements(study: Study, person: Person | None = None) -> list[Finding]:
    """Every rhythm statement of one study; a strip that is to be repeated only tells of an arrest.

    `person` speaks before the study's own. A strip longer than two minutes is read minute by minute: what is
    not said of all of it tells where it was first seen. Raises nothing, whatever the samples.
    """
    person = person or study.person or Person()
    length = round(_MINUTE_S * study.rate_hz)
    n = study.samples.shape[1]
    if n <= 2 * length:
        return [known(finding) for finding in _spoken(study, person)]
    starts = list(range(0, n - length + 1, length))
    by_part = [
        [_moved(known(finding), a, b) for finding in _spoken(_part(study, a, b), person)]
        for a, b in zip(starts, [*starts[1:], n], strict=True)
    ]
    counts = Counter(code for part in by_part for code in {finding.code for finding in part})
    first: dict[str, Finding] = {}
    for finding in (finding for part in by_part for finding in part):
        always = counts[finding.code] == len(by_part) and finding.code in _WHOLE_STRIP
        first.setdefault(finding.code, finding._replace(start=None, end=None) if always else finding)
    return list(first.values())


def _part(study: Study, start: int, end: int) -> Study:
    """A stretch of a study, with the numbers of the whole."""
    inside = (study.r_peaks >= start) & (study.r_peaks < end)
    return replace(
        study,
        samples=study.samples[:, start:end],
        clean=study.clean[:, start:end],
        r_peaks=study.r_peaks[inside] - start,
        classes=tuple(kind for kind, is_in in zip(study.classes, inside, strict=True) if is_in),
        spikes=study.spikes[(study.spikes >= start) & (study.spikes < end)] - start,
    )


def _moved(finding: Finding, start: int, end: int) -> Finding:
    """A finding of a stretch, its samples counted from the strip's start."""
    if finding.start is None:
        return finding._replace(start=start, end=end)
    return finding._replace(start=finding.start + start, end=(finding.end or finding.start) + start)


def _spoken(study: Study, person: Person) -> list[Finding]:
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
    if seen.paced >= _PACED or ectopy.answered(seen) >= _SPIKED:
        numbers = {
            "paced_beats": float(seen.kinds.count("/")),
            "spikes": float(seen.study.spikes.size),
            "rate_per_min": round(seen.rate, 0),
        }
        paced = Finding("paced_rhythm", "pacing.spikes", seen.leads, numbers)
        return [paced, *ectopy.pacing(seen), *supraventricular.under_pacing(seen)]
    broad = tachycardia.broad(seen)
    if broad:
        return broad + supraventricular.above_escape(seen)
    return supraventricular.leader(seen, person)
