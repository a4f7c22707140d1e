"""Cross-validation of the wave network: each record read with weights that did not learn from it.

`scripts/train_waves.py --fold K` leaves a fifth of the records out and writes their names beside the weights.
A record that no fold names was in no fold's training either, so the weights shipped have not seen it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ecg import wave_network
from ecg.record import RecordBrokenError, RecordMissingError

HELD = "held"
"""Array in a fold's file: names of the records left out, set and record as ludb/103."""

Folds = dict[str, wave_network.Weights]


def folds(folder: Path) -> Folds:
    """Record name → weights that have not seen it. Raises RecordError."""
    out: Folds = {}
    for file in sorted(folder.glob("*.npz")):
        try:
            with np.load(file, allow_pickle=False) as stored:
                weights = {k: np.asarray(stored[k], dtype=np.float32) for k in stored.files if k != HELD}
                out |= dict.fromkeys([str(name) for name in stored[HELD].tolist()], weights)
        except (OSError, ValueError, LookupError) as error:
            raise RecordBrokenError(f"{file.name} holds no weights of a fold: {error}") from error
    if not out:
        raise RecordMissingError(f"{folder} holds no weights of folds")
    return out


@contextmanager
def read_unseen(known: Folds, name: str) -> Iterator[bool]:
    """While open, boundaries are read with weights that have not seen this record; False: those shipped."""
    if name not in known:
        yield False
        return
    shipped = wave_network.weights
    wave_network.weights = lambda: known[name]  # type: ignore[assignment]
    try:
        yield True
    finally:
        wave_network.weights = shipped
