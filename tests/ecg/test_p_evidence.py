"""Whether a beat has a P, by what it shows and what its neighbours show."""

import numpy as np
import pytest

from ecg.p_evidence import log_odds

RATE_HZ = 500.0
STEADY = np.arange(1, 13) * 400.0


def test_a_steady_doubtful_p_is_believed_and_a_wandering_one_is_not() -> None:
    own, random = np.full(12, 1.0), np.random.default_rng(1)
    steady = log_odds(own, -160 + random.normal(0, 2, 12), STEADY, RATE_HZ)
    wandering = log_odds(own, -160 + random.normal(0, 40, 12), STEADY, RATE_HZ)
    assert (steady > 0).all()
    assert (wandering < steady).all()
    assert (wandering < 0).all()


def test_an_irregular_rhythm_needs_clear_p_waves() -> None:
    irregular = np.cumsum(400 * np.random.default_rng(2).lognormal(0, 0.25, 12))
    lag = np.full(12, -150.0)
    assert (log_odds(np.full(12, 0.5), lag, irregular, RATE_HZ) < 0).all()
    assert (log_odds(np.full(12, 8.0), lag, irregular, RATE_HZ) > 0).all()


def test_a_ventricular_beat_does_not_speak_for_the_others() -> None:
    """Every other beat ventricular: judged by its own kind, the sinus beats keep their P."""
    own = np.tile([6.0, -6.0], 6)
    at = np.cumsum(np.tile([500.0, 280.0], 6))
    kinds = ("N", "V") * 6
    found = log_odds(own, np.full(12, -160.0), at, RATE_HZ, kinds)
    assert (found[::2] > 0).all()
    assert (found[1::2] < 0).all()


def test_few_beats_speak_for_themselves() -> None:
    own = np.array([3.0, -3.0])
    assert log_odds(own, np.array([-150.0, -90.0]), np.array([400.0, 800.0]), RATE_HZ) == pytest.approx(own)
    assert log_odds(np.zeros(0), np.zeros(0), np.zeros(0), RATE_HZ).size == 0


def test_the_strip_may_begin_later() -> None:
    own, lag = np.linspace(-2, 5, 12), np.linspace(-170, -150, 12)
    assert np.allclose(log_odds(own, lag, STEADY, RATE_HZ), log_odds(own, lag, STEADY + 77, RATE_HZ))
