"""Training: its forward pass is the one shipped, and its gradient is the slope of its loss."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecg import wave_network as network


@pytest.fixture(scope="module")
def train() -> Any:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
    try:
        import train_waves
    finally:
        sys.path.pop(0)
    return train_waves


def test_training_and_use_are_one_network(train: Any) -> None:
    p = train.fresh(1)
    x = np.random.default_rng(2).normal(0, 1, (network.TOKENS, 2, 3, network.INPUTS)).astype(np.float32)
    for a, b in zip(train.forward(p, x, {}), network.forward(p, x), strict=True):
        assert np.allclose(a, b, rtol=1e-3, atol=1e-3)
    assert {k: v.shape for k, v in p.items()} == {k: v.shape for k, v in network.weights().items()}


def test_the_gradient_is_the_slope(train: Any) -> None:
    random = np.random.default_rng(4)
    p = {k: v.astype(np.float64) for k, v in train.fresh(1).items()}
    for name in p:
        if name.endswith("_b"):
            p[name] += random.normal(0, 0.1, p[name].shape)
    x = random.normal(0, 1, (network.TOKENS, 2, 2, network.INPUTS))
    weights = [random.normal(0, 1, np.shape(v)) for v in train.forward(p, x, {})]

    def loss() -> float:
        return sum(float((a * b).sum()) for a, b in zip(weights, train.forward(p, x, {}), strict=True))

    kept: dict[Any, Any] = {}
    train.forward(p, x, kept)
    gradient = train.backward(p, kept, *weights)
    assert set(gradient) == set(p)
    for name, value in p.items():
        place = tuple(int(random.integers(n)) for n in value.shape)
        step = 1e-5
        middle = value[place]
        value[place] = middle + step
        above = loss()
        value[place] = middle - step
        slope = (above - loss()) / (2 * step)
        value[place] = middle
        assert gradient[name][place] == pytest.approx(slope, rel=2e-3, abs=2e-3), name
