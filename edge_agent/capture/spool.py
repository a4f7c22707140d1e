"""A capture on disk while it is being made: a folder per attempt, complete at every moment.

    spool/<recording_id>/meta.json        written, synced and renamed before the first sample
                         samples.i32      little-endian int32, all leads of a sample, then the next
                         electrodes.jsonl one line per change of contact
                         out-*/           what the analysis process makes of it

Power may go at any point: what is whole is read back, a torn last sample is cut off. The samples carry no
name; who the patient is stands in meta.json under the station's key.
"""

import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from protocols.envelope import ClockQuality

META, SAMPLES, ELECTRODES = "meta.json", "samples.i32", "electrodes.jsonl"


class SpoolDamaged(ValueError):  # noqa: N818 - reads as the fact it states
    """A folder that cannot be read back; the text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Meta:
    """All that is known of an attempt when its first sample arrives."""

    recording_id: str
    exam_id: str
    attempt: int
    operator: str
    lead_off_reason: str | None
    started_ns: int
    planned_s: int
    rate_hz: int
    leads: tuple[str, ...]
    uv_per_count: float
    box_serial: str
    box_first_sample: int
    visit: str
    """Patient and complaint, sealed, as hex: what the room knows, in case the room's file is lost."""
    started_quality: ClockQuality | None = None
    """With the next two: how good `started_ns` is, and what it can be corrected by. A spool of an older
    version has none of them."""
    started_boot: str = ""
    started_mono_ns: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Spooled:
    """A spool read back."""

    folder: Path
    meta: Meta
    samples: int
    electrodes_off: tuple[str, ...]
    """Electrodes that were without contact at any time."""

    @property
    def interrupted(self) -> bool:
        return self.samples < self.meta.planned_s * self.meta.rate_hz


class Spool:
    """An open spool; leaving closes the files and keeps them."""

    def __init__(self, folder: Path, meta: Meta) -> None:
        """Make the folder; when this returns, `meta` is on the disk."""
        folder.mkdir(parents=True)
        self.folder = folder
        written = folder / (META + ".new")
        with written.open("w", encoding="utf-8") as file:
            json.dump(asdict(meta), file)
            file.flush()
            os.fsync(file.fileno())
        written.rename(folder / META)
        self._samples = (folder / SAMPLES).open("ab", buffering=0)
        self._electrodes = (folder / ELECTRODES).open("ab", buffering=0)
        _sync_folder(folder)
        _sync_folder(folder.parent)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, counts: NDArray[np.int32]) -> None:
        """Append (leads, n)."""
        self._samples.write(np.ascontiguousarray(counts.T, dtype="<i4").tobytes())

    def note_electrodes(self, sample: int, off: frozenset[str]) -> None:
        """From this sample on, these electrodes have no contact."""
        self._electrodes.write(json.dumps({"sample": sample, "off": sorted(off)}).encode() + b"\n")

    def sync(self) -> None:
        """Put what was written on the disk. Blocks: call it in a thread."""
        if not self._samples.closed:
            os.fdatasync(self._samples.fileno())

    def close(self) -> None:
        self._samples.close()
        self._electrodes.close()


def leftovers(root: Path) -> list[Path]:
    """Every spool folder under `root`, oldest first."""
    if not root.is_dir():
        return []
    return sorted((entry for entry in root.iterdir() if entry.is_dir()), key=lambda e: e.stat().st_mtime_ns)


def exists(folder: Path) -> bool:
    """Whether it has not been removed yet."""
    return folder.is_dir()


def is_shell(folder: Path) -> bool:
    """Whether the power went before the folder had its meta: no sample was taken."""
    return not (folder / META).exists() and not (folder / SAMPLES).exists()


def look(folder: Path) -> Spooled:
    """What a folder holds, without its samples. Raises SpoolDamaged."""
    signal = folder / SAMPLES
    try:
        fields = json.loads((folder / META).read_text(encoding="utf-8"))
        meta = Meta(**{**fields, "leads": tuple(fields["leads"])})
        width = 4 * len(meta.leads)
        # Killed before the first sample, or while a sealed spool was removed: nothing in it.
        size = signal.stat().st_size if signal.exists() else 0
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise SpoolDamaged(
            f"{folder.name}: {META} or {SAMPLES} is unreadable ({type(error).__name__})"
        ) from None
    if meta.recording_id != folder.name or width == 0:
        raise SpoolDamaged(f"{folder.name}: {META} belongs to another attempt")
    off: set[str] = set()
    try:
        lines = (folder / ELECTRODES).read_bytes().splitlines()
    except OSError:
        lines = []
    for line in lines:
        off.update(_electrodes(line))
    return Spooled(folder, meta, size // width, tuple(sorted(off)))


def samples(spooled: Spooled) -> NDArray[np.int32]:
    """(leads, n) as the box gave them; `MISSING` of recorder.py where nothing arrived."""
    n_leads = len(spooled.meta.leads)
    flat = np.fromfile(spooled.folder / SAMPLES, dtype="<i4", count=spooled.samples * n_leads)
    return np.ascontiguousarray(flat.reshape(-1, n_leads).T.astype(np.int32, copy=False))


def remove(folder: Path) -> None:
    """Forget a spool; the meta goes last, so that a half-removed one is still known for what it was."""
    for entry in folder.iterdir():
        if entry.name != META:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    shutil.rmtree(folder)


def set_aside(folder: Path, quarantine: Path) -> Path:
    """Move a damaged spool where a person can look at it."""
    quarantine.mkdir(parents=True, exist_ok=True)
    target = quarantine / f"spool-{folder.name}"
    k = 1
    while target.exists():
        target = quarantine / f"spool-{folder.name}.{k}"
        k += 1
    return folder.rename(target)


def _electrodes(line: bytes) -> list[str]:
    try:
        said: Any = json.loads(line)
        return [str(name) for name in said["off"]]
    except (ValueError, TypeError, KeyError):  # torn by a power cut
        return []


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
