"""Noise added to a clean record at a known ratio, as PhysioNet's `nst` scales it (Moody 1984).

Signal: the mean peak-to-peak height of the QRS, squared, over 8. Noise: the mean variance of its seconds.
Both means leave out the 5 % at either end.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_TRIM = 0.05
_QRS_S = 0.05


def _trimmed_mean(values: Array) -> float:
    cut = int(len(values) * _TRIM)
    return float(np.sort(values)[cut : len(values) - cut].mean())


def gain(clean: Array, r_peaks: NDArray[np.int64], noise: Array, rate_hz: float, snr_db: float) -> float:
    """What the noise is to be multiplied by; both (n,) µV, the beats those of the reference."""
    reach, second = round(_QRS_S * rate_hz), round(rate_hz)
    inside = r_peaks[(r_peaks >= reach) & (r_peaks + reach < clean.size)]
    height = np.ptp(clean[inside[:, None] + np.arange(-reach, reach + 1)], axis=1)
    seconds = noise[: noise.size // second * second].reshape(-1, second)
    power = _trimmed_mean(seconds.var(axis=1)) * 10 ** (snr_db / 10)
    return float(np.sqrt(_trimmed_mean(height) ** 2 / 8 / power))


def stressed(
    clean: Array,
    r_peaks: NDArray[np.int64],
    noise: Array,
    rate_hz: float,
    snr_db: float,
    start_s: float = 300.0,
    block_s: float = 120.0,
) -> Array:
    """The record with noise from start_s on, block_s with and block_s without in turn."""
    out = clean.astype(np.float64)
    scale = gain(clean, r_peaks, noise, rate_hz, snr_db)
    start, block = round(start_s * rate_hz), round(block_s * rate_hz)
    for first in range(start, out.size, 2 * block):
        end = min(out.size, first + block)
        out[first:end] += scale * noise[(np.arange(first, end) - start) % noise.size]
    return out
