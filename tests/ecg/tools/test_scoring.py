"""Scores against counts worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg.record import Annotations
from ecg.tools import scoring


def _marks(*pairs: tuple[int, str]) -> Annotations:
    return Annotations(np.array([at for at, _ in pairs], dtype=np.int64), tuple(s for _, s in pairs))


def test_beats_pair_once_nearest_first_and_keep_their_classes() -> None:
    reference = _marks((0, "+"), (1000, "N"), (1500, "V"), (2000, "L"), (2500, "A"))
    # 150 ms are 54 samples: 990 is nearer to 1000 than 1012 is; 2055 is too far from 2000.
    found = _marks((990, "N"), (1012, "N"), (1500, "N"), (2055, "N"), (2446, "S"), (9000, "V"))
    score = scoring.beats(reference, found, 360.0)
    assert score.pairs == {
        ("N", "N"): 1,
        ("V", "N"): 1,
        ("S", "S"): 1,
        ("N", "-"): 1,
        ("-", "N"): 2,
        ("-", "V"): 1,
    }
    assert (score.true, score.missed, score.false) == (3, 1, 3)
    assert sorted(score.offsets_ms) == pytest.approx([-150.0, -10 / 0.36, 0.0])
    assert scoring.beats(reference, found, 360.0, start=1600).true == 1
    gross = scoring.beats_together([score, score])
    assert (gross.true, gross.missed, gross.false, gross.offsets_ms.size) == (6, 2, 6, 6)


def test_flutter_is_not_scored_and_nothing_outside_a_delineated_stretch_is_wrong() -> None:
    reference = _marks((1000, "N"), (2000, "["), (2300, "!"), (3000, "]"), (4000, "N"))
    found = _marks((1000, "N"), (2100, "V"), (2900, "V"), (3040, "V"), (4000, "N"), (4400, "N"))
    score = scoring.beats(reference, found, 360.0)
    assert (score.true, score.missed, score.false) == (2, 0, 1)
    waves = _marks((980, "("), (1000, "N"), (1020, ")"))
    assert scoring.beats(waves, found, 360.0).false == 0


def test_fusion_and_unknown_beats_make_no_class_wrong() -> None:
    table = scoring.Counter(
        {
            ("V", "V"): 8,
            ("V", "N"): 1,
            ("V", "-"): 1,
            ("F", "V"): 5,
            ("N", "V"): 2,
            ("N", "N"): 98,
            ("-", "V"): 1,
        }
    )
    figures = scoring.class_figures(table, "V")
    assert figures["se_percent"] == 80.0
    assert figures["ppv_percent"] == pytest.approx(100 * 8 / 11)
    assert figures["fpr_percent"] == pytest.approx(3.0)
    assert scoring.class_figures(table, "S")["se_percent"] is None


def test_only_the_bracket_next_to_a_peak_is_its_own() -> None:
    marks = _marks(
        (10, "("), (14, "p"), (18, ")"), (30, "("), (35, "N"), (40, ")"), (60, "t"), (70, ")"), (90, "N")
    )
    points = scoring.points_of(marks)
    assert {name: at.tolist() for name, at in points.items()} == {
        "p_on": [10],
        "p_peak": [14],
        "p_off": [18],
        "qrs_on": [30],
        "qrs_peak": [35, 90],
        "qrs_off": [40],
        "t_on": [],
        "t_peak": [60],
        "t_off": [70],
    }


def test_boundaries_count_and_differ_in_milliseconds() -> None:
    reference, found = np.array([1000, 2000, 3000]), np.array([998, 2004, 2500, 5000])
    score = scoring.point(reference, found, 500.0, (900, 3100))
    assert (score.true, score.missed, score.false) == (2, 1, 1)
    figures = scoring.point_figures(scoring.points_together([score]))
    assert figures["mean"] == pytest.approx(2.0)
    assert figures["sd"] == pytest.approx(72**0.5)
    assert figures["worst"] == pytest.approx(8.0)
    assert figures["f1_percent"] == pytest.approx(100 * 4 / 6)
    empty = scoring.point_figures(scoring.points_together([]))
    assert empty["mean"] is None
    assert empty["se_percent"] is None


def test_wilson_interval_of_a_known_share() -> None:
    # 81 of 263: 25.5 to 36.6 % (Newcombe, Stat Med 17:857, 1998, table I, method 3).
    got = scoring.share(81, 263)
    assert got.low == pytest.approx(25.53, abs=0.01)
    assert got.high == pytest.approx(36.62, abs=0.01)
    assert scoring.share(0, 20).low == 0.0
    assert scoring.share(0, 0).percent is None


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60))
def test_statement_figures_add_up(rows: list[tuple[bool, bool]]) -> None:
    figures = scoring.statement_figures([a for a, _ in rows], [b for _, b in rows])
    assert figures["sensitivity"].whole + figures["specificity"].whole == len(rows)
    for got in figures.values():
        if got.percent is not None:
            assert got.low is not None
            assert got.high is not None
            assert 0 <= got.low <= got.percent + 1e-9
            assert got.percent - 1e-9 <= got.high <= 100


@given(
    st.lists(st.integers(0, 5000), max_size=40, unique=True),
    st.lists(st.integers(0, 5000), max_size=40, unique=True),
    st.integers(0, 100),
)
def test_no_mark_is_paired_twice_nor_too_far(a: list[int], b: list[int], width: int) -> None:
    reference, found = np.sort(np.array(a, dtype=np.int64)), np.sort(np.array(b, dtype=np.int64))
    pairs = scoring.matched(reference, found, width)
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)
    assert all(abs(reference[i] - found[j]) <= width for i, j in pairs)
