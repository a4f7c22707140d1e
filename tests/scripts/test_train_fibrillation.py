"""The fit of the odds of fibrillation: what it learns, and that no person outweighs another."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecg.rules import supraventricular


@pytest.fixture(scope="module")
def train() -> Any:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
    try:
        import train_fibrillation
    finally:
        sys.path.pop(0)
    return train_fibrillation


def made(train: Any, persons: int, strips: int) -> list[Any]:
    """Half of the persons fibrillate, and tell by their first feature; the first of them has many strips."""
    random = np.random.default_rng(7)
    out = []
    for person in range(persons):
        is_so = person % 2 == 0
        for _ in range(strips if person == 0 else 1):
            x = random.normal(0, 1, len(supraventricular.AF_FEATURES))
            x[0] += 2.0 if is_so else -2.0
            out.append(train.Case(f"p{person}", "x", x, False, is_so))
    return out


def test_the_odds_follow_the_feature_that_tells(train: Any) -> None:
    cases = made(train, 60, 1)
    odds = train.fit(cases)
    assert np.argmax(np.abs(odds.weight)) == 0
    right = [(odds.of(case.features) > 0) == case.is_so for case in cases]
    assert np.mean(right) > 0.9


def test_a_person_counts_once_and_both_kinds_alike(train: Any) -> None:
    cases = made(train, 9, 500)
    weights = train.weights(cases)
    so = np.array([case.is_so for case in cases])
    first = np.array([case.person == "p0" for case in cases])
    assert weights[so].sum() == pytest.approx(weights[~so].sum())
    assert weights[first].sum() == pytest.approx(weights[so].sum() / 5)
