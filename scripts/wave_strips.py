"""What the wave network is trained on: strips with their beats and the boundaries cardiologists drew.

Read from the folder MAITONG_ECG_DATA names: LUDB and QTDB with all boundaries; twelve-lead strips in atrial
fibrillation or flutter, of which only that they have no P wave is used; recorded muscle and electrode noise.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecg import beats, record
from ecg import wave_network as network
from ecg.leads import LEADS

Array = NDArray[np.float64]

MATCH_S = 0.150
NO_P = ("164889003", "164890007")
"""SNOMED CT codes of atrial fibrillation and flutter in the headers."""
AROUND_S = 10.0
"""Of a long record this much is kept before and after what is annotated."""

PIECES = 6


class Strip(NamedTuple):
    name: str
    band: Array
    """(n_leads, n), see wave_network.banded."""
    rate_hz: float
    r_peaks: Array
    """Places in the strip."""
    points: Array
    """(n_leads, n_beats, 9) places, NaN absent."""
    known: NDArray[np.bool_]
    """(n_leads, n_beats, 3): was it looked at? Absent is only absent where it was."""


class Wave(NamedTuple):
    kind: str
    on: float
    peak: float
    off: float


@contextmanager
def unpacked(folder: Path) -> Iterator[Iterator[Path]]:
    """The header of every archived record in folder, one unpacked at a time."""

    def walk() -> Iterator[Path]:
        for archive in sorted(folder.glob("*.tar.xz")):
            with tempfile.TemporaryDirectory(prefix="strip-") as spare:
                record.unpack(archive, Path(spare))
                yield next(Path(spare).rglob("*.hea"))

    yield walk()


def drawn(header: Path, extension: str) -> list[Wave]:
    """The waves of an annotation file: ( peak ), either bracket may be missing."""
    marks = record.read_annotations(header.parent, header.stem, extension)
    at, symbols = marks.samples.tolist(), marks.symbols
    out = []
    for k, symbol in enumerate(symbols):
        if symbol in "pNt":
            on = at[k - 1] if k and symbols[k - 1] == "(" else np.nan
            off = at[k + 1] if k + 1 < len(at) and symbols[k + 1] == ")" else np.nan
            out.append(Wave(symbol, on, at[k], off))
    return out


def by_beat(waves: Sequence[Wave], r_peaks: Array, rate_hz: float) -> tuple[Array, NDArray[np.bool_]]:
    """Points (n_beats, 9) and known (n_beats, 3): the P before and the T after each QRS that has an R peak.

    A first QRS without P and a last without T say nothing: annotation begins and ends somewhere.
    """
    points, known = np.full((r_peaks.size, 9), np.nan), np.zeros((r_peaks.size, 3), dtype=bool)
    qrs = [w for w in waves if w.kind == "N"]
    if not qrs or not r_peaks.size:
        return points, known
    middle = np.array([w.peak for w in qrs])
    for b, r in enumerate(r_peaks):
        k = int(np.abs(middle - r).argmin())
        if abs(middle[k] - r) > MATCH_S * rate_hz or int(np.abs(r_peaks - middle[k]).argmin()) != b:
            continue
        before, after = middle[k - 1] if k else -np.inf, middle[k + 1] if k + 1 < len(qrs) else np.inf
        p = [w for w in waves if w.kind == "p" and before < w.peak < middle[k]]
        t = [w for w in waves if w.kind == "t" and middle[k] < w.peak < after]
        points[b, 3:6], known[b, 1] = qrs[k][1:], True
        if p:
            points[b, :3] = p[-1][1:]
        if t:  # a T of two humps has a peak for each
            points[b, 6:] = t[0].on, t[0].peak, t[-1].off
        known[b, 0], known[b, 2] = bool(p) or k > 0, bool(t) or k + 1 < len(qrs)
    return points, known


def _strip(name: str, samples: Array, rate_hz: float, waves: Sequence[Sequence[Wave]]) -> Strip:
    """One of `waves` for each lead."""
    filled = np.nan_to_num(samples - np.nanmedian(samples, axis=1, keepdims=True))
    r_peaks = beats.detect(filled, rate_hz).astype(np.float64)
    band, rate = network.banded(filled, rate_hz)
    found = [by_beat(w, r_peaks, rate_hz) for w in waves]
    up = rate / rate_hz
    points = np.array([p for p, _ in found]) * up
    return Strip(name, band, rate, r_peaks * up, points, np.array([k for _, k in found]))


def ludb(folder: Path) -> list[Strip]:
    out = []
    with unpacked(folder / "ludb") as headers:
        for header in headers:
            signals = record.read_any(header)
            names = [name.lower() for name in signals.leads]
            rows = [names.index(lead.lower()) for lead in LEADS]
            waves = [drawn(header, lead.lower()) for lead in LEADS]
            out.append(_strip(f"ludb/{header.stem}", signals.samples[rows], signals.rate_hz, waves))
    return out


def qtdb(folder: Path) -> list[Strip]:
    """The first annotator's beats: both channels carry the same."""
    out = []
    with unpacked(folder / "qtdb") as headers:
        for header in headers:
            signals = record.read_any(header)
            waves = drawn(header, "q1c")
            spare = round(AROUND_S * signals.rate_hz)
            first = max(0, int(waves[0].peak) - spare)
            samples = signals.samples[:, first : int(waves[-1].peak) + spare]
            own = [Wave(w.kind, w.on - first, w.peak - first, w.off - first) for w in waves]
            out.append(_strip(f"qtdb/{header.stem}", samples, signals.rate_hz, [own] * len(samples)))
    return out


def without_p(folder: Path) -> list[Strip]:
    out = []
    with unpacked(folder / "cinc12") as headers:
        for header in headers:
            text = header.read_text()
            if not any(code in text for code in NO_P):
                continue
            signals = record.read_any(header)
            samples = signals.samples[:, : round(3 * AROUND_S * signals.rate_hz)]
            strip = _strip(f"cinc12/{header.stem}", samples, signals.rate_hz, [[]] * len(samples))
            strip.known[:, :, 0] = True
            out.append(strip)
    return out + list(_fibrillating(folder / "mitdb"))


def _fibrillating(folder: Path) -> Iterator[Strip]:
    """A few pieces of long two-lead records where the rhythm is called atrial fibrillation throughout."""
    with unpacked(folder) as headers:
        for header in headers:
            marks = record.read_annotations(header.parent, header.stem, "atr")
            turns = [
                (int(s), n) for s, n in zip(marks.samples, marks.notes, strict=False) if n.startswith("(")
            ]
            if not any(name.startswith("(AFIB") for _, name in turns):
                continue
            signals = record.read_any(header)
            length = round(3 * AROUND_S * signals.rate_hz)
            ends = [start for start, _ in turns[1:]] + [signals.samples.shape[1]]
            spans = zip(turns, ends, strict=True)
            long = [
                start for (start, name), end in spans if name.startswith("(AFIB") and end - start > length
            ]
            for first in long[:: max(1, len(long) // PIECES)][:PIECES]:
                part = signals.samples[:, first : first + length]
                strip = _strip(f"mitdb/{header.stem}", part, signals.rate_hz, [[]] * len(part))
                strip.known[:, :, 0] = True
                yield strip


def noise(folder: Path) -> Array:
    """(4, n) muscle and electrode noise at the network's rate and band, standard deviation 1."""
    out = []
    with unpacked(folder / "nstdb") as headers:
        for header in headers:
            if not header.stem.startswith(("ma", "em")):
                continue
            signals = record.read_any(header)
            band, rate = network.banded(np.nan_to_num(signals.samples), signals.rate_hz)
            at = np.arange(0, band.shape[1] - 1, rate / network.HZ)
            out += [np.interp(at, np.arange(band.shape[1]), row) for row in band]
    return np.array([row / row.std() for row in out])
