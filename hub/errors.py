"""Everything the hub refuses, with an HTTP status, a code for support, and words in both languages.

HubError
├── NotLoggedIn  BadLogin  Locked                       who are you
├── Forbidden  MissingHeader                            you may not
├── NotFound                                            there is no such thing, or not for you
├── Invalid                                             what you sent does not fit
├── Conflict
│   ├── ClaimedByOther  NotClaimed  WrongState          somebody else's, nobody's, or too late
│   ├── EmptyImpression  NewerAttempt  Unreadable  RenderFailed
│   │                                                   a report cannot be signed like this
│   └── Taken                                           the name is in use
├── RecordingRefused                                    .code goes into the receipt and the quarantine row
│   ├── HashWrong  RecordingConflict  WrongStation  UnknownStation
├── Unavailable                                         the database or the page is not there
└── ConfigError  InventoryError                         for the operator at the command line
"""

# ruff: noqa: N818 - these read as the fact they state

from typing import Any


class HubError(Exception):
    """Root of the tree. `detail` holds facts (ids, counts), never a patient's data."""

    status = 500
    code = "internal"
    zh = "服务器内部错误，已记录；数据未受影响，请重试(E-500)"
    en = "Internal error, recorded; nothing was changed, please try again (E-500)"

    def __init__(self, **detail: Any) -> None:
        self.detail = detail
        super().__init__(self.en.format(**detail))

    @property
    def message_zh(self) -> str:
        return self.zh.format(**self.detail)

    @property
    def message_en(self) -> str:
        return self.en.format(**self.detail)


class NotLoggedIn(HubError):
    status, code = 401, "not_logged_in"
    zh, en = "登录已失效，请重新登录；草稿已保存", "Please log in again; drafts are kept"


class BadLogin(HubError):
    """detail: tries_left."""

    status, code = 401, "bad_login"
    zh, en = (
        "账号或密码不正确，还可尝试 {tries_left} 次",
        "Wrong user name or password, {tries_left} tries left",
    )


class Locked(HubError):
    """detail: retry_after_s."""

    status, code = 429, "locked"
    zh, en = "尝试次数过多，请 {retry_after_s} 秒后再试", "Too many tries, wait {retry_after_s} s"


class Forbidden(HubError):
    """detail: permission."""

    status, code = 403, "forbidden"
    zh, en = "您的角色没有此权限({permission})", "Your role does not have this right ({permission})"


class MissingHeader(HubError):
    status, code = 403, "missing_header"
    zh, en = "请求不是由本系统页面发出", "The request did not come from our own page"


class NotFound(HubError):
    """detail: what."""

    status, code = 404, "not_found"
    zh, en = "找不到，或您无权查看({what})", "Not found, or not visible to you ({what})"


class Invalid(HubError):
    """detail: fields, as `place: kind of fault`, never the value."""

    status, code = 422, "invalid"
    zh, en = "内容不符合要求：{fields}", "What was sent does not fit: {fields}"


class Conflict(HubError):
    status, code = 409, "conflict"
    zh, en = "与当前状态冲突，请刷新", "In conflict with the present state, please reload"


class ClaimedByOther(Conflict):
    """detail: name of the colleague."""

    code = "claimed_by_other"
    zh, en = "{name} 诊断中 · 只读", "{name} is reading · view only"


class NotClaimed(Conflict):
    code = "not_claimed"
    zh = "尚未领取或锁定已过期，请重新领取；草稿已保存"
    en = "Not claimed, or the claim ran out; claim it again, the draft is kept"


class WrongState(Conflict):
    """detail: status."""

    code = "wrong_state"
    zh, en = "当前状态({status})不允许此操作", "Not possible in the present state ({status})"


class EmptyImpression(Conflict):
    code = "empty_impression"
    zh, en = "结论为空，不能签发", "The impression is empty; cannot sign"


class NewerAttempt(Conflict):
    """detail: attempt."""

    code = "newer_attempt"
    zh = "已收到第 {attempt} 次采集，请先查看再签发；草稿已保存"
    en = "Attempt {attempt} has arrived: look at it before signing; the draft is kept"


class Unreadable(Conflict):
    code = "E-31"
    zh, en = "波形读取失败(E-31)，报告不能签发", "Waveform could not be read (E-31); signing is off"


class RenderFailed(Conflict):
    """detail: reason."""

    code = "render_failed"
    zh = "报告 PDF 生成失败，未签发；草稿已保存({reason})"
    en = "The PDF could not be made, nothing was signed ({reason})"


class Taken(Conflict):
    """detail: what."""

    code = "taken"
    zh, en = "已被使用：{what}", "Already in use: {what}"


class RecordingRefused(HubError):
    """A recording that is not stored. Not answered over HTTP: its code goes to the station."""

    status, code = 409, "recording_refused"
    zh, en = "记录未入库", "The recording was not stored"


class HashWrong(RecordingRefused):
    code = "record_hash"
    zh, en = "记录文件与其哈希不符", "The record's files are not what its hash says"


class RecordingConflict(RecordingRefused):
    code = "recording_conflict"
    zh, en = "同一记录编号已有不同内容", "This recording id is already held with other bytes"


class WrongStation(RecordingRefused):
    code = "wrong_station"
    zh, en = "该检查属于另一站点", "The exam belongs to another station"


class UnknownStation(RecordingRefused):
    code = "unknown_station"
    zh, en = "未登记的站点", "The station is not in the inventory"


class Unavailable(HubError):
    """detail: what."""

    status, code = 503, "unavailable"
    zh, en = "暂不可用：{what}", "Not available: {what}"


class ConfigError(HubError):
    """detail: file, reason."""

    code = "config"
    zh, en = "配置错误 {file}：{reason}", "Configuration {file}: {reason}"


class InventoryError(HubError):
    """detail: reason."""

    code = "inventory"
    zh, en = "站点清单错误：{reason}", "Inventory: {reason}"
