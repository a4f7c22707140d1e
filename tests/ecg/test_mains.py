"""Mains subtraction: what is taken away, and what is left alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg import mains
from ecg.simulate import simulate

RATE = 500.0


def _noisy(
    amplitude_uv: float = 200.0, mains_hz: float = 50.1, seconds: float = 8.0
) -> tuple[np.ndarray, np.ndarray]:
    clean = simulate("sinus", seconds, RATE, seed=8).samples[:4]
    t = np.arange(clean.shape[1]) / RATE
    return clean, amplitude_uv * np.cos(2 * np.pi * mains_hz * t[None] + np.arange(4)[:, None])


@pytest.mark.parametrize(
    ("rate_hz", "mains_hz"), [(250.0, 50.0), (360.0, 60.0), (500.0, 50.0), (500.0, 60.0), (1000.0, 50.0)]
)
def test_what_is_found_is_what_was_added(rate_hz: float, mains_hz: float) -> None:
    clean = simulate("sinus", 8.0, rate_hz, seed=8).samples
    t = np.arange(clean.shape[1]) / rate_hz
    added = 200 * np.sin(2 * np.pi * mains_hz * t + 0.3)
    found = mains.hum(clean + added, rate_hz, mains_hz) - mains.hum(clean, rate_hz, mains_hz)
    assert np.abs(found - added).max() < 3


def test_gain_and_offset_and_order_do_not_matter() -> None:
    clean, added = _noisy()
    found = mains.hum(clean + added, RATE, 50.0)
    np.testing.assert_allclose(mains.hum((clean + added)[::-1], RATE, 50.0)[::-1], found, atol=1e-6)
    np.testing.assert_allclose(mains.hum(clean + added + 2e5, RATE, 50.0), found, atol=1e-3)
    np.testing.assert_allclose(mains.hum(3 * (clean + added), RATE, 50.0), 3 * found, atol=0.5)


def test_a_gap_is_bridged_and_a_dead_lead_has_none() -> None:
    clean, added = _noisy()
    noisy = clean + added
    noisy[0, 1500:1700] = np.nan
    noisy[1] = np.nan
    found = mains.hum(noisy, RATE, 50.0)
    assert np.abs(found[0] - added[0])[200:-200].max() < 8
    assert not found[1].any()


def test_nothing_of_nothing() -> None:
    for shape in ((0, 0), (2, 0), (2, 1), (2, 60)):
        assert not mains.hum(np.ones(shape), RATE, 50.0).any()
    assert not mains.hum(np.full((2, 500), 7.0), RATE, 50.0).any()


@given(cuts=st.lists(st.integers(0, 4000), max_size=12))
@settings(max_examples=15, deadline=None)
def test_live_output_does_not_depend_on_the_block_size(cuts: list[int]) -> None:
    clean, added = _noisy()
    noisy = clean + added
    noisy[2, 800:1600] = np.nan
    whole = mains.Canceller(RATE, 4, 50.0).feed(noisy)
    canceller = mains.Canceller(RATE, 4, 50.0)
    parts = [canceller.feed(block) for block in np.split(noisy, sorted(cuts), axis=1)]
    np.testing.assert_allclose(np.hstack(parts), whole, atol=1e-6)
    assert np.abs(whole - clean)[[0, 1, 3], 2000:].max() < 15
    assert np.abs(whole - clean)[2, 2600:].max() < 15
