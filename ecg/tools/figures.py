"""What validation adds up to: examined records → figures, as plain numbers that JSON can hold.

Gross figures count every beat the same, average figures every record. Shares of records have Wilson's
interval at 95 %.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ecg.scenarios import SCENARIOS
from ecg.tools import labels, scoring
from ecg.tools.scoring import POINTS, BeatScore, PointScore, Share
from ecg.tools.validate import EDGES, INTERVALS, LEARNING_S, Examined, Rehearsed
from ecg.version import VERSION

_DIGITS = 2


def figures(
    sets: Mapping[str, Sequence[Examined]], broken: Mapping[str, str], rehearsed: Sequence[Rehearsed]
) -> dict[str, Any]:
    """Everything, by set of records. `broken`: record → why it could not be read."""
    every = [one for examined in sets.values() for one in examined]
    return {
        "version": VERSION,
        "broken": dict(broken),
        "sets": {name: _of_set(examined) for name, examined in sets.items()},
        "af": _af(every),
        "triage": _triage(every),
        "simulated": _simulated(rehearsed),
    }


def _of_set(examined: Sequence[Examined]) -> dict[str, Any]:
    out: dict[str, Any] = {
        "records": len(examined),
        "held_out": {kind: sum(kind in one.held_out for one in examined) for kind in ("beats", "waves")},
        "seconds": _round(sum(one.seconds for one in examined)),
    }
    if beats := [one for one in examined if one.beats is not None]:
        out["beats"] = _beats(beats)
    if any(one.points for one in examined):
        leads = dict.fromkeys(lead for one in examined for lead, _ in one.points)
        out["boundaries"] = {lead: _of_lead(examined, lead) for lead in leads}
        out["boundaries"]["all"] = _points(
            lambda name: (score for one in examined for (_, n), score in one.points.items() if n == name)
        )
    if any(one.together for one in examined):
        out["together"] = _points(lambda name: (one.together.get(name) for one in examined), EDGES)
    if any(one.either for one in examined):
        either = _points(lambda name: (one.either.get(name) for one in examined))
        out["either"] = {k: v | {"ppv_percent": None, "f1_percent": None} for k, v in either.items()}
    if invented := [one.invented_p for one in examined if one.invented_p is not None]:
        marked, of = sum(a for a, _ in invented), sum(b for _, b in invented)
        out["invented_p"] = {"records": len(invented), "share": _share(scoring.share(marked, of))}
    if any(one.intervals for one in examined):
        out["intervals"] = {
            name: _rounded(
                scoring.spread_figures(
                    np.array([one.intervals[name] for one in examined if name in one.intervals])
                )
            )
            for name in INTERVALS
        }
    if any(one.labels is not None for one in examined):
        out["statements"] = _statements(examined)
    if any(one.fibrillating for one in examined):
        out["fibrillating"] = _fibrillating(examined)
    return out


def _beats(examined: Sequence[Examined]) -> dict[str, Any]:
    """EC57: the whole record, from the sixth minute on, per record, and by class without paced records."""
    later = [one.later for one in examined if one.later is not None]
    unpaced = [one for one in examined if one.beats is not None and not one.paced]
    table = scoring.beats_together(one.beats for one in unpaced if one.beats is not None).pairs
    scores = {one.name: one.beats for one in examined if one.beats is not None}
    out: dict[str, Any] = {
        "records": len(scores),
        "gross": beat_figures(scoring.beats_together(scores.values())),
        "average": _average(scores.values()),
        "per_record": {name: beat_figures(score) for name, score in scores.items()},
    }
    if later:
        out[f"from_{LEARNING_S:.0f}_s"] = {
            "gross": beat_figures(scoring.beats_together(later)),
            "average": _average(later),
        }
    if any(kind not in ("N", scoring.MISSED) for kind, _ in table):
        out["classes"] = {
            "records": len(unpaced),
            **{kind: _rounded(scoring.class_figures(table, kind)) for kind in ("V", "S")},
            "table": {a: {b: table[a, b] for b in (*scoring.CLASSES, scoring.MISSED)} for a in _ROWS},
        }
    return out


_ROWS = (*scoring.CLASSES, scoring.MISSED)


def beat_figures(score: BeatScore) -> dict[str, Any]:
    within = np.abs(score.offsets_ms) <= 10
    return _rounded(
        {
            "true": score.true,
            "missed": score.missed,
            "false": score.false,
            "se_percent": scoring.percent(score.true, score.true + score.missed),
            "ppv_percent": scoring.percent(score.true, score.true + score.false),
            "offset_ms": float(score.offsets_ms.mean()) if score.offsets_ms.size else None,
            "within_10_ms_percent": 100 * float(within.mean()) if within.size else None,
        },
        3,
    )


def _average(scores: Iterable[BeatScore]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    rows = [beat_figures(score) for score in scores]
    for name in ("se_percent", "ppv_percent"):
        known = [row[name] for row in rows if row[name] is not None]
        out[name] = round(float(np.mean(known)), 3) if known else None
        out[f"worst_{name}"] = min(known, default=None)
    return out


def _points(
    of: Callable[[str], Iterable[PointScore | None]], names: Sequence[str] = POINTS
) -> dict[str, dict[str, Any]]:
    out: dict[str, dict[str, Any]] = {}
    for name in names:
        score = scoring.points_together(s for s in of(name) if s is not None)
        if score.true + score.missed:
            out[name] = _rounded(scoring.point_figures(score))
    return out


def _of_lead(examined: Sequence[Examined], lead: str) -> dict[str, dict[str, Any]]:
    return _points(lambda name: (one.points.get((lead, name)) for one in examined))


def _statements(examined: Sequence[Examined]) -> dict[str, Any]:
    """Family → sensitivity, specificity and predictive value over the records that have labels."""
    labelled = [one for one in examined if one.labels is not None]
    vocabularies = {one.labels.vocabulary for one in labelled if one.labels is not None}
    out: dict[str, Any] = {}
    for family in labels.FAMILIES:
        if not any(family in labels.scored(vocabulary) for vocabulary in vocabularies):
            continue
        said = [family.id in one.said for one in labelled]
        so = [one.labels is not None and family.id in one.labels.families for one in labelled]
        if any(said) or any(so):
            shares = scoring.statement_figures(said, so)
            out[family.id] = {name: _share(share) for name, share in shares.items()}
    return out


def _af(examined: Sequence[Examined]) -> dict[str, Any]:
    """Atrial fibrillation against everything else, on every labelled record of twelve leads."""
    labelled = [one for one in examined if one.labels is not None]
    name = "atrial_fibrillation"
    said = [name in one.said for one in labelled]
    so = [one.labels is not None and name in one.labels.families for one in labelled]
    out: dict[str, Any] = {k: _share(v) for k, v in scoring.statement_figures(said, so).items()}
    rows = list(zip(labelled, said, so, strict=True))
    return out | {
        "missed": [one.name for one, a, b in rows if b and not a],
        "false": [one.name for one, a, b in rows if a and not b],
    }


def _triage(examined: Sequence[Examined]) -> dict[str, Any]:
    """Alarms (level 0) on records that must raise one, and on all others."""
    rows = [(one, one.labels.critical) for one in examined if one.labels is not None]
    critical = [one for one, must in rows if must is True]
    others = [one for one, must in rows if must is False]
    levels = ("0", "1", "2", "3", "none")

    def counted(of: Sequence[Examined]) -> dict[str, int]:
        said = ["none" if one.level is None else str(one.level) for one in of]
        return {level: said.count(level) for level in levels}

    return {
        "sensitivity": _share(scoring.share(sum(one.level == 0 for one in critical), len(critical))),
        "false_alarms": _share(scoring.share(sum(one.level == 0 for one in others), len(others))),
        "levels": {"critical": counted(critical), "others": counted(others)},
        "undecided": [one.name for one, must in rows if must is None],
        "missed": [one.name for one in critical if one.level != 0],
        "false": [one.name for one in others if one.level == 0],
    }


def _fibrillating(examined: Sequence[Examined]) -> dict[str, Any]:
    """Share of the seconds in fibrillation or flutter that were found so, and of the others that were not."""
    seconds: dict[tuple[bool, bool], float] = {}
    for one in examined:
        for key, value in one.fibrillating.items():
            seconds[key] = seconds.get(key, 0.0) + value
    so = seconds.get((True, True), 0.0) + seconds.get((False, True), 0.0)
    not_so = seconds.get((True, False), 0.0) + seconds.get((False, False), 0.0)
    return {
        "seconds": _round(so),
        "sensitivity_percent": _round(100 * seconds.get((True, True), 0.0) / so) if so else None,
        "other_seconds": _round(not_so),
        "specificity_percent": _round(100 * seconds.get((False, False), 0.0) / not_so) if not_so else None,
    }


def _simulated(rehearsed: Sequence[Rehearsed]) -> dict[str, Any]:
    """The simulated heart: what it did against what was said, scenario by scenario."""
    if not rehearsed:
        return {}
    critical = [one for one in rehearsed if one.must == 0]
    others = [one for one in rehearsed if one.must != 0]
    names = dict.fromkeys(one.scenario for one in rehearsed)
    per: dict[str, Any] = {}
    for name in names:
        own = [one for one in rehearsed if one.scenario == name]
        codes = SCENARIOS[name].codes
        per[name] = {
            "strips": len(own),
            "wanted": codes[0] if codes else None,
            "said": sum(bool(codes) and codes[0] in one.codes for one in own),
            "level": SCENARIOS[name].level,
            "levels": [one.level for one in own],
        }
    return {
        "strips": len(rehearsed),
        "sensitivity": _share(scoring.share(sum(one.level == 0 for one in critical), len(critical))),
        "false_alarms": _share(scoring.share(sum(one.level == 0 for one in others), len(others))),
        "scenarios": per,
    }


def _share(share: Share) -> dict[str, Any]:
    return _rounded(share._asdict())


def _round(value: float) -> float:
    return round(value, _DIGITS)


def _rounded(numbers: Mapping[str, Any], digits: int = _DIGITS) -> dict[str, Any]:
    return {k: round(v, digits) if isinstance(v, float) else v for k, v in numbers.items()}
