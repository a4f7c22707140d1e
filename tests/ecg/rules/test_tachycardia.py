"""Broad and fast: ventricular, or a branch block that explains it."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from ecg import study
from ecg.rules import tachycardia
from ecg.rules.conduction import Conduction
from ecg.rules.strip import Strip, strip
from ecg.simulate import simulate


@cache
def base() -> Strip:
    return strip(study.study(simulate("vt", 10.0, 500.0, seed=3).samples, 500.0))


def fast(
    rr_s: float, measured: dict[str, Any], conducted: float = 0.0, coherence: float = 0.2, **more: Any
) -> Strip:
    plain = base()
    rr = np.full(int(9 / rr_s), rr_s)
    r_peaks = np.rint(500 * (0.4 + np.arange(rr.size + 1) * rr_s)).astype(np.int64)
    numbers = plain.study.measurements | {"pr_ms": None} | measured
    one = replace(plain.study, measurements=numbers, r_peaks=r_peaks)
    return replace(
        plain,
        study=one,
        rr_s=rr,
        kinds=("N",) * (rr.size + 1),
        own=np.ones(rr.size, dtype=bool),
        conduction=Conduction(conducted=conducted),
        atrial=plain.atrial._replace(coherence=coherence, before_uv=100.0, flutter=0.0),
        **more,
    )


def codes(seen: Strip) -> list[str]:
    return [finding.code for finding in tachycardia.broad(seen)]


def test_broad_fast_and_steady_with_a_ventricular_sign() -> None:
    (found,) = tachycardia.broad(fast(0.38, {"qrs_ms": 170.0, "qrs_axis_deg": -120.0}))
    assert found.code == "ventricular_tachycardia"
    assert found.numbers["qrs_axis_deg"] == -120.0
    assert found.numbers["rate_per_min"] == pytest.approx(158, abs=1)


def test_without_any_sign_the_kind_is_not_known() -> None:
    plain = fast(0.38, {"qrs_ms": 125.0, "qrs_axis_deg": 40.0})
    calm = {"r_mv": 0.5, "s_mv": -0.5, "q_mv": -0.1, "r2_mv": 0.0, "s2_mv": 0.0, "vat_ms": 30.0, "r_ms": 20.0}
    table = {name: values | calm for name, values in plain.study.per_lead.items()}
    assert codes(replace(plain, study=replace(plain.study, per_lead=table))) == ["wide_qrs_tachycardia"]


@pytest.mark.parametrize("measured", [{"qrs_ms": 100.0}, {"qrs_ms": None}])
def test_a_narrow_or_unmeasured_qrs_is_not_broad(measured: dict[str, Any]) -> None:
    assert codes(fast(0.38, measured)) == []


def test_a_slow_broad_rhythm_is_none() -> None:
    assert codes(fast(0.8, {"qrs_ms": 170.0})) == []


def test_a_p_wave_before_each_qrs_is_sinus_with_block_below_150() -> None:
    with_p = {"qrs_ms": 150.0, "pr_ms": 150.0}
    assert codes(fast(0.55, with_p, conducted=1.0, coherence=0.95)) == []
    assert codes(fast(0.36, with_p, conducted=1.0, coherence=0.95)) != []


def test_irregular_is_fibrillation_with_block() -> None:
    seen = fast(0.45, {"qrs_ms": 150.0})
    rng = np.random.default_rng(1)
    assert codes(replace(seen, rr_s=seen.rr_s * rng.uniform(0.75, 1.25, seen.rr_s.size))) == []


def test_flutter_under_a_broad_qrs_is_left_to_flutter() -> None:
    seen = fast(0.42, {"qrs_ms": 130.0})
    assert codes(replace(seen, atrial=seen.atrial._replace(flutter=0.8, cycle_ms=210.0))) == []


def test_ventricular_beats_alone_are_a_rhythm_by_their_rate() -> None:
    seen = fast(0.38, {"qrs_ms": 150.0})
    assert codes(replace(seen, kinds=("V",) * len(seen.kinds))) == ["ventricular_tachycardia"]
    slow = fast(0.8, {"qrs_ms": 150.0})
    assert codes(replace(slow, kinds=("V",) * len(slow.kinds))) == ["accelerated_ventricular_rhythm"]
