"""What is said to the page: refusals with a code and words, and the shapes of patients and exams."""

from collections.abc import Mapping
from typing import Any

from edge_agent.errors import EdgeError
from edge_agent.outbox import Fate
from edge_agent.room import Attempt, Exam, age_years
from protocols.patient import Patient

REFUSALS: dict[str, tuple[int, str, str]] = {
    # code: HTTP status, Chinese, English
    "not_logged_in": (401, "请先登录", "Please log in"),
    "bad_login": (401, "账号或密码不正确", "Wrong account or password"),
    "locked": (429, "错误次数过多，请稍后再试", "Too many wrong attempts, please wait"),
    "forbidden": (403, "当前账号无此权限", "This account may not do that"),
    "header_missing": (403, "请求来自不受信任的页面", "The request does not come from the station page"),
    "bad_json": (400, "请求内容不是有效的 JSON", "The request is not valid JSON"),
    "too_large": (413, "请求内容过大", "The request is too large"),
    "too_slow": (408, "请求未在规定时间内送完", "The request was not complete in time"),
    "bad_field": (422, "填写内容不符合要求", "A field does not fit"),
    "id_number": (422, "身份证号不正确", "The ID number is not right"),
    "no_such_patient": (404, "没有这位患者", "There is no such patient"),
    "no_such_exam": (404, "没有这次检查", "There is no such exam"),
    "no_waveform": (404, "该次采集没有波形图", "There is no trace of this attempt"),
    "no_report": (404, "报告尚未返回", "The report has not come back yet"),
    "nothing_to_cancel": (409, "当前没有正在进行的采集", "Nothing is being recorded for this exam"),
    "already_sent": (409, "采集已发送，不能再修改", "The recording has been sent and cannot be changed"),
    "box_gone": (
        409,
        "采集盒未连接，请检查电源和数据线",
        "The ECG box is not connected; check power and cable",
    ),
    "wrong_serial": (409, "连接的不是本站绑定的采集盒", "This is not the ECG box bound to this station"),
    "wrong_rate": (409, "采集盒采样率与设置不符", "The ECG box does not run at the rate in the settings"),
    "lead_off": (
        409,
        "有导联脱落，请检查电极或注明原因",
        "A lead is off; check the electrode or give a reason",
    ),
    "busy": (409, "正在采集或保存，请稍候", "A capture is running or being saved"),
    "disk_full": (409, "存储已满，无法采集", "The disk is full, nothing can be recorded"),
    "not_saved": (503, "本机存储出错，内容未保存", "The local storage failed, nothing was saved"),
    "not_found": (404, "没有这个地址", "There is no such address"),
    "method": (405, "该地址不支持此操作", "This address does not take that method"),
    "page_missing": (503, "页面文件未安装", "The page is not installed (run: make build)"),
    "internal": (
        500,
        "本机程序出错，数据已保存的不受影响",
        "The station program failed; what was saved is safe",
    ),
}


class Refusal(EdgeError):  # noqa: N818 - reads as the fact it states
    """A request that is not done. `code` is a key of REFUSALS."""

    def __init__(self, code: str, /, **detail: Any) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail

    @property
    def status(self) -> int:
        return REFUSALS[self.code][0]


def refusal_json(code: str, detail: Mapping[str, Any]) -> dict[str, Any]:
    """The body of every answer that is not a success."""
    _, zh, en = REFUSALS[code]
    return {"code": code, "message_zh": zh, "message_en": en, "detail": dict(detail)}


def patient_json(patient: Patient, at_ns: int) -> dict[str, Any]:
    """A patient as a screen shows one: of the numbers only the last four digits."""
    return {
        "patient_id": patient.patient_id,
        "name": patient.name,
        "sex": patient.sex,
        "birth_date": patient.birth_date,
        "age_years": age_years(patient, at_ns),
        "id_type": patient.id_type,
        "id_last4": None if patient.id_number is None else patient.id_number[-4:],
        "no_id_reason": patient.no_id_reason,
        "phone_last4": patient.phone[-4:] if patient.phone else None,
        "temporary": patient.temporary,
    }


def exam_json(exam: Exam, fates: Mapping[str, Fate]) -> dict[str, Any]:
    """An exam with its attempts; `fates` says what became of each in the outbox."""
    report = exam.report
    return {
        "exam_id": exam.exam_id,
        "patient": patient_json(exam.patient, exam.created_ns),
        "complaint": exam.complaint.model_dump(mode="json"),
        "created_ns": exam.created_ns,
        "status": status_of(exam, fates),
        "attempts": [_attempt_json(attempt, fates.get(attempt.recording_id)) for attempt in exam.attempts],
        "report": None
        if report is None
        else {
            "report_id": report.report_id,
            "version": report.version,
            "signed_by": report.signed_by,
            "signed_ns": report.signed_ns,
            "opened_ns": report.opened_ns,
            "report": report.report.model_dump(mode="json"),
        },
    }


def status_of(exam: Exam, fates: Mapping[str, Fate]) -> str:
    """The exam's place in SM-1, as far as this room knows: ordered, captured, queued, received, …"""
    if exam.report is not None:
        return "reported" if exam.report.opened_ns is None else "delivered"
    known = [fates[a.recording_id].state for a in exam.attempts if a.recording_id in fates]
    if not exam.attempts:
        return "ordered"
    if len(known) < len(exam.attempts):
        return "captured"
    # The newest attempt is the one the county is to read.
    return "received" if known[-1] == "received" else "queued"


def _attempt_json(attempt: Attempt, fate: Fate | None) -> dict[str, Any]:
    return {
        "recording_id": attempt.recording_id,
        "attempt": attempt.attempt,
        "started_ns": attempt.started_ns,
        "duration_s": attempt.duration_s,
        "interrupted": attempt.interrupted,
        "missing_samples": attempt.missing_samples,
        "lead_off_reason": attempt.lead_off_reason,
        "analysis": attempt.analysis,
        "analysis_error": attempt.analysis_error,
        "saved_ns": None if fate is None else fate.saved_ns,
        "sent_ns": None if fate is None else fate.received_ns,
        "state": "sealing" if fate is None else fate.state,
        "reason": "" if fate is None else fate.code,
    }
