"""Beat networks that have not seen a part of MIT-BIH: `python scripts/fold_beats.py DIR`.

Trains as scripts/train_beats.py does, with each fifth of the records left out in turn, and writes the weights
with the names left out, for `python -m ecg validate --beat-folds DIR`. MAITONG_ECG_DATA names the records.
"""

import os
import sys
from pathlib import Path

import numpy as np
import train_beats

from ecg.tools.unseen import HELD

FOLDS = 5


def main(folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    of = train_beats.strips(Path(os.environ["MAITONG_ECG_DATA"]), np.random.default_rng(train_beats.SEED))
    names = list(of)
    for k in range(FOLDS):
        held = names[k::FOLDS]
        network = train_beats.learn([of[name] for name in names if name not in held])
        arrays = {name: np.asarray(values, dtype=np.float32) for name, values in network._asdict().items()}
        named = {HELD: np.array([f"mitdb/{name}" for name in held])}
        np.savez_compressed(folder / f"{k}.npz", **named, **arrays)
        print(k, *held, flush=True)
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1])))
