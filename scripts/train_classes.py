"""Make ecg/class_network.npz: `python scripts/train_classes.py [--folds N]`, MAITONG_ECG_DATA set.

With --folds every Nth record of MIT-BIH is left out in turn, how its beats are then classed is printed, and
the weights go to tests/bench/class_folds. Learned from: beats found in the first channel, the second, and
both together, of whole records and of ten seconds in every twenty. Paced and fusion beats teach nothing.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from train_beats import ROOT, fitted, unpacked

from ecg import beat_classes, beats, deflections, qrs, record
from ecg.tools import scoring
from ecg.tools.unseen import HELD, instead

Array = NDArray[np.float64]
FOLDS = ROOT / "tests" / "bench" / "class_folds"
PACED = "104"
SECONDS, EVERY_S = 10.0, 20.0
SHARES = {"first": 1.0, "both": 1.0, "second": 0.3}
STRIP_SHARE = 0.5
S_WEIGHT = 2.0
SHRINK = 1e-4


class Labelled(NamedTuple):
    features: NDArray[np.float32]
    kind: NDArray[np.str_]
    """AAMI class of the reference."""
    share: float


def cases(samples: Array, rate_hz: float, marks: record.Annotations, share: float) -> Iterator[Labelled]:
    """The record whole, piece by piece as classify reads it, and its strips."""
    found = beats.detect(samples, rate_hz)
    kind = reference(found, marks, rate_hz)
    n = samples.shape[1]
    step, length = round(EVERY_S * rate_hz), round(SECONDS * rate_hz)
    stretches = [
        (first, end, share)
        for first, end, _, _ in deflections.pieces(n, rate_hz, beat_classes.chunk_s(len(samples)))
    ]
    stretches += [(first, first + length, share * STRIP_SHARE) for first in range(0, n - length, step)]
    for first, end, weight in stretches:
        inside = (found >= first) & (found < end)
        if inside.sum() >= beat_classes.LEAST:
            cut = deflections.centred(samples[:, first:end])[0]
            features = beat_classes.describe(cut, rate_hz, found[inside] - first)
            yield Labelled(features.astype(np.float32), kind[inside], weight)


def reference(found: NDArray[np.int64], marks: record.Annotations, rate_hz: float) -> NDArray[np.str_]:
    is_beat = np.array([symbol in scoring.BEAT_SYMBOLS for symbol in marks.symbols], dtype=bool)
    own = [scoring.CLASS_OF[symbol] for symbol in marks.symbols if symbol in scoring.BEAT_SYMBOLS]
    out = np.full(found.size, "-", dtype="<U1")
    for i, j in scoring.matched(marks.samples[is_beat], found, round(scoring.WINDOW_S * rate_hz)):
        out[j] = own[i]
    return out


def learn_classes(of: Sequence[Labelled]) -> tuple[qrs.Network, qrs.Network]:
    """V against N and S, then S against N."""
    x = np.concatenate([c.features for c in of])
    kind = np.concatenate([c.kind for c in of])
    w = np.concatenate([np.full(c.kind.size, c.share) for c in of])
    out = []
    for positive, negative, columns, signs, weight in (
        ("V", "NS", beat_classes.V_COLUMNS, beat_classes.V_SIGNS, 1.0),
        ("S", "N", beat_classes.S_COLUMNS, beat_classes.S_SIGNS, S_WEIGHT),
    ):
        used = np.isin(kind, list(positive + negative))
        y = kind[used] == positive
        limits = np.array([signs.get(k, 0) for k in columns], dtype=np.float64)
        out.append(fitted(x[used][:, columns], y, w[used] * np.where(y, weight, 1.0), limits, SHRINK))
    return out[0], out[1]


def arrays(networks: tuple[qrs.Network, qrs.Network]) -> dict[str, NDArray[np.float32]]:
    return {
        prefix + name: np.asarray(values, dtype=np.float32)
        for prefix, network in zip(("v_", "s_"), networks, strict=True)
        for name, values in network._asdict().items()
    }


def judge(
    folder: Path, names: Sequence[str], networks: tuple[qrs.Network, qrs.Network]
) -> dict[str, scoring.BeatScore]:
    """First channel, and both: beats found and classed with these networks."""
    scores: dict[str, list[scoring.BeatScore]] = {"first": [], "both": []}
    with instead(beat_classes, "networks", networks):
        for name in names:
            with unpacked(folder / "mitdb" / f"{name}.tar.xz") as header:
                signals = record.read_any(header)
                marks = record.read_annotations(header.parent, header.stem, "atr")
            for channels, of in scores.items():
                samples = signals.samples[:1] if channels == "first" else signals.samples[:2]
                found = beats.detect(samples, signals.rate_hz)
                spikes = np.zeros(0, dtype=np.int64)
                kinds = beat_classes.classify(samples, signals.rate_hz, found, spikes)
                of.append(scoring.beats(marks, record.Annotations(found, kinds), signals.rate_hz))
                print(name, channels, tell(of[-1]), flush=True)
    return {channels: scoring.beats_together(of) for channels, of in scores.items()}


def tell(score: scoring.BeatScore) -> str:
    return str({kind: scoring.class_figures(score.pairs, kind) for kind in ("V", "S")})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folds", type=int, default=0)
    options = parser.parse_args()
    folder = Path(os.environ["MAITONG_ECG_DATA"])
    of: dict[str, list[Labelled]] = {}
    for archive in sorted((folder / "mitdb").glob("*.tar.xz")):
        name = archive.name.split(".")[0]
        if name == PACED:
            continue
        with unpacked(archive) as header:
            signals = record.read_any(header)
            marks = record.read_annotations(header.parent, header.stem, "atr")
        parts = {"first": signals.samples[:1], "second": signals.samples[1:2], "both": signals.samples[:2]}
        of[name] = [c for kind, x in parts.items() for c in cases(x, signals.rate_hz, marks, SHARES[kind])]
    names = list(of)
    if not options.folds:
        found = learn_classes([c for name in names for c in of[name]])
        np.savez_compressed(beat_classes.WEIGHTS, **arrays(found))
        for channels, score in judge(folder, names, found).items():
            print("learned from:", channels, tell(score))
        return 0
    together: dict[str, list[scoring.BeatScore]] = {"first": [], "both": []}
    for k in range(options.folds):
        held = names[k :: options.folds]
        found = learn_classes([c for name in names if name not in held for c in of[name]])
        FOLDS.mkdir(exist_ok=True)
        unseen = {HELD: np.array([f"mitdb/{name}" for name in held])}
        np.savez_compressed(FOLDS / f"{k}.npz", **unseen, **arrays(found))
        for channels, score in judge(folder, held, found).items():
            together[channels].append(score)
    for channels, scores in together.items():
        print("not seen:", channels, tell(scoring.beats_together(scores)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
