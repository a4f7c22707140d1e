"""What the wave network is trained on: strips with their beats and the boundaries cardiologists drew.

Read from the folder MAITONG_ECG_DATA names: LUDB and QTDB with all boundaries; twelve-lead strips and pieces
of MIT-BIH records, of which only is used whether their rhythm has P waves; recorded muscle and electrode
noise.
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
SINUS = ("426783006", "426177001", "427084000", "270492004", "427393009", "713427006", "59118001")
"""Sinus rhythm, bradycardia, tachycardia, arrhythmia, first-degree block; the right bundle-branch blocks of
the set, none of which is in another rhythm unless it says so."""
ECTOPIC = (
    "427172004",
    "284470004",
    "17338001",
    "164884008",
    "63593006",
    "10370003",
    "164895002",
    "425856008",
)
"""Ectopic beats, pacing, ventricular tachycardia: not every beat has the P of its rhythm."""
BEAT_HAS_P = dict.fromkeys("NLR", True) | {"V": False}
RHYTHM_HAS_P = {"(N": True, "(AFIB": False, "(AFL": False}
"""MIT-BIH beat and rhythm labels that say it; in fibrillation and flutter no beat has a P."""
AROUND_S = 10.0
"""Of a long record this much is kept before and after what is annotated."""

PIECES = 3
"""of thirty seconds from each long record."""


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
    present: NDArray[np.bool_]
    """(n_leads, n_beats, 3): is it there? With or without points."""


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
    known, present = np.array([k for _, k in found]), np.isfinite(points[..., 1::3])
    return Strip(name, band, rate, r_peaks * up, points, known, present)


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


def _said(name: str, samples: Array, rate_hz: float, has_p: Sequence[bool | None] | bool) -> Strip:
    """A strip of which is only known whether its beats have a P: an answer for each R peak, or for all."""
    strip = _strip(name, samples, rate_hz, [[]] * len(samples))
    answers = [has_p] * strip.r_peaks.size if isinstance(has_p, bool) else list(has_p)
    for b, answer in enumerate(answers):
        strip.known[:, b, 0] = answer is not None
        strip.present[:, b, 0] = bool(answer)
    return strip


def with_or_without_p(folder: Path) -> list[Strip]:
    out = []
    with unpacked(folder / "cinc12") as headers:
        for header in headers:
            codes = next(line for line in header.read_text().splitlines() if line.startswith("#Dx"))
            without = any(code in codes for code in NO_P)
            if not without and (
                any(code in codes for code in ECTOPIC) or not any(code in codes for code in SINUS)
            ):
                continue
            signals = record.read_any(header)
            samples = signals.samples[:, : round(3 * AROUND_S * signals.rate_hz)]
            out.append(_said(f"cinc12/{header.stem}", samples, signals.rate_hz, not without))
    return out + list(_pieces(folder / "mitdb"))


def _pieces(folder: Path) -> Iterator[Strip]:
    """A few pieces of long two-lead records, with what beat and rhythm labels say of P waves."""
    with unpacked(folder) as headers:
        for header in headers:
            marks = record.read_annotations(header.parent, header.stem, "atr")
            signals = record.read_any(header)
            length = round(3 * AROUND_S * signals.rate_hz)
            turns = [(s, n) for s, n in zip(marks.samples, marks.notes, strict=True) if n.startswith("(")]
            for first in np.linspace(0, signals.samples.shape[1] - length, 2 * PIECES + 1)[1::2].astype(int):
                part = signals.samples[:, first : first + length]
                r_peaks = beats.detect(np.nan_to_num(part), signals.rate_hz) + first
                answers: list[bool | None] = []
                for r in r_peaks:
                    rhythm = next(
                        (RHYTHM_HAS_P.get(n.rstrip("\0")) for s, n in reversed(turns) if s <= r), None
                    )
                    k = int(np.abs(marks.samples - r).argmin())
                    near = abs(marks.samples[k] - r) < MATCH_S * signals.rate_hz
                    beat = BEAT_HAS_P.get(marks.symbols[k]) if near else None
                    answers.append(beat if rhythm else rhythm)
                yield _said(f"mitdb/{header.stem}", part, signals.rate_hz, answers)


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
