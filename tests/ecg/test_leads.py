"""Einthoven, Goldberger, names and electrodes."""

import numpy as np
import pytest

from ecg.leads import BOX_LEADS, CODES, ELECTRODES, LEADS, canonical, derive, leads_off


def _box(n: int = 50) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 500, (len(BOX_LEADS), n))


def test_derived_leads_follow_einthoven_and_goldberger() -> None:
    box = _box()
    i, ii, iii, avr, avl, avf = derive(box, BOX_LEADS)[:6]
    np.testing.assert_allclose(iii, ii - i)
    np.testing.assert_allclose(avr + avl + avf, 0, atol=1e-9)
    np.testing.assert_allclose(avf, (ii + iii) / 2)
    np.testing.assert_allclose(avl, (i - iii) / 2)


def test_sampled_leads_are_taken_as_they_are() -> None:
    samples = np.random.default_rng(2).normal(0, 500, (12, 20))
    np.testing.assert_array_equal(derive(samples, LEADS), samples)


@pytest.mark.parametrize("pair", [("I", "II"), ("II", "III"), ("I", "III")])
def test_any_two_limb_leads_give_the_rest(pair: tuple[str, str]) -> None:
    whole = derive(_box(), BOX_LEADS)
    again = derive(whole[[LEADS.index(name) for name in pair]], pair)
    np.testing.assert_allclose(again[:6], whole[:6], atol=1e-9)
    assert np.isnan(again[6:]).all()


def test_what_cannot_be_derived_is_missing() -> None:
    out = derive(np.ones((2, 5)), ("II", "v1"))
    assert np.isfinite(out[[1, 6]]).all()
    assert np.isnan(np.delete(out, [1, 6], axis=0)).all()


def test_a_gap_stays_a_gap_in_every_lead_made_of_it() -> None:
    box = _box()
    box[0, 10:20] = np.nan
    out = derive(box, BOX_LEADS)
    assert np.isnan(out[[0, 2, 3, 4, 5], 10:20]).all()
    assert np.isfinite(out[1]).all()


def test_rows_and_names_must_agree() -> None:
    with pytest.raises(ValueError, match="2 lead names"):
        derive(np.ones((3, 5)), ("I", "II"))


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("avr", "aVR"),
        ("MDC_ECG_LEAD_AVF", "aVF"),
        ("v6", "V6"),
        ("Lead II", "II"),
        ("MLII", None),
        ("vx", None),
    ],
)
def test_spellings(name: str, ours: str | None) -> None:
    assert canonical(name) == ours


def test_every_lead_has_its_own_codes() -> None:
    assert tuple(CODES) == LEADS
    for field in ("mdc", "dicom", "scp"):
        assert len({getattr(row, field) for row in CODES.values()}) == 12


def test_electrodes_off() -> None:
    assert leads_off(["V2"]) == {"V2"}
    assert leads_off(["V2", "V5"]) == {"V2", "V5"}
    assert leads_off(["LA"]) == set(LEADS)
    assert leads_off([]) == leads_off(["unknown"]) == frozenset()
    assert len(ELECTRODES) == 10
    assert (ELECTRODES["V2"].iec, ELECTRODES["V2"].colour_zh) == ("C2", "黄")
