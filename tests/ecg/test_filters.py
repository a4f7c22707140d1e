"""Live and stored display filters."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import sosfilt, sosfreqz

from ecg.filters import BANDS, LiveFilter, sections, stored, wander
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
    ours = LiveFilter(RATE, 2, 0.5, 40.0).feed(x)
    np.testing.assert_allclose(ours, sosfilt(sections(RATE, 0.5, 40.0, twice=False), x), atol=1e-6)


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
@pytest.mark.parametrize(("cut_hz", "kind"), [(0.05, "high"), (0.5, "high"), (40.0, "low")])
@pytest.mark.parametrize("twice", [False, True])
def test_cuts_are_3_db_whichever_way_the_filter_runs(
    rate_hz: float, cut_hz: float, kind: str, twice: bool
) -> None:
    sos = sections(
        rate_hz, cut_hz if kind == "high" else None, cut_hz if kind == "low" else None, twice=twice
    )
    _, gain = sosfreqz(sos, worN=[cut_hz], fs=rate_hz)
    power = abs(gain[0]) ** (2 if twice else 1)
    assert 20 * np.log10(power) == pytest.approx(-3.01, abs=0.02)


def test_a_lowpass_the_rate_cannot_carry_is_left_out() -> None:
    assert len(sections(250.0, 0.05, 150.0, twice=False)) == 1


def _filtered(x: np.ndarray, rate_hz: float, how: str, band: str = "diagnostic") -> np.ndarray:
    cuts = BANDS[band][:3]
    return LiveFilter(rate_hz, len(x), *cuts).feed(x) if how == "live" else stored(x, rate_hz, *cuts)


@pytest.mark.parametrize("how", ["live", "stored"])
@pytest.mark.parametrize("rate_hz", [500.0, 1000.0])
@pytest.mark.parametrize(
    ("hz", "least", "most"),
    [
        (0.67, 0.9, 1.1),
        (1, 0.9, 1.1),
        (10, 0.9, 1.1),
        (40, 0.9, 1.1),
        (70, 0.7, 1.1),
        (100, 0.7, 1.1),
        (150, 0.7, 1.1),
        (200, 0.0, 1.1),
    ],
)
def test_diagnostic_response_of_the_standard(
    how: str, rate_hz: float, hz: float, least: float, most: float
) -> None:
    t = np.arange(round(30 * rate_hz)) / rate_hz
    out = _filtered(1000 * np.sin(2 * np.pi * hz * t)[None], rate_hz, how)
    amplitude = out[0, round(12 * rate_hz) : round(24 * rate_hz)].std() * np.sqrt(2) / 1000
    assert least <= amplitude <= most


@pytest.mark.parametrize("how", ["live", "stored"])
@pytest.mark.parametrize("rate_hz", [500.0, 1000.0])
def test_impulse_of_3_mv_and_100_ms(how: str, rate_hz: float) -> None:
    x = np.zeros((1, round(40 * rate_hz)))
    start, end = round(20 * rate_hz), round(20.1 * rate_hz)
    x[0, start:end] = 3000
    out = _filtered(x, rate_hz, how)[0]
    edge = round(0.02 * rate_hz)  # the flank itself, as wide as 150 Hz make it
    assert np.abs(out[end + edge :]).max() <= 100
    assert np.abs(out[: start - edge]).max() <= 100
    assert np.abs(np.diff(out[end + edge :])).max() * rate_hz <= 300


@pytest.mark.parametrize("how", ["live", "stored"])
def test_a_narrow_triangle_keeps_its_height(how: str) -> None:
    """1.5 mV of 20 and 200 ms base, the standard's stand-ins for a narrow and a wide QRS: −12 % at most."""
    for base in (0.02, 0.2):
        k = np.arange(round(base * RATE) + 1)
        x = np.zeros((1, 5000))
        x[0, 2500 : 2500 + k.size] = 1500 * (1 - np.abs(2 * k / (base * RATE) - 1))
        assert 0.88 <= _filtered(x, RATE, how).max() / 1500 <= 1.0


def test_step_response_live_overshoots_little_and_decays_with_3_seconds() -> None:
    x = np.zeros((1, 5000))
    x[0, 500:] = 1000
    out = _filtered(x, RATE, "live")[0]
    assert np.abs(out[:500]).max() == 0
    assert out.max() < 1120
    assert out[500 + round(3.18 * RATE)] == pytest.approx(1000 / np.e, rel=0.02)


def test_bands_say_where_they_may_not_be_read() -> None:
    assert [name for name, band in BANDS.items() if band.warning] == ["muscle", "monitor"]
    assert [name for name, band in BANDS.items() if not band.st_readable_live] == ["monitor"]


def _steep() -> np.ndarray:
    """Only QRS of 3 mV in 60 ms, nothing between them: what a notch makes of it stands alone."""
    x = np.zeros((1, 8000))
    for r in range(400, 7800, 400):
        x[0, r - 15 : r + 16] += 3000 * (1 - np.abs(np.arange(-15, 16)) / 15)
    return x


@pytest.mark.parametrize("how", ["live", "stored"])
def test_mains_filter_does_not_ring_on_a_qrs(how: str) -> None:
    from scipy.signal import iirnotch, lfilter

    change = _filtered(_steep(), RATE, how, "mains") - _filtered(_steep(), RATE, how)
    notched = lfilter(*iirnotch(50, 25, RATE), _steep()) - _steep()
    assert np.abs(notched[0, 425:780]).max() > 20  # what a usual notch does after the QRS
    assert np.abs(change).max() < 1
    for scenario in ("sinus", "pvc", "vt"):
        x = simulate(scenario, 10.0, RATE, seed=5).samples
        change = _filtered(x, RATE, how, "mains") - _filtered(x, RATE, how)
        assert np.abs(change[:, 500:]).max() < 10


@pytest.mark.parametrize("mains_hz", [49.6, 50.0, 50.2])
@pytest.mark.parametrize(("how", "left_uv"), [("stored", 2.0), ("live", 8.0)])
def test_mains_goes_and_the_beat_stays(how: str, left_uv: float, mains_hz: float) -> None:
    clean = simulate("sinus", 14.0, RATE, seed=5).samples
    t = np.arange(clean.shape[1]) / RATE
    hum = 300 * np.sin(2 * np.pi * mains_hz * t[None] + np.arange(12)[:, None])
    left = _filtered(clean + hum, RATE, how, "mains") - _filtered(clean, RATE, how)
    # Steps only: live, the first sample's hum is an offset that decays with the low cut.
    steps = np.abs(np.diff(left[:, 2000:-500], axis=1)).max()
    assert np.abs(np.diff(hum, axis=1)).max() > 180
    assert steps < left_uv


def test_60_hz_and_a_hum_that_comes_and_goes() -> None:
    clean = simulate("sinus", 20.0, RATE, seed=5).samples
    t = np.arange(clean.shape[1]) / RATE
    hum = np.clip(t - 8, 0, 2) * 150 * np.sin(2 * np.pi * 60 * t)
    for how in ("live", "stored"):
        cuts = (0.05, 150.0, 60.0)
        run = (
            LiveFilter(RATE, 12, *cuts).feed
            if how == "live"
            else lambda x: stored(x, RATE, 0.05, 150.0, 60.0)
        )
        left = (run(clean + hum) - _filtered(clean, RATE, how))[:, 500:-500]
        assert np.abs(left).max() < 60
        assert np.abs(left[:, -3000:]).max() < 10


def test_mains_is_left_alone_where_the_rate_cannot_tell_it() -> None:
    x = simulate("sinus", 6.0, 130.0, seed=5).samples
    np.testing.assert_allclose(stored(x, 130.0, 0.05, 40.0, 50.0), stored(x, 130.0, 0.05, 40.0))
    live = LiveFilter(130.0, 12, 0.05, 40.0, 50.0).feed(x)
    np.testing.assert_allclose(live, LiveFilter(130.0, 12, 0.05, 40.0).feed(x))


def test_live_lead_comes_back_to_the_screen_within_a_second() -> None:
    x = simulate("sinus", 6.0, RATE, seed=3).samples.copy()
    x[1, 1000:] += 300_000  # an electrode pressed on again: another offset, no gap
    parts = LiveFilter(RATE, 12)
    out = np.hstack([parts.feed(block) for block in np.array_split(x, 50, axis=1)])
    assert np.abs(out[1, 1000 + round(0.6 * RATE) :]).max() < 2500
    np.testing.assert_allclose(out, LiveFilter(RATE, 12).feed(x), atol=1e-6)
    others = [0, *range(2, 12)]
    np.testing.assert_allclose(out[others], LiveFilter(RATE, 11).feed(x[others]), atol=1e-6)


def test_stored_filter_shifts_nothing() -> None:
    heart = simulate("sinus", 10.0, RATE, seed=6)
    out = stored(heart.samples, RATE, 0.5, 40.0)
    lead_ii = heart.samples[1]
    for r in heart.r_peaks[1:-1]:
        window = slice(r - 20, r + 20)
        assert abs(int(out[1, window].argmax()) - int(lead_ii[window].argmax())) <= 1


def _st_error_uv(before: np.ndarray, after: np.ndarray, r_peaks: np.ndarray) -> float:
    """Largest change of J+60, J+80, against the level before QRS, over leads and beats."""
    worst = 0.0
    for r in r_peaks[1:-1]:
        for j in (r + 55, r + 65):
            height = [x[:, j] - x[:, r - 40 : r - 30].mean(axis=1) for x in (before, after)]
            worst = max(worst, float(np.abs(height[1] - height[0]).max()))
    return worst


@pytest.mark.parametrize("scenario", ["inferior_stemi", "inferior_stemi:45", "lbbb", "sinus:110", "pause"])
def test_st_shifts_survive_the_stored_filters(scenario: str) -> None:
    heart = simulate(scenario, 12.0, RATE, seed=3)
    sharp = stored(heart.samples, RATE, None, 150.0)
    assert _st_error_uv(sharp, stored(heart.samples, RATE, 0.05, 150.0), heart.r_peaks) < 15
    assert _st_error_uv(sharp, stored(heart.samples, RATE, 0.5, 150.0), heart.r_peaks) < 25
    level = heart.samples - wander(heart.samples, RATE, heart.r_peaks)
    assert _st_error_uv(heart.samples, level, heart.r_peaks) < 15


@pytest.mark.parametrize("scenario", ["inferior_stemi", "inferior_stemi:45", "pause", "pvc", "sinus:110"])
def test_breathing_goes_and_st_stays(scenario: str) -> None:
    heart = simulate(scenario, 12.0, RATE, seed=3)
    t = np.arange(heart.samples.shape[1]) / RATE
    breath = 1000 * np.sin(2 * np.pi * 0.25 * t + 1)
    for left in (
        heart.samples + breath - wander(heart.samples + breath, RATE, heart.r_peaks),
        stored(heart.samples + breath, RATE, 0.5, 150.0),
    ):
        rest = np.median(left - heart.samples, axis=0)[750:-750]
        assert np.ptp(rest) < 350  # of 2000
    assert _st_error_uv(heart.samples, left, heart.r_peaks) < 60


def test_wander_of_little_or_nothing() -> None:
    none = np.zeros(0, dtype=np.int64)
    assert wander(np.empty((2, 0)), RATE, none).shape == (2, 0)
    np.testing.assert_array_equal(wander(np.full((1, 500), 7.0), RATE, none), 7.0)
    np.testing.assert_array_equal(wander(np.full((1, 500), np.nan), RATE, np.array([100, 300])), 0.0)
    gappy = simulate("sinus", 10.0, RATE, seed=3)
    x = gappy.samples.copy()
    x[:, 2000:2600] = np.nan
    assert np.isfinite(wander(x, RATE, gappy.r_peaks)).all()


def test_stored_filter_keeps_gaps_and_every_lead_for_itself() -> None:
    samples = _with_gaps()
    out = stored(samples, RATE)
    np.testing.assert_array_equal(np.isnan(out), np.isnan(samples))
    alone = stored(samples[2:], RATE)
    np.testing.assert_allclose(out[2:], alone, atol=1e-9, equal_nan=True)
    assert np.nanmax(np.abs(out)) < 3000


def test_stored_filter_of_nothing_but_gap() -> None:
    assert np.isnan(stored(np.full((2, 100), np.nan), RATE, *BANDS["mains"][:3])).all()
    assert stored(np.empty((2, 0)), RATE).shape == (2, 0)
    assert stored(np.ones((1, 1)), RATE).shape == (1, 1)
