"""What the rhythm rules read: one study with its intervals, its atria and its conduction worked out once."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg.leads import LEADS
from ecg.rules.atrial import Atrial, atrial
from ecg.rules.conduction import Conduction, conduction
from ecg.study import Finding, Study

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
Mask = NDArray[np.bool_]

P_ALIKE, P_UV = 0.5, 40.0
"""Atrial.coherence and before_uv from which there are P waves: sinus strips of the development records have
0.7 and 72 at least, fibrillating ones and AV dissociation 0.24 and 59 at most."""
WIDE_MS = 120.0
"""QRS from which on it is wide (AHA/ACC/HRS 2009, part III)."""

_BEND_UV, _DROPOUT_S = 1e-3, 0.4
"""A stretch so long without any bend in any lead is no signal."""


def known(finding: Finding) -> Finding:
    """The finding without numbers that nobody knows."""
    return finding._replace(numbers={k: v for k, v in finding.numbers.items() if np.isfinite(v)})


@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """One study as the rhythm rules see it."""

    study: Study
    r_s: Array
    """R peaks in seconds."""
    rr_s: Array
    """RR intervals; NaN where a gap in the signal may hide a beat."""
    kinds: tuple[str, ...]
    """One for each beat: N, S, V, /, Q."""
    own: Mask
    """RR intervals between beats of the basic rhythm: no ventricular beat at either end, nor before."""
    leads: tuple[str, ...]
    """Usable leads."""
    atrial: Atrial
    conduction: Conduction
    paced: float
    """Share of paced beats."""

    @property
    def rate(self) -> float:
        """Beats a minute, mean; NaN without intervals."""
        known = self.rr_s[np.isfinite(self.rr_s)]
        return 60.0 / float(np.mean(known)) if known.size else float("nan")

    @property
    def seconds(self) -> float:
        return float(self.study.samples.shape[1] / self.study.rate_hz)

    @property
    def qrs_ms(self) -> float:
        """QRS of the usual beat; NaN if not measured."""
        value = self.study.measurements.get("qrs_ms")
        return float("nan") if value is None else value

    @property
    def wide(self) -> bool:
        return bool(self.qrs_ms >= WIDE_MS)

    @property
    def usual_rate(self) -> float:
        """Beats a minute of the median interval: a pause or an ectopic beat does not slow it."""
        known = self.rr_s[np.isfinite(self.rr_s)]
        return float(60.0 / np.median(known)) if known.size else float("nan")

    @property
    def has_p(self) -> bool:
        """Does something as high as a P wave come before each QRS, always the same?"""
        if self.study.measurements.get("pr_ms") is not None:
            return True
        atria = self.atrial
        return bool(atria.coherence >= P_ALIKE and atria.before_uv >= P_UV)

    def share(self, kind: str) -> float:
        return self.kinds.count(kind) / len(self.kinds) if self.kinds else 0.0

    def sample(self, seconds: float) -> int:
        return round(seconds * self.study.rate_hz)


def strip(study: Study) -> Strip:
    """Everything the rules need; with fewer than three beats the atria say nothing."""
    r_s = study.r_peaks / study.rate_hz
    rr_s = np.diff(r_s)
    there = _there(study)
    for k, (a, b) in enumerate(zip(study.r_peaks[:-1], study.r_peaks[1:], strict=True)):
        if not there[a:b].all():
            rr_s[k] = np.nan
    kinds = study.classes
    ectopic = np.array([kind == "V" for kind in kinds], dtype=bool)
    own = np.isfinite(rr_s)
    if own.size:
        own &= ~(ectopic[:-1] | ectopic[1:])
        own[1:] &= ~ectopic[:-2]
    atria = atrial(study)
    return Strip(
        study=study,
        r_s=r_s,
        rr_s=rr_s,
        kinds=kinds,
        own=own,
        leads=tuple(name for name in LEADS if name in study.quality.usable),
        atrial=atria,
        conduction=conduction(atria.p_peaks / study.rate_hz, r_s, atria.hidden, study.rate_hz),
        paced=kinds.count("/") / len(kinds) if kinds else 0.0,
    )


def _there(study: Study) -> Mask:
    """(n,) where some lead has data that are more than a straight line: a dropout is none, held or
    bridged."""
    n = study.samples.shape[1]
    if n < 3:
        return np.zeros(n, dtype=bool)
    finite = np.isfinite(study.samples)
    bend = np.abs(np.diff(np.where(finite, study.samples, 0.0), 2, axis=1))
    sure = finite[:, :-2] & finite[:, 1:-1] & finite[:, 2:]
    moving: Mask = np.any((bend > _BEND_UV) & sure, axis=0)
    padded = np.concatenate((moving[:1], moving, moving[-1:])).astype(np.int64)
    moves = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(padded)))
    half = max(1, round(_DROPOUT_S * study.rate_hz / 2))
    at = np.arange(n)
    return np.asarray(moves[np.minimum(at + half, n)] - moves[np.maximum(at - half, 0)] > 0)
