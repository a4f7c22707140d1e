"""P, QRS and T boundaries against cardiologists' (LUDB, QTDB), NeuroKit2's wavelet delineator beside ours.

The weights shipped have learned from these very records, so every figure of ours is of weights that had not
seen the record it is about (`wave_folds/`, one file for each fifth left out; scripts/train_waves.py --fold).
What the weights shipped make of them stands in one line at the end. Scored as ecg.tools.scoring does: 150 ms,
one to one, false positives between the first and the last mark.
"""

import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from bench.figures import say

from ecg import beats, delineate, filters, record
from ecg.leads import LEADS, derive
from ecg.tools import scoring, unseen
from ecg.tools.scoring import POINTS, PointScore

FOLDS = Path(__file__).with_name("wave_folds")
PEER = os.environ.get("BENCH_PEER", "1") == "1"
NO_P = ("164889003", "164890007", "10370003")
"""Fibrillation, flutter, paced."""
NO_P_LUDB = ("35", "44", "83", "93", "96", "103", "109", "112", "173", "34", "45", "90", "111")
"""Records of LUDB in fibrillation, in flutter or paced; none has a P marked."""
PACED_LUDB = ("34", "45", "90", "93", "111")
FEWEST_LEADS = 8
COLUMNS = ("se_percent", "ppv_percent", "f1_percent", "mean", "sd")
INTERVALS = (
    ("P", "p_on", "p_off"),
    ("PQ", "p_on", "qrs_on"),
    ("QRS", "qrs_on", "qrs_off"),
    ("QT", "qrs_on", "t_off"),
)

Points = dict[str, np.ndarray]
Strip = dict[str, Any]


@contextmanager
def unpacked(folder: Path) -> Iterator[Iterator[Path]]:
    def walk() -> Iterator[Path]:
        for archive in sorted(folder.glob("*.tar.xz")):
            with tempfile.TemporaryDirectory(prefix="waves-") as spare:
                record.unpack(archive, Path(spare))
                yield next(Path(spare).rglob("*.hea"))

    yield walk()


def ludb(folder: Path) -> Iterator[Strip]:
    with unpacked(folder / "ludb") as headers:
        for header in headers:
            signals = record.read_any(header)
            order = [[name.lower() for name in signals.leads].index(lead.lower()) for lead in LEADS]
            marks = [record.read_annotations(header.parent, header.stem, lead.lower()) for lead in LEADS]
            yield strip(f"ludb/{header.stem}", signals.samples[order], signals.rate_hz, marks)


def qtdb(folder: Path) -> Iterator[Strip]:
    """The stretch that is annotated, ten seconds around it."""
    with unpacked(folder / "qtdb") as headers:
        for header in headers:
            signals = record.read_any(header)
            marks = {
                name: record.read_annotations(header.parent, header.stem, name)
                for name in ("q1c", "q2c")
                if header.with_suffix(f".{name}").is_file()
            }
            spare = round(10 * signals.rate_hz)
            first = max(0, min(int(m.samples[0]) for m in marks.values()) - spare)
            last = max(int(m.samples[-1]) for m in marks.values()) + spare
            out = strip(f"qtdb/{header.stem}", signals.samples[:, first:last], signals.rate_hz, [])
            moved = {name: scoring.points_of(m) for name, m in marks.items()}
            out["either"] = {n: {k: v - first for k, v in points.items()} for n, points in moved.items()}
            yield out


def fluttering(folder: Path) -> Iterator[Strip]:
    """Twelve leads in fibrillation, in flutter or paced, without any boundary."""
    with unpacked(folder / "cinc12") as headers:
        for header in headers:
            if any(code in header.read_text() for code in NO_P):
                signals = record.read_any(header)
                samples = derive(signals.samples, signals.leads)[:, : round(10 * signals.rate_hz)]
                yield strip(f"cinc12/{header.stem}", samples, signals.rate_hz, [])


def strip(name: str, samples: np.ndarray, rate_hz: float, marks: list[record.Annotations]) -> Strip:
    clean = filters.stored(samples, rate_hz, 0.05, 150.0)
    within = [(float(m.samples[0]), float(m.samples[-1])) if m.samples.size else (0.0, -1.0) for m in marks]
    return {
        "name": name,
        "rate": rate_hz,
        "raw": samples,
        "clean": clean,
        "r": beats.detect(samples, rate_hz),
        "reference": [scoring.points_of(m) for m in marks],
        "within": within,
    }


def found(waves: delineate.Waves) -> Points:
    return {n: np.unique(np.rint(v[np.isfinite(v)]).astype(np.int64)) for n, v in waves._asdict().items()}


def peer(samples: np.ndarray, rate_hz: float) -> Points:
    """NeuroKit2 on one lead: its own R peaks, wavelet delineation."""
    import neurokit2 as nk

    warnings.simplefilter("ignore")
    clean = nk.ecg_clean(samples / 1e3, sampling_rate=int(rate_hz))
    empty = {name: np.zeros(0, dtype=np.int64) for name in POINTS}
    try:
        _, peaks = nk.ecg_peaks(clean, sampling_rate=int(rate_hz))
        _, marks = nk.ecg_delineate(clean, peaks["ECG_R_Peaks"], sampling_rate=int(rate_hz), method="dwt")
    except (ValueError, IndexError, ZeroDivisionError):
        return empty
    marks = {"ECG_R_Peaks": peaks["ECG_R_Peaks"]} | marks
    ending = {"on": "Onsets", "peak": "Peaks", "off": "Offsets"}
    out = {}
    for name in POINTS:
        wave, kind = name.split("_")
        at = np.array(marks[f"ECG_{'R' if wave == 'qrs' else wave.upper()}_{ending[kind]}"], dtype=np.float64)
        out[name] = np.unique(at[np.isfinite(at)].astype(np.int64))
    return out


def waves(known: unseen.Folds, one: Strip, rows: list[int] | None = None) -> delineate.Delineation:
    """With weights that have not learned from the record."""
    with unseen.read_unseen(known, one["name"]):
        return delineate.waves(one["clean"] if rows is None else one["clean"][rows], one["rate"], one["r"])


class Table:
    """Scores of each kind of point, added up."""

    def __init__(self) -> None:
        self.scores: dict[str, list[PointScore]] = {name: [] for name in POINTS}

    def add(self, one: Strip, lead: int, own: Points) -> None:
        for name in POINTS:
            reference = one["reference"][lead][name]
            self.scores[name].append(scoring.point(reference, own[name], one["rate"], one["within"][lead]))

    def add_either(self, reference: Points, leads: list[Points], rate_hz: float) -> None:
        """Each reference point beside the nearest found in any channel, as QTDB is scored."""
        for name in POINTS:
            own = np.unique(np.concatenate([points[name] for points in leads]))
            self.scores[name].append(scoring.point(reference[name], own, rate_hz, (0, 0), false_count=False))

    def rows(self, keys: tuple[str, ...] = COLUMNS) -> dict[str, Any]:
        out = {}
        for name, scores in self.scores.items():
            figures = scoring.point_figures(scoring.points_together(scores))
            out[name] = [None if figures[k] is None else round(float(figures[k]), 2) for k in keys]
        return out


def together(one: Strip, which: int) -> np.ndarray:
    """(beats, 9) ms after R, of all leads: the earliest onset and latest end (0), or the second (1)."""
    out = np.full((one["r"].size, len(POINTS)), np.nan)
    for b, r in enumerate(one["r"]):
        for k, name in enumerate(POINTS):
            low, high = {"p": (-0.4, 0.0), "q": (-0.15, 0.2), "t": (0.06, 0.7)}[name[0]]
            if b and name[0] == "p":
                low = max(low, 0.6 * (one["r"][b - 1] - r) / one["rate"])
            if b + 1 < one["r"].size and name[0] == "t":
                high = min(high, 0.85 * (one["r"][b + 1] - r) / one["rate"])
            seen = []
            for points in one["reference"]:
                away = (points[name] - r) / one["rate"]
                near = away[(away >= low) & (away <= high)].tolist()
                seen += near[-1:] if name[0] == "t" else near[:1]
            if len(seen) >= FEWEST_LEADS:
                out[b, k] = 1e3 * sorted(seen)[which if k % 3 == 0 else -1 - which]
    return out


def spans(points: np.ndarray) -> dict[str, np.ndarray]:
    index = {name: k for k, name in enumerate(POINTS)}
    return {name: points[:, index[end]] - points[:, index[start]] for name, start, end in INTERVALS}


def figures_of(errors: dict[str, list[float]]) -> dict[str, Any]:
    return {
        name: [len(e), round(float(np.mean(e)), 1), round(float(np.std(e, ddof=1)), 1)]
        for name, e in errors.items()
    }


def on_ludb(folder: Path, known: unseen.Folds) -> None:
    seen, alone, every, theirs, shipped = Table(), Table(), Table(), Table(), Table()
    usual: dict[int, dict[str, list[float]]] = {k: {i[0]: [] for i in INTERVALS} for k in (0, 1, 2)}
    invented = {"beats": 0, "ours": 0, "ours_lead_II_alone": 0, "neurokit2": 0}
    for one in ludb(folder):
        seen_waves = waves(known, one)
        single = found(waves(known, one, [1]).per_lead[0])
        own = found(seen_waves.per_lead[1])
        beside = peer(one["raw"][1], one["rate"]) if PEER else {name: own[name][:0] for name in POINTS}
        seen.add(one, 1, own)
        alone.add(one, 1, single)
        theirs.add(one, 1, beside)
        shipped.add(one, 1, found(delineate.waves(one["clean"], one["rate"], one["r"]).per_lead[1]))
        for lead, row in enumerate(seen_waves.per_lead):
            every.add(one, lead, found(row))
        if one["name"].split("/")[1] in NO_P_LUDB:
            invented["beats"] += one["r"].size
            for who, points in (("ours", own), ("ours_lead_II_alone", single), ("neurokit2", beside)):
                invented[who] += points["p_peak"].size
        given = (np.array(seen_waves.together).T - one["r"][:, None]) / one["rate"] * 1e3
        for which, errors in usual.items():
            if which == 2 and one["name"].split("/")[1] in PACED_LUDB:
                continue
            reference = together(one, min(1, which))
            for (name, a), b in zip(spans(given).items(), spans(reference).values(), strict=True):
                both = np.isfinite(a) & np.isfinite(b)
                if both.any():
                    errors[name].append(float(np.median(a[both]) - np.median(b[both])))
    columns = "sensitivity, predictive value, F1 (%), mean, SD (ms)"
    say(
        "LUDB lead II, records unseen",
        "QRS ±5/10, P ±5/13, T end ±8/20 ms; F1 99.8, 97, 99 %",
        columns=columns,
        ours=seen.rows(),
        ours_lead_II_alone=alone.rows(),
        neurokit2=theirs.rows() if PEER else None,
    )
    say(
        "LUDB all twelve leads, records unseen",
        "published U-Net: F1 P 97.8, T 99.5, QRS 99.9",
        columns=columns,
        ours=every.rows(),
    )
    say(
        "LUDB intervals of all leads, records unseen",
        "P ±10/15, PQ ±10/10, QRS ±10/10, QT ±25/30 ms",
        columns="records, mean, SD (ms) of the medians over beats",
        against_second_extreme_lead=figures_of(usual[1]),
        against_second_extreme_lead_without_paced=figures_of(usual[2]),
        against_extreme_lead=figures_of(usual[0]),
    )
    say(
        "LUDB lead II, weights shipped, which learned from these records",
        "for comparison",
        columns=columns,
        ours=shipped.rows(),
    )

    for one in fluttering(folder):
        invented["beats"] += one["r"].size
        invented["ours"] += found(waves(known, one).per_lead[1])["p_peak"].size
        invented["ours_lead_II_alone"] += found(waves(known, one, [1]).per_lead[0])["p_peak"].size
        invented["neurokit2"] += peer(one["raw"][1], one["rate"])["p_peak"].size if PEER else 0
    say(
        "P invented in fibrillation, flutter and paced strips of LUDB and cinc12, lead II, records unseen",
        "≤ 5 % of beats",
        **invented,
    )


def on_qtdb(folder: Path, known: unseen.Folds) -> None:
    tables = {(who, name): Table() for who in ("ours", "neurokit2") for name in ("q1c", "q2c")}
    for one in qtdb(folder):
        own = [found(w) for w in waves(known, one).per_lead]
        beside = [peer(row, one["rate"]) for row in one["raw"]] if PEER else None
        for name, reference in one["either"].items():
            tables["ours", name].add_either(reference, own, one["rate"])
            if beside:
                tables["neurokit2", name].add_either(reference, beside, one["rate"])
    keys = ("reference", "se_percent", "mean", "sd")
    say(
        "QTDB, better of two channels, records unseen",
        "published wavelet delineator (Martinez 2004): QRS onset +4.6 ± 7.7, T end -1.6 ± 18.1 ms",
        columns="points, sensitivity (%), mean, SD (ms)",
        **{
            f"{who}_{name}": table.rows(keys)
            for (who, name), table in tables.items()
            if who == "ours" or PEER
        },
    )


def main() -> None:
    if not os.environ.get("MAITONG_ECG_DATA"):
        say("wave boundaries", "LUDB and QTDB", left_out="MAITONG_ECG_DATA names no folder of records")
        return
    folder, known = Path(os.environ["MAITONG_ECG_DATA"]), unseen.folds(FOLDS)
    parts: tuple[Callable[[Path, unseen.Folds], None], ...] = (on_ludb, on_qtdb)
    for part in parts:
        part(folder, known)
