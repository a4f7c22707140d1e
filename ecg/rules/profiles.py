"""Critical-value profiles: which finding, at which number, is how pressing, and who says so. Pure data.

A profile is chosen by the county and printed with each alert, with its version. The texts behind the
provincial and national ones were read second hand (requirements.md appendix A, spec-clinical 5.4): `checked`
says so, and the county's ECG director is to compare them with the printed text before use.
"""

from typing import Literal, NamedTuple

Level = Literal[0, 1, 2, 3]


class Limit(NamedTuple):
    """A condition on one number of a finding, or of the measurements when it begins with "@"."""

    number: str
    sign: Literal[">=", ">", "<=", "<"]
    value: float

    def holds(self, value: float) -> bool:
        if self.sign == ">=":
            return value >= self.value
        if self.sign == ">":
            return value > self.value
        return value <= self.value if self.sign == "<=" else value < self.value


class Criterion(NamedTuple):
    """One row: a statement code, its conditions (all must hold), and what follows."""

    code: str
    """Statement code, or a beginning of one that ends in "*"."""
    level: Level
    limits: tuple[Limit, ...]
    source: str
    with_code: str = ""
    """Another statement that must be there too."""
    when: Literal["", "symptoms", "chest_pain", "syncope"] = ""
    """Only with such a complaint; symptoms: any of chest pain, syncope, dyspnoea, or shock."""
    longer: bool = False
    """The text asks for more than a strip can show (30 s): fire on what is seen, and ask for 60 s."""


class Profile(NamedTuple):
    id: str
    version: str
    zh: str
    en: str
    checked: str
    """What the thresholds were taken from, and whether the primary text was seen."""
    critical: tuple[Criterion, ...]


def _at_least(number: str, value: float) -> Limit:
    return Limit(number, ">=", value)


def _at_most(number: str, value: float) -> Limit:
    return Limit(number, "<=", value)


_RATE, _MIN, _MAX = "rate_per_min", "rr_min_ms", "rr_ms"
_ZJ1 = "Zhejiang critical-value list (trial), spec-clinical 5.4"
_ZJ2 = "Zhejiang critical-value list (provincial revision), requirements appendix A"
_SX = "Shanxi critical-value list 2017 (excerpt), spec-clinical 5.4"
_CN = "ECG critical values, Chinese expert consensus 2017 [k], requirements appendix A"
_OURS = "Maitong preset, spec-clinical 5.4"
_URGENT = "spec-clinical 5.5"
_STAND_IN = "not in the excerpt that was seen; the limit of the Maitong preset stands in"


def _arrest(source: str) -> tuple[Criterion, ...]:
    """Rhythms without output: critical in every list."""
    codes = (
        "ventricular_fibrillation",
        "ventricular_flutter",
        "asystole",
        "ventricular_standstill",
        "torsades_de_pointes",
        "polymorphic_ventricular_tachycardia",
    )
    return tuple(Criterion(code, 0, (), source) for code in codes)


def _infarct(source: str) -> tuple[Criterion, ...]:
    return (Criterion("mi_*_acute", 0, (), source),)


OURS = Profile(
    "maitong",
    "2026-1",
    "脉通预设",
    "Maitong preset",
    "Ours: the strictest of the lists below, UDMI-4 for ST; for the county's ECG director to confirm.",
    (
        *_arrest(_OURS),
        *_infarct(f"{_OURS} (UDMI-4)"),
        Criterion("ventricular_tachycardia", 0, (_at_least(_RATE, 150),), _OURS),
        # Neither begins nor ends in sight: until 60 s are recorded it is taken to last.
        Criterion("ventricular_tachycardia", 0, (), f"{_OURS}: any that lasts 30 s", longer=True),
        Criterion("wide_qrs_tachycardia", 0, (_at_least(_RATE, 150),), _OURS, longer=True),
        Criterion("supraventricular_tachycardia", 0, (_at_least(_RATE, 200),), _OURS),
        Criterion("atrial_fibrillation", 0, (_at_least(_RATE, 180),), _OURS),
        Criterion("atrial_flutter", 0, (_at_least(_RATE, 180),), _OURS),
        Criterion("atrial_fibrillation_preexcited", 0, (_at_most(_MIN, 250),), _OURS),
        Criterion("heart_rate_low", 0, (_at_most(_RATE, 35),), _OURS),
        Criterion("heart_rate_high", 0, (_at_least(_RATE, 180),), _OURS),
        Criterion("av_block_3", 0, (), f"{_OURS}: first found, or under 40 a minute"),
        Criterion("long_rr", 0, (_at_least(_MAX, 3000),), _OURS),
        Criterion("qtc_prolonged", 0, (_at_least("qtc_ms", 550),), _OURS),
        Criterion("qtc_prolonged", 0, (_at_least("qtc_ms", 500),), _OURS, with_code="r_on_t"),
        Criterion("hyperkalaemia_pattern", 0, (), f"{_OURS}: check potassium at once"),
    ),
)
ZHEJIANG_1 = Profile(
    "zhejiang_1",
    "trial",
    "浙江省危急值（试行）",
    "Zhejiang, trial",
    "Second hand; primary text not seen.",
    (
        *_arrest(_ZJ1),
        *_infarct(_ZJ1),
        Criterion("ventricular_tachycardia", 0, (_at_least(_RATE, 150),), _ZJ1, longer=True),
        Criterion("supraventricular_tachycardia", 0, (_at_least(_RATE, 230),), _ZJ1),
        Criterion("atrial_fibrillation", 0, (_at_least(_RATE, 180),), _ZJ1),
        Criterion("atrial_flutter", 0, (_at_least(_RATE, 180),), _ZJ1),
        Criterion("atrial_fibrillation_preexcited", 0, (Limit(_MIN, "<", 250),), _ZJ1),
        Criterion("heart_rate_low", 0, (Limit(_RATE, "<", 35),), _ZJ1),
        Criterion("av_block_3", 0, (), f"{_ZJ1}: first found, or under 40 a minute"),
        Criterion("long_rr", 0, (_at_least(_MAX, 3000),), _ZJ1),
        Criterion("qtc_prolonged", 0, (), _ZJ1, with_code="r_on_t"),
    ),
)
ZHEJIANG_2 = Profile(
    "zhejiang_2",
    "revision",
    "浙江省危急值（修订）",
    "Zhejiang, provincial revision",
    "Second hand; primary text not seen.",
    (
        *_arrest(_ZJ2),
        *_infarct(_ZJ2),
        Criterion("ventricular_tachycardia", 0, (_at_least(_RATE, 150),), _ZJ2, longer=True),
        Criterion("supraventricular_tachycardia", 0, (_at_least(_RATE, 200),), _ZJ2),
        Criterion("atrial_fibrillation", 0, (_at_least(_RATE, 200),), _ZJ2),
        Criterion("atrial_flutter", 0, (_at_least(_RATE, 200),), _ZJ2),
        Criterion("atrial_fibrillation_preexcited", 0, (_at_most(_MIN, 250),), _ZJ2),
        Criterion("heart_rate_low", 0, (_at_most(_RATE, 35),), _ZJ2),
        Criterion("av_block_3", 0, (), f"{_ZJ2}: first found"),
        Criterion("long_rr", 0, (_at_least(_MAX, 3000),), _ZJ2),
        Criterion("qtc_prolonged", 0, (_at_least("qtc_ms", 550),), _ZJ2, with_code="r_on_t"),
        Criterion("hyperkalaemia_pattern", 0, (), f"{_ZJ2}: tall T, broad QRS, sino-ventricular conduction"),
    ),
)
SHANXI_2017 = Profile(
    "shanxi_2017",
    "2017",
    "山西省危急值（2017）",
    "Shanxi 2017",
    "Second hand, from an excerpt; what it does not show is marked in the source of the row.",
    (
        *_arrest(_SX),
        *_infarct(f"{_SX}: aneurysm is for the reader to exclude"),
        Criterion("ventricular_tachycardia", 0, (), f"{_SX}: sustained", longer=True),
        Criterion("supraventricular_tachycardia", 0, (_at_least(_RATE, 180),), _SX, longer=True),
        Criterion("atrial_fibrillation", 0, (_at_least(_RATE, 180),), _SX, longer=True),
        Criterion("atrial_flutter", 0, (_at_least(_RATE, 180),), _SX, longer=True),
        Criterion("atrial_fibrillation_preexcited", 0, (_at_most(_MIN, 250),), _SX),
        Criterion("heart_rate_low", 0, (_at_most(_RATE, 35),), _STAND_IN),
        Criterion("av_block_3", 0, (), f"{_SX}: first found"),
        Criterion("long_rr", 0, (_at_least(_MAX, 3000),), _STAND_IN),
        Criterion("qtc_prolonged", 0, (), f"{_SX}: with R on T", with_code="r_on_t"),
    ),
)
NATIONAL_2017 = Profile(
    "national_2017",
    "2017",
    "心电图危急值2017中国专家共识",
    "National consensus 2017",
    "From memory of the text, partly corroborated; the primary text is to be obtained before release.",
    (
        *_arrest(_CN),
        *_infarct(_CN),
        Criterion("diffuse_st_depression", 0, (), f"{_CN}: first acute ischaemia"),
        Criterion("st_depression", 0, (), f"{_CN}: first acute ischaemia", when="chest_pain"),
        Criterion("ventricular_tachycardia", 0, (_at_least(_RATE, 150),), _CN, longer=True),
        Criterion("ventricular_tachycardia", 0, (), f"{_CN}: shorter, with collapse", when="symptoms"),
        Criterion(
            "ventricular_tachycardia_unsustained", 0, (), f"{_CN}: shorter, with collapse", when="symptoms"
        ),
        Criterion("supraventricular_tachycardia", 0, (_at_least(_RATE, 200),), _CN),
        Criterion("atrial_fibrillation", 0, (_at_least(_RATE, 200),), _CN),
        Criterion("atrial_flutter", 0, (_at_least(_RATE, 200),), _CN),
        Criterion("atrial_fibrillation_preexcited", 0, (_at_most(_MIN, 250),), _CN),
        Criterion("heart_rate_low", 0, (_at_most(_RATE, 35),), _CN),
        Criterion("av_block_3", 0, (_at_most(_RATE, 35),), _CN),
        Criterion("av_block_high_grade", 0, (_at_most(_RATE, 35),), _CN),
        Criterion("long_rr", 0, (_at_least(_MAX, 3000),), f"{_CN}: with symptoms", when="symptoms"),
        Criterion("long_rr", 0, (_at_least(_MAX, 5000),), f"{_CN}: without symptoms"),
        Criterion("qtc_prolonged", 0, (_at_least("qtc_ms", 550),), _CN),
        Criterion("r_on_t", 0, (), _CN),
        Criterion("hyperkalaemia_pattern", 0, (), f"{_CN}: severe, with laboratory"),
    ),
)

PROFILES: dict[str, Profile] = {
    profile.id: profile for profile in (OURS, NATIONAL_2017, ZHEJIANG_1, ZHEJIANG_2, SHANXI_2017)
}

URGENT: tuple[Criterion, ...] = (
    Criterion("ventricular_tachycardia", 1, (), _URGENT, longer=True),
    Criterion("ventricular_tachycardia_unsustained", 1, (), _URGENT, longer=True),
    Criterion("wide_qrs_tachycardia", 1, (), _URGENT, longer=True),
    Criterion("supraventricular_tachycardia", 1, (_at_least(_RATE, 150),), _URGENT, longer=True),
    Criterion("atrial_tachycardia", 1, (_at_least(_RATE, 150),), _URGENT, longer=True),
    Criterion("atrial_fibrillation", 1, (Limit(_RATE, ">", 130),), _URGENT, longer=True),
    Criterion("atrial_flutter", 1, (Limit(_RATE, ">", 130),), _URGENT, longer=True),
    Criterion("atrial_fibrillation_preexcited", 1, (), _URGENT, longer=True),
    Criterion("heart_rate_high", 1, (_at_least(_RATE, 150),), _URGENT),
    Criterion(
        "heart_rate_low", 1, (_at_most(_RATE, 40),), "hospital list, requirements appendix A: under 40"
    ),
    Criterion("av_block_2", 1, (), _URGENT, longer=True),
    Criterion("av_block_2_1", 1, (), _URGENT, longer=True),
    Criterion("av_block_2_mobitz_2", 1, (), _URGENT, longer=True),
    Criterion("av_block_high_grade", 1, (), _URGENT, longer=True),
    Criterion("av_block_3", 1, (), _URGENT),
    Criterion("long_rr", 1, (_at_least(_MAX, 2000),), _URGENT, longer=True),
    Criterion("failure_to_capture", 1, (), "ours: a pacemaker that fails", longer=True),
    Criterion("r_on_t", 1, (), f"{_URGENT}; spec-clinical 5.4: urgent tier, reader confirms", longer=True),
    Criterion("qtc_prolonged", 1, (_at_least("qtc_ms", 500),), _URGENT),
    Criterion("mi_*_subacute", 1, (), _URGENT),
    Criterion("st_elevation", 1, (), f"{_URGENT}: sub-threshold elevation"),
    Criterion("wellens_pattern", 1, (), _URGENT),
    Criterion("de_winter_pattern", 1, (), _URGENT),
    Criterion("diffuse_st_depression", 1, (), _URGENT),
    Criterion("st_depression", 1, (_at_least("deep_leads", 2),), f"{_URGENT}: 0.1 mV in two leads"),
    Criterion("hyperkalaemia_pattern", 1, (), f"{_URGENT}: check potassium"),
    Criterion("tall_t", 1, (), "ours: check potassium, look for the first minutes of an infarct"),
    Criterion(
        "left_bundle_branch_block", 1, (), f"{_URGENT}: new or not known, with pain", when="chest_pain"
    ),
    Criterion("bifascicular_block", 1, (), _URGENT, when="syncope"),
)
"""Urgent in every profile; the critical rows of a profile come first."""

NEARLY_NORMAL: frozenset[str] = frozenset(
    {
        "sinus_rhythm",
        "sinus_arrhythmia",
        "early_repolarisation",
        "left_ventricular_high_voltage",
        "incomplete_right_bundle_branch_block",
        "short_pr",
    }
)
"""Statements that leave a recording normal or borderline (level 3); every other one makes it abnormal (2)."""
