"""Fit the odds of atrial fibrillation: `python scripts/train_fibrillation.py`, MAITONG_ECG_DATA set.

Prints the constants of `ecg.rules.supraventricular`, and what is found of each person by odds fitted without
that person. Learned from: the labelled records of twelve leads, and MIT-BIH by both channels in strips of 10
and 30 s and by the first in strips of 60 s, each read with networks that have not seen it where folds are
there. Paced rhythm and flutter teach nothing. A person counts once with fibrillation and once
without, however many strips there are; both kinds count alike.
"""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from train_beats import ROOT, unpacked

from ecg import foreign, quality, record, study
from ecg.leads import LEADS, derive
from ecg.rules import supraventricular
from ecg.rules.strip import strip
from ecg.study import Study
from ecg.tools import labels, unseen

Array = NDArray[np.float64]
SECONDS = 10.0
STRIPS = ((10.0, 2, 3), (30.0, 2, 1), (60.0, 1, 1))
"""Length in seconds, channels, and of strips without fibrillation every so many."""
FILLED = 0.99
"""Share of a strip that fibrillation fills."""
PACED = 0.3
SHRINK = 0.3
STEPS = 50


class Case(NamedTuple):
    person: str
    kind: str
    features: Array
    steady: bool
    is_so: bool


class Odds(NamedTuple):
    centre: Array
    weight: Array
    offset: float

    def of(self, x: Array) -> Array:
        return np.asarray((x - self.centre) @ self.weight + self.offset)


def case(person: str, kind: str, one: Study, *, is_so: bool) -> Iterator[Case]:
    """The strip, if its beats can tell of the atria."""
    seen = strip(one)
    numbers = supraventricular.signs(seen)
    if numbers is not None and seen.paced < PACED:
        steady = supraventricular.fibrillation(seen)[0] == -np.inf
        yield Case(person, kind, supraventricular.features(numbers), steady, is_so)


def twelve(header: Path, name: str) -> Iterator[Case]:
    """The first ten seconds of a labelled record of twelve leads."""
    of = foreign.look(header)
    known = labels.labels(of.comments)
    if known is None or "atrial_flutter" in known.families:
        return
    samples = foreign.samples(of, 0, min(of.length, round(SECONDS * of.rate_hz)))
    one = study.study(derive(samples, of.leads), of.rate_hz)
    yield from case(name, "twelve", one, is_so="atrial_fibrillation" in known.families)


def two(header: Path, name: str) -> Iterator[Case]:
    """Strips of a record with rhythm notes that one rhythm fills."""
    of = foreign.look(header)
    marks = record.read_annotations(of.folder, of.name, "atr")
    notes = [(at, n) for at, n in zip(marks.samples.tolist(), marks.notes, strict=True) if n[:1] == "("]
    ends = [at for at, _ in notes[1:]] + [of.length]
    for seconds, channels, every in STRIPS:
        length = round(seconds * of.rate_hz)
        for k, start in enumerate(range(0, of.length - length + 1, length)):
            part: Counter[str] = Counter()
            for (begin, note), end in zip(notes, ends, strict=True):
                part[note] += max(0, min(end, start + length) - max(begin, start))
            share = part["(AFIB"] / length
            other = part["(AFL"] + part["(VT"] + part["(VFL"]
            if share >= FILLED or (share == 0 and not other and k % every == 0):
                samples = foreign.samples(of, start, start + length)[:channels]
                yield from case(name, f"{seconds:.0f} s", rhythm_only(of, samples), is_so=share > 0)


def rhythm_only(of: foreign.Foreign, samples: Array) -> Study:
    """Channels whose names are none of ours stand in for II and V1."""
    names = [n if n in LEADS else s for n, s in zip(of.leads, ("II", "V1"), strict=False)][: len(samples)]
    data = derive(samples, names)
    verdict = quality.assess(data, of.rate_hz, LEADS)
    return study.judged(data, of.rate_hz, verdict._replace(verdict="rhythm_only"))


def weights(cases: list[Case]) -> Array:
    """Each person once with and once without; both kinds alike; 1 for a person in the mean."""
    count = Counter((c.person, c.is_so) for c in cases)
    w = np.array([1 / count[c.person, c.is_so] for c in cases])
    so = np.array([c.is_so for c in cases])
    w[so] *= w[~so].sum() / w[so].sum()
    return np.asarray(w * len({c.person for c in cases}) / w.sum())


def fit(cases: list[Case]) -> Odds:
    """Logistic regression by Newton's method, weights shrunk towards zero in units of spread."""
    x = np.array([c.features for c in cases])
    y = np.array([c.is_so for c in cases], dtype=np.float64)
    w = weights(cases)
    centre = (w[:, None] * x).sum(axis=0) / w.sum()
    spread = np.sqrt((w[:, None] * (x - centre) ** 2).sum(axis=0) / w.sum())
    z = np.column_stack([(x - centre) / spread, np.ones(len(x))])
    shrink = np.diag([SHRINK] * x.shape[1] + [0.0])
    beta = np.zeros(z.shape[1])
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-z @ beta))
        slope = z.T @ (w * (p - y)) + shrink @ beta
        beta -= np.linalg.solve((z * (w * p * (1 - p))[:, None]).T @ z + shrink, slope)
    return Odds(centre, beta[:-1] / spread, float(beta[-1]))


def main() -> int:
    folder = Path(os.environ["MAITONG_ECG_DATA"])
    bench = ROOT / "tests" / "bench"
    folds = unseen.folds(bench / "beat_folds", bench / "wave_folds")
    cases: list[Case] = []
    for source, read in (("ludb", twelve), ("cinc12", twelve), ("mitdb", two)):
        for archive in sorted((folder / source).glob("*.tar.xz")):
            name = f"{source}/{archive.name.split('.')[0]}"
            with unpacked(archive) as header, unseen.read_unseen(folds, name):
                cases += read(header, name)
    whole = fit(cases)
    print("centre", whole.centre.round(2).tolist())
    print("weight", whole.weight.round(2).tolist())
    print("offset", round(whole.offset, 2))
    found: Counter[tuple[str, bool]] = Counter()
    total: Counter[tuple[str, bool]] = Counter()
    for person in sorted({c.person for c in cases}):
        left_out = fit([c for c in cases if c.person != person])
        for c in (c for c in cases if c.person == person):
            total[c.kind, c.is_so] += 1
            found[c.kind, c.is_so] += bool(left_out.of(c.features) > 0 and not c.steady)
    for kind, is_so in sorted(total):
        print(
            kind, "fibrillating" if is_so else "other", f"found {found[kind, is_so]} of {total[kind, is_so]}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
