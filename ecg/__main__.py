"""`python -m ecg validate PATH`: what this arithmetic makes of a record, beside its annotations.

PATH is a WFDB header, an archive of a record, or a folder of either. One JSON line for each record, then
one for all of them.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg import beats, measure, quality, record
from ecg.leads import BOX_LEADS, LEADS, derive
from ecg.version import VERSION

WINDOW_S = 0.150
"""A detection this near a reference beat is that beat (EC57)."""
BEAT_SYMBOLS = frozenset("NLRBAaJSVrFejnE/fQ?")
"""WFDB symbols that are beats."""
_REFERENCES = ("atr", "ii", "i")
"""Annotation files looked for: whole record, then one lead of a record delineated lead by lead."""

Indices = NDArray[np.int64]


def matched(reference: Indices, found: Indices, width: int) -> list[tuple[int, int]]:
    """One-to-one pairs (reference index, found index), nearest first, at most width samples apart."""
    pairs: list[tuple[int, int, int]] = []
    first = np.searchsorted(found, reference - width)
    end = np.searchsorted(found, reference + width, side="right")
    for i, (a, b) in enumerate(zip(first.tolist(), end.tolist(), strict=True)):
        pairs += [(abs(int(found[j] - reference[i])), i, j) for j in range(a, b)]
    used_reference: set[int] = set()
    used_found: set[int] = set()
    out: list[tuple[int, int]] = []
    for _, i, j in sorted(pairs):
        if i not in used_reference and j not in used_found:
            used_reference.add(i)
            used_found.add(j)
            out.append((i, j))
    return out


def _flutter(marks: record.Annotations) -> list[tuple[int, int]]:
    """Stretches of ventricular flutter, where there are no beats to find."""
    spans: list[tuple[int, int]] = []
    start: int | None = None
    for sample, symbol in zip(marks.samples.tolist(), marks.symbols, strict=True):
        if symbol == "[":
            start = sample
        elif symbol == "]" and start is not None:
            spans.append((start, sample))
            start = None
    return spans


def score(found: Indices, marks: record.Annotations, rate_hz: float, *, between_only: bool) -> dict[str, Any]:
    """True and false detections against reference beats.

    `between_only`: the reference leaves out the first and last beats (LUDB), so that a detection outside
    its marks is neither right nor wrong.
    """
    width = round(WINDOW_S * rate_hz)
    beat = np.array([symbol in BEAT_SYMBOLS for symbol in marks.symbols], dtype=bool)
    reference = marks.samples[beat]
    for start, end in _flutter(marks):
        reference = reference[(reference < start - width) | (reference > end + width)]
        found = found[(found < start - width) | (found > end + width)]
    pairs = matched(reference, found, width)
    hit = {j for _, j in pairs}
    wrong = [int(f) for j, f in enumerate(found) if j not in hit]
    if between_only and marks.samples.size:
        wrong = [f for f in wrong if marks.samples[0] <= f <= marks.samples[-1]]
    offsets = [float(found[j] - reference[i]) / rate_hz * 1e3 for i, j in pairs]
    return {"tp": len(pairs), "fn": len(reference) - len(pairs), "fp": len(wrong), "offsets_ms": offsets}


def _figures(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Sensitivity, positive predictive value and offset of these scores together, gross."""
    tp, fn, fp = (sum(part[key] for part in parts) for key in ("tp", "fn", "fp"))
    offsets = np.array([x for part in parts for x in part["offsets_ms"]])
    return {
        "tp": tp,
        "fn": fn,
        "fp": fp,
        "se_percent": round(100 * tp / max(1, tp + fn), 3),
        "ppv_percent": round(100 * tp / max(1, tp + fp), 3),
        "offset_ms": round(float(offsets.mean()), 2) if offsets.size else None,
        "within_10_ms_percent": round(100 * float((np.abs(offsets) <= 10).mean()), 1)
        if offsets.size
        else None,
    }


def examine(header: Path) -> tuple[dict[str, Any], Indices, dict[str, Any] | None]:
    """One record: its line, the beats found, and their score if a reference lies beside it.

    Twelve-lead records are judged and measured on all leads; others are read on their first lead, as QRS
    detectors are compared (EC57).
    """
    signals = record.read_any(header)
    twelve = set(BOX_LEADS) <= set(signals.leads)
    line: dict[str, Any] = {
        "record": signals.name,
        "version": VERSION,
        "seconds": round(signals.samples.shape[1] / signals.rate_hz, 3),
        "leads": list(signals.leads),
    }
    if twelve:
        samples = derive(signals.samples, signals.leads)
        judged = quality.assess(samples, signals.rate_hz, LEADS)
        line["quality"], line["quality_reasons"] = judged.verdict, list(judged.reasons)
        line["measurements"] = measure.measure(samples, signals.rate_hz, judged.usable)
    else:
        samples = signals.samples[:1]
    found = beats.detect(samples, signals.rate_hz)
    line["beats"] = int(found.size)
    line["heart_rate"] = (
        round(60 * signals.rate_hz / float(np.diff(found).mean()), 1) if found.size > 1 else None
    )
    for extension in _REFERENCES:
        if header.with_suffix(f".{extension}").is_file():
            marks = record.read_annotations(header.parent, header.stem, extension)
            scored = score(found, marks, signals.rate_hz, between_only=extension != "atr")
            return line | _figures([scored]), found, scored
    return line, found, None


@contextmanager
def _headers(path: Path) -> Iterator[Iterator[Path]]:
    """Every WFDB header at path; archives are unpacked one at a time and removed again."""

    def walk(folder: Path) -> Iterator[Path]:
        if path.is_dir():
            yield from sorted(path.glob("*.hea"))
            archives = sorted(path.glob("*.tar.xz"))
        elif ".tar" in path.suffixes:
            archives = [path]
        else:
            yield path.with_suffix(".hea")
            archives = []
        for number, archive in enumerate(archives):
            target = folder / str(number)
            target.mkdir()
            record.unpack(archive, target)
            yield from sorted(target.rglob("*.hea"))
            for file in target.rglob("*"):
                if file.is_file():
                    file.unlink()

    with tempfile.TemporaryDirectory(prefix="validate-") as folder:
        yield walk(Path(folder))


def validate(path: Path, write_to: Path | None) -> int:
    """Print what is found in every record at path; 0 if all could be read."""
    scores: list[dict[str, Any]] = []
    failed = count = 0
    with _headers(path) as headers:
        try:
            for header in headers:
                count += 1
                try:
                    line, found, scored = examine(header)
                except record.RecordError as error:
                    failed += 1
                    print(json.dumps({"record": header.stem, "error": str(error)}, ensure_ascii=False))
                    continue
                print(json.dumps(line, ensure_ascii=False))
                if scored is not None:
                    scores.append(scored)
                if write_to is not None:
                    rate_hz = record.read_any(header).rate_hz
                    marks = record.Annotations(found, ("N",) * found.size)
                    record.write_annotations(write_to, header.stem, "mtb", marks, rate_hz)
        except record.RecordError as error:
            failed += 1
            print(json.dumps({"error": str(error)}, ensure_ascii=False))
    total: dict[str, Any] = {"records": count, "unreadable": failed, "version": VERSION}
    print(json.dumps(total | (_figures(scores) if scores else {}), ensure_ascii=False))
    return 1 if failed or not count else 0


def main(arguments: list[str] | None = None) -> int:
    """The command line; its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m ecg", description="The arithmetic of the electrocardiogram."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    checking = commands.add_parser("validate", help="rate, quality and detector figures of WFDB records")
    checking.add_argument("path", type=Path, help="header, archive (.tar.xz), or a folder of either")
    checking.add_argument("--write", type=Path, help="existing folder for the beats found, as NAME.mtb")
    options = parser.parse_args(arguments)
    return validate(options.path, options.write)


if __name__ == "__main__":
    sys.exit(main())
