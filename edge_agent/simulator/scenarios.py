"""What a simulated box plays, for ever: a seeded heart of ecg.simulate, or somebody's WFDB record.

Seeded and exact: the same scenario, seed and rate give the same counts, so "AF, seed 7" has an expected
measurement.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecg.leads import BOX_LEADS
from ecg.simulate import simulate

STRIP_S = 60.0
"""Length of a simulated strip: a whole number of beats at any whole heart rate, so that it loops unseen."""
_ELECTRODE_BITS = ("RA", "LA", "LL", "RL", "V1", "V2", "V3", "V4", "V5", "V6")
_BIT = {name: 1 << bit for bit, name in enumerate(_ELECTRODE_BITS)}
_ELECTRODE_OF = {"I": "LA", "II": "LL"} | {lead: lead for lead in BOX_LEADS[2:]}
"""The electrode whose loss says "this lead has no signal"."""


@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """A piece of ECG as the box would convert it, played in a loop."""

    rate_hz: int
    counts: NDArray[np.int32]
    """(8, n)"""
    off: NDArray[np.uint16]
    """(n,): electrodes without contact, one bit each."""
    uv_per_count: float

    def cut(self, first: int, n: int) -> tuple[NDArray[np.int32], frozenset[str]]:
        """n samples from running number `first`, and the electrodes that were off in any of them."""
        places = np.arange(first, first + n) % self.counts.shape[1]
        bits = int(np.bitwise_or.reduce(self.off[places]))
        return self.counts[:, places], frozenset(name for name, bit in _BIT.items() if bits & bit)


def from_scenario(name: str, seed: int, rate_hz: int, uv_per_count: float) -> Strip:
    """60 s of a scenario of ecg.simulate. Raises ValueError for an unknown one."""
    played = simulate(name, STRIP_S, rate_hz, seed)
    rows = [played.leads.index(lead) for lead in BOX_LEADS]
    bits = sum(_BIT[electrode] for electrode in played.electrodes_off)
    counts = np.rint(played.samples[rows] / uv_per_count).astype(np.int32)
    return Strip(rate_hz, counts, np.full(counts.shape[1], bits, dtype=np.uint16), uv_per_count)


def from_record(path: Path, rate_hz: int, uv_per_count: float) -> tuple[Strip, dict[str, object]]:
    """A WFDB record (.hea, or .tar.xz with one) as the box would have converted it, and what was done to it.

    A lead the record lacks, and a span without data (NaN), is flat with its electrode off. Raises
    ValueError if it cannot be read or holds no lead of the box.
    """
    from ecg.record import RecordError, read_any

    try:
        signals = read_any(path)
    except RecordError as error:
        raise ValueError(f"{path.name}: {error}") from error
    found = {_box_lead(lead): row for row, lead in reversed(list(enumerate(signals.leads)))}
    missing = [lead for lead in BOX_LEADS if lead not in found]
    if len(missing) == len(BOX_LEADS):
        raise ValueError(f"{path.name} holds none of the leads {', '.join(BOX_LEADS)}")
    n = signals.samples.shape[1]
    microvolts = np.full((len(BOX_LEADS), n), np.nan)
    for row, lead in enumerate(BOX_LEADS):
        if lead in found:
            microvolts[row] = signals.samples[found[lead]]
    gaps = np.isnan(microvolts)
    microvolts[gaps] = 0.0
    if signals.rate_hz != rate_hz:
        microvolts, gaps = _resample(microvolts, gaps, signals.rate_hz, rate_hz)
    off = np.zeros(microvolts.shape[1], dtype=np.uint16)
    for row, lead in enumerate(BOX_LEADS):
        off[gaps[row]] |= _BIT[_ELECTRODE_OF[lead]]
    done: dict[str, object] = {
        "record": signals.name,
        "resampled_hz": None if signals.rate_hz == rate_hz else [signals.rate_hz, rate_hz],
        "uv_per_count": uv_per_count,
        "missing_leads": missing,
        "samples_without_data": int(
            sum(gaps[row].sum() for row, lead in enumerate(BOX_LEADS) if lead in found)
        ),
        "loop_s": microvolts.shape[1] / rate_hz,
    }
    return Strip(rate_hz, np.rint(microvolts / uv_per_count).astype(np.int32), off, uv_per_count), done


def _box_lead(name: str) -> str:
    # MIT-BIH's modified lead II stands in for II.
    return "II" if name == "MLII" else name


def _resample(
    microvolts: NDArray[np.float64], gaps: NDArray[np.bool_], from_hz: float, to_hz: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    from fractions import Fraction

    from scipy.signal import resample_poly

    ratio = (Fraction(to_hz) / Fraction(from_hz).limit_denominator(1000)).limit_denominator(1000)
    made = resample_poly(microvolts, ratio.numerator, ratio.denominator, axis=1)
    nearest = np.minimum((np.arange(made.shape[1]) * from_hz / to_hz).astype(int), gaps.shape[1] - 1)
    return np.asarray(made, dtype=np.float64), gaps[:, nearest]
