"""A recording and its WFDB files: text header, FLAC signals of at most eight leads, annotations.

The only file access of `ecg` besides `formats/`. wfdb is loaded inside the functions that need it, so that
naming a `Recording` costs nothing. Headers never hold patient data.

RecordError
├── RecordMissingError    a file that should be there is not
├── RecordBrokenError     a file cannot be read for what it says it is
└── RecordMismatchError   readable, but header and signals disagree
"""

import datetime
import hashlib
import lzma
import re
import tarfile
import tempfile
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MISSING = -(2**31)
"""Count of a sample that never arrived; on disk the invalid value of the WFDB format."""

MOST_LEADS_PER_FILE = 8
"""What one FLAC stream can hold."""
FLAC_LEVEL = 1.0
"""libsndfile's hardest, libFLAC's 8: 3 % fewer bytes on the link than the default, for 0.4 ms more of CPU."""
_MOST_SIGNALS = 64
MOST_SAMPLES = 100_000_000
"""Of all signals together; a header may promise anything, so it is asked before memory is."""
_MOST_ARCHIVE_BYTES = 512 * 1024 * 1024
_NAME = re.compile(r"^[A-Za-z0-9_-]{1,64}$")
_FILE_NAME = re.compile(r"^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}$")
_START = "maitong start_ns "
UV_PER_UNIT = {"mv": 1000.0, "uv": 1.0, "µv": 1.0, "μv": 1.0, "v": 1e6, "nv": 1e-3}
INVALID = {"16": -(2**15), "24": -(2**23), "32": -(2**31), "61": -(2**15), "80": -(2**7)}
INVALID |= {"160": -(2**15), "212": -(2**11), "310": -(2**9), "311": -(2**9)}
INVALID |= {"508": -(2**7), "516": -(2**15), "524": -(2**23)}
"""What stands for a missing sample in each WFDB format; format 8 has nothing."""
WHAT_WFDB_RAISES = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    OSError,
    RuntimeError,
    MemoryError,
)
"""wfdb and libsndfile have no error tree of their own; this is what broken files made them raise."""


class RecordError(Exception):
    """Root of what can be wrong with a record."""


class RecordMissingError(RecordError):
    """A file that should be there is not."""


class RecordBrokenError(RecordError):
    """A file cannot be read for what it says it is."""


class RecordMismatchError(RecordError):
    """Header and signals disagree."""


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """One ECG as sampled: counts, never filtered, never resampled, never rounded."""

    name: str
    """WFDB record name: letters, digits, _ and -."""
    rate_hz: float
    leads: tuple[str, ...]
    counts: NDArray[np.int32]
    """(n_leads, n); MISSING where no sample arrived."""
    uv_per_count: tuple[float, ...]
    """Per lead."""
    start_ns: int
    """Wall time of the first sample, UTC."""
    comments: tuple[str, ...] = ()
    """Header comments; no patient data."""

    @property
    def missing(self) -> NDArray[np.bool_]:
        """(n_leads, n), True where no sample arrived."""
        return np.asarray(self.counts == MISSING)

    def microvolts(self) -> NDArray[np.float64]:
        """(n_leads, n) µV, NaN where no sample arrived."""
        scaled = self.counts * np.asarray(self.uv_per_count, dtype=np.float64)[:, None]
        scaled[self.missing] = np.nan
        return scaled


@dataclass(frozen=True, slots=True, eq=False)
class Signals:
    """Somebody else's record, as microvolts."""

    name: str
    rate_hz: float
    leads: tuple[str, ...]
    """Our spelling where it is one of the twelve, else the file's own name."""
    samples: NDArray[np.float64]
    """(n_leads, n) µV, NaN where the file says invalid."""
    comments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Annotations:
    """Marks on a record: sample index and WFDB symbol each, in time order."""

    samples: NDArray[np.int64]
    symbols: tuple[str, ...]
    notes: tuple[str, ...] = field(default=())
    """WFDB's aux text, '' where there is none."""


_one_at_a_time = threading.Lock()


@contextmanager
def wfdb_library() -> Iterator[Any]:
    """The wfdb library, loaded when first needed.

    It uses what pandas calls deprecated, which is not our caller's affair: such warnings are silenced
    inside. Python's warning filters are the process's own, so two threads take turns.
    """
    with _one_at_a_time, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import wfdb

        yield wfdb


def _format_of(counts: NDArray[np.int32]) -> str:
    """The smallest WFDB format that holds these counts and still has a value left for missing."""
    present = counts[counts != MISSING]
    low, high = (int(present.min()), int(present.max())) if present.size else (0, 0)
    if low > -(2**15) and high < 2**15:
        return "516"
    if low > -(2**23) and high < 2**23:
        return "524"
    return "32"  # a front end at its lower rail: no 24-bit value is left for missing, so no FLAC


def _check(recording: Recording) -> None:
    if not _NAME.match(recording.name):
        raise RecordMismatchError(
            f"'{recording.name}' cannot be a record name: letters, digits, _ and - only"
        )
    n = len(recording.leads)
    if not 0 < n <= _MOST_SIGNALS or recording.counts.ndim != 2 or len(recording.uv_per_count) != n:
        raise RecordMismatchError(
            f"{n} leads, {len(recording.uv_per_count)} gains, counts {recording.counts.shape}"
        )
    if recording.counts.shape[0] != n or recording.counts.shape[1] == 0:
        raise RecordMismatchError(f"{n} leads, counts {recording.counts.shape}: nothing to write")
    if recording.rate_hz <= 0 or not all(u > 0 for u in recording.uv_per_count):
        raise RecordMismatchError("sampling rate and µV per count must be above zero")
    if any("\n" in c or "\r" in c for c in recording.comments):
        raise RecordMismatchError("a header comment is one line")


def write(recording: Recording, folder: Path) -> list[Path]:
    """Write NAME.hea and its signal files into folder; their paths, header first.

    Samples come back bit for bit (`read`). Raises RecordMismatchError if the recording contradicts itself.
    """
    _check(recording)
    n_leads, n = recording.counts.shape
    groups = [slice(i, min(i + MOST_LEADS_PER_FILE, n_leads)) for i in range(0, n_leads, MOST_LEADS_PER_FILE)]
    stored = recording.counts.T.astype(np.int64)
    formats: list[str] = []
    names: list[str] = []
    for number, group in enumerate(groups):
        fmt = _format_of(recording.counts[group])
        part = stored[:, group]
        part[part == MISSING] = INVALID[fmt]
        formats += [fmt] * part.shape[1]
        suffix = "dat" if fmt == "32" else "flac"
        file_name = (
            f"{recording.name}.{suffix}" if len(groups) == 1 else f"{recording.name}_{number + 1}.{suffix}"
        )
        names += [file_name] * part.shape[1]
    start = datetime.datetime.fromtimestamp(recording.start_ns // 10**9, datetime.UTC).replace(
        microsecond=recording.start_ns % 10**9 // 1000
    )
    with wfdb_library() as wfdb:
        record = wfdb.Record(
            record_name=recording.name,
            n_sig=n_leads,
            fs=recording.rate_hz,
            sig_len=n,
            base_date=start.date(),
            base_time=start.time(),
            file_name=names,
            fmt=formats,
            adc_gain=[1000.0 / u for u in recording.uv_per_count],
            baseline=[0] * n_leads,
            units=["mV"] * n_leads,
            adc_res=[{"516": 16, "524": 24, "32": 32}[f] for f in formats],
            adc_zero=[0] * n_leads,
            init_value=[int(v) for v in stored[0]],
            checksum=[int(v) % 65536 for v in stored.sum(axis=0)],
            block_size=[0] * n_leads,
            sig_name=list(recording.leads),
            d_signal=stored,
            comments=[f"{_START}{recording.start_ns}", *recording.comments],
        )
        record.wrheader(write_dir=str(folder))
    paths = [folder / name for name in dict.fromkeys(names)]
    for path, group in zip(paths, groups, strict=True):
        _write_signals(path, stored[:, group], formats[group.start])
    return [folder / f"{recording.name}.hea", *paths]


def _write_signals(path: Path, values: NDArray[np.int64], fmt: str) -> None:
    """One signal file of (n, n_leads). wfdb's own writer leaves FLAC at its default level."""
    if fmt == "32":
        values.astype("<i4").tofile(path)
        return
    import soundfile

    rate = 96000  # FLAC has no use for ours; this is what WFDB writes, and what counts is in the header
    if fmt == "516":
        whole, subtype = values.astype(np.int16), "PCM_16"
    else:  # libsndfile takes 24 bits as the upper ones of 32
        whole, subtype = (values << 8).astype(np.int32), "PCM_24"
    soundfile.write(path, whole, rate, subtype=subtype, format="FLAC", compression_level=FLAC_LEVEL)


def contents(paths: Sequence[Path]) -> dict[str, bytes]:
    """File name → bytes, as a message carries a record."""
    return {path.name: path.read_bytes() for path in paths}


def signal_files(header: bytes) -> list[str]:
    """Signal file names in the header's order, each once. Raises RecordBrokenError.

    Only plain names pass: a header from outside must not lead out of its folder.
    """
    try:
        lines = [
            line.split() for line in header.decode("utf-8").splitlines() if line.strip() and line[0] != "#"
        ]
        n_signals = int(lines[0][1])
        names = list(dict.fromkeys(words[0] for words in lines[1 : n_signals + 1]))
        rows = len(lines) - 1
    except (UnicodeDecodeError, ValueError, IndexError) as error:
        raise RecordBrokenError("this is not a WFDB header") from error
    if not 0 < n_signals <= _MOST_SIGNALS or rows < n_signals:
        raise RecordBrokenError(f"header announces {n_signals} signals and describes {rows}")
    if bad := [name for name in names if not _FILE_NAME.match(name)]:
        raise RecordBrokenError(f"header names a file outside its folder: {bad[0]!r}")
    return names


def digest(files: Mapping[str, bytes]) -> bytes:
    """SHA-256 over the header's bytes, then the signal files in the header's order. Raises RecordError."""
    headers = [name for name in files if name.endswith(".hea")]
    if len(headers) != 1:
        raise RecordMissingError(f"a record has one header, here are {len(headers)}")
    header = files[headers[0]]
    result = hashlib.sha256(header)
    for name in signal_files(header):
        if name not in files:
            raise RecordMissingError(f"signal file {name} is missing")
        result.update(files[name])
    return result.digest()


def _load(folder: Path, name: str) -> Any:
    """wfdb's record with digital signals, every promise of its header checked first. Raises RecordError."""
    header = folder / f"{name}.hea"
    if not header.is_file():
        raise RecordMissingError(f"{header.name} is missing")
    for file_name in signal_files(header.read_bytes()):
        if not (folder / file_name).is_file():
            raise RecordMissingError(f"signal file {file_name} is missing")
    try:
        with wfdb_library() as wfdb:
            head = wfdb.rdheader(str(folder / name))
        n_signals, length, rate = int(head.n_sig), int(head.sig_len or 0), float(head.fs)
        frames = [int(k) for k in head.samps_per_frame]
    except WHAT_WFDB_RAISES as error:
        raise RecordBrokenError(f"{header.name} cannot be read: {error}") from error
    if length <= 0 or n_signals * length > MOST_SAMPLES or not 0 < rate < 1e6 or set(frames) != {1}:
        raise RecordBrokenError(
            f"{header.name}: {n_signals} signals × {length} samples at {rate} Hz, {frames} a frame"
        )
    try:
        with wfdb_library() as wfdb:
            record = wfdb.rdrecord(str(folder / name), physical=False)
        shape = record.d_signal.shape
    except WHAT_WFDB_RAISES as error:
        raise RecordBrokenError(f"the signals of {name} cannot be read: {error}") from error
    if shape != (length, n_signals):
        raise RecordMismatchError(f"{name}: header says {(length, n_signals)}, files hold {shape}")
    return record


def _counts(record: Any) -> NDArray[np.int64]:
    """(n_leads, n), baseline taken off, MISSING where the format's invalid value stands."""
    raw = record.d_signal.T.astype(np.int64)
    invalid = [INVALID.get(fmt) for fmt in record.fmt]
    counts: NDArray[np.int64] = raw - np.array([int(b) for b in record.baseline], dtype=np.int64)[:, None]
    for row, value in enumerate(invalid):
        if value is not None:
            counts[row, raw[row] == value] = MISSING
    return counts


def read(folder: Path, name: str) -> Recording:
    """The recording NAME in folder, bit for bit as written. Raises RecordError.

    Length, gains and the header's checksums are verified; the seal is `digest`.
    """
    record = _load(folder, name)
    sums = record.d_signal.astype(np.int64).sum(axis=0) % 65536
    for signal, (is_, should) in enumerate(zip(sums.tolist(), record.checksum, strict=True)):
        if should is None or int(should) % 65536 != is_:
            raise RecordMismatchError(f"{name}: checksum of signal {signal} is {is_}, header says {should}")
    counts = _counts(record)
    if counts.max(initial=0) >= 2**31:
        raise RecordBrokenError(f"{name}: counts beyond 32 bits")
    comments = tuple(record.comments)
    start_ns = 0
    if comments and comments[0].startswith(_START):
        text = comments[0].removeprefix(_START)
        if not text.isdecimal():
            raise RecordBrokenError(f"{name}: start time {text!r} is no number")
        start_ns, comments = int(text), comments[1:]
    elif record.base_datetime is not None:
        base = record.base_datetime.replace(tzinfo=datetime.UTC)
        start_ns = int(base.timestamp()) * 10**9 + base.microsecond * 1000
    return Recording(
        name=name,
        rate_hz=float(record.fs),
        leads=tuple(record.sig_name),
        counts=counts.astype(np.int32),
        uv_per_count=tuple(_uv_per_count(record)),
        start_ns=start_ns,
        comments=comments,
    )


def read_files(files: Mapping[str, bytes]) -> Recording:
    """The recording in these files (name → bytes), as a message or a row holds them. Raises RecordError."""
    headers = [name for name in files if name.endswith(".hea")]
    if len(headers) != 1 or not all(_FILE_NAME.match(name) for name in files):
        raise RecordMissingError(
            f"a record has one header and plain file names, here are {sorted(files)!r:.200}"
        )
    with tempfile.TemporaryDirectory(prefix="record-") as folder:
        for name, data in files.items():
            (Path(folder) / name).write_bytes(data)
        return read(Path(folder), headers[0].removesuffix(".hea"))


def _uv_per_count(record: Any) -> list[float]:
    """µV per count of each signal; raises RecordBrokenError if one is no voltage."""
    out: list[float] = []
    for gain, unit in zip(record.adc_gain, record.units, strict=True):
        scale = UV_PER_UNIT.get(str(unit).lower())
        if scale is None or not np.isfinite(gain) or gain <= 0:
            raise RecordBrokenError(f"a signal in {unit!r} with gain {gain} is no voltage")
        # The shortest number that gives this gain is what the writer had (1000/u need not give u back).
        near = (float(f"{scale / float(gain):.{digits}g}") for digits in range(1, 18))
        out.append(next((u for u in near if u and scale / u == gain), scale / float(gain)))
    return out


def read_any(path: Path) -> Signals:
    """Anybody's WFDB record as µV: a .hea path, or a .tar.xz (or .tar.gz) that holds one. Raises RecordError.

    Signals that are no voltage are left out. Nothing is resampled. Long records: `foreign.look`, and parts.
    """
    if ".tar" not in path.suffixes:
        return _foreign(path.with_name(path.name.removesuffix(".hea") + ".hea"))
    with tempfile.TemporaryDirectory(prefix="record-") as folder:
        unpack(path, Path(folder))
        headers = sorted(Path(folder).rglob("*.hea"))
        if not headers:
            raise RecordMissingError(f"{path.name} holds no WFDB header")
        return _foreign(headers[0])


def _foreign(header: Path) -> Signals:
    from ecg import foreign

    of = foreign.look(header)
    return Signals(of.name, of.rate_hz, of.leads, foreign.samples(of), of.comments)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a tar archive that holds a record. Raises RecordError; never writes outside folder."""
    if not archive.is_file():
        raise RecordMissingError(f"{archive.name} is missing")
    try:
        with tarfile.open(archive) as tar:
            size = 0
            for member in tar:
                size += member.size
                if size > _MOST_ARCHIVE_BYTES:
                    raise RecordBrokenError(
                        f"{archive.name} unpacks to more than {_MOST_ARCHIVE_BYTES} bytes"
                    )
                tar.extract(member, folder, filter="data")
    except (tarfile.TarError, lzma.LZMAError, EOFError, OSError, ValueError) as error:
        raise RecordBrokenError(f"{archive.name} cannot be unpacked: {error}") from error


def write_annotations(
    folder: Path, name: str, extension: str, annotations: Annotations, rate_hz: float
) -> Path:
    """Write NAME.EXTENSION in WFDB form; its path. Raises RecordMismatchError for unknown symbols."""
    if not _NAME.match(name) or not re.fullmatch(r"[A-Za-z0-9_]{1,20}", extension):
        raise RecordMismatchError(f"'{name}.{extension}' cannot be an annotation file")
    try:
        with wfdb_library() as wfdb:
            wfdb.wrann(
                name,
                extension,
                np.asarray(annotations.samples, dtype=np.int64),
                symbol=list(annotations.symbols),
                aux_note=list(annotations.notes) or None,
                fs=rate_hz,
                write_dir=str(folder),
            )
    except WHAT_WFDB_RAISES as error:
        raise RecordMismatchError(f"these annotations cannot be written: {error}") from error
    return folder / f"{name}.{extension}"


def read_annotations(folder: Path, name: str, extension: str) -> Annotations:
    """The annotation file NAME.EXTENSION in folder. Raises RecordError."""
    if not (folder / f"{name}.{extension}").is_file():
        raise RecordMissingError(f"{name}.{extension} is missing")
    try:
        with wfdb_library() as wfdb:
            marks = wfdb.rdann(str(folder / name), extension)
        samples = np.asarray(marks.sample, dtype=np.int64)
        notes = tuple(str(n).rstrip("\0") for n in marks.aux_note) if marks.aux_note else ()
        return Annotations(samples, tuple(str(s) for s in marks.symbol), notes)
    except WHAT_WFDB_RAISES as error:
        raise RecordBrokenError(f"{name}.{extension} cannot be read: {error}") from error
