"""The network's arithmetic: the same whatever the order of leads or the chunk; weights that fit."""

import numpy as np
import pytest

from ecg import wave_network as network
from ecg.simulate import simulate


@pytest.fixture(scope="module")
def strip() -> tuple[np.ndarray, float, np.ndarray]:
    heart = simulate("sinus:70", 10.0, 500.0, seed=6)
    band, rate_hz = network.banded(heart.samples, 500.0)
    return band, rate_hz, heart.r_peaks.astype(np.float64)


def test_the_weights_are_small_and_whole() -> None:
    assert network.WEIGHTS.stat().st_size < 100_000
    for name, value in network.weights().items():
        assert value.dtype == np.float32, name
        assert np.isfinite(value).all(), name


@pytest.mark.parametrize("rate_hz", [100.0, 130.0, 250.0, 360.0, 500.0, 1000.0])
def test_the_band_keeps_waves_in_place_and_drops_the_rest(rate_hz: float) -> None:
    t = np.arange(round(8 * rate_hz)) / rate_hz
    wave = np.exp(-0.5 * ((t - 4.0) / 0.03) ** 2) * 1000
    band, rate = network.banded(np.array([wave, wave + 700.0 + 400 * t]), rate_hz)
    assert rate >= 480
    assert rate % rate_hz == 0
    assert band.shape == (2, round(t.size * rate / rate_hz))
    at = band.argmax(axis=1) / rate
    assert at == pytest.approx([4.0, 4.0], abs=0.003)
    assert band.max(axis=1) == pytest.approx([960, 960], rel=0.06)
    middle = slice(round(2 * rate), round(6 * rate))
    assert np.abs(band[0, middle] - band[1, middle]).max() < 12  # a constant and a slope leave no trace
    hum = 300 * np.sin(2 * np.pi * 150 * t) if rate_hz > 400 else np.zeros(t.size)
    assert np.abs(network.banded(hum[None], rate_hz)[0][:, middle]).max() < 10


def test_windows_are_cut_where_they_should_be() -> None:
    ramp = np.arange(2000.0)[None] * np.array([[1.0], [-2.0]])
    got = network.windows(ramp, 500.0, np.array([1000.0, 1000.5, 100.0]))
    assert got.shape == (3, 2, network.LENGTH)
    assert got[0, 0, network.BEFORE] == 1000
    assert got[0, 0, network.BEFORE + 1] == 1002
    assert got[1, 1, network.BEFORE] == -2001
    assert got[2, 0, 0] == 0  # held at the end


def test_forward_is_what_its_definition_says() -> None:
    """Against convolutions written out, with random weights."""
    random = np.random.default_rng(3)
    p = {k: random.normal(0, 0.2, v.shape).astype(np.float32) for k, v in network.weights().items()}
    x = random.normal(0, 1, (network.TOKENS, 2, 3, network.INPUTS)).astype(np.float32)

    def convolved(rows: np.ndarray, k: int, dilation: int) -> np.ndarray:
        n = rows.shape[-1]
        padded = np.pad(rows, [(dilation, dilation)] + [(0, 0)] * (rows.ndim - 1))
        taps = p[f"taps{k}"].reshape(3, n, n)
        hidden = sum(padded[i * dilation : i * dilation + len(rows)] @ taps[i] for i in range(3))
        return rows + np.maximum(hidden + p[f"taps{k}_b"], 0) @ p[f"mix{k}"]

    def both(values: np.ndarray, axis: int) -> np.ndarray:
        return np.concatenate([values.mean(axis=axis), values.max(axis=axis)], axis=-1)

    def in_time(values: np.ndarray) -> np.ndarray:
        split = values.reshape(*values.shape[:-1], network.POINTS, network.STRIDE)
        return np.moveaxis(split, 0, -2).reshape(*values.shape[1:-1], network.POINTS, network.LENGTH)

    rows = np.maximum(x @ p["in"] + p["in_b"], 0)
    for k, dilation in enumerate(network.DILATIONS):
        rows = convolved(rows, k, dilation)
    heard = np.maximum(both(rows, 2) @ p["meet"] + p["meet_b"], 0)
    rows = rows + (heard @ p["tell"])[:, :, None]
    for k, dilation in enumerate(network.DILATIONS_TOGETHER, len(network.DILATIONS)):
        rows = convolved(rows, k, dilation)
    every = np.maximum(both(rows, 2) @ p["all"] + p["all_b"], 0)
    every = convolved(every, len(network.DILATIONS + network.DILATIONS_TOGETHER), 1)
    wanted = (
        in_time(rows @ p["out"] + p["out_b"]),
        both(rows, 0) @ p["has"] + p["has_b"],
        in_time(every @ p["out_all"] + p["out_all_b"]),
        both(every, 0) @ p["has_all"] + p["has_all_b"],
    )
    for got, value in zip(network.forward(p, x), wanted, strict=True):
        assert got.shape == value.shape
        assert np.allclose(got, value, rtol=1e-3, atol=1e-3)


def test_beats_read_together_or_alone_are_the_same(strip: tuple[np.ndarray, float, np.ndarray]) -> None:
    band, rate_hz, r_peaks = strip
    whole = network.read(band, rate_hz, r_peaks)
    for k in (0, 3, r_peaks.size - 1):
        one = network.read(band, rate_hz, r_peaks, slice(k, k + 1))
        assert np.allclose(one.points[:, 0], whole.points[:, k], atol=1e-2)
        assert np.allclose(one.present_together[0], whole.present_together[k], atol=1e-2)


def test_a_wave_lies_between_its_beats(strip: tuple[np.ndarray, float, np.ndarray]) -> None:
    band, rate_hz, r_peaks = strip
    close = np.sort(np.concatenate([r_peaks, r_peaks[:-1] + 0.4 * np.diff(r_peaks)]))
    found = network.read(band, rate_hz, close)
    apart = np.diff(close)
    assert (found.points[:, 1:, 1] > -apart).all()
    assert (found.points[:, :-1, 7] < apart).all()


def test_confidence_falls_with_noise(strip: tuple[np.ndarray, float, np.ndarray]) -> None:
    band, rate_hz, r_peaks = strip
    noise = np.random.default_rng(2).normal(0, 60, band.shape)
    spoiled, _ = network.banded(band + noise, rate_hz)
    clear = network.read(band, rate_hz, r_peaks)
    unclear = network.read(spoiled, rate_hz, r_peaks)
    assert np.median(unclear.spread_ms[..., 0]) > np.median(clear.spread_ms[..., 0])
    assert np.median(unclear.present_together[:, 0]) < np.median(clear.present_together[:, 0])
