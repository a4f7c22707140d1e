"""Missing samples: where they are, and rows without them for arithmetic that cannot do with NaN."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


def bridged(samples: Array) -> tuple[Array, Mask]:
    """(n_leads, n) with each gap bridged by a straight line, and where there was data.

    Beyond the first and last sample the row stays as it was there; a row without any data is 0. Without a
    gap the samples themselves come back, not a copy.
    """
    finite = np.isfinite(samples)
    if finite.all():
        return samples, finite
    out = np.zeros(samples.shape)
    at = np.arange(samples.shape[1])
    for row, mask, target in zip(samples, finite, out, strict=True):
        if mask.any():
            target[:] = np.interp(at, at[mask], row[mask])
    return out, finite
