"""An annotated record as files that others can judge: WFDB annotations and one JSON file.

mtb    every beat with its symbol, and rhythm changes in the aux field of + marks
mtg    boundaries of all leads together: ( p N t )
mt_<lead>  the same of one lead, its name in lower case
json   quality, measurements, statements with their evidence, triage
"""

import json
import re
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ecg import record
from ecg.delineate import Waves
from ecg.record import Annotations
from ecg.tools.annotate import Annotated, Stretch
from ecg.version import VERSION

BEATS, TOGETHER, LEAD = "mtb", "mtg", "mt_"
"""Extensions; a lead's is LEAD and its name."""
_EMPTY = b"\0\0"
"""An annotation file in which nothing is marked: only its end mark."""
_WAVES = (("p", "p"), ("qrs", "N"), ("t", "t"))
_NOT_JUDGED = 4
"""Level None sorts behind every level."""
_WORST_LAST = ("diagnostic", "rhythm_only", "repeat")


def write(found: Annotated, folder: Path) -> list[Path]:
    """Write the files into an existing folder, whole or not at all; their paths, JSON last.

    Raises RecordMismatchError where the record's name cannot name a file.
    """
    rate_hz, name = found.of.rate_hz, found.of.name
    marks = {BEATS: beat_marks(found), TOGETHER: wave_marks(found.together)}
    for lead, extension in extensions(found.per_lead).items():
        marks[extension] = wave_marks(found.per_lead[lead])
    with tempfile.TemporaryDirectory(dir=folder, prefix=".annotating-") as temporary:
        made: list[Path] = []
        for extension, what in marks.items():
            made.append(_written(Path(temporary), name, extension, what, rate_hz))
        text = json.dumps(summary(found), ensure_ascii=False, indent=1, allow_nan=False)
        made.append(Path(temporary) / f"{name}.json")
        made[-1].write_text(text + "\n", "utf-8")
        for path in made:
            path.replace(folder / path.name)
    return [folder / path.name for path in made]


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all, its folder made if there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
        temporary = Path(file.name)
        try:
            file.write(text)
        except BaseException:
            temporary.unlink()
            raise
    temporary.chmod(0o644)
    temporary.replace(path)


def _written(folder: Path, name: str, extension: str, marks: Annotations, rate_hz: float) -> Path:
    path = folder / f"{name}.{extension}"
    if marks.samples.size:
        # wfdb reads any extension but writes only letters.
        return record.write_annotations(folder, name, "part", marks, rate_hz).replace(path)
    path.write_bytes(_EMPTY)
    return path


def extensions(leads: Sequence[str] | Mapping[str, Any]) -> dict[str, str]:
    """Lead → annotation file extension: its name in lower case; what may not stand in one becomes _."""
    out: dict[str, str] = {}
    for lead in leads:
        plain = LEAD + (re.sub(r"[^a-z0-9]+", "_", lead.lower()).strip("_")[:12] or "lead")
        number, extension = 1, plain
        while extension in out.values():
            number += 1
            extension = f"{plain}_{number}"
        out[lead] = extension
    return out


def beat_marks(found: Annotated) -> Annotations:
    """Beats and rhythm changes in time order, a change before the beat it begins with."""
    rows = [(at, 0, "+", note) for at, note in found.rhythm]
    rows += [(at, 1, kind, "") for at, kind in zip(found.r_peaks.tolist(), found.classes, strict=True)]
    rows.sort()
    return Annotations(
        np.array([row[0] for row in rows], dtype=np.int64),
        tuple(row[2] for row in rows),
        tuple(row[3] for row in rows),
    )


def wave_marks(waves: Waves) -> Annotations:
    """Boundaries as LUDB writes them: ( at the onset, p, N or t at the peak, ) at the end.

    A wave without a peak is not written. Where one wave ends behind the onset of the next, both are put in
    the middle between them: the brackets of two waves may not cross, or nobody could tell whose they are.
    """
    triples: list[_Triple] = []
    points = waves._asdict()
    for wave, symbol in _WAVES:
        for on, peak, off in zip(*(points[f"{wave}_{k}"] for k in ("on", "peak", "off")), strict=True):
            if np.isfinite(peak):
                at = round(float(peak))
                start = min(at, round(float(on))) if np.isfinite(on) else None
                end = max(at, round(float(off))) if np.isfinite(off) else None
                triples.append(_Triple(at, symbol, start, end))
    triples.sort(key=lambda triple: triple.peak)
    for k in range(1, len(triples)):
        triples[k - 1 : k + 1] = _apart(triples[k - 1], triples[k])
    samples: list[int] = []
    symbols: list[str] = []
    for triple in triples:
        for at_, mark in ((triple.on, "("), (triple.peak, triple.symbol), (triple.off, ")")):
            if at_ is not None:
                samples.append(at_)
                symbols.append(mark)
    return Annotations(np.array(samples, dtype=np.int64), tuple(symbols))


class _Triple(NamedTuple):
    peak: int
    symbol: str
    on: int | None
    off: int | None


def _apart(a: _Triple, b: _Triple) -> tuple[_Triple, _Triple]:
    """Two waves that follow each other, brackets uncrossed."""
    end, start = a.off if a.off is not None else a.peak, b.on if b.on is not None else b.peak
    if end <= start:
        return a, b
    middle = min(max((end + start) // 2, a.peak), b.peak)
    return (
        a if a.off is None else a._replace(off=middle),
        b if b.on is None else b._replace(on=middle),
    )


def summary(found: Annotated) -> dict[str, Any]:
    """The record in one dictionary, as the JSON file holds it: numbers, None where there is none, no NaN.

    Of a record with several strips, the numbers are the medians of theirs, the statements all of theirs, the
    triage that of the most pressing; `strips` then holds each of them.
    """
    of = found.of
    waves = {lead: _waves_counted(waves) for lead, waves in found.per_lead.items()}
    strips = [_strip(strip) for strip in found.stretches]
    return {
        "record": of.name,
        "version": VERSION,
        "rate_hz": of.rate_hz,
        "samples": of.length,
        "seconds": round(of.seconds, 3),
        "leads": list(of.leads),
        "left_out": list(of.left_out),
        "counts_taken_as_uv": of.rescaled,
        "person": found.person._asdict(),
        "beats": {
            "count": int(found.r_peaks.size),
            "classes": dict(sorted(Counter(found.classes).items())),
            "decided_by": list(found.deciding),
            "pacing_spikes": int(found.spikes.size),
        },
        "rhythm": [{"sample": at, "note": note} for at, note in found.rhythm],
        "waves": waves | {"together": _waves_counted(found.together)},
        "files": {BEATS: "beats, rhythm", TOGETHER: "together"}
        | {extension: lead for lead, extension in extensions(found.per_lead).items()},
        **(strips[0] if len(strips) == 1 else _of_all(found, strips)),
        "strips": strips if len(strips) > 1 else [],
    }


def _of_all(found: Annotated, strips: Sequence[dict[str, Any]]) -> dict[str, Any]:
    words = Counter(strip["quality"]["verdict"] for strip in strips)
    leads = strips[0]["per_lead"]
    return {
        "start": 0,
        "end": found.of.length,
        "quality": {
            "verdict": max(words, key=lambda word: (words[word], _WORST_LAST.index(word))),
            "reasons": list(dict.fromkeys(r for s in strips for r in s["quality"]["reasons"])),
            "strips": dict(words),
        },
        "measurements": _median([s["measurements"] for s in strips]),
        "per_lead": {lead: _median([s["per_lead"][lead] for s in strips]) for lead in leads},
        "statements": [statement for s in strips for statement in s["statements"]],
        "electrodes": None,
        "triage": min(
            (s["triage"] for s in strips), key=lambda t: _NOT_JUDGED if t["level"] is None else t["level"]
        ),
    }


def _median(tables: Sequence[Mapping[str, float | None]]) -> dict[str, float | None]:
    out: dict[str, float | None] = {}
    for name in tables[0]:
        known = [value for table in tables if (value := table[name]) is not None]
        out[name] = float(np.median(known)) if known else None
    return out


def _waves_counted(waves: Waves) -> dict[str, int]:
    points = waves._asdict()
    return {name: int(np.isfinite(points[f"{name}_peak"]).sum()) for name, _ in _WAVES}


def _strip(strip: Stretch) -> dict[str, Any]:
    return {
        "start": strip.start,
        "end": strip.end,
        "quality": {
            "verdict": strip.quality.verdict,
            "reasons": list(strip.quality.reasons),
            "per_lead": dict(strip.quality.per_lead),
            "usable": list(strip.quality.usable),
        },
        "measurements": strip.measurements,
        "per_lead": strip.per_lead,
        "statements": [_plain(finding) for finding in strip.findings],
        "triage": _plain(strip.verdict),
        "electrodes": _plain(strip.reversals),
    }


def _plain(value: Any) -> Any:
    """What JSON can hold: named tuples by their names, numbers as Python's, what is no number as None."""
    if hasattr(value, "_asdict"):
        return {name: _plain(part) for name, part in value._asdict().items()}
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value
