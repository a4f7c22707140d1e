"""Pacing spikes in raw samples, and samples without them. numpy only.

A spike lasts two milliseconds at most; what the recorder's low-pass leaves of it is one to three samples that
stand alone, where the corner of a QRS has others beside it.
"""

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ecg.deflections import Array, Indices
from ecg.gaps import bridged

LEAST_HZ = 240.0
"""Below, a spike is not told from a narrow QRS, and none is looked for."""
_STEP_S = 0.002
_LEAST_UV, _SURE_UV = 50.0, 120.0
_LEAST_ALONE_UV, _SURE_ALONE_UV = 150.0, 300.0
"""Bend of the trace over ± 2 ms, in each of three leads, and in a lead that is the only one: the least, if it
stands out the more, and from where on it need not."""
_AGREE = 3
_QUIET_S, _NEAR_S, _NEAR_SAMPLES = 0.06, 0.007, 3
_STANDS_OUT, _STANDS_OUT_MORE = 4.0, 10.0
"""Times the strongest bend of the 60 ms before, less the 7 ms in which a filter rings."""
_AFTER_S = 0.04
"""Until then after a spike nothing bends more: ringing and the second of two electrodes bend less."""
_RETURN = 2.0
"""Most that the trace may have moved ± 4 ms around, against the bend: a step is no spike."""
_AROUND_S, _OF_TRACE = 0.02, 0.3
"""Least bend against all that the trace does ± 20 ms around: the tip of a QRS bends less, though it stands
out from its flanks."""
_REPEATED = 3
"""Fewer in a strip are rather lost samples."""
_APART_S = 0.03
"""Spikes of one stimulus: a filter's ringing, or two chambers' electrodes."""
_BLANK_S = (0.004, 0.016)


def spikes(samples: NDArray[Any], rate_hz: float) -> Indices:
    """Sample numbers of pacing spikes, ascending, in (n_leads, n) or (n,) raw µV with NaN gaps.

    One for each stimulus. Filtered samples hold none; below 240 Hz none is looked for.
    """
    data = np.atleast_2d(np.asarray(samples, dtype=np.float64))
    step = max(1, round(_STEP_S * rate_hz))
    near = max(round(_NEAR_S * rate_hz), _NEAR_SAMPLES)
    quiet, after = round(_QUIET_S * rate_hz), round(_AFTER_S * rate_hz)
    n = data.shape[1]
    if rate_hz < LEAST_HZ or n < 2 * step + 3:
        return np.zeros(0, dtype=np.int64)
    filled, finite = bridged(data)
    bend = np.zeros_like(filled)
    bend[:, step:-step] = np.abs(filled[:, step:-step] - (filled[:, : -2 * step] + filled[:, 2 * step :]) / 2)
    if not finite.all():
        bend[~finite] = 0
    around = round(_AROUND_S * rate_hz)
    agree = min(_AGREE, len(data))
    least, sure_uv = (_LEAST_UV, _SURE_UV) if agree > 1 else (_LEAST_ALONE_UV, _SURE_ALONE_UV)
    votes = np.zeros(n)
    for trace, row in zip(filled, bend, strict=True):
        at = np.flatnonzero((row[1:-1] >= least) & (row[1:-1] >= row[:-2]) & (row[1:-1] > row[2:])) + 1
        if not at.size:
            continue
        view = _windows(row, at, quiet)
        before, behind = view[:, : quiet - near + 1], view[:, quiet + near : quiet + after + 1]
        height = row[at]
        moved = np.abs(trace[np.minimum(at + 2 * step, n - 1)] - trace[np.maximum(at - 2 * step, 0)])
        times = np.where(height < sure_uv, _STANDS_OUT_MORE, _STANDS_OUT)
        alone = (height >= times * before.max(axis=1)) & (height >= behind.max(axis=1))
        alone &= (moved <= _RETURN * height) & (
            height >= _OF_TRACE * np.ptp(_windows(trace, at, around), axis=1)
        )
        for k in at[alone].tolist():
            near_by = slice(max(0, k - 1), k + 2)
            votes[near_by] += 1
    out: list[int] = []
    for k in np.flatnonzero(votes >= agree).tolist():
        total = float(bend[:, k].sum())
        if out and k - out[-1] < _APART_S * rate_hz:
            if k - out[-1] <= 2 and total > float(bend[:, out[-1]].sum()):
                out[-1] = k
            continue
        out.append(k)
    return np.array(out if len(out) >= _REPEATED else [], dtype=np.int64)


def _windows(values: Array, at: Indices, reach: int) -> Array:
    return np.asarray(sliding_window_view(np.pad(values, reach, mode="edge"), 2 * reach + 1)[at])


def without(samples: Array, at: Indices, rate_hz: float) -> Array:
    """(n_leads, n) with a line in place of each spike and its ringing: 4 ms before to 16 ms after."""
    if not at.size:
        return samples
    out = samples.copy()
    n = samples.shape[1]
    before, after = round(_BLANK_S[0] * rate_hz) + 1, round(_BLANK_S[1] * rate_hz) + 1
    for k in at.tolist():
        first, end = max(0, k - before), min(n - 1, k + after)
        share = np.linspace(0, 1, end - first + 1)
        out[:, first : end + 1] = (1 - share) * samples[:, first, None] + share * samples[:, end, None]
    return out
