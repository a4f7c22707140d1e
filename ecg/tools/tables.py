"""The figures of a validation as tables."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ecg.tools import labels
from ecg.tools.scoring import CLASSES, MISSED
from ecg.tools.typeset import Table

POINT_WORDS = {
    "p_on": "P onset",
    "p_peak": "P peak",
    "p_off": "P end",
    "qrs_on": "QRS onset",
    "qrs_peak": "QRS peak",
    "qrs_off": "QRS end",
    "t_on": "T onset",
    "t_peak": "T peak",
    "t_off": "T end",
}
INTERVAL_WORDS = {"p_ms": "P", "pr_ms": "PR", "qrs_ms": "QRS", "qt_ms": "QT"}
LIMITS: dict[str, tuple[float, float]] = {
    "p_ms": (10.0, 15.0),
    "pr_ms": (10.0, 10.0),
    "qrs_ms": (10.0, 10.0),
    "qt_ms": (25.0, 30.0),
}
"""Largest mean and SD allowed on biological ECGs, ms (IEC 60601-2-25, as in spec-clinical 5.3)."""
_MOST_ROWS = 60
"""A longer list of records names only those with a fault."""
TITLES = {family.id: family.title for family in labels.FAMILIES}
_BEAT_COLUMNS = ("", "beats", "missed", "false", "Se %", "PPV %", "offset ms", "within 10 ms %")
_POINT_COLUMNS = ("", "marked", "Se %", "PPV %", "F1 %", "mean ms", "SD ms", "98th pct ms", "worst ms")


def tables(figures: Mapping[str, Any]) -> Iterator[Table]:
    """Every table that these figures fill, in reading order."""
    sets: Mapping[str, Mapping[str, Any]] = figures["sets"]
    yield Table(
        "Records",
        "Unseen: records whose beats or waves were read with weights that had not learned from them.",
        ("set", "records", "minutes", "beats", "boundaries", "labels", "beats unseen", "waves unseen"),
        tuple(
            (
                name,
                str(own["records"]),
                f"{own['seconds'] / 60:.1f}",
                _yes("beats" in own),
                _yes("boundaries" in own or "either" in own),
                _yes("statements" in own),
                str(own["held_out"]["beats"]),
                str(own["held_out"]["waves"]),
            )
            for name, own in sets.items()
        ),
    )
    if figures["broken"]:
        rows = tuple((name, why) for name, why in figures["broken"].items())
        yield Table("Records that could not be read", "", ("record", "why"), rows)
    for kind in _KINDS:
        for name, own in sets.items():
            yield from kind(name, own)
    yield from _of_all(figures)
    yield from _simulated(figures["simulated"])


def _beats_of(name: str, own: Mapping[str, Any]) -> Iterator[Table]:
    if "beats" in own:
        yield from _beats(name, own["beats"])


def _boundaries_of(name: str, own: Mapping[str, Any]) -> Iterator[Table]:
    if "boundaries" in own:
        by_lead = own["boundaries"]
        lead = "II" if "II" in by_lead else next(iter(by_lead))
        note = "Each wave beside the nearest of its kind within 150 ms; differences are found minus marked."
        yield _points(f"{name}: boundaries in lead {lead}", by_lead[lead], note)
        if len(by_lead) > 2:
            yield _points(f"{name}: boundaries in all leads, lead by lead", by_lead["all"], "")
            yield _by_lead(name, by_lead)
    if "together" in own:
        note = "Reference: the second earliest onset and the second latest end of the leads of each beat."
        yield _points(f"{name}: boundaries of all leads together", own["together"], note)
    if "either" in own:
        note = (
            "The reference does not say its lead: the nearest found in any lead counts. It marks some beats"
            " only, so that nothing can be called invented."
        )
        yield _points(f"{name}: boundaries, nearest of the leads", own["either"], note)
    if "invented_p" in own:
        yield _invented(name, own["invented_p"])


def _invented(name: str, invented: Mapping[str, Any]) -> Table:
    share = invented["share"]
    row = (invented["records"], share["whole"], share["part"], _number(share["percent"]))
    return Table(
        f"{name}: P waves marked where readers marked none",
        "Records of atrial fibrillation, flutter and pacing in which no P wave is marked in any lead; the"
        " lead as above.",
        ("records", "beats", "P waves marked", "% of beats"),
        (tuple(str(cell) for cell in row),),
    )


def _intervals_of(name: str, own: Mapping[str, Any]) -> Iterator[Table]:
    if "intervals" in own:
        yield _intervals(name, own["intervals"])


def _rhythm_of(name: str, own: Mapping[str, Any]) -> Iterator[Table]:
    if "fibrillating" not in own:
        return
    one = own["fibrillating"]
    yield Table(
        f"{name}: atrial fibrillation and flutter in time",
        "Each second of rhythm annotation counts once.",
        ("minutes in it", "found %", "other minutes", "left alone %"),
        (
            (
                f"{one['seconds'] / 60:.1f}",
                _number(one["sensitivity_percent"]),
                f"{one['other_seconds'] / 60:.1f}",
                _number(one["specificity_percent"]),
            ),
        ),
    )


def _statements_of(name: str, own: Mapping[str, Any]) -> Iterator[Table]:
    if "statements" in own:
        yield _statements(name, own["statements"])


_KINDS = (_beats_of, _boundaries_of, _intervals_of, _rhythm_of, _statements_of)
"""What is told of each set, in reading order."""


def _beats(name: str, beats: Mapping[str, Any]) -> Iterator[Table]:
    rows = [_beat_row("gross", beats["gross"]), _average_row("average of records", beats["average"])]
    for key, title in (
        (k, k.removeprefix("from_").removesuffix("_s")) for k in beats if k.startswith("from_")
    ):
        minutes = float(title) / 60
        rows.append(_beat_row(f"gross, from minute {minutes:.0f} on", beats[key]["gross"]))
        rows.append(_average_row(f"average, from minute {minutes:.0f} on", beats[key]["average"]))
    many = len(beats["per_record"]) <= _MOST_ROWS
    rows += [_beat_row(record, one) for record, one in beats["per_record"].items() if many or _flawed(one)]
    yield Table(
        f"{name}: beats",
        "ANSI/AAMI EC57: one to one within 150 ms, ventricular flutter left out."
        + ("" if many else " Records without a fault are not listed."),
        _BEAT_COLUMNS,
        tuple(rows),
    )
    if "classes" in beats:
        classes = beats["classes"]
        yield Table(
            f"{name}: ventricular and supraventricular beats",
            f"ANSI/AAMI EC57, gross over {classes['records']} records without paced beats. A beat marked as"
            " fusion or unclassifiable makes no V wrong, one marked unclassifiable no S.",
            ("class", "beats", "found", "false", "Se %", "PPV %", "false positive rate %"),
            tuple(
                (
                    kind,
                    str(classes[kind]["reference"]),
                    str(classes[kind]["hit"]),
                    str(classes[kind]["false"]),
                    _number(classes[kind]["se_percent"]),
                    _number(classes[kind]["ppv_percent"]),
                    _number(classes[kind]["fpr_percent"]),
                )
                for kind in ("V", "S")
            ),
        )
        yield Table(
            f"{name}: beat by beat",
            "Rows are the reference, columns what was found; - is no partner.",
            ("", *CLASSES, MISSED),
            tuple((a, *(str(row[b]) for b in (*CLASSES, MISSED))) for a, row in classes["table"].items()),
        )


def _flawed(one: Mapping[str, Any]) -> bool:
    return bool(one["missed"] or one["false"])


def _beat_row(title: str, one: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        title,
        str(one["true"] + one["missed"]),
        str(one["missed"]),
        str(one["false"]),
        _number(one["se_percent"], 3),
        _number(one["ppv_percent"], 3),
        _number(one["offset_ms"], 1),
        _number(one["within_10_ms_percent"], 1),
    )


def _average_row(title: str, one: Mapping[str, Any]) -> tuple[str, ...]:
    return (title, "", "", "", _number(one["se_percent"], 3), _number(one["ppv_percent"], 3), "", "")


def _points(title: str, points: Mapping[str, Mapping[str, Any]], note: str) -> Table:
    return Table(
        title,
        note,
        _POINT_COLUMNS,
        tuple(
            (
                POINT_WORDS[name],
                str(one["reference"]),
                _number(one["se_percent"]),
                _number(one["ppv_percent"]),
                _number(one["f1_percent"]),
                _signed(one["mean"]),
                _number(one["sd"], 1),
                _number(one["p98"], 0),
                _number(one["worst"], 0),
            )
            for name, one in points.items()
        ),
    )


def _by_lead(name: str, by_lead: Mapping[str, Any]) -> Table:
    wanted = ("p_on", "p_off", "qrs_on", "qrs_off", "t_off")
    return Table(
        f"{name}: every lead, mean ± SD in ms",
        "",
        ("lead", *(POINT_WORDS[point] for point in wanted)),
        tuple(
            (lead, *(_mean_sd(by_lead[lead].get(point)) for point in wanted))
            for lead in by_lead
            if lead != "all"
        ),
    )


def _intervals(name: str, intervals: Mapping[str, Mapping[str, Any]]) -> Table:
    return Table(
        f"{name}: intervals, measured less marked",
        "Against the median over beats of the reference of all leads together.",
        ("interval", "records", "mean ms", "SD ms", "worst ms", "allowed mean, SD", "inside"),
        tuple(
            (
                INTERVAL_WORDS[key],
                str(one["n"]),
                _signed(one["mean"]),
                _number(one["sd"], 1),
                _number(one["worst"], 0),
                f"±{LIMITS[key][0]:.0f}, {LIMITS[key][1]:.0f}",
                _yes(
                    one["mean"] is not None
                    and one["sd"] is not None
                    and abs(one["mean"]) <= LIMITS[key][0]
                    and one["sd"] <= LIMITS[key][1]
                ),
            )
            for key, one in intervals.items()
        ),
    )


def _statements(name: str, statements: Mapping[str, Mapping[str, Any]]) -> Table:
    return Table(
        f"{name}: statements beside the header's labels",
        "With 95 % intervals (Wilson). A label that is not there need not mean that the finding is not.",
        ("finding", "labelled", "sensitivity %", "others", "specificity %", "said", "right %"),
        tuple(
            (
                TITLES[family],
                str(one["sensitivity"]["whole"]),
                _interval(one["sensitivity"]),
                str(one["specificity"]["whole"]),
                _interval(one["specificity"]),
                str(one["predictive"]["whole"]),
                _number(one["predictive"]["percent"], 0),
            )
            for family, one in statements.items()
        ),
    )


def _of_all(figures: Mapping[str, Any]) -> Iterator[Table]:
    af, triage = figures["af"], figures["triage"]
    if af["sensitivity"]["whole"]:
        yield Table(
            "Atrial fibrillation against everything else, all labelled records",
            "",
            ("", "records", "right", "% with 95 % interval", "wrong"),
            (
                _share_row("sensitivity", af["sensitivity"], af["missed"]),
                _share_row("specificity", af["specificity"], af["false"]),
            ),
        )
    if triage["false_alarms"]["whole"]:
        yield Table(
            "Triage on labelled records: alarms are level 0",
            "Must raise one: labels of ventricular tachycardia or fibrillation, acute infarction, complete AV"
            " block. Among the others may be critical findings that no label names. Left out is block under a"
            f" pacemaker, since nobody says if it was known: {', '.join(triage['undecided']) or 'none'}.",
            ("", "records", "alarms", "% with 95 % interval", "which"),
            (
                _share_row("must raise one", triage["sensitivity"], triage["missed"], "missed: "),
                _share_row("all others", triage["false_alarms"], triage["false"]),
            ),
        )
        levels = triage["levels"]
        columns = tuple(levels["others"])
        yield Table(
            "Triage levels given",
            "0 critical, 1 urgent, 2 abnormal, 3 nothing pressing, none: not judged.",
            ("", *columns),
            tuple(
                (title, *(str(levels[key][level]) for level in columns))
                for key, title in (("critical", "must raise an alarm"), ("others", "all others"))
            ),
        )


def _share_row(
    title: str, share: Mapping[str, Any], names: Sequence[str], before: str = ""
) -> tuple[str, ...]:
    return (
        title,
        str(share["whole"]),
        str(share["part"]),
        _interval(share),
        before + ", ".join(names) if names else "",
    )


def _simulated(simulated: Mapping[str, Any]) -> Iterator[Table]:
    if not simulated:
        return
    yield Table(
        "Simulated heart: alarms",
        "A simulated strip has the form its author gave it; it shows that a rule fires, not how real hearts"
        " look. Never added to the figures on real records.",
        ("", "strips", "alarms", "% with 95 % interval", ""),
        (
            _share_row("must raise one", simulated["sensitivity"], ()),
            _share_row("all others", simulated["false_alarms"], ()),
        ),
    )
    yield Table(
        "Simulated heart: scenarios",
        "How often the point of the scenario was said, and which levels were given.",
        ("scenario", "statement wanted", "said", "level wanted", "levels given"),
        tuple(
            (
                name,
                one["wanted"] or "-",
                f"{one['said']} of {one['strips']}" if one["wanted"] else "-",
                _level(one["level"]),
                " ".join(_level(level) for level in one["levels"]),
            )
            for name, one in simulated["scenarios"].items()
        ),
    )


def _level(level: int | None) -> str:
    return "-" if level is None else str(level)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _number(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value + 0.0:+.1f}"


def _mean_sd(one: Mapping[str, Any] | None) -> str:
    return "-" if not one or one["sd"] is None else f"{one['mean']:+.1f} ± {one['sd']:.1f}"


def _interval(share: Mapping[str, Any]) -> str:
    if share["percent"] is None:
        return "-"
    return f"{share['percent']:.1f} ({share['low']:.1f}-{share['high']:.1f})"
