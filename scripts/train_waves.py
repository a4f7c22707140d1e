"""Train the wave network: `python scripts/train_waves.py [--fold K] [--out FILE]`, MAITONG_ECG_DATA set.

Without --fold all strips are learned from and ecg/wave_network.npz is written; with it, every fifth record is
held out and the errors there are printed. numpy alone, one seed, the gradient by hand.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import wave_strips
from wave_feeder import Feeder
from wave_strips import Strip

from ecg import wave_network as network

Array = NDArray[np.float64]
Single = NDArray[np.float32]
Flags = NDArray[np.bool_]
Weights = dict[str, Single]

SEED = 20
CHANNELS = 24
EPOCHS = 45
RATE = 3e-3
FOLDS = 5
SHARPNESS = 1.5
"""Standard deviation, in samples of 4 ms, of the target around the cardiologist's mark."""
POINT_WEIGHT = np.array([1.0, 0.7, 1.0, 1.3, 0.5, 1.3, 0.4, 0.7, 1.0])
NAMES = ("P on", "P", "P off", "QRS on", "QRS", "QRS off", "T on", "T", "T off")
T0 = network.TOKENS
BLOCKS = (*network.DILATIONS, *network.DILATIONS_TOGETHER, 1)


# --- the network once more, with what the gradient needs kept ------------------------------------------


def fresh(seed: int) -> Weights:
    random = np.random.default_rng(seed)

    def matrix(rows: int, columns: int, share: float = 1.0) -> Single:
        return (random.standard_normal((rows, columns)) * share * np.sqrt(2 / rows)).astype(np.float32)

    c, outputs = CHANNELS, network.POINTS * network.STRIDE
    p = {"in": matrix(network.INPUTS, c), "meet": matrix(2 * c, c), "tell": matrix(c, c, 0.3)}
    p |= {"all": matrix(2 * c, c), "out": matrix(c, outputs, 0.3), "out_all": matrix(c, outputs, 0.3)}
    p |= {name: matrix(2 * c, network.KINDS, 0.3) for name in ("has", "has_all")}
    for k in range(len(BLOCKS)):
        p |= {f"taps{k}": matrix(3 * c, c), f"mix{k}": matrix(c, c, 0.3)}
    p |= {
        f"{name}_b": np.zeros(value.shape[1], np.float32)
        for name, value in p.items()
        if name[:3] not in ("mix", "tel")
    }
    return p


class Kept(dict[int | str, Any]):
    """What one forward pass leaves for the gradient."""


def shifted(x: Single, dilation: int) -> Single:
    """(TOKENS, w, c) → (TOKENS, w, 3c): before, here, after."""
    out = np.zeros((*x.shape[:2], 3 * x.shape[2]), x.dtype)
    c = x.shape[2]
    out[dilation:, :, :c], out[:, :, c : 2 * c], out[:-dilation, :, 2 * c :] = x[:-dilation], x, x[dilation:]
    return out


def block(p: Weights, k: int, x: Single, kept: Kept) -> Single:
    wide = shifted(x, BLOCKS[k])
    hidden = np.maximum(wide @ p[f"taps{k}"] + p[f"taps{k}_b"], 0)
    kept[k] = wide, hidden
    return x + hidden @ p[f"mix{k}"]


def block_back(p: Weights, k: int, d: Single, kept: Kept, g: Weights) -> Single:
    wide, hidden = kept[k]
    c, step = d.shape[2], BLOCKS[k]
    g[f"mix{k}"] = hidden.reshape(-1, c).T @ d.reshape(-1, c)
    inner = (d @ p[f"mix{k}"].T) * (hidden > 0)
    flat = inner.reshape(-1, c)
    g[f"taps{k}"], g[f"taps{k}_b"] = wide.reshape(-1, 3 * c).T @ flat, flat.sum(axis=0)
    back = inner @ p[f"taps{k}"].T
    out = d + back[:, :, c : 2 * c]
    out[:-step] += back[step:, :, :c]
    out[step:] += back[:-step, :, 2 * c :]
    return out


def pooled(x: Single, axis: int) -> Single:
    return np.concatenate([x.mean(axis=axis), x.max(axis=axis)], axis=-1)


def pooled_back(d: Single, x: Single, axis: int) -> Single:
    c = x.shape[-1]
    top = x == x.max(axis=axis, keepdims=True)
    share = top / np.maximum(top.sum(axis=axis, keepdims=True), 1)
    even = np.expand_dims(d[..., :c], axis) / x.shape[axis]
    return np.asarray(even + share * np.expand_dims(d[..., c:], axis)).astype(x.dtype)


def to_window(x: Single) -> Single:
    """(TOKENS, w, 9·STRIDE) → (w, 9, LENGTH)."""
    w = x.shape[1]
    return x.reshape(T0, w, 9, network.STRIDE).transpose(1, 2, 0, 3).reshape(w, 9, network.LENGTH)


def from_window(x: Array) -> Single:
    w = len(x)
    split = x.reshape(w, 9, T0, network.STRIDE).transpose(2, 0, 1, 3)
    return np.ascontiguousarray(split.reshape(T0, w, 9 * network.STRIDE)).astype(np.float32)


def forward(p: Weights, tokens: Single, kept: Kept) -> tuple[Single, Single, Single, Single]:
    _, b, leads, inputs = tokens.shape
    x = kept["x0"] = np.maximum(tokens.reshape(T0, b * leads, inputs) @ p["in"] + p["in_b"], 0)
    for k in range(len(network.DILATIONS)):
        x = block(p, k, x, kept)
    each = kept["each"] = x.reshape(T0, b, leads, -1)
    met = kept["met"] = pooled(each, 2)
    heard = kept["heard"] = np.maximum(met @ p["meet"] + p["meet_b"], 0)
    x = (each + (heard @ p["tell"])[:, :, None]).reshape(T0, b * leads, -1)
    for k in range(len(network.DILATIONS), len(BLOCKS) - 1):
        x = block(p, k, x, kept)
    kept["x"] = x
    last = kept["last"] = x.reshape(T0, b, leads, -1)
    end = kept["end"] = pooled(last, 2)
    y = kept["y0"] = np.maximum(end @ p["all"] + p["all_b"], 0)
    y = kept["y"] = block(p, len(BLOCKS) - 1, y, kept)
    seen, seen_all = pooled(x, 0), pooled(y, 0)
    kept["seen"], kept["seen_all"], kept["tokens"] = seen, seen_all, tokens
    return (
        to_window(x @ p["out"] + p["out_b"]).reshape(b, leads, 9, network.LENGTH),
        (seen @ p["has"] + p["has_b"]).reshape(b, leads, 3),
        to_window(y @ p["out_all"] + p["out_all_b"]),
        seen_all @ p["has_all"] + p["has_all_b"],
    )


def backward(p: Weights, kept: Kept, d: Array, d_has: Array, d_all: Array, d_has_all: Array) -> Weights:
    g: Weights = {}
    x, y = kept["x"], kept["y"]
    c = x.shape[2]
    _, b, leads, inputs = kept["tokens"].shape
    out, out_all = from_window(d.reshape(-1, 9, network.LENGTH)), from_window(d_all)
    has, has_all = d_has.reshape(-1, 3).astype(np.float32), d_has_all.astype(np.float32)
    for name, seen, values, gradient in (("", x, out, has), ("_all", y, out_all, has_all)):
        g[f"out{name}"] = seen.reshape(-1, c).T @ values.reshape(-1, values.shape[2])
        g[f"out{name}_b"] = values.sum(axis=(0, 1))
        g[f"has{name}"], g[f"has{name}_b"] = kept[f"seen{name}"].T @ gradient, gradient.sum(axis=0)
    dx = out @ p["out"].T + pooled_back(has @ p["has"].T, x, 0)
    dy = out_all @ p["out_all"].T + pooled_back(has_all @ p["has_all"].T, y, 0)
    dy = block_back(p, len(BLOCKS) - 1, dy, kept, g) * (kept["y0"] > 0)
    g["all"] = kept["end"].reshape(-1, 2 * c).T @ dy.reshape(-1, c)
    g["all_b"] = dy.sum(axis=(0, 1))
    dx = dx + pooled_back(dy @ p["all"].T, kept["last"], 2).reshape(dx.shape)
    for k in reversed(range(len(network.DILATIONS), len(BLOCKS) - 1)):
        dx = block_back(p, k, dx, kept, g)
    each = dx.reshape(T0, b, leads, c)
    told = each.sum(axis=2)
    g["tell"] = kept["heard"].reshape(-1, c).T @ told.reshape(-1, c)
    told = (told @ p["tell"].T) * (kept["heard"] > 0)
    g["meet"], g["meet_b"] = kept["met"].reshape(-1, 2 * c).T @ told.reshape(-1, c), told.sum(axis=(0, 1))
    dx = (each + pooled_back(told @ p["meet"].T, kept["each"], 2)).reshape(dx.shape)
    for k in reversed(range(len(network.DILATIONS))):
        dx = block_back(p, k, dx, kept, g)
    dx = (dx * (kept["x0"] > 0)).reshape(-1, c)
    g["in"], g["in_b"] = kept["tokens"].reshape(-1, inputs).T @ dx, dx.sum(axis=0)
    return g


# --- learning -------------------------------------------------------------------------------------------


def place_loss(logits: Single, points: Array, known: Flags) -> tuple[float, Array]:
    """Cross entropy of each distribution with a narrow bell at the mark, and its gradient."""
    given = np.isfinite(points) & (points > 0) & (points < network.LENGTH - 1) & known.repeat(3, axis=-1)
    weight = given * POINT_WEIGHT
    away = np.arange(network.LENGTH) - np.where(given, points, 0.0)[..., None]
    bell = np.exp(-0.5 * (away / SHARPNESS) ** 2)
    bell /= bell.sum(axis=-1, keepdims=True)
    top = logits.max(axis=-1, keepdims=True)
    likely = np.exp(logits - top)
    total = likely.sum(axis=-1, keepdims=True)
    loss = -(bell * (logits - top - np.log(total))).sum(axis=-1)
    share = weight / max(weight.sum(), 1e-6)
    return float((loss * share).sum()), (likely / total - bell) * share[..., None]


def presence_loss(logits: Single, present: Flags, known: Flags) -> tuple[float, Array]:
    there = present.astype(np.float64)
    share = known / max(known.sum(), 1e-6)
    loss = np.maximum(logits, 0) - logits * there + np.log1p(np.exp(-np.abs(logits)))
    return float((loss * share).sum()), (1 / (1 + np.exp(-logits)) - there) * share


def train(strips: list[Strip], noise: Array, seed: int = SEED, epochs: int = EPOCHS) -> Weights:
    """Adam with warm-up and a cosine to the end; the answer is a running mean of the weights."""
    feeder, p = Feeder(strips, noise, seed + 1), fresh(seed)
    first, second = ({k: np.zeros_like(v) for k, v in p.items()} for _ in range(2))
    average, step = {k: v.copy() for k, v in p.items()}, 0
    for epoch in range(epochs):
        losses = []
        for batch in feeder.epoch():
            kept = Kept()
            logits, has, logits_all, has_all = forward(p, batch.tokens, kept)
            l1, d1 = place_loss(logits, batch.points, batch.known)
            l2, d2 = presence_loss(has, batch.present, batch.known)
            l3, d3 = place_loss(logits_all, batch.points_all, batch.known_all)
            l4, d4 = presence_loss(has_all, batch.present_all, batch.known_all)
            gradient = backward(p, kept, d1, d2, 0.5 * d3, d4)
            losses.append((l1, l2, l3, l4))
            step += 1
            speed = RATE * min(1.0, step / 60) * (0.51 + 0.5 * np.cos(np.pi * epoch / epochs))
            norm = np.sqrt(sum(float((v * v).sum()) for v in gradient.values()))
            for k, value in p.items():
                d = gradient[k] * min(1.0, 1.0 / (norm + 1e-9))
                first[k] += 0.1 * (d - first[k])
                second[k] += 0.001 * (d * d - second[k])
                move = first[k] / (1 - 0.9**step) / (np.sqrt(second[k] / (1 - 0.999**step)) + 1e-8)
                decay = 1e-4 * value if value.ndim > 1 else 0.0
                value -= (speed * (move + decay)).astype(np.float32)
                average[k] += (1 - min(0.995, 1 - 1 / (step / 5 + 1))) * (value - average[k])
        print(epoch, np.round(np.mean(losses, axis=0), 3), flush=True)
    return average


def errors(p: Weights, strips: list[Strip]) -> dict[str, Array]:
    """Set → (n, 9) ms, found less drawn, of every lead of strips that were not learned from."""
    out: dict[str, list[Array]] = {}
    for strip in strips:
        found = network.read(strip.band, strip.rate_hz, strip.r_peaks, p=p)
        away = (found.points + strip.r_peaks[None, :, None] - strip.points) / strip.rate_hz * 1e3
        out.setdefault(strip.name.split("/")[0], []).append(away.reshape(-1, 9))
        if strip.name.startswith("ludb"):
            out.setdefault("ludb II", []).append(away[1])
    return {name: np.concatenate(rows) for name, rows in out.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--fold", type=int, help=f"hold out this one of {FOLDS} parts, and print errors there"
    )
    parser.add_argument("--out", type=Path, default=network.WEIGHTS, help="where the weights go")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    options = parser.parse_args()
    folder = Path(os.environ["MAITONG_ECG_DATA"])
    strips = wave_strips.ludb(folder) + wave_strips.qtdb(folder) + wave_strips.with_or_without_p(folder)
    names = np.random.default_rng(SEED).permutation(sorted({strip.name for strip in strips}))
    held = set() if options.fold is None else set(names[options.fold :: FOLDS])
    learned = [strip for strip in strips if strip.name not in held]
    p = train(learned, wave_strips.noise(folder), epochs=options.epochs)
    stored = {name: value.astype(np.float16) for name, value in p.items()}
    if held:
        stored["held"] = np.array(sorted(held))
    np.savez_compressed(options.out, **stored)
    for name, away in errors(p, [strip for strip in strips if strip.name in held]).items():
        cells = [f"{n} {np.nanmean(e):+.1f}±{np.nanstd(e):.1f}" for n, e in zip(NAMES, away.T, strict=True)]
        print(name, " ".join(cells))
    return 0


if __name__ == "__main__":
    sys.exit(main())
