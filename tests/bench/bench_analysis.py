"""One 10 s twelve-lead ECG on one core: everything we say of it beside NeuroKit2's boundaries of all leads.

Each side in a process of its own with one thread, the same records: median over them of the best of three
runs. What importing and working needs in time and memory comes from processes that do nothing else.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from bench.figures import say

RECORDS = int(os.environ.get("BENCH_RECORDS", "55"))
PEER_RECORDS = int(os.environ.get("BENCH_PEER_RECORDS", "12"))
"""The peer needs seconds for each: fewer will do for a median."""
SECONDS = 10.0
ROOT = Path(__file__).resolve().parents[2]

_MEMORY = """
import resource, sys, time
begun = time.perf_counter()
import ecg{more}
took = time.perf_counter() - begun
{work}
print(took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)
"""
_STUDY = "import numpy; ecg.study.study(numpy.load({path!r}), 500.0)"


def records(folder: Path) -> list[tuple[np.ndarray, float]]:
    """The first ten seconds of each twelve-lead record, (12, n) µV and its rate."""
    from ecg import record
    from ecg.leads import derive

    out = []
    for archive in sorted((folder / "cinc12").glob("*.tar.xz"))[:RECORDS]:
        signals = record.read_any(archive)
        samples = derive(signals.samples, signals.leads)
        out.append((samples[:, : round(SECONDS * signals.rate_hz)], signals.rate_hz))
    return out


def ours(samples: np.ndarray, rate_hz: float) -> None:
    """Quality, filters, beats, boundaries, measurements, statements, triage, and a comparison."""
    from ecg import study
    from ecg.rules import compare, morphology, rhythm, triage

    seen = study.study(samples, rate_hz)
    found = rhythm.statements(seen)
    found += morphology.statements(seen, None, found)
    triage.judge(seen, found)
    compare.compare(seen, seen, found, found)


def parts(samples: np.ndarray, rate_hz: float) -> dict[str, float]:
    """Where the time goes, ms."""
    from ecg import beats, delineate, filters, quality
    from ecg.leads import LEADS

    took = {}

    def timed(name: str, work: Callable[[], object]) -> object:
        begun = time.perf_counter()
        out = work()
        took[name] = (time.perf_counter() - begun) * 1e3
        return out

    timed("quality", lambda: quality.assess(samples, rate_hz, LEADS))
    clean = timed("filter", lambda: filters.stored(samples, rate_hz, 0.05, 150.0))
    peaks = timed("beats", lambda: beats.detect(samples, rate_hz))
    timed("waves", lambda: delineate.waves(clean, rate_hz, peaks))
    timed("all", lambda: ours(samples, rate_hz))
    return took


def peer(samples: np.ndarray, rate_hz: float) -> None:
    """NeuroKit2: clean, R peaks, wavelet delineation, lead by lead."""
    import neurokit2 as nk

    for row in samples:
        clean = nk.ecg_clean(row / 1e3, sampling_rate=int(rate_hz))
        try:
            _, found = nk.ecg_peaks(clean, sampling_rate=int(rate_hz))
            nk.ecg_delineate(clean, found["ECG_R_Peaks"], sampling_rate=int(rate_hz), method="dwt")
        except (ValueError, IndexError, ZeroDivisionError):
            continue  # a lead it cannot read


def best_ms(work: Callable[..., None], samples: np.ndarray, rate_hz: float, runs: int) -> tuple[float, float]:
    """By the clock, and what the processor gave: on a busy machine the two differ."""
    times = []
    for _ in range(runs):
        begun, given = time.perf_counter(), time.process_time()
        work(samples, rate_hz)
        times.append(((time.perf_counter() - begun) * 1e3, (time.process_time() - given) * 1e3))
    return min(t[0] for t in times), min(t[1] for t in times)


def measure() -> None:
    """In the single-threaded child: both sides and the parts, as JSON."""
    import warnings

    warnings.simplefilter("ignore")
    strips = records(Path(os.environ["MAITONG_ECG_DATA"]))
    ours(*strips[0])
    own = [best_ms(ours, *strip, 3) for strip in strips]
    split = [parts(*strip) for strip in strips]
    peer(*strips[0])
    theirs = [best_ms(peer, *strip, 1) for strip in strips[:PEER_RECORDS]]
    print(
        json.dumps(
            {
                "ours_ms": own,
                "peer_ms": theirs,
                "parts_ms": {name: round(float(np.median([s[name] for s in split])), 1) for name in split[0]},
            }
        )
    )


def child(*arguments: str) -> str:
    """A process with one thread on one core."""
    environment = os.environ | dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"
    )
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    core = {min(os.sched_getaffinity(0))}
    return subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, core),
    ).stdout


def footprint(more: str = "", work: str = "") -> tuple[float, float]:
    """Import time in s (best of five) and resident MB of a fresh process."""
    code = _MEMORY.format(more=more, work=work)
    runs = [tuple(map(float, child("-c", code).split())) for _ in range(5)]
    return round(min(r[0] for r in runs), 3), round(float(np.median([r[1] for r in runs])), 1)


def main() -> None:
    if not os.environ.get("MAITONG_ECG_DATA"):
        say("analysis of one ECG", "≤ 50 ms", left_out="MAITONG_ECG_DATA names no folder of records")
        return
    figures = json.loads(child("-c", "from bench import bench_analysis; bench_analysis.measure()"))
    (own, own_cpu), (theirs, theirs_cpu) = np.array(figures["ours_ms"]).T, np.array(figures["peer_ms"]).T
    import_s, import_mb = footprint()
    _, light_mb = footprint(", ecg.beats, ecg.filters, ecg.quality, ecg.leads")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "strip.npy"
        np.save(path, records(Path(os.environ["MAITONG_ECG_DATA"]))[0][0])
        study_s, study_mb = footprint(", ecg.study", _STUDY.format(path=str(path)))
    say(
        "analysis of one 10 s twelve-lead ECG, everything, one core",
        "≤ 50 ms, ≥ 7 × faster than NeuroKit2 on all leads; import ≤ 0.4 s, ≤ 60 MB",
        records=own.size,
        ours_median_ms=round(float(np.median(own)), 1),
        ours_p95_ms=round(float(np.percentile(own, 95)), 1),
        neurokit2_median_ms=round(float(np.median(theirs)), 1),
        ratio=round(float(np.median(theirs / own[: theirs.size])), 1),
        ours_median_cpu_ms=round(float(np.median(own_cpu)), 1),
        neurokit2_median_cpu_ms=round(float(np.median(theirs_cpu)), 1),
        cpu_ratio=round(float(np.median(theirs_cpu / own_cpu[: theirs.size])), 1),
        parts_median_ms=figures["parts_ms"],
        import_s=import_s,
        import_mb=import_mb,
        core_modules_mb=light_mb,
        import_study_s=study_s,
        after_study_mb=study_mb,
    )
