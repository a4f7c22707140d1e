"""Cross-validation of the networks: each record read with weights that did not learn from it.

`scripts/train_waves.py --fold K` and `scripts/fold_beats.py` leave a fifth of the records out and write their
names beside the weights. A record that no fold names was in no fold's training either, so the weights shipped
have not seen it.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from ecg import qrs, wave_network
from ecg.record import RecordBrokenError, RecordMissingError

T = TypeVar("T")

HELD = "held"
"""Array in a fold's file: names of the records left out, set and record as ludb/103."""


class Folds(NamedTuple):
    """Record name → weights that have not seen it, for each of the networks."""

    beats: dict[str, qrs.Network]
    waves: dict[str, wave_network.Weights]


def folds(beats: Path | None = None, waves: Path | None = None) -> Folds:
    """The folds in these folders; None: that network is not cross-validated. Raises RecordError."""

    def network(arrays: dict[str, Any]) -> qrs.Network:
        return qrs.Network(**{name: np.asarray(values, dtype=np.float64) for name, values in arrays.items()})

    def weights(arrays: dict[str, Any]) -> wave_network.Weights:
        return {name: np.asarray(values, dtype=np.float32) for name, values in arrays.items()}

    return Folds(_read(beats, network) if beats else {}, _read(waves, weights) if waves else {})


def _read(folder: Path, made: Callable[[dict[str, Any]], T]) -> dict[str, T]:
    out: dict[str, T] = {}
    for file in sorted(folder.glob("*.npz")):
        try:
            with np.load(file, allow_pickle=False) as stored:
                own = made({name: stored[name] for name in stored.files if name != HELD})
                out |= dict.fromkeys([str(name) for name in stored[HELD].tolist()], own)
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise RecordBrokenError(f"{file.name} holds no weights of a fold: {error}") from error
    if not out:
        raise RecordMissingError(f"{folder.name} holds no weights of folds")
    return out


@contextmanager
def read_unseen(known: Folds, name: str) -> Iterator[frozenset[str]]:
    """While open, the record is read with weights that have not seen it; yields which: beats, waves."""
    with ExitStack() as stack:
        held: set[str] = set()
        if name in known.beats:
            stack.enter_context(instead(qrs, "network", known.beats[name]))
            held.add("beats")
        if name in known.waves:
            stack.enter_context(instead(wave_network, "weights", known.waves[name]))
            held.add("waves")
        yield frozenset(held)


@contextmanager
def instead(module: Any, loader: str, loaded: Any) -> Iterator[None]:
    """A module's loader of weights gives these while open: what training judges itself with, too."""
    shipped = getattr(module, loader)
    setattr(module, loader, lambda: loaded)
    try:
        yield
    finally:
        setattr(module, loader, shipped)
