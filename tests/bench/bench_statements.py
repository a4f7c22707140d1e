"""Statements and triage held against labels: real records and the simulated heart, apart; misses by name.

Sensitivity and specificity with Wilson's interval at 95 %. Labels name what a reader found worth saying, so
a false positive can be a finding that nobody wrote down. Fibrillation is also judged on every 10 and 30 s of
the MIT-BIH records (two leads) that one rhythm fills; ventricular arrhythmia on 10 s of them.

LUDB's headers carry a gain of their own for each lead, with which I + III is not II; its counts obey
Einthoven to the last one and are taken as microvolts.
"""

import csv
import os
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from bench.figures import say

SECONDS = 10.0
SEEDS = range(1, 1 + int(os.environ.get("BENCH_SEEDS", "12")))
STEP = int(os.environ.get("BENCH_MITDB_STEP", "3"))
"""Of the MIT-BIH stretches without fibrillation every so many are taken; all of those with it."""
STEMI = ("ludb/7", "ludb/33", "ludb/64", "ludb/86", "ptbdb/s0010_re")
"""Records with an acute infarct by LUDB's readers, and the PTB record of one."""


class Strip(NamedTuple):
    name: str
    samples: np.ndarray
    """(12, n) µV."""
    rate_hz: float
    person: Any
    families: frozenset[str]
    vocabulary: str


class Said(NamedTuple):
    """What the rules made of one strip."""

    codes: frozenset[str]
    level: int | None
    raised: tuple[str, ...]
    """Codes and rules that made it critical."""
    ms: float


def unpack(folder: Path, name: str, into: Path) -> Path:
    """One set's archives in a folder of its own; its headers where they lie beside."""
    own = into / name
    own.mkdir()
    for archive in sorted((folder / name).glob("*.tar.xz")):
        with tarfile.open(archive) as packed:
            packed.extractall(own, filter="data")
    return own


def twelve(folder: Path, into: Path) -> Iterator[Strip]:
    """The first ten seconds of every labelled record of twelve leads."""
    import wfdb

    from ecg.leads import derive
    from ecg.study import Person
    from ecg.tools import labels

    for name in ("ludb", "cinc12"):
        own = unpack(folder, name, into)
        with (folder / name / "index.csv").open(encoding="utf-8") as rows:
            for row in csv.DictReader(rows):
                raw = name == "ludb"
                read = wfdb.rdrecord(str(own / row["record"]), physical=not raw)
                microvolts = read.d_signal.T.astype(float) if raw else 1e3 * read.p_signal.T
                samples = derive(microvolts, read.sig_name)[:, : round(SECONDS * read.fs)]
                sex = {"m": "male", "f": "female"}.get(row["sex"][:1].lower())
                digits = "".join(c for c in row["age"] if c.isdigit())
                said = labels.labels(read.comments)
                families = frozenset() if said is None else said.families
                vocabulary = "" if said is None else said.vocabulary
                person = Person(sex, float(digits) if digits else None)
                yield Strip(f"{name}/{row['record']}", samples, read.fs, person, families, vocabulary)
    read = wfdb.rdrecord(str(unpack(folder, "ptbdb", into) / "s0010_re"))
    samples = derive(1e3 * read.p_signal.T, read.sig_name)[:, : round(SECONDS * read.fs)]
    yield Strip("ptbdb/s0010_re", samples, read.fs, Person("female", 81.0), frozenset({"mi_acute"}), "")


def judged(samples: np.ndarray, rate_hz: float, person: Any, off: Any = ()) -> Said:
    """Every statement and the level; CPU time of the rules alone."""
    from ecg import study
    from ecg.rules import morphology, rhythm, triage

    seen = study.study(samples, rate_hz, off, person)
    begun = time.process_time()
    found = rhythm.statements(seen, person)
    found += morphology.statements(seen, person, found)
    verdict = triage.judge(seen, found, person)
    ms = 1e3 * (time.process_time() - begun)
    raised = tuple(f"{r.finding.code} ({r.finding.rule})" for r in verdict.reasons if r.level == 0)
    return Said(frozenset(f.code for f in found), verdict.level, raised, ms)


def share(part: int, whole: int) -> str:
    from ecg.tools import scoring

    one = scoring.share(part, whole)
    if one.percent is None:
        return "-"
    return f"{part}/{whole} = {one.percent:.1f} % [{one.low:.1f}, {one.high:.1f}]"


def statements(strips: list[Strip], said: dict[str, Said]) -> dict[str, Any]:
    """Per family that a set's readers have a word for: sensitivity, specificity, who was missed."""
    from ecg.tools import labels

    out: dict[str, Any] = {}
    vocabularies: tuple[labels.Vocabulary, ...] = ("words", "snomed")
    for vocabulary in vocabularies:
        own = [s for s in strips if s.vocabulary == vocabulary]
        name = {"words": "ludb", "snomed": "cinc12"}[vocabulary]
        for family in labels.scored(vocabulary):
            so = {s.name: family.id in s.families for s in own}
            is_said = {s.name: family.id in labels.said(said[s.name].codes) for s in own}
            hit = sum(so[k] and is_said[k] for k in so)
            quiet = sum(not so[k] and not is_said[k] for k in so)
            if not any(so.values()):
                continue
            out[f"{name}: {family.title}"] = {
                "sensitivity": share(hit, sum(so.values())),
                "specificity": share(quiet, len(so) - sum(so.values())),
                "missed": [k.split("/")[1] for k in so if so[k] and not is_said[k]][:12],
                "extra": [k.split("/")[1] for k in so if is_said[k] and not so[k]][:12],
            }
    return out


def fibrillation(strips: list[Strip], said: dict[str, Said]) -> dict[str, Any]:
    """Against everything else on all labelled records of twelve leads."""
    so = {s.name: "atrial_fibrillation" in s.families for s in strips}
    flutter = {s.name for s in strips if "atrial_flutter" in s.families}
    is_said = {k: "atrial_fibrillation" in said[k].codes for k in so}
    others = [k for k in so if not so[k]]
    return {
        "sensitivity": share(sum(so[k] and is_said[k] for k in so), sum(so.values())),
        "specificity": share(sum(not is_said[k] for k in others), len(others)),
        "missed": [k for k in so if so[k] and not is_said[k]],
        "extra": [k for k in others if is_said[k]],
        "extra_labelled_flutter": [k for k in others if is_said[k] and k in flutter],
    }


def critical(strips: list[Strip], said: dict[str, Said]) -> dict[str, Any]:
    """Alarms on real records that must raise one, and on all others."""
    must: dict[str, str] = {}
    for s in strips:
        if s.name in STEMI:
            must[s.name] = "infarct"
        elif "av_block_3" in s.families:
            must[s.name] = "complete AV block (paced)"
        elif "ventricular_tachycardia" in s.families:
            must[s.name] = "ventricular tachycardia"
    others = [s.name for s in strips if s.name not in must]
    kinds = sorted(set(must.values()))
    return {
        "sensitivity": share(sum(said[k].level == 0 for k in must), len(must)),
        "by_kind": {
            kind: share(
                sum(said[k].level == 0 for k, own in must.items() if own == kind),
                sum(own == kind for own in must.values()),
            )
            for kind in kinds
        },
        "missed": {k: must[k] for k in must if said[k].level != 0},
        "false_alarms": share(sum(said[k].level == 0 for k in others), len(others)),
        "false": {k: said[k].raised for k in others if said[k].level == 0},
        "levels": dict(Counter(str(said[k].level) for k in others)),
    }


def simulated() -> dict[str, Any]:
    """The simulated heart: each scenario's own statement, and its level, over the seeds."""
    from ecg.scenarios import SCENARIOS
    from ecg.simulate import simulate
    from ecg.study import Person

    own: dict[str, str] = {}
    raised, must, alarms, calm = 0, 0, 0, 0
    missed: dict[str, str] = {}
    false: dict[str, str] = {}
    for name, scene in SCENARIOS.items():
        right = level = 0
        for seed in SEEDS:
            heart = simulate(name, SECONDS, 500.0, seed=seed)
            found = judged(heart.samples, 500.0, Person("male", 60.0), heart.electrodes_off)
            right += scene.codes[0] in found.codes if scene.codes else not found.codes
            level += found.level == scene.level
            if scene.level == 0:
                must += 1
                raised += found.level == 0
                if found.level != 0:
                    missed[f"{name}:{seed}"] = f"level {found.level}"
            else:
                calm += 1
                alarms += found.level == 0
                if found.level == 0:
                    false[f"{name}:{seed}"] = ", ".join(found.raised)
        own[name] = f"{right}/{len(SEEDS)} named, {level}/{len(SEEDS)} at level {scene.level}"
    return {
        "sensitivity": share(raised, must),
        "missed": missed,
        "false_alarms": share(alarms, calm),
        "false": false,
        "scenarios": own,
    }


def stretches(
    read: Any, marks: Any, seconds: float, *, every: int
) -> Iterator[tuple[slice, dict[str, float]]]:
    """Stretches of a MIT-BIH record with the share that each rhythm fills."""
    length, n = round(seconds * read.fs), read.sig_len
    noted = [(s, a.strip("\x00")) for s, a in zip(marks.sample, marks.aux_note, strict=True) if a[:1] == "("]
    ends = [s for s, _ in noted[1:]] + [n]
    for k, start in enumerate(range(0, n - length + 1, length)):
        part: Counter[str] = Counter()
        for (begin, note), end in zip(noted, ends, strict=True):
            overlap = min(end, start + length) - max(begin, start)
            if overlap > 0:
                part[note] += overlap / length
        if k % every == 0 or any(note in part for note in ("(AFIB", "(AFL", "(VT", "(VFL")):
            yield slice(start, start + length), dict(part)


def two_leads(samples: np.ndarray, names: list[str], rate_hz: float) -> Said:
    """Rhythm alone of a strip with two leads, which a verdict on twelve would call unusable."""
    from ecg import quality, study
    from ecg.leads import LEADS, derive
    from ecg.rules import rhythm, triage

    data = derive(samples, ["II" if name == "MLII" else name for name in names])
    verdict = quality.assess(data, rate_hz, LEADS)
    seen = study.judged(data, rate_hz, verdict._replace(verdict="rhythm_only"))
    begun = time.process_time()
    found = rhythm.statements(seen)
    level = triage.judge(seen, found).level
    return Said(frozenset(f.code for f in found), level, (), 1e3 * (time.process_time() - begun))


_VENTRICULAR = frozenset(
    {
        "ventricular_tachycardia",
        "ventricular_tachycardia_unsustained",
        "polymorphic_ventricular_tachycardia",
        "ventricular_fibrillation",
        "ventricular_flutter",
        "torsades_de_pointes",
        "wide_qrs_tachycardia",
    }
)


def mitdb(folder: Path, into: Path) -> dict[str, Any]:
    """Fibrillation on 10 and 30 s, ventricular tachycardia and flutter on 10 s, by record."""
    import wfdb

    own = unpack(folder, "mitdb", into)
    out: dict[str, Any] = {}
    for seconds in (10.0, 30.0):
        hit, of, quiet, calm = Counter(), Counter(), Counter(), Counter()
        runs, runs_of, alarms, flutter = Counter(), Counter(), Counter(), Counter()
        for header in sorted(own.glob("*.hea")):
            read = wfdb.rdrecord(str(header.with_suffix("")))
            marks = wfdb.rdann(str(header.with_suffix("")), "atr")
            every = STEP if seconds == 10.0 else 1
            for part, filled in stretches(read, marks, seconds, every=every):
                share_af = filled.get("(AFIB", 0.0)
                ventricular = max(filled.get("(VT", 0.0), filled.get("(VFL", 0.0))
                found = two_leads(1e3 * read.p_signal[part].T, read.sig_name, read.fs)
                said_af = "atrial_fibrillation" in found.codes
                if share_af >= 0.99:
                    of[header.stem] += 1
                    hit[header.stem] += said_af
                elif share_af == 0 and "(AFL" not in filled:
                    calm[header.stem] += 1
                    quiet[header.stem] += not said_af
                if ventricular * seconds >= 2.0:
                    runs_of[header.stem] += 1
                    runs[header.stem] += bool(found.codes & _VENTRICULAR)
                    flutter["of"] += filled.get("(VFL", 0.0) > 0.5
                    flutter["raised"] += filled.get("(VFL", 0.0) > 0.5 and found.level == 0
                elif not {"(VT", "(VFL"} & filled.keys():
                    alarms["of"] += 1
                    alarms["raised"] += found.level == 0
        out[f"{seconds:.0f} s"] = {
            "fibrillation_sensitivity": share(sum(hit.values()), sum(of.values())),
            "fibrillation_specificity": share(sum(quiet.values()), sum(calm.values())),
            "false_by_record": {k: f"{calm[k] - quiet[k]}/{calm[k]}" for k in calm if calm[k] > quiet[k]},
            "ventricular_runs_over_2_s": share(sum(runs.values()), sum(runs_of.values())),
            "runs_missed_by_record": {
                k: f"{runs_of[k] - runs[k]}/{runs_of[k]}" for k in runs_of if runs_of[k] > runs[k]
            },
            "ventricular_flutter_critical": share(flutter["raised"], flutter["of"]),
            "critical_without_vt": share(alarms["raised"], alarms["of"]),
        }
    return out


def main() -> None:
    folder = os.environ.get("MAITONG_ECG_DATA")
    if not folder:
        say("statements", "needs MAITONG_ECG_DATA", skipped="no folder of real ECG records")
        return
    with tempfile.TemporaryDirectory() as into:
        strips = list(twelve(Path(folder), Path(into)))
        said = {s.name: judged(s.samples, s.rate_hz, s.person) for s in strips}
        took = np.array([one.ms for one in said.values()])
        say(
            "rules alone, one ECG",
            "≤ 8 ms",
            cpu_median_ms=round(float(np.median(took)), 1),
            cpu_p95_ms=round(float(np.percentile(took, 95)), 1),
        )
        say(
            "atrial fibrillation against everything else, twelve leads",
            "≥ 97 / 97 %",
            **fibrillation(strips, said),
        )
        say("critical patterns, real records", "≥ 95 %, false ≤ 5 %", **critical(strips, said))
        say("critical patterns, simulated", "≥ 95 %", **simulated())
        say("rhythm of two leads, MIT-BIH", "published", **mitdb(Path(folder), Path(into)))
        for name, figures in statements(strips, said).items():
            say(name, "published", **figures)


if __name__ == "__main__":
    main()
