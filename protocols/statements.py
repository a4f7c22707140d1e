"""The words of the field, as rows: ECG statements, measurements, symptoms, history. Pure data."""

from typing import NamedTuple


class StatementRow(NamedTuple):
    code: str
    """Ours, stable; a machine or a doctor says this."""
    zh: str
    en: str
    pinyin: str
    """Initials, for the search box: fc finds 房颤."""
    group: str
    aha: str = ""
    """AHA/ACC/HRS statement number, where there is one."""
    snomed: str = ""
    critical: bool = False


class MeasurementRow(NamedTuple):
    id: str
    zh: str
    en: str
    unit: str
    decimals: int = 0
    low: float | None = None
    high: float | None = None
    """Adult reference limits for colouring (spec: settings later), None where there is none."""


class WordRow(NamedTuple):
    id: str
    zh: str
    en: str


MEASUREMENTS: tuple[MeasurementRow, ...] = (
    MeasurementRow("heart_rate", "心率", "Heart rate", "次/min", low=60, high=100),
    MeasurementRow("rr_ms", "平均 RR", "Mean RR", "ms"),
    MeasurementRow("p_ms", "P 时限", "P duration", "ms", high=120),
    MeasurementRow("pr_ms", "PR 间期", "PR interval", "ms", low=120, high=200),
    MeasurementRow("qrs_ms", "QRS 时限", "QRS duration", "ms", high=110),
    MeasurementRow("qt_ms", "QT 间期", "QT interval", "ms"),
    MeasurementRow("qtcf_ms", "QTcF", "QTcF", "ms", low=390, high=450),
    MeasurementRow("qtcb_ms", "QTcB", "QTcB", "ms", low=390, high=450),
    MeasurementRow("p_axis_deg", "P 轴", "P axis", "°"),
    MeasurementRow("qrs_axis_deg", "QRS 轴", "QRS axis", "°", low=-30, high=90),
    MeasurementRow("t_axis_deg", "T 轴", "T axis", "°"),
    MeasurementRow("rv5_mv", "RV5", "RV5", "mV", decimals=2),
    MeasurementRow("sv1_mv", "SV1", "SV1", "mV", decimals=2),
    MeasurementRow("rv5_sv1_mv", "RV5+SV1", "RV5+SV1", "mV", decimals=2, high=4.0),
)

SYMPTOMS: tuple[WordRow, ...] = (
    WordRow("chest_pain", "胸痛", "Chest pain"),
    WordRow("palpitation", "心悸", "Palpitation"),
    WordRow("syncope", "晕厥", "Syncope"),
    WordRow("dyspnoea", "气短", "Dyspnoea"),
    WordRow("check_up", "体检", "Check-up"),
    WordRow("pre_operative", "术前", "Pre-operative"),
    WordRow("follow_up", "随访", "Follow-up"),
    WordRow("other", "其他", "Other"),
)

HISTORY: tuple[WordRow, ...] = (
    WordRow("pacemaker", "起搏器", "Pacemaker"),
    WordRow("digoxin", "地高辛", "Digoxin"),
    WordRow("antiarrhythmic", "抗心律失常药", "Antiarrhythmic drug"),
    WordRow("hypertension", "高血压", "Hypertension"),
    WordRow("diabetes", "糖尿病", "Diabetes"),
    WordRow("prior_mi", "心梗史", "Prior infarction"),
)
