"""QRS detection beside other programs: MIT-BIH, first channel alone, and the same under noise.

Scored as EC57 asks: one to one within 150 ms, ventricular flutter left out. Ours is read with weights that
had not learned from the record (`beat_folds/`). Noise is added as `ecg.tools.stress` says, and scored from
minute 5 on. Seconds are of processor time for an hour of signal.
"""

import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from bench.figures import say
from numpy.typing import NDArray

from ecg import beats, record
from ecg.tools import scoring, stress, unseen
from ecg.tools.figures import beat_figures

FOLDS = Path(__file__).with_name("beat_folds")
NOISY = ("118", "119")
LEVELS_DB = (24, 12, 6, 0)
FROM_S = 300.0
Row = NDArray[np.float64]
Found = NDArray[np.int64]


def detectors() -> dict[str, Callable[[Row, float], Found]]:
    """Name → R peaks of one channel in µV."""
    import neurokit2 as nk
    import sleepecg
    from wfdb import processing

    def neurokit(method: str) -> Callable[[Row, float], Found]:
        def run(row: Row, rate_hz: float) -> Found:
            clean = nk.ecg_clean(row / 1e3, sampling_rate=round(rate_hz), method=method)
            _, info = nk.ecg_peaks(clean, sampling_rate=round(rate_hz), method=method)
            return np.asarray(info["ECG_R_Peaks"], dtype=np.int64)

        return run

    return {
        "ours": beats.detect,
        "gqrs": lambda row, rate_hz: np.asarray(
            processing.gqrs_detect(row / 1e3, fs=rate_hz, adc_gain=200, adc_zero=0), dtype=np.int64
        ),
        "xqrs": lambda row, rate_hz: np.asarray(
            processing.xqrs_detect(row / 1e3, fs=rate_hz, verbose=False), dtype=np.int64
        ),
        "neurokit2": neurokit("neurokit"),
        "neurokit2 pantompkins1985": neurokit("pantompkins1985"),
        "sleepecg": lambda row, rate_hz: np.asarray(sleepecg.detect_heartbeats(row / 1e3, rate_hz)),
    }


def records(folder: Path) -> Iterator[tuple[str, Row, float, record.Annotations]]:
    for archive in sorted((folder / "mitdb").glob("*.tar.xz")):
        with tempfile.TemporaryDirectory() as scratch:
            record.unpack(archive, Path(scratch))
            header = next(Path(scratch).rglob("*.hea"))
            signals = record.read_any(header)
            marks = record.read_annotations(header.parent, header.stem, "atr")
        yield header.stem, signals.samples[0], signals.rate_hz, marks


def noise(folder: Path, kind: str) -> Row:
    with tempfile.TemporaryDirectory() as scratch:
        record.unpack(folder / "nstdb" / f"{kind}_a.tar.xz", Path(scratch))
        return record.read_any(next(Path(scratch).rglob("*.hea"))).samples[0]


def late(marks: record.Annotations, first: int) -> record.Annotations:
    kept = marks.samples >= first
    return record.Annotations(
        marks.samples[kept], tuple(s for s, k in zip(marks.symbols, kept.tolist(), strict=True) if k)
    )


def plain(found: Found) -> record.Annotations:
    return record.Annotations(found, ("N",) * found.size)


def main() -> None:
    warnings.simplefilter("ignore")
    folder = Path(os.environ["MAITONG_ECG_DATA"])
    known = unseen.folds(beats=FOLDS)
    programs = detectors()
    scores: dict[str, dict[str, scoring.BeatScore]] = {name: {} for name in programs}
    took = dict.fromkeys(programs, 0.0)
    under: dict[str, dict[str, list[scoring.BeatScore]]] = {name: {} for name in programs}
    sources = {kind: noise(folder, kind) for kind in ("em", "ma")}
    hours = 0.0
    for name, row, rate_hz, marks in records(folder):
        hours += row.size / rate_hz / 3600
        is_beat = np.array([symbol in scoring.BEAT_SYMBOLS for symbol in marks.symbols])
        with unseen.read_unseen(known, f"mitdb/{name}"):
            for program, detect in programs.items():
                begun = time.process_time()
                found = detect(row, rate_hz)
                took[program] += time.process_time() - begun
                scores[program][name] = scoring.beats(marks, plain(found), rate_hz)
            if name not in NOISY:
                continue
            first = round(FROM_S * rate_hz)
            for kind, source in sources.items():
                for level in LEVELS_DB:
                    worse = stress.stressed(row, marks.samples[is_beat], source, rate_hz, level)
                    for program, detect in programs.items():
                        found = detect(worse, rate_hz)
                        score = scoring.beats(late(marks, first), plain(found[found >= first]), rate_hz)
                        under[program].setdefault(f"{kind} {level} dB", []).append(score)
    for program in programs:
        own = scores[program]
        worst = sorted(own, key=lambda n: -(own[n].missed + own[n].false))[:3]
        say(
            f"QRS, MIT-BIH, first channel: {program}",
            "Se ≥ 99.80 %, PPV ≥ 99.90 %, above each peer",
            **beat_figures(scoring.beats_together(list(own.values()))),
            seconds_per_hour=round(took[program] / hours, 2),
            worst={name: [own[name].missed, own[name].false] for name in worst},
        )
    for program, levels in under.items():
        say(
            f"QRS under noise, 118 and 119: {program}",
            "at least the best peer at each level (Se / PPV %)",
            **{
                level: [figures["se_percent"], figures["ppv_percent"]]
                for level, of in levels.items()
                for figures in (beat_figures(scoring.beats_together(of)),)
            },
        )
