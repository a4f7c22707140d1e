"""Swapped electrodes: the arithmetic of a swap, what is found, and what is left open."""

from pathlib import Path

import numpy as np
import pytest
import wfdb
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg import record
from ecg.electrodes import BY_SHAPE, NEVER_EXCLUDABLE, SWAPS, disturbed, mixing, reversals, swapped
from ecg.leads import BOX_LEADS, LEADS, derive

RATE = 500.0
RECORDS = (
    "ludb/2",
    "ludb/9",
    "ludb/37",
    "ludb/61",
    "cinc12/HR09764",
    "cinc12/E09141",
    "cinc12/A0003",
    "cinc12/Q0033",
)
"""Hypertrophy, axis to the left, healthy ones, AV block, fibrillation, left bundle branch block."""


def _real(folder: Path, scratch: Path, name: str) -> np.ndarray:
    """Ten seconds in microvolts. LUDB's are its counts: with the gains of its headers I + III is not II."""
    record.unpack(folder / f"{name}.tar.xz", scratch)
    header = str(next(scratch.rglob(f"{name.split('/')[1]}.hea")).with_suffix(""))
    signals = wfdb.rdrecord(header, physical=not name.startswith("ludb"))
    if name.startswith("ludb"):
        return derive(signals.d_signal.T[:, :5000].astype(np.float64), signals.sig_name)
    return derive(signals.p_signal.T[:, :5000] * 1000, signals.sig_name)


@pytest.fixture(scope="module")
def hearts(ecg_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    return {name: _real(ecg_data, tmp_path_factory.mktemp("record"), name) for name in RECORDS}


def _leads(samples: np.ndarray) -> dict[str, np.ndarray]:
    return dict(zip(LEADS, samples, strict=True))


def test_what_a_limb_swap_does_is_in_every_textbook() -> None:
    x = np.random.default_rng(1).normal(0, 300, (8, 50))
    right = _leads(derive(x, BOX_LEADS))
    arms = _leads(swapped(x, BOX_LEADS, "RA/LA"))
    np.testing.assert_allclose(arms["I"], -right["I"])
    np.testing.assert_allclose(arms["II"], right["III"])
    np.testing.assert_allclose(arms["aVR"], right["aVL"])
    np.testing.assert_allclose(arms["V4"], right["V4"])
    left = _leads(swapped(x, BOX_LEADS, "LA/LL"))
    np.testing.assert_allclose(left["I"], right["II"])
    np.testing.assert_allclose(left["III"], -right["III"])
    leg = _leads(swapped(x, BOX_LEADS, "RA/RL"))
    np.testing.assert_allclose(leg["II"], 0, atol=1e-9)
    np.testing.assert_allclose(leg["I"], -right["III"])
    np.testing.assert_allclose(_leads(swapped(x, BOX_LEADS, "LA/RL"))["III"], 0, atol=1e-9)
    np.testing.assert_allclose(_leads(swapped(x, BOX_LEADS, "arms/legs"))["I"], 0, atol=1e-9)
    np.testing.assert_allclose(swapped(x, BOX_LEADS, "LL/RL"), derive(x, BOX_LEADS), atol=1e-9)
    chest = _leads(swapped(x, BOX_LEADS, "V2/V5"))
    np.testing.assert_allclose(chest["V2"], right["V5"])
    np.testing.assert_allclose(chest["V5"], right["V2"])
    with pytest.raises(KeyError):
        mixing("V7/V8")


@pytest.mark.parametrize("swap", BY_SHAPE)
def test_a_swap_made_twice_is_none_and_a_turn_undoes_the_other(swap: str) -> None:
    back = {"RA>LA>LL": "RA>LL>LA", "RA>LL>LA": "RA>LA>LL"}.get(swap, swap)
    np.testing.assert_allclose(mixing(back) @ mixing(swap), np.eye(8), atol=1e-12)


def test_right_electrodes_are_left_alone(hearts: dict[str, np.ndarray]) -> None:
    for name, x in hearts.items():
        seen = reversals(x, RATE, LEADS)
        assert seen.judged, name
        assert seen.found == (), name
        assert set(NEVER_EXCLUDABLE) <= set(seen.not_excludable)
        assert not {"RA/RL", "LA/RL", "arms/legs", "V1/V6"} & set(seen.not_excludable), name


@pytest.mark.parametrize("swap", [s for s in SWAPS if s not in NEVER_EXCLUDABLE])
def test_swaps_are_found(hearts: dict[str, np.ndarray], swap: str) -> None:
    named = sum(swap in reversals(swapped(x, LEADS, swap), RATE, LEADS).found for x in hearts.values())
    assert named >= {"V2/V3": 6}.get(swap, 7)


def test_what_cannot_be_excluded_is_said(hearts: dict[str, np.ndarray]) -> None:
    for swap in NEVER_EXCLUDABLE:
        assert swap in reversals(swapped(hearts["ludb/2"], LEADS, swap), RATE, LEADS).not_excludable
    flat = reversals(swapped(hearts["ludb/2"], LEADS, "RA/RL"), RATE, LEADS)
    assert flat.found == ("RA/RL",)
    assert set(flat.not_excludable) == set(SWAPS) - {
        "RA/RL"
    }  # with a lead gone, nothing is known of the others


def test_eight_leads_in_any_order_at_any_rate_gain_and_offset(hearts: dict[str, np.ndarray]) -> None:
    x = swapped(hearts["cinc12/HR09764"], LEADS, "RA/LA")
    plain = reversals(x, RATE, LEADS)
    box = x[[LEADS.index(name) for name in BOX_LEADS]]
    order = [3, 0, 7, 1, 2, 6, 5, 4]
    moved = reversals(box[order] + 40_000 * np.arange(8)[:, None], RATE, [BOX_LEADS[k] for k in order])
    assert moved.found == plain.found
    assert moved.log_odds == pytest.approx(plain.log_odds, abs=0.2)
    small = reversals(box * 0.7, RATE, BOX_LEADS)
    assert small.found == plain.found
    assert small.log_odds == pytest.approx(plain.log_odds, abs=1e-6)
    slow = reversals(box[:, ::2], RATE / 2, BOX_LEADS)
    assert slow.found == plain.found


def test_five_seconds_and_some_noise_are_enough(hearts: dict[str, np.ndarray]) -> None:
    rng = np.random.default_rng(4)
    for swap in ("RA/LA", "RA/LL", "V1/V2", "V3/V6"):
        found = 0
        for x in hearts.values():
            noisy = swapped(x, LEADS, swap)[:, :3000]
            noisy = noisy + 12 * rng.standard_normal(noisy.shape)
            found += swap in reversals(noisy, RATE, LEADS).found
        assert found >= 6


def test_what_is_not_judged(hearts: dict[str, np.ndarray], ecg_data: Path, tmp_path: Path) -> None:
    x = hearts["ludb/9"].copy()
    unknown = [reversals(x[:, :2000], RATE, LEADS), reversals(x[:6], RATE, LEADS[:6])]
    off = x.copy()
    off[8] = np.nan
    unknown.append(reversals(off, RATE, LEADS))
    off[8] = 400 * np.random.default_rng(1).standard_normal(x.shape[1])
    unknown.append(reversals(off, RATE, LEADS))
    unknown.append(reversals(np.zeros((12, 5000)), RATE, LEADS))
    unknown.append(reversals(np.full((12, 5000), np.nan), RATE, LEADS))
    unknown.append(reversals(np.zeros((12, 0)), RATE, LEADS))
    unknown.append(reversals(_real(ecg_data, tmp_path, "ludb/45"), RATE, LEADS))  # paced
    for seen in unknown:
        assert not seen.judged
        assert seen.found == ()
        assert seen.not_excludable == tuple(SWAPS)
    with pytest.raises(ValueError, match="lead names"):
        reversals(x[:3], RATE, LEADS)
    with pytest.raises(ValueError, match="sampling rate"):
        reversals(x, 0.0, LEADS)


@given(n=st.integers(0, 1500), seed=st.integers(0, 2**31), scale=st.sampled_from([0.0, 1.0, 1e3, 1e6]))
@settings(max_examples=25, deadline=None)
def test_anything_gives_known_swaps(n: int, seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    x = np.cumsum(rng.normal(0, 1, (8, n)), axis=1) * scale
    x[rng.random(x.shape) < 0.01] = np.nan
    seen = reversals(x, 200.0, BOX_LEADS, usable=BOX_LEADS)
    assert set(seen.found) <= set(SWAPS)
    assert set(NEVER_EXCLUDABLE) <= set(seen.not_excludable)


@pytest.mark.parametrize(
    ("swaps", "leads"),
    [
        ((), set()),
        (("LL/RL",), set()),
        (("V2/V3",), {"V2", "V3"}),
        (("RA/LA",), {"I", "II", "III", "aVR", "aVL"}),
        (("RA/LL", "V1/V2"), {"I", "II", "III", "aVR", "aVF", "V1", "V2"}),
        (("LA/RL",), set(LEADS) - {"II"}),
    ],
)
def test_a_swap_disturbs_the_leads_it_changes(swaps: tuple[str, ...], leads: set[str]) -> None:
    assert disturbed(swaps) == leads
