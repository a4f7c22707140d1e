"""Every word a report is printed with, Chinese and English, and how ages and times are written."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone

from hub.render.context import Language

WORDS: Mapping[str, tuple[str, str]] = {
    "title": ("心电图报告", "ECG REPORT"),
    "confirmed": ("已签发 · 医师已确认", "SIGNED · CONFIRMED BY A PHYSICIAN"),
    "unconfirmed": ("初步报告 · 未经医师确认", "PRELIMINARY · NOT CONFIRMED BY A PHYSICIAN"),
    "version": ("第 {n} 版", "version {n}"),
    "name": ("姓名", "Name"),
    "no_name": ("未知（临时身份）", "unknown (temporary identity)"),
    "temporary": ("（临时身份）", " (temporary identity)"),
    "sex": ("性别", "Sex"),
    "age": ("年龄", "Age"),
    "born": ("出生", "Born"),
    "id_number": ("身份证", "Resident ID"),
    "no_id": ("无证件", "none"),
    "patient_number": ("病人号", "Patient no."),
    "exam_number": ("检查号", "Exam no."),
    "organisation": ("检查机构", "Taken at"),
    "station": ("采集站", "Station"),
    "recorded": ("检查时间", "Recorded"),
    "reported": ("报告时间", "Reported"),
    "symptoms": ("症状", "Symptoms"),
    "history": ("病史", "History"),
    "note": ("备注", "Note"),
    "unknown": ("不详", "unknown"),
    "male": ("男", "male"),
    "female": ("女", "female"),
    "quality": ("信号质量", "Signal quality"),
    "quality_diagnostic": ("可用于诊断", "diagnostic"),
    "quality_rhythm_only": ("仅供心律判断", "rhythm only"),
    "quality_repeat": ("不可用，建议重采", "not usable, repeat"),
    "quality_none": ("未评定", "not assessed"),
    "layout_3x4": ("连续分列", "consecutive columns"),
    "layout_6x2": ("6×2 同步起点", "6×2, both columns from 0 s"),
    "layout_12x1": ("12×1", "12×1"),
    "half_gain": ("▲ 增益 {gain} mm/mV", "▲ gain {gain} mm/mV"),
    "band_unknown": ("频带未说明", "bandwidth not stated"),
    "band_narrow": ("▲ {hz} Hz：影响 ST/QRS 判读", "▲ {hz} Hz: ST and QRS may not be read"),
    "band_low": ("▲ 低频 {hz} Hz：不判 ST", "▲ low cut {hz} Hz: do not read ST"),
    "notch": ("陷波 {hz} Hz", "notch {hz} Hz"),
    "box_filters": ("设备滤波：{text}", "device filters: {text}"),
    "window": ("全长 {s} s，此页为前 10 s", "{s} s in all, the first 10 s are shown"),
    "interrupted": ("▲ 采集中断", "▲ capture interrupted"),
    "missing_samples": ("▲ 缺失 {n} 点", "▲ {n} samples missing"),
    "damaged": ("▲ 记录损坏，波形不可信", "▲ record damaged, trace not to be trusted"),
    "nothing": ("没有可显示的波形", "NO TRACE TO SHOW"),
    "gap": ("缺 {s} s", "missing {s} s"),
    "not_recorded": ("未采集", "not recorded"),
    "end": ("记录止于 {s} s", "record ends at {s} s"),
    "off_paper": ("▲ 超出纸面", "▲ off the paper"),
    "measurements": ("测量值", "Measurements"),
    "measured_confirmed": ("机器测量，经医师确认", "by machine, confirmed by the physician"),
    "measured_by_machine": ("机器分析，未经医师确认", "machine analysis, not confirmed by a physician"),
    "edited": ("* 医师修改；机器原值 {list}", "* changed by the physician; machine said {list}"),
    "unsteady": ("心率不稳，QTc 参考", "rate unsteady, QTc for reference"),
    "not_printed": ("另有 {n} 项未印", "{n} more not printed"),
    "findings": ("心电图所见", "Findings"),
    "impression": ("心电图诊断", "Impression"),
    "advice": ("诊断建议", "Advice"),
    "machine": ("机器提示", "Machine suggests"),
    "machine_note": ("机器分析，未经医师确认", "machine analysis, not confirmed by a physician"),
    "machine_none": ("无", "none"),
    "nothing_written": ("（未填写）", "(nothing written)"),
    "conclusion": ("结论分类", "Conclusion class"),
    "risk": ("风险分级", "Risk class"),
    "normal": ("正常", "normal"),
    "borderline": ("大致正常", "borderline normal"),
    "suspicious": ("可疑", "suspicious"),
    "abnormal": ("异常", "abnormal"),
    "critical": ("危急", "critical"),
    "major_positive": ("重大阳性", "major positive"),
    "signed_by": ("报告医师", "Physician"),
    "not_signed": ("未签发", "not signed"),
    "continued": ("……全文见第 {page} 页", "… in full on page {page}"),
    "whole_text": ("报告全文", "Report in full"),
    "for_reference": ("仅供临床参考", "For clinical reference only"),
    "page": ("第 {page} 页 / 共 {pages} 页", "page {page} of {pages}"),
    "missing_glyphs": (
        "字库缺字 {n} 个，以方框显示：{list}",
        "{n} characters are not in the font and are shown as boxes: {list}",
    ),
    "lead_off": ("脱落", "off"),
    "saturated": ("限幅", "saturated"),
    "flat": ("无信号", "flat"),
    "muscle_noise": ("肌电干扰", "muscle noise"),
    "mains_noise": ("工频干扰", "mains noise"),
    "baseline_wander": ("基线漂移", "wander"),
    "loose": ("接触不良", "loose"),
}

LABEL_MARKS = ("lead_off", "saturated", "flat", "loose", "muscle_noise", "mains_noise", "baseline_wander")
"""Verdicts on a lead that are printed beside its label."""


@dataclass(frozen=True, slots=True)
class PaperWords:
    """Words on the paper, in the language of the report; {s} is a number of seconds."""

    missing: str
    not_recorded: str
    end: str
    nothing: str
    off_paper: str


class Words:
    """The words in one language: `words("findings")`."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self.index = 0 if language == "zh-CN" else 1

    def __call__(self, key: str, **values: object) -> str:
        text = WORDS[key][self.index]
        return text.format(**values) if values else text

    def row(self, zh: str, en: str) -> str:
        """The right one of a row's two names."""
        return (zh, en)[self.index]

    def list(self, items: list[str]) -> str:
        return ("、", ", ")[self.index].join(items)

    def paper(self) -> PaperWords:
        return PaperWords(self("gap"), self("not_recorded"), self("end"), self("nothing"), self("off_paper"))

    def age(self, born: str | None, age_years: int | None, on: date) -> str:
        """岁 from two years on, 月 from one month on, 天 before; years as told where no date is known."""
        try:
            birth = date.fromisoformat(born or "")
        except ValueError:
            return self("unknown") if age_years is None else self.row(f"{age_years}岁", f"{age_years} y")
        months = (on.year - birth.year) * 12 + on.month - birth.month - (on.day < birth.day)
        if months < 0 or on < birth:
            return self("unknown")
        if months >= 24:
            return self.row(f"{months // 12}岁", f"{months // 12} y")
        if months >= 1:
            return self.row(f"{months}月", f"{months} mo")
        return self.row(f"{(on - birth).days}天", f"{(on - birth).days} d")


def local_time(ns: int, offset_minutes: int) -> datetime:
    """UTC nanoseconds as a local time; times no calendar holds become its first day."""
    zone = timezone(timedelta(minutes=offset_minutes))
    try:
        return datetime.fromtimestamp(ns // 1_000_000_000, tz=zone)
    except (OverflowError, ValueError, OSError):
        return datetime(1970, 1, 1, tzinfo=UTC).astimezone(zone)


def minute(ns: int, offset_minutes: int) -> str:
    """2026-05-03 14:05"""
    return local_time(ns, offset_minutes).strftime("%Y-%m-%d %H:%M")


def second(ns: int, offset_minutes: int) -> str:
    """2026-05-03 14:05:09"""
    return local_time(ns, offset_minutes).strftime("%Y-%m-%d %H:%M:%S")
