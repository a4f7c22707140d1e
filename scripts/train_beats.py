"""Make ecg/qrs_network.npz: `python scripts/train_beats.py [--folds N]`, MAITONG_ECG_DATA set.

With --folds nothing is written: every Nth record of MIT-BIH is left out in turn, and what is then found in
it is printed. Learned from: both channels, alone and together; the first with beats taken out, so that P
waves stand alone; and the first with the second noise channel of the stress set over it, never the first, by
which the benchmark judges. One seed.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, minimize

from ecg import beats, deflections, qrs, record
from ecg.tools import scoring
from ecg.tools.stress import gain
from ecg.tools.unseen import instead

ROOT = Path(__file__).resolve().parent.parent

Array = NDArray[np.float64]
Single = NDArray[np.float32]

SEED = 7
NETS, UNITS = 4, 6
"""So many small networks are trained and averaged: as one with NETS · UNITS units."""
STEPS, SHRINK = 100, 1e-5
EASY_SHARE = 0.1
"""Share of the plain cases (a usual beat, a deflection of an eighth) that is kept, with its weight."""
NOISE_DB = {"em": (0, 18), "ma": (0, 18), "bw": (-5, 15)}
BLOCK_S = 60.0
SHARES = {"first": 1.0, "both": 0.5, "second": 0.2, "blocked": 0.5, "em": 0.3, "ma": 0.1, "bw": 0.3}
"""How much each kind of strip counts."""
BLOCKED = 1 / 3
"""Share of the beats whose QRS and T are taken out, so that P waves without a beat are seen."""
QRS_T_S = (0.08, 0.45)
SIGNS = np.zeros(qrs.FEATURES)
SIGNS[list(qrs.FOR)], SIGNS[list(qrs.AGAINST)] = 1, -1


@contextmanager
def unpacked(archive: Path) -> Iterator[Path]:
    """The header of the record in an archive."""
    with tempfile.TemporaryDirectory() as scratch:
        record.unpack(archive, Path(scratch))
        yield next(Path(scratch).rglob("*.hea"))


def flutter(marks: record.Annotations) -> list[tuple[int, int]]:
    """Stretches without beats to find."""
    starts = [at for at, symbol in zip(marks.samples.tolist(), marks.symbols, strict=True) if symbol == "["]
    ends = [at for at, symbol in zip(marks.samples.tolist(), marks.symbols, strict=True) if symbol == "]"]
    return list(zip(starts, ends, strict=True))


class Cases(NamedTuple):
    """Candidates of one strip."""

    features: Single
    beat: NDArray[np.bool_]
    weight: Array


def labelled(of: deflections.Candidates, marks: record.Annotations, rate_hz: float) -> NDArray[np.int8]:
    """Per candidate 1 a beat, 0 none, -1 not to be judged (ventricular flutter).

    Of the candidates within 150 ms of a reference beat the highest is the beat, the near ones first.
    """
    t = of.at / of.rate_hz * rate_hz
    width = scoring.WINDOW_S * rate_hz
    is_beat = np.array([symbol in scoring.BEAT_SYMBOLS for symbol in marks.symbols], dtype=bool)
    reference = marks.samples[is_beat]
    pairs = []
    for i, r in enumerate(reference.tolist()):
        for j in range(*np.searchsorted(t, [r - width, r + width]).tolist()):
            away_s = abs(t[j] - r) / rate_hz
            pairs.append(
                (-of.energy[of.at[j]] * (1.0 if away_s < 0.09 else 0.3 if away_s < 0.12 else 0.1), i, j)
            )
    out = np.zeros(of.at.size, dtype=np.int8)
    taken: set[int] = set()
    for _, i, j in sorted(pairs):
        if i not in taken and not out[j]:
            taken.add(i)
            out[j] = 1
    for first, end in flutter(marks):
        out[(t >= first - width) & (t <= end + width)] = -1
    return out


def cases(samples: Array, marks: record.Annotations, rate_hz: float, random: np.random.Generator) -> Cases:
    samples = np.atleast_2d(samples)
    of, _ = deflections.candidates(samples - samples.mean(axis=1, keepdims=True), rate_hz)
    features = qrs.describe(of, deflections.first_choice(of))
    label = labelled(of, marks, rate_hz)
    usual = (label == 1) & (features[:, qrs.LIKENESS] > 0.85) & (np.abs(features[:, qrs.HEIGHT]) < 0.6)
    easy = usual | ((label == 0) & (features[:, qrs.HEIGHT] < -2.0))
    kept = (label >= 0) & ~(easy & (random.random(label.size) > EASY_SHARE))
    weight = np.where(easy, 1 / EASY_SHARE, 1.0)
    return Cases(features[kept].astype(np.float32), label[kept] == 1, weight[kept])


def strips(folder: Path, random: np.random.Generator) -> dict[str, dict[str, Cases]]:
    """Record → kind of strip → its candidates."""
    noise = {}
    for kind in NOISE_DB:
        with unpacked(folder / "nstdb" / f"{kind}_a.tar.xz") as header:
            noise[kind] = record.read_any(header).samples[1]
    out = {}
    for archive in sorted((folder / "mitdb").glob("*.tar.xz")):
        with unpacked(archive) as header:
            signals = record.read_any(header)
            marks = record.read_annotations(header.parent, header.stem, "atr")
        name = archive.name.split(".")[0]
        first, second = signals.samples[:2]
        kinds = {"first": first, "second": second, "both": signals.samples[:2]}
        out[name] = {kind: cases(x, marks, signals.rate_hz, random) for kind, x in kinds.items()}
        out[name]["blocked"] = cases(*blocked(first, marks, signals.rate_hz, random), signals.rate_hz, random)
        for kind, limits in NOISE_DB.items():
            x = noisy(first, marks, noise[kind], signals.rate_hz, limits, random)
            out[name][kind] = cases(x, marks, signals.rate_hz, random)
        print(name, {kind: int(c.beat.sum()) for kind, c in out[name].items()}, flush=True)
    return out


def noisy(
    clean: Array,
    marks: record.Annotations,
    noise: Array,
    rate_hz: float,
    limits_db: tuple[int, int],
    random: np.random.Generator,
) -> Array:
    """Noise over the whole strip, another ratio every minute."""
    out = clean.copy()
    is_beat = np.array([symbol in scoring.BEAT_SYMBOLS for symbol in marks.symbols], dtype=bool)
    unit = gain(clean, marks.samples[is_beat], noise, rate_hz, 0.0)
    block, shift = round(BLOCK_S * rate_hz), int(random.integers(noise.size))
    for first in range(0, out.size, block):
        end = min(out.size, first + block)
        scale = unit / 10 ** (random.uniform(*limits_db) / 20)
        out[first:end] += scale * noise[(np.arange(first, end) + shift) % noise.size]
    return out


def blocked(
    clean: Array, marks: record.Annotations, rate_hz: float, random: np.random.Generator
) -> tuple[Array, record.Annotations]:
    """A straight line in place of the QRS and T of some beats, never of two in a row."""
    out = clean.copy()
    is_beat = np.array([symbol in scoring.BEAT_SYMBOLS for symbol in marks.symbols], dtype=bool)
    beats_at = np.flatnonzero(is_beat)
    gone = np.zeros(len(marks.symbols), dtype=bool)
    before, after = (round(part * rate_hz) for part in QRS_T_S)
    for k in range(1, beats_at.size - 1):
        at, following = marks.samples[beats_at[[k, k + 1]]].tolist()
        if following - at < after + 2 * before or gone[beats_at[k - 1]] or random.random() > BLOCKED:
            continue
        gone[beats_at[k]] = True
        first, end = at - before, at + after
        out[first:end] = np.linspace(clean[first], clean[end], end - first)
    kept = ~gone
    symbols = tuple(symbol for symbol, stays in zip(marks.symbols, kept.tolist(), strict=True) if stays)
    return out, record.Annotations(marks.samples[kept], symbols)


def fitted(x: Single, y: NDArray[np.bool_], w: Array, signs: Array, shrink: float = SHRINK) -> qrs.Network:
    """The network that tells y best from the columns of x, rows weighed by w; inputs speak one way."""
    mean, scale = x.mean(axis=0, dtype=np.float64), x.std(axis=0, dtype=np.float64) + 1e-9
    z = np.clip((x - mean) / scale, -qrs.BOUND, qrs.BOUND).astype(np.float32)
    share = (w / w.sum()).astype(np.float32)
    found = [trained(z, y.astype(np.float32), share, signs, shrink, SEED + k) for k in range(NETS)]
    hidden, bias, out, offset = zip(*found, strict=True)
    return qrs.Network(
        mean,
        scale,
        np.concatenate(hidden, axis=1),
        np.concatenate(bias),
        np.concatenate(out) / NETS,
        np.array(np.mean(offset)),
    )


def learn(records: Sequence[dict[str, Cases]]) -> qrs.Network:
    x = np.concatenate([c.features for r in records for c in r.values()])
    y = np.concatenate([c.beat for r in records for c in r.values()])
    w = np.concatenate([SHARES[kind] * c.weight for r in records for kind, c in r.items()])
    return fitted(x, y, w, SIGNS)


def trained(
    z: Single, y: Single, w: Single, signs: Array, shrink: float, seed: int
) -> tuple[Array, Array, Array, float]:
    """Weights of one small network: least weighted log loss, by L-BFGS within the signs."""
    random = np.random.default_rng(seed)
    n, h = z.shape[1], UNITS
    hidden = random.normal(0, 1 / np.sqrt(n), (n, h))
    hidden = np.where(signs[:, None] != 0, np.abs(hidden) * signs[:, None], hidden)
    out = np.abs(random.normal(0, 1 / np.sqrt(h), h))
    start = np.concatenate([hidden.ravel(), random.normal(0, 0.5, h), out, [0.0]])
    low = np.repeat(np.where(signs > 0, 0.0, -np.inf), h)
    high = np.repeat(np.where(signs < 0, 0.0, np.inf), h)
    free = np.full(h, np.inf)
    bounds = Bounds(
        np.concatenate([low, -free, np.zeros(h), [-np.inf]]), np.concatenate([high, free, free, [np.inf]])
    )

    def loss(p: Array) -> tuple[float, Array]:
        q = p.astype(np.float32)
        hidden, bias, out = q[: n * h].reshape(n, h), q[n * h : n * h + h], q[n * h + h : -1]
        unit = np.tanh(z @ hidden + bias)
        odds = unit @ out + q[-1]
        value = float((w * (np.logaddexp(0, odds) - y * odds)).sum(dtype=np.float64))
        value += shrink * float((hidden**2).sum() + (out**2).sum())
        error = w * (1 / (1 + np.exp(-odds)) - y)
        inner = (error[:, None] * out) * (1 - unit * unit)
        slope = [
            (z.T @ inner + 2 * shrink * hidden).ravel(),
            inner.sum(axis=0),
            unit.T @ error + 2 * shrink * out,
            [error.sum()],
        ]
        return value, np.concatenate(slope).astype(np.float64)

    best = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": STEPS}).x
    return best[: n * h].reshape(n, h), best[n * h : n * h + h], best[n * h + h : -1], float(best[-1])


def judge(folder: Path, names: Sequence[str], network: qrs.Network) -> scoring.BeatScore:
    """Beats found with this network in the first channel of these records; a line for each."""
    scores = []
    with instead(qrs, "network", network):
        for name in names:
            with unpacked(folder / "mitdb" / f"{name}.tar.xz") as header:
                signals = record.read_any(header)
                marks = record.read_annotations(header.parent, header.stem, "atr")
            found = beats.detect(signals.samples[0], signals.rate_hz)
            scores.append(
                scoring.beats(marks, record.Annotations(found, ("N",) * found.size), signals.rate_hz)
            )
            print(name, tell(scores[-1]), flush=True)
    return scoring.beats_together(scores)


def tell(score: scoring.BeatScore) -> str:
    se, ppv = 100 * score.true / (score.true + score.missed), 100 * score.true / (score.true + score.false)
    return (
        f"missed {score.missed} false {score.false} Se {se:.3f} PPV {ppv:.3f} "
        f"offset {score.offsets_ms.mean():+.2f} ms"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folds", type=int, default=0)
    options = parser.parse_args()
    folder = Path(os.environ["MAITONG_ECG_DATA"])
    of = strips(folder, np.random.default_rng(SEED))
    names = list(of)
    if not options.folds:
        network = learn(list(of.values()))
        np.savez_compressed(qrs.WEIGHTS, **{k: v.astype(np.float32) for k, v in network._asdict().items()})
        print("learned from:", tell(judge(folder, names, network)))
        return 0
    scores = []
    for k in range(options.folds):
        held = names[k :: options.folds]
        scores.append(judge(folder, held, learn([of[name] for name in names if name not in held])))
    print("not seen:", tell(scoring.beats_together(scores)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
