"""Quality verdicts and swapped electrodes on real records; filters against a usual notch; time of each call.

Of the Challenge 2011 recordings an organiser said acceptable or not: here that is `Quality.acceptable`, at
5 µV a count. All others were published as readable, so a verdict of `repeat` is a false alarm. LUDB is taken
in its counts (see bench_statements). Swaps are made from each good record by the arithmetic of the leads, and
judged by what was learned from other people (cross-validated), then by the model in the tree (all learned).
"""

import csv
import importlib.util
import lzma
import os
import sys
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from bench.figures import say

SETS = ("ludb", "cinc12", "ptbdb")
KNOWN_BAD = {"JS45542": "six dead leads", "JS45544": "six dead leads, a drop-out", "JS45548": "hum"}
SECONDS = 10.0
DECIBELS = (24, 18, 12, 6, 0)
FOLDS = int(os.environ.get("BENCH_FOLDS", "8"))


def unpack(archive: Path, into: Path) -> Path:
    """The record in it, without its ending."""
    with tarfile.open(archive) as packed:
        packed.extractall(into, filter="data")
        header = next(name for name in packed.getnames() if name.endswith(".hea"))
    return (into / header).with_suffix("")


def records(folder: Path, into: Path) -> Iterator[tuple[str, np.ndarray, float, list[str]]]:
    """(name, (n_leads, n) µV, rate, leads) of every readable twelve-lead record, its first ten seconds."""
    import wfdb

    from ecg.leads import canonical

    for archive in sorted(path for name in SETS for path in (folder / name).glob("*.tar.xz")):
        counts = archive.parent.name == "ludb"
        signals = wfdb.rdrecord(str(unpack(archive, into)), physical=not counts)
        rows = [k for k, name in enumerate(signals.sig_name) if canonical(name)]
        samples = signals.d_signal.astype(float) if counts else signals.p_signal * 1000
        kept = samples.T[rows, : round(SECONDS * signals.fs)]
        yield archive.name.split(".")[0], kept, float(signals.fs), [signals.sig_name[k] for k in rows]


def interval(hits: int, of: int) -> list[float]:
    """Share in percent with Wilson's interval at 95 %."""
    z, share = 1.96, hits / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z * np.sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return [round(100 * float(v), 1) for v in (share, max(0.0, middle - half), min(1.0, middle + half))]


def ms_of(call: Callable[[], Any], times: int = 30) -> float:
    """Median of some calls, after one that is not counted."""
    call()
    taken = []
    for _ in range(times):
        begun = time.process_time()
        call()
        taken.append(time.process_time() - begun)
    return round(1e3 * float(np.median(taken)), 2)


def field(folder: Path) -> None:
    """The Challenge of 2011."""
    from ecg.leads import LEADS
    from ecg.quality import assess

    with (folder / "cinc2011" / "index.csv").open() as file:
        labels = {row["record"]: row["label"] for row in csv.DictReader(file)}
    table, wrong = {}, {}
    for name, label in sorted(labels.items()):
        with lzma.open(folder / "cinc2011" / f"{name}.txt.xz", "rt") as file:
            judged = assess(np.loadtxt(file, delimiter=",")[:, 1:].T * 5.0, 500.0, LEADS)
        table[name] = f"{label}: {judged.verdict}"
        if judged.acceptable != (label == "acceptable"):
            wrong[name] = [*judged.reasons]
    right = len(labels) - len(wrong)
    say("quality, Challenge 2011", "≥ 15 of 16", right=right, of=len(labels), wrong=wrong, verdicts=table)


def good(hearts: list[tuple[str, np.ndarray, float, list[str]]]) -> None:
    """Readable records: false alarms, and what is said of those that are known to be bad."""
    from ecg.quality import assess

    found = {name: assess(samples, rate_hz, leads) for name, samples, rate_hz, leads in hearts}
    fine = {name: judged for name, judged in found.items() if name not in KNOWN_BAD}
    say(
        "quality, readable records",
        "≤ 3 % to be repeated",
        verdicts=dict(Counter(judged.verdict for judged in fine.values())),
        not_repeated_percent=interval(sum(j.verdict != "repeat" for j in fine.values()), len(fine)),
        not_diagnostic={
            n: sorted({r.split(":")[1] for r in j.reasons}) for n, j in fine.items() if not j.acceptable
        },
        known_bad={name: f"{why}: {found[name].verdict}" for name, why in KNOWN_BAD.items() if name in found},
    )


def noise(folder: Path, into: Path) -> None:
    """118 and 119 with noise on the first lead, scaled as nst does; 10 s of every 30 from minute 5 on."""
    import wfdb

    from ecg import beats
    from ecg.quality import assess

    for kind in ("em_a", "ma_a"):
        added = wfdb.rdrecord(str(unpack(folder / "nstdb" / f"{kind}.tar.xz", into))).p_signal[:, 0] * 1000
        power = trimmed(added[: added.size // 360 * 360].reshape(-1, 360).var(axis=1))
        for name in ("118", "119"):
            path = str(unpack(folder / "mitdb" / f"{name}.tar.xz", into))
            heart = wfdb.rdrecord(path).p_signal.T * 1000
            marks = wfdb.rdann(path, "atr")
            true = marks.sample[np.isin(marks.symbol, list("NLRBAaJSVrFejnE/fQ"))]
            height = trimmed(np.array([np.ptp(heart[0, max(0, r - 18) : r + 18]) for r in true]))
            rows: dict[str, Any] = {}
            for decibel in DECIBELS:
                gain = np.sqrt(height**2 / 8 / power / 10 ** (decibel / 10))
                one, two, invented, seen = Counter(), Counter(), 0, 0
                for start in range(300 * 360, 1740 * 360, 30 * 360):
                    piece = heart[:, start : start + 3600].copy()
                    offset = (start - 300 * 360) % (added.size - 3600)
                    piece[0] += gain * added[offset : offset + 3600]
                    alone = assess(piece[:1], 360.0, ("MLII",)).verdict
                    one[alone] += 1
                    two[assess(piece, 360.0, ("MLII", "V1")).verdict] += 1
                    if alone == "repeat":
                        continue  # nobody is shown the beats of such a strip
                    at = beats.detect(piece[:1], 360.0)
                    at = at[(at > 72) & (at < 3528)] + start
                    seen += at.size
                    invented += sum(int(np.abs(true - r).min() > 54) for r in at)
                share = round(100 * invented / max(seen, 1), 1)
                rows[f"{decibel} dB"] = {"one lead": dict(one), "two": dict(two), "invented_percent": share}
            say(f"quality under noise, {name} + {kind}", "falls before beats are invented", **rows)


def trimmed(values: np.ndarray) -> float:
    """Mean without the lowest and highest 5 %, as nst takes it."""
    cut = int(0.05 * values.size)
    return float(np.sort(values)[cut : values.size - cut].mean())


def swaps(folder: Path, hearts: list[tuple[str, np.ndarray, float, list[str]]]) -> None:
    """Swapped electrodes, learned from others, then by the model in the tree from the samples on."""
    from ecg import electrodes as el
    from ecg.leads import LEADS

    place = Path(__file__).resolve().parents[2] / "scripts" / "train_electrodes.py"
    spec = importlib.util.spec_from_file_location("train_electrodes", place)
    assert spec is not None
    assert spec.loader is not None
    training = importlib.util.module_from_spec(spec)
    sys.modules["train_electrodes"] = training
    spec.loader.exec_module(training)
    people = training.people(folder)
    names, hit, odds = training.cross_validate(people, FOLDS, seed=0)
    own = np.array([name not in training.PACED for name in names])
    of = int(own.sum())
    say(
        "electrode swaps, cross-validated by person, no pacemakers",
        "≥ 90 % of each but LA/LL at ≥ 99 % specificity",
        people=of,
        specificity=interval(of - int(hit[own, 0].sum()), of),
        found={swap: interval(int(hit[own, k].sum()), of) for k, swap in enumerate(training.NAMES) if k},
        false_alarms=[names[k] for k in np.flatnonzero(hit[:, 0] & own)],
        highest_odds_unswapped=round(float(np.sort(odds[own, 0])[-2]), 2),
    )
    found: dict[str, list[int]] = {swap: [0, 0, 0] for swap in ("none", *el.SWAPS)}
    alarms = []
    for name, samples, rate_hz, leads in hearts:
        if name in ("JS45542", "JS45544"):
            continue
        for swap, count in found.items():
            mixed = samples if swap == "none" else el.swapped(samples, leads, swap)
            seen = el.reversals(mixed, rate_hz, leads if swap == "none" else LEADS)
            count[0] += 1
            count[1] += not seen.judged
            count[2] += bool(seen.found)
            if swap == "none" and seen.found:
                alarms.append(f"{name}: {seen.found[0]}")
    say(
        "electrode swaps, from samples to answer, model of the tree (not held out)",
        "the same; LA/LL and LL/RL cannot be found",
        records=found["none"][0],
        not_judged=found["none"][1],
        found_percent={swap: round(100 * n / of, 1) for swap, (of, _, n) in found.items()},
        false_alarms=alarms,
    )


def mains() -> None:
    """What is left of 300 µV of mains, and what a clean beat suffers, beside a notch of quality 25."""
    from scipy.signal import iirnotch, lfilter

    from ecg.filters import BANDS, LiveFilter, stored
    from ecg.simulate import simulate

    clean = simulate("sinus", 14.0, 500.0, seed=5).samples
    t = np.arange(clean.shape[1]) / 500.0
    late = slice(3000, -500)
    cuts = BANDS["mains"][:3]
    ways: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "stored": lambda x: stored(x, 500.0, *cuts),
        "live": lambda x: LiveFilter(500.0, len(x), *cuts).feed(x),
        "notch": lambda x: LiveFilter(500.0, len(x)).feed(lfilter(*iirnotch(50, 25, 500.0), x - x[:, :1])),
    }
    bare = {"stored": stored(clean, 500.0)}
    bare |= dict.fromkeys(("live", "notch"), LiveFilter(500.0, 12).feed(clean))
    steps = {}
    for way, run in ways.items():
        still = run(clean)
        figures = {"on_clean_beats_uv": round(float(np.abs(still - bare[way])[:, late].max()), 1)}
        for hz in (49.6, 50.0, 50.2):
            hum = 300 * np.sin(2 * np.pi * hz * t[None] + np.arange(12)[:, None])
            left = (run(clean + hum) - bare[way])[:, late]
            # Half a period apart mains is twice itself; an offset that is still decaying is nothing.
            rest = float((left[:, 5:] - left[:, :-5]).std() / 2)
            figures[f"left_of_{hz}_hz_uv_rms"] = round(rest, 2)
        steps[way] = figures
    say("mains at 300 µV, 12 leads", "no ringing on QRS: ≤ 10 µV; the rest gone", **steps)


def speed() -> None:
    from ecg.electrodes import reversals
    from ecg.filters import BANDS, LiveFilter, stored
    from ecg.leads import LEADS
    from ecg.quality import assess, latest
    from ecg.simulate import simulate

    ten = simulate("sinus", 10.0, 500.0, seed=1).samples
    four = ten[:, :2000]
    live = {name: LiveFilter(500.0, 12, *BANDS[name][:3]) for name in ("diagnostic", "mains")}

    def second(name: str) -> None:
        for start in range(0, 500, 50):
            live[name].feed(ten[:, start : start + 50])

    say(
        "quality and filters, 12 leads × 500 Hz, ms of one core",
        "latest ≤ 2 ms",
        latest_4_s=ms_of(lambda: latest(four, 500.0, LEADS)),
        assess_10_s=ms_of(lambda: assess(ten, 500.0, LEADS)),
        reversals_10_s=ms_of(lambda: reversals(ten, 500.0, LEADS)),
        stored_10_s=ms_of(lambda: stored(ten, 500.0)),
        stored_mains_10_s=ms_of(lambda: stored(ten, 500.0, *BANDS["mains"][:3])),
        live_1_s=ms_of(lambda: second("diagnostic")),
        live_mains_1_s=ms_of(lambda: second("mains")),
    )


def main() -> None:
    mains()
    speed()
    data = os.environ.get("MAITONG_ECG_DATA")
    if not data:
        say("quality on real records", "–", skipped="MAITONG_ECG_DATA names no folder")
        return
    folder = Path(data)
    field(folder)
    with tempfile.TemporaryDirectory() as scratch:
        hearts = list(records(folder, Path(scratch)))
        good(hearts)
        noise(folder, Path(scratch))
        swaps(folder, hearts)
