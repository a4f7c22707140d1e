"""Make ecg/electrodes.npz: `python scripts/train_electrodes.py [--folds N]`, MAITONG_ECG_DATA set.

With --folds nothing is written: every Nth person is left out in turn, and what is then found in swaps made
from that person's recording is printed. Recordings whose eight leads are not all usable are left out.

LUDB's counts are microvolts and obey Einthoven; the gains in its headers differ from lead to lead and do not.
It is taught from both, so that a box with a wrong gain in one lead is not taken for a swap; judged on counts.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import wfdb
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ecg import beats, record
from ecg import electrodes as el
from ecg.leads import BOX_LEADS, LEADS, canonical, derive
from ecg.quality import assess

Array = NDArray[np.float64]

SETS = ("ludb", "cinc12", "ptbdb")
PACED = ("ludb/34", "ludb/45", "ludb/90", "ludb/93", "ludb/111", "cinc12/HR12083", "cinc12/JS23463")
"""Hearts that are driven from elsewhere teach nothing of others."""
SECONDS = 10.0
MEAN_SHRINK, Z_SHRINK = 0.05, 0.15
"""Share of a spread that is taken from the mean spread of all leads."""
RIDGE = 3e-3
STEPS = 400
INNER = 4
NAMES = ("none", *el.BY_SHAPE)
MIX = np.stack([el.mixing(name) for name in NAMES])


def people(folder: Path) -> dict[str, list[el.Moments]]:
    """Record → moments of its usual beat; of LUDB first by counts, then by header gains."""
    found: dict[str, list[el.Moments]] = {}
    for archive in sorted(path for name in SETS for path in (folder / name).glob("*.tar.xz")):
        with tempfile.TemporaryDirectory() as scratch:
            record.unpack(archive, Path(scratch))
            header = next(Path(scratch).rglob("*.hea")).with_suffix("")
            signals = wfdb.rdrecord(str(header))
            counts = wfdb.rdrecord(str(header), physical=False)
        n = round(SECONDS * signals.fs)
        rows = [k for k, name in enumerate(signals.sig_name) if canonical(name)]
        names = [signals.sig_name[k] for k in rows]
        versions = [signals.p_signal.T[rows, :n] * 1000]
        if archive.parent.name == "ludb":
            versions.insert(0, counts.d_signal.T[rows, :n].astype(np.float64))
        seen = [usual(derive(version, names), signals.fs) for version in versions]
        if moments := [el.moments(one, signals.fs) for one in seen if one is not None]:
            found[f"{archive.parent.name}/{archive.name.split('.')[0]}"] = moments
    return found


def usual(twelve: Array, rate_hz: float) -> beats.Representative | None:
    """The usual beat of the eight leads, if all of them may be measured."""
    eight = twelve[[LEADS.index(name) for name in BOX_LEADS]]
    if set(BOX_LEADS) - set(assess(eight, rate_hz, BOX_LEADS).usable):
        return None
    return beats.representative(eight, beats.detect(eight, rate_hz), rate_hz)


def learn(group: Sequence[el.Moments]) -> el.Model:
    """Middle and inverse spread of the group."""
    seen = [el.description(one, np.eye(len(BOX_LEADS))[None]) for one in group]
    mean, z = (np.array([one[k][0] for one in seen]) for k in (0, 1))
    middle, inverse = zip(*(spread(mean[:, p], MEAN_SHRINK) for p in range(mean.shape[1])), strict=True)
    z_middle, z_inverse = zip(*(spread(z[:, p], Z_SHRINK) for p in range(z.shape[1])), strict=True)
    return el.Model(np.array(middle), np.array(inverse), np.array(z_middle), np.array(z_inverse))


def spread(values: Array, shrink: float) -> tuple[Array, Array]:
    middle = np.median(values, axis=0)
    around = np.cov((values - middle).T)
    level = np.eye(len(around)) * np.trace(around) / len(around)
    return middle, np.linalg.inv((1 - shrink) * around + shrink * level)


def gains(group: Sequence[el.Moments], model: el.Model) -> Array:
    """(people, true swap, supposed swap, 11): how much more ordinary undoing the supposed swap is."""
    undo = np.stack([np.linalg.inv(mix) for mix in MIX])
    out = []
    for one in group:
        rows = [el.strangeness(one, undo @ mix, model) for mix in MIX]
        out.append([row[:1] - row for row in rows])
    return np.array(out)


def weigh(gain: Array) -> Array:
    """(2, 12) weights that name the true swap best (ridge logistic regression); none counts like all."""
    chest = np.array([name.startswith("V") for name in NAMES])
    supposed = [np.flatnonzero(~chest)[1:], np.flatnonzero(chest)]
    importance = np.ones(len(NAMES))
    importance[0] = len(NAMES)
    importance /= importance.sum() * len(gain)
    weights = np.zeros((2, gain.shape[-1] + 1))
    own = np.arange(len(NAMES))
    full = np.concatenate([gain, np.ones((*gain.shape[:-1], 1))], axis=-1)
    step, memory, square = 0.1, np.zeros_like(weights), np.zeros_like(weights)
    for t in range(1, STEPS + 1):
        score = scores(gain, weights)
        share = np.exp(score - score.max(axis=-1, keepdims=True))
        share /= share.sum(axis=-1, keepdims=True)
        share[:, own, own] -= 1
        share *= importance[None, :, None]
        slope = np.array([np.einsum("nts,ntsf->f", share[:, :, s], full[:, :, s]) for s in supposed])
        slope += 2 * RIDGE * weights
        memory, square = 0.9 * memory + 0.1 * slope, 0.99 * square + 0.01 * slope**2
        weights -= step * (memory / (1 - 0.9**t)) / (np.sqrt(square / (1 - 0.99**t)) + 1e-9)
        step *= 0.99
    return weights


def scores(gain: Array, weights: Array) -> Array:
    """(…, supposed swap) log odds against none."""
    own = weights[[int(name.startswith("V")) for name in NAMES]]
    score = (gain * own[:, :-1]).sum(axis=-1) + own[:, -1]
    score[..., 0] = 0.0
    return np.asarray(score)


def train(group: Sequence[el.Moments]) -> tuple[el.Model, Array]:
    """The model of all; and weights, from gains that were each computed without the person's own share."""
    # Neighbours may be one person's: parts are runs, not every INNERth.
    parts = [range(k * len(group) // INNER, (k + 1) * len(group) // INNER) for k in range(INNER)]
    gain: list[Array] = []
    for part in parts:
        rest = [one for k, one in enumerate(group) if k not in part]
        gain.append(gains([group[k] for k in part], learn(rest)))
    return learn(group), weigh(np.concatenate(gain))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folds", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    found = people(Path(os.environ["MAITONG_ECG_DATA"]))
    order = [list(found)[k] for k in np.random.default_rng(args.seed).permutation(len(found))]
    if args.folds:
        validate(found, order, args.folds)
        return
    model, weights = train([one for name in order if name not in PACED for one in found[name]])
    arrays = {name: values.astype(np.float32) for name, values in model._asdict().items()}
    np.savez_compressed(el.WEIGHTS, weights=weights, **arrays)
    print(f"{len(set(order) - set(PACED))} recordings, {el.WEIGHTS.stat().st_size} bytes")


def validate(found: dict[str, list[el.Moments]], order: list[str], folds: int) -> None:
    """Print what is found in each person's swaps by what was learned from the others."""
    total: list[Array] = []
    tested: list[str] = []
    for fold in range(folds):
        held = order[fold::folds]
        model, weights = train([one for name in order if name not in (*held, *PACED) for one in found[name]])
        total.append(scores(gains([found[name][0] for name in held], model), weights))
        tested += held
    score = np.concatenate(total)[:, :, 1:]
    limit = np.array([el.CHEST_FOUND if name.startswith("V") else el.LIMB_FOUND for name in NAMES[1:]])
    hit = np.asarray((score > limit).any(axis=2))
    own = np.array([name not in PACED for name in tested])
    for label, rows in (("without pacemaker", own), ("paced", ~own)):
        print(label, rows.sum(), dict(zip(NAMES, hit[rows].mean(axis=0).round(3).tolist(), strict=True)))
    worst = np.argsort(-(score[:, 0] - limit).max(axis=1))[:10].tolist()
    for k in worst:
        swap = int((score[k, 0] - limit).argmax())
        print("unswapped", tested[k], NAMES[1 + swap], round(float(score[k, 0, swap]), 2))
    true = np.array([np.percentile(score[own, 1 + k, k], 1) for k in range(len(NAMES) - 1)])
    print("1 of 100 true swaps is below", dict(zip(NAMES[1:], true.round(1).tolist(), strict=True)))


if __name__ == "__main__":
    main()
