"""What the morphology rules read: the per-lead table of a study as numbers, NaN where nothing is known."""

from dataclasses import dataclass

import numpy as np

from ecg.leads import LEADS
from ecg.study import Person, Study

ADULT_YEARS = 16.0


@dataclass(frozen=True, slots=True, eq=False)
class Complex:
    """The usual beat of one study, and whose it is."""

    study: Study
    person: Person
    leads: tuple[str, ...]
    """Usable leads."""

    def lead(self, name: str, key: str) -> float:
        """One number of the per-lead table, NaN where the lead is unusable or it is not known."""
        if name not in self.leads:
            return float("nan")
        value = self.study.per_lead.get(name, {}).get(key)
        return float("nan") if value is None else float(value)

    def measure(self, key: str) -> float:
        value = self.study.measurements.get(key)
        return float("nan") if value is None else float(value)

    def r(self, name: str) -> float:
        """Highest R of a lead, mV; NaN where it is not known."""
        return max(self.lead(name, "r_mv"), self.lead(name, "r2_mv"))

    def s(self, name: str) -> float:
        """Deepest negative wave of a lead's QRS (Q, S or S′) as a positive number, mV; NaN where not
        known."""
        return -min(self.lead(name, "q_mv"), self.lead(name, "s_mv"), self.lead(name, "s2_mv"))

    def has(self, *names: str) -> bool:
        """Are these leads usable and measured?"""
        return all(np.isfinite(self.lead(name, "qrs_pp_mv")) for name in names)

    @property
    def child(self) -> bool:
        return self.person.age_years is not None and self.person.age_years < ADULT_YEARS

    @property
    def female(self) -> bool:
        return self.person.sex == "female"


def beat(study: Study, person: Person | None = None) -> Complex:
    """The view of a study that the morphology rules take."""
    usable = tuple(name for name in LEADS if name in study.quality.usable)
    return Complex(study, person or study.person or Person(), usable)
