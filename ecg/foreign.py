"""Anybody's WFDB record, whatever its rate, length, leads or layout: what it is, and a stretch of it as µV.

A day of twelve leads does not fit in memory twice, so a record is looked at once and read in parts. Also the
one place that finds records: in headers, folders and archives.
"""

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg import record
from ecg.leads import canonical

Array = NDArray[np.float64]

_PART = re.compile(r"^(?:~|[A-Za-z0-9_-]{1,64})$")
"""The record name of a part; ~ stands for a gap."""
_MOST_PARTS = 10_000
_LEAST_SCALED = 3
"""Leads whose gains must all be their own ranges before that is believed of a header."""
_MOST_SCALED_S = 600.0
"""Nobody normalises a long record lead by lead; it is not read through to find out."""
_ONE_COUNT = 1.0
_ARCHIVES = (".tar.xz", ".tar.gz", ".tar")


@dataclass(frozen=True, slots=True)
class Foreign:
    """A record as its header describes it."""

    folder: Path
    name: str
    rate_hz: float
    """Of the signals in `leads`; above the header's own where they have several samples in a frame."""
    leads: tuple[str, ...]
    """Our spelling where it is one of the twelve, else the file's own name; one given twice is numbered."""
    left_out: tuple[str, ...]
    """Signals that are no voltage, or are sampled at a lower rate than the others."""
    length: int
    """Samples of each lead."""
    comments: tuple[str, ...]
    rows: tuple[int, ...] = ()
    """Which signals of the file the leads are."""
    uv_per_count: tuple[float, ...] = ()
    per_frame: int = 1
    """Samples of one lead in a frame."""
    rescaled: bool = False
    """The header's gains only say how far each lead goes: counts are taken as µV."""
    unmeasured: bool = False
    """The header leaves the length to the signal file: wfdb can read such a record only whole."""
    parts: tuple[tuple[str, int], ...] = ()
    """Of a record made of several, one after another: their names (~ is a gap), and samples in each."""

    @property
    def seconds(self) -> float:
        return self.length / self.rate_hz


def look(header: Path) -> Foreign:
    """What the record behind a .hea file is. Raises RecordError."""
    folder, name = header.parent, header.name.removesuffix(".hea")
    head = _head(folder, name)
    try:
        return _joined(folder, name, head) if getattr(head, "seg_name", None) else _single(folder, name, head)
    except record.WHAT_WFDB_RAISES as error:
        raise record.RecordBrokenError(f"{name}.hea cannot be read: {error}") from error


def samples(of: Foreign, start: int = 0, end: int | None = None) -> Array:
    """(n_leads, end - start) µV, NaN where the file says invalid. Raises RecordError."""
    end = of.length if end is None else min(end, of.length)
    if not 0 <= start < end or len(of.leads) * (end - start) > record.MOST_SAMPLES:
        raise record.RecordMismatchError(f"{of.name}: samples {start} to {end} of {of.length} cannot be read")
    return _from_parts(of, start, end) if of.parts else _from_files(of, start, end)


def _from_files(of: Foreign, start: int, end: int) -> Array:
    first, last = (0, of.length // of.per_frame) if of.unmeasured else _frames(of, start, end)
    try:
        with record.wfdb_library() as wfdb:
            got = wfdb.rdrecord(
                str(of.folder / of.name),
                sampfrom=first,
                sampto=None if of.unmeasured else last,
                channels=list(of.rows),
                physical=False,
                smooth_frames=of.per_frame == 1,
            )
        raw = got.d_signal.T if of.per_frame == 1 else np.array([np.asarray(row) for row in got.e_d_signal])
        values = np.asarray(raw - np.array([float(b) for b in got.baseline])[:, None], dtype=np.float64)
        for row, counts, fmt in zip(values, raw, got.fmt, strict=True):
            if fmt in record.INVALID:
                row[counts == record.INVALID[fmt]] = np.nan
    except record.WHAT_WFDB_RAISES as error:
        raise record.RecordBrokenError(f"the signals of {of.name} cannot be read: {error}") from error
    if values.shape != (len(of.leads), (last - first) * of.per_frame):
        raise record.RecordMismatchError(f"{of.name}: the header promises more than the signal files hold")
    values *= np.array(of.uv_per_count)[:, None]
    return values[:, start - first * of.per_frame : end - first * of.per_frame]


def _frames(of: Foreign, start: int, end: int) -> tuple[int, int]:
    return start // of.per_frame, -(-end // of.per_frame)


def _from_parts(of: Foreign, start: int, end: int) -> Array:
    """A lead that a part does not have is NaN there."""
    out = np.full((len(of.leads), end - start), np.nan)
    begin = 0
    for name, length in of.parts:
        first, last = max(start, begin), min(end, begin + length)
        if name != "~" and first < last:
            part = _single(of.folder, name, _head(of.folder, name))
            if part.rate_hz != of.rate_hz:
                raise record.RecordMismatchError(f"{of.name}: its part {name} has another rate")
            got = _from_files(part, first - begin, last - begin)
            for lead, row in zip(part.leads, got, strict=True):
                if lead in of.leads:
                    out[of.leads.index(lead), first - start : last - start] = row
        begin += length
    return out


def _head(folder: Path, name: str) -> Any:
    """wfdb's header of one record, its signal files known to exist. Raises RecordError."""
    path = folder / f"{name}.hea"
    if not path.is_file():
        raise record.RecordMissingError(f"{path.name} is missing")
    try:
        with record.wfdb_library() as wfdb:
            head = wfdb.rdheader(str(folder / name))
    except record.WHAT_WFDB_RAISES as error:
        raise record.RecordBrokenError(f"{path.name} cannot be read: {error}") from error
    if not getattr(head, "seg_name", None):
        for file_name in record.signal_files(path.read_bytes()):
            if not (folder / file_name).is_file():
                raise record.RecordMissingError(f"signal file {file_name} is missing")
    return head


def _single(folder: Path, name: str, head: Any) -> Foreign:
    """A record with signal files of its own."""
    if getattr(head, "seg_name", None):
        raise record.RecordBrokenError(f"{name} is a part of a record and itself made of parts")
    names = [str(s or f"signal {k + 1}") for k, s in enumerate(head.sig_name)]
    per_unit = [record.UV_PER_UNIT.get(str(u).lower(), 0.0) for u in head.units]
    gains = [float(g) for g in head.adc_gain]
    frames = [int(k or 1) for k in head.samps_per_frame]
    voltages = [k for k, gain in enumerate(gains) if per_unit[k] and np.isfinite(gain) and gain > 0]
    if not voltages:
        raise record.RecordBrokenError(f"{name} holds no voltage")
    per_frame = max(frames[k] for k in voltages)
    rows = [k for k in voltages if frames[k] == per_frame]
    length, rate_hz = int(head.sig_len or _length_of_files(folder, name)), float(head.fs) * per_frame
    if length <= 0 or not 0 < rate_hz < 1e6:
        raise record.RecordBrokenError(f"{name}.hea: {length} samples at {rate_hz:g} Hz")
    found = Foreign(
        folder=folder,
        name=name,
        rate_hz=rate_hz,
        leads=_distinct([canonical(names[k]) or names[k] for k in rows]),
        left_out=tuple(names[k] for k in range(len(names)) if k not in rows),
        length=length * per_frame,
        comments=tuple(str(c) for c in (head.comments or ())),
        rows=tuple(rows),
        uv_per_count=tuple(per_unit[k] / gains[k] for k in rows),
        per_frame=per_frame,
        unmeasured=not head.sig_len,
    )
    return _common_scale(found, [gains[k] for k in rows])


def _common_scale(of: Foreign, gains: Sequence[float]) -> Foreign:
    """Take counts as µV where the header's gains are no calibration but each lead's own range.

    LUDB's are: every lead spans exactly 1 mV by its gain, which is not what any heart does, and I + III is II
    in counts only. That a count is 1 µV there is ours to assume: QRS heights then are what such hearts have.
    """
    if len(gains) < _LEAST_SCALED or len(set(gains)) < 2 or of.seconds > _MOST_SCALED_S:
        return of
    counts = _from_files(replace(of, uv_per_count=(1.0,) * len(gains)), 0, of.length)
    if not np.isfinite(counts).any(axis=1).all():
        return of
    spans = np.nanmax(counts, axis=1) - np.nanmin(counts, axis=1)
    if np.abs(spans - np.array(gains)).max() > _ONE_COUNT:
        return of
    return replace(of, uv_per_count=(1.0,) * len(gains), rescaled=True)


def _joined(folder: Path, name: str, head: Any) -> Foreign:
    """A record made of others. Its leads are those of all parts; a header from outside must not lead out of
    its folder."""
    parts = [(str(n), int(k or 0)) for n, k in zip(head.seg_name, head.seg_len, strict=True)]
    if len(parts) > _MOST_PARTS:
        raise record.RecordBrokenError(f"{name}.hea names {len(parts)} parts")
    if bad := [n for n, _ in parts if not _PART.match(n)]:
        raise record.RecordBrokenError(f"{name}.hea names a part outside its folder: {bad[0]!r}")
    # The first may only list the signals of parts that differ: no sample stands in it, nor a signal file.
    parts = [(n, k) for n, k in parts if k > 0]
    looked = [_single(folder, n, _head(folder, n)) for n in dict.fromkeys(n for n, _ in parts) if n != "~"]
    if not looked or len({part.rate_hz for part in looked}) != 1:
        raise record.RecordBrokenError(f"{name}.hea: {len(looked)} parts with signals, or of several rates")
    per_frame = looked[0].per_frame
    leads = tuple(dict.fromkeys(lead for part in looked for lead in part.leads))
    left_out = dict.fromkeys(lead for part in looked for lead in part.left_out if lead not in leads)
    parts = [(n, k * per_frame) for n, k in parts]
    length = sum(k for _, k in parts)
    comments = tuple(str(c) for c in (head.comments or ()))
    return Foreign(
        folder, name, looked[0].rate_hz, leads, tuple(left_out), length, comments, parts=tuple(parts)
    )


def _length_of_files(folder: Path, name: str) -> int:
    """A header may leave its length to the signal file; wfdb then knows it after reading."""
    size = sum(
        (folder / f).stat().st_size for f in record.signal_files((folder / f"{name}.hea").read_bytes())
    )
    if size > record.MOST_SAMPLES:
        raise record.RecordBrokenError(f"{name}.hea says no length and its signals have {size} bytes")
    with record.wfdb_library() as wfdb:
        return int(wfdb.rdrecord(str(folder / name), physical=False).sig_len)


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    """Names given twice get a number, in file order."""
    out: list[str] = []
    for name in names:
        seen, new = 1, name
        while new in out:
            seen += 1
            new = f"{name}_{seen}"
        out.append(new)
    return tuple(out)


@contextmanager
def headers(paths: Sequence[Path]) -> Iterator[Iterator[Path | record.RecordError]]:
    """Every WFDB header at these paths: headers, records without suffix, archives, folders of any of them.

    Archives are unpacked one at a time and removed again when the next is asked for. What cannot be found or
    unpacked comes as the error it is, so that one broken archive does not end the work on the others. The
    parts of a record are not records of their own.
    """

    def walk(folder: Path) -> Iterator[Path | record.RecordError]:
        for path in paths:
            yield from _at(path, folder)

    with tempfile.TemporaryDirectory(prefix="records-") as folder:
        yield walk(Path(folder))


def holds(folder: Path) -> bool:
    """Is there anything in it that may be a record?"""
    return any(path.name.endswith((".hea", *_ARCHIVES)) for path in folder.rglob("*"))


def _at(path: Path, spare: Path) -> Iterator[Path | record.RecordError]:
    if path.is_dir():
        found = sorted(p for p in path.rglob("*") if p.is_file() and p.name.endswith((".hea", *_ARCHIVES)))
        parts = _parts_of(p for p in found if p.suffix == ".hea")
        if not found:
            yield record.RecordMissingError(f"{path.name} holds no WFDB header and no archive")
        for file in found:
            if file.suffix != ".hea":
                yield from _in_archive(file, spare, others_too=True)
            elif file not in parts:
                yield file
    elif path.name.endswith(_ARCHIVES):
        yield from _in_archive(path, spare)
    else:
        header = path if path.suffix == ".hea" else path.with_name(path.name + ".hea")
        if header.is_file():
            yield header
        else:
            yield record.RecordMissingError(f"{header.name} is missing")


def _in_archive(archive: Path, spare: Path, others_too: bool = False) -> Iterator[Path | record.RecordError]:
    """Headers in an archive; `others_too`: one that holds something else is no error."""
    with tempfile.TemporaryDirectory(dir=spare) as name:
        try:
            record.unpack(archive, Path(name))
        except record.RecordError as error:
            yield error
            return
        found = sorted(Path(name).rglob("*.hea"))
        parts = _parts_of(found)
        if not found and not others_too:
            yield record.RecordMissingError(f"{archive.name} holds no WFDB header")
        yield from (header for header in found if header not in parts)


def _parts_of(found: Sequence[Path] | Iterator[Path]) -> frozenset[Path]:
    """Headers that are parts of another header among these."""
    out: set[Path] = set()
    for header in found:
        lines = [
            line.split()
            for line in header.read_text("utf-8", "replace").splitlines()
            if line.strip() and not line.startswith("#")
        ]
        if lines and "/" in lines[0][0]:
            out |= {header.with_name(f"{line[0]}.hea") for line in lines[1:] if line}
    return frozenset(out)
