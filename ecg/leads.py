"""Lead and electrode names, their codes in the standards, and the leads that follow from others.

numpy only: the station's core process imports this. Microvolts throughout, NaN where there is no data.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

LEADS: tuple[str, ...] = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
"""The standard twelve, in the order of every array and screen."""

BOX_LEADS: tuple[str, ...] = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
"""The leads an eight-channel front end really samples; the other four are derived."""

LIMB_LEADS: tuple[str, ...] = LEADS[:6]
CHEST_LEADS: tuple[str, ...] = LEADS[6:]


class LeadCodes(NamedTuple):
    """One lead in the words of the standards."""

    mdc: str
    """ISO/IEEE 11073-10101 reference id, as HL7 aECG writes it."""
    dicom: str
    """Code value of DICOM CID 3001, scheme MDC."""
    scp: int
    """Lead id of SCP-ECG (EN 1064, section 3)."""


CODES: dict[str, LeadCodes] = {
    "I": LeadCodes("MDC_ECG_LEAD_I", "2:1", 1),
    "II": LeadCodes("MDC_ECG_LEAD_II", "2:2", 2),
    "III": LeadCodes("MDC_ECG_LEAD_III", "2:61", 61),
    "aVR": LeadCodes("MDC_ECG_LEAD_AVR", "2:62", 62),
    "aVL": LeadCodes("MDC_ECG_LEAD_AVL", "2:63", 63),
    "aVF": LeadCodes("MDC_ECG_LEAD_AVF", "2:64", 64),
    "V1": LeadCodes("MDC_ECG_LEAD_V1", "2:3", 3),
    "V2": LeadCodes("MDC_ECG_LEAD_V2", "2:4", 4),
    "V3": LeadCodes("MDC_ECG_LEAD_V3", "2:5", 5),
    "V4": LeadCodes("MDC_ECG_LEAD_V4", "2:6", 6),
    "V5": LeadCodes("MDC_ECG_LEAD_V5", "2:7", 7),
    "V6": LeadCodes("MDC_ECG_LEAD_V6", "2:8", 8),
}


class Electrode(NamedTuple):
    """One of the ten electrodes: where it goes, what colour its plug is, which leads it carries."""

    site_zh: str
    site_en: str
    iec: str
    """Letters on an IEC plug."""
    colour_zh: str
    colour_en: str
    leads: frozenset[str]
    """Leads that cannot be trusted while it is off."""


_ALL = frozenset(LEADS)


def _chest(number: int, site_zh: str, site_en: str, colour_zh: str, colour_en: str) -> Electrode:
    return Electrode(site_zh, site_en, f"C{number}", colour_zh, colour_en, frozenset({f"V{number}"}))


ELECTRODES: dict[str, Electrode] = {
    # RA, LA and LL make Wilson's terminal, so without one of them no lead is what its label says;
    # RL is the driven reference of all of them.
    "RA": Electrode("右臂", "right arm", "R", "红", "red", _ALL),
    "LA": Electrode("左臂", "left arm", "L", "黄", "yellow", _ALL),
    "LL": Electrode("左腿", "left leg", "F", "绿", "green", _ALL),
    "RL": Electrode("右腿", "right leg", "N", "黑", "black", _ALL),
    "V1": _chest(1, "胸骨右缘第 4 肋间", "4th intercostal space, right sternal border", "红", "red"),
    "V2": _chest(2, "胸骨左缘第 4 肋间", "4th intercostal space, left sternal border", "黄", "yellow"),
    "V3": _chest(3, "V2 与 V4 连线中点", "midway between V2 and V4", "绿", "green"),
    "V4": _chest(4, "左锁骨中线第 5 肋间", "5th intercostal space, left midclavicular line", "棕", "brown"),
    "V5": _chest(5, "左腋前线，与 V4 同一水平", "left anterior axillary line, level with V4", "黑", "black"),
    "V6": _chest(6, "左腋中线，与 V4 同一水平", "left midaxillary line, level with V4", "紫", "violet"),
}
"""Electrode id → everything a person needs to put it back."""

_SPELLINGS = {name.upper(): name for name in LEADS}


def canonical(name: str) -> str | None:
    """Our spelling of a lead name in any case (avr, MDC_ECG_LEAD_AVR), None if it is none of the twelve."""
    return _SPELLINGS.get(name.strip().upper().removeprefix("MDC_ECG_LEAD_").removeprefix("LEAD "))


def leads_off(electrodes_off: Iterable[str]) -> frozenset[str]:
    """Leads that cannot be trusted with these electrodes off. Unknown ids count as nothing."""
    return frozenset().union(*(ELECTRODES[e].leads for e in electrodes_off if e in ELECTRODES))


def derive(samples: NDArray[Any], leads: Sequence[str]) -> NDArray[np.float64]:
    """(n_leads, n) µV with the leads named → (12, n) µV in the order of LEADS.

    Sampled leads are taken as they are; missing limb leads follow from any two of I, II, III
    (Einthoven: II = I + III; Goldberger: aVR = −(I + II)/2, aVL = I − II/2, aVF = II − I/2).
    What cannot be derived is a row of NaN. Raises ValueError if rows and names differ in number.
    """
    if samples.ndim != 2 or samples.shape[0] != len(leads):
        raise ValueError(f"{len(leads)} lead names for samples of shape {samples.shape}")
    out = np.full((len(LEADS), samples.shape[1]), np.nan)
    have: set[str] = set()
    for row, name in zip(samples, leads, strict=True):
        known = canonical(name)
        if known is not None and known not in have:
            out[LEADS.index(known)] = row
            have.add(known)
    lead_i, lead_ii, lead_iii = out[0], out[1], out[2]
    limb = have & {"I", "II", "III"}
    if limb == {"II", "III"}:
        out[0] = lead_ii - lead_iii
    elif limb == {"I", "III"}:
        out[1] = lead_i + lead_iii
    elif limb == {"I", "II"}:
        out[2] = lead_ii - lead_i
    if len(limb) >= 2:
        goldberger = {
            "aVR": -(lead_i + lead_ii) / 2,
            "aVL": lead_i - lead_ii / 2,
            "aVF": lead_ii - lead_i / 2,
        }
        for name, values in goldberger.items():
            if name not in have:
                out[LEADS.index(name)] = values
    return out
