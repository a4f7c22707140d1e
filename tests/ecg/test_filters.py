"""Live and stored display filters."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import sosfilt, sosfreqz

from ecg.filters import BANDS, LiveFilter, sections, stored
from ecg.simulate import simulate

RATE = 500.0


def _with_gaps() -> np.ndarray:
    samples = simulate("sinus", 6.0, RATE, seed=4).samples[:3] + 20_000.0
    samples[0, 900:1000] = np.nan
    samples[1, 700:1800] = np.nan
    samples[2, :30] = np.nan
    return samples


@given(cuts=st.lists(st.integers(0, 3000), max_size=12))
@settings(max_examples=25, deadline=None)
def test_live_output_does_not_depend_on_the_block_size(cuts: list[int]) -> None:
    samples = _with_gaps()
    whole = LiveFilter(RATE, 3, 0.05, 40.0, 50.0).feed(samples)
    live = LiveFilter(RATE, 3, 0.05, 40.0, 50.0)
    parts = [live.feed(block) for block in np.split(samples, sorted(cuts), axis=1)]
    np.testing.assert_allclose(np.hstack(parts), whole, atol=1e-6)
    np.testing.assert_array_equal(np.isnan(whole), np.isnan(samples))


def test_live_filter_is_what_scipy_makes_of_the_same_sections() -> None:
    x = simulate("sinus", 4.0, RATE, seed=2).samples[:2]
    x = x - x[:, :1]
    ours = LiveFilter(RATE, 2, 0.5, 40.0, 50.0).feed(x)
    np.testing.assert_allclose(ours, sosfilt(sections(RATE, 0.5, 40.0, 50.0, twice=False), x), atol=1e-6)


def test_live_filter_starts_at_zero_on_any_electrode_offset() -> None:
    live = LiveFilter(RATE, 1)
    np.testing.assert_allclose(live.feed(np.full((1, 200), 250_000.0)), 0, atol=1e-3)
    live.feed(np.full((1, 600), np.nan))  # lead off for more than a second, back on another offset
    np.testing.assert_allclose(live.feed(np.full((1, 200), -80_000.0)), 0, atol=1e-3)


def test_live_filter_takes_empty_blocks_and_refuses_wrong_ones() -> None:
    live = LiveFilter(RATE, 2)
    assert live.feed(np.empty((2, 0))).shape == (2, 0)
    with pytest.raises(ValueError, match="for 2 leads"):
        live.feed(np.zeros((3, 10)))


@pytest.mark.parametrize("rate_hz", [250.0, 500.0, 1000.0])
@pytest.mark.parametrize(("cut_hz", "kind"), [(0.5, "high"), (40.0, "low")])
@pytest.mark.parametrize("twice", [False, True])
def test_cuts_are_3_db_whichever_way_the_filter_runs(
    rate_hz: float, cut_hz: float, kind: str, twice: bool
) -> None:
    sos = sections(
        rate_hz, cut_hz if kind == "high" else None, cut_hz if kind == "low" else None, None, twice=twice
    )
    _, gain = sosfreqz(sos, worN=[cut_hz], fs=rate_hz)
    power = abs(gain[0]) ** (2 if twice else 1)
    assert 20 * np.log10(power) == pytest.approx(-3.01, abs=0.02)


def test_notch_takes_50_hz_and_leaves_the_beat() -> None:
    clean = simulate("sinus", 10.0, RATE, seed=5).samples
    mains = 300 * np.sin(2 * np.pi * 50 * np.arange(clean.shape[1]) / RATE)
    band = BANDS["muscle"]
    difference = stored(clean + mains, RATE, *band[:3]) - stored(clean, RATE, *band[:3])
    assert np.abs(difference[:, 500:-500]).max() < 3


def test_a_lowpass_the_rate_cannot_carry_is_left_out() -> None:
    assert len(sections(250.0, 0.05, 150.0, 50.0, twice=False)) == 2


def test_stored_filter_shifts_nothing() -> None:
    heart = simulate("sinus", 10.0, RATE, seed=6)
    out = stored(heart.samples, RATE, 0.5, 40.0)
    lead_ii = heart.samples[1]
    for r in heart.r_peaks[1:-1]:
        window = slice(r - 20, r + 20)
        assert abs(int(out[1, window].argmax()) - int(lead_ii[window].argmax())) <= 1


def test_stored_filter_keeps_gaps_and_every_lead_for_itself() -> None:
    samples = _with_gaps()
    out = stored(samples, RATE)
    np.testing.assert_array_equal(np.isnan(out), np.isnan(samples))
    alone = stored(samples[2:], RATE)
    np.testing.assert_allclose(out[2:], alone, atol=1e-9, equal_nan=True)
    assert np.nanmax(np.abs(out)) < 3000


def test_stored_filter_of_nothing_but_gap() -> None:
    assert np.isnan(stored(np.full((2, 100), np.nan), RATE)).all()
    assert stored(np.empty((2, 0)), RATE).shape == (2, 0)
    assert stored(np.ones((1, 1)), RATE).shape == (1, 1)
