"""What waits to be read, as a list and as a live one."""

import logging
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, WebSocket, WebSocketDisconnect
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from hub import db
from hub.api.deps import COOKIE, PROBLEMS, Hub, TheHub, hub_of, needs, note_read
from hub.api.stations import OrganisationView
from hub.domain.patient import age_at, last4
from hub.domain.user import User
from hub.security import permissions_of
from hub.services import users, worklist

_logger = logging.getLogger(__name__)
router = APIRouter(prefix="/api/worklist", tags=["worklist"], responses=PROBLEMS)

NOT_LOGGED_IN, NOT_ALLOWED, TRY_AGAIN = 4401, 4403, 1013
"""WebSocket close codes."""


class WorklistPatient(BaseModel):
    name: str | None
    sex: str
    age_years: int | None
    birth_date: str | None
    id_last4: str | None
    temporary: bool


class Claimer(BaseModel):
    id: str
    name: str


class WorklistItem(BaseModel):
    exam_id: str
    recording_id: str
    level: int | None
    """0 critical … 3 normal; None: not judged."""
    quality: str | None
    status: str
    patient: WorklistPatient
    organisation: OrganisationView
    station_id: str
    symptoms: list[str]
    captured_ns: int
    received_ns: int
    waiting_s: int
    claimed_by: Claimer | None
    mine: bool
    has_draft: bool
    attempt: int
    emergency: bool
    lane: str
    machine_summary: list[str] | None
    """Statement codes of the machine, the most pressing first, not confirmed by a physician; None: not
    analysed."""


class Worklist(BaseModel):
    now_ns: int
    items: list[WorklistItem]


class Snapshot(Worklist):
    type: Literal["snapshot"] = "snapshot"


def _list(hub: Hub, user: User, now_ns: int) -> list[WorklistItem]:
    with db.reading(hub.engine) as session:
        return [_view(item, user, now_ns) for item in worklist.items(session, user, now_ns=now_ns)]


def _view(item: worklist.Item, user: User, now_ns: int) -> WorklistItem:
    exam, patient, analysis = item.exam, item.patient, item.recording.analysis
    return WorklistItem(
        exam_id=exam.id,
        recording_id=exam.recording_id,
        level=exam.level,
        quality=exam.quality,
        status=exam.status,
        patient=WorklistPatient(
            name=patient.name,
            sex=patient.sex,
            age_years=age_at(patient, exam.captured_ns),
            birth_date=patient.birth_date,
            id_last4=last4(patient.id_number),
            temporary=patient.temporary,
        ),
        organisation=OrganisationView.of(item.organisation),
        station_id=exam.station_id,
        symptoms=list(exam.complaint.get("symptoms", ())),
        captured_ns=exam.captured_ns,
        received_ns=exam.received_ns,
        waiting_s=max(0, (now_ns - exam.received_ns) // 1_000_000_000),
        claimed_by=Claimer(id=item.claimed_by.id, name=item.claimed_by.name) if item.claimed_by else None,
        mine=item.claimed_by is not None and item.claimed_by.id == user.id,
        has_draft=item.has_draft,
        attempt=exam.attempt,
        emergency=exam.emergency,
        lane=exam.lane,
        machine_summary=_summary(analysis) if analysis else None,
    )


def _summary(analysis: dict[str, Any]) -> list[str]:
    """Each code once, the most pressing first; what does not raise the level last."""
    said = analysis.get("statements", ())
    pressing = sorted(said, key=lambda s: 9 if s.get("level") is None else s["level"])
    return list(dict.fromkeys(s["code"] for s in pressing))


def _note_shown(hub: Hub, user: User, exam_ids: list[str]) -> None:
    for first in range(0, len(exam_ids), 25):
        some = exam_ids[first : first + 25]
        note_read(hub, user, "worklist.shown", "worklist:", detail=" ".join(some))


@router.get("")
def show(hub: TheHub, user: Annotated[User, Depends(needs("worklist.read"))]) -> Worklist:
    """The list, sickest first."""
    now_ns = hub.clock.wall_ns()
    items = _list(hub, user, now_ns)
    _note_shown(hub, user, [item.exam_id for item in items])
    return Worklist(now_ns=now_ns, items=items)


class _Viewer:
    """One open list: what it shows, so that only changes are sent and each patient is noted once."""

    def __init__(self, hub: Hub, token: str) -> None:
        self._hub = hub
        self._token = token
        self._sent: list[dict[str, Any]] | None = None
        self._noted: set[str] = set()

    def look(self) -> dict[str, Any] | int:
        """The next thing to send, or the code to close with. Watching does not prolong a log-in."""
        hub, now_ns = self._hub, self._hub.clock.wall_ns()
        with db.reading(hub.engine) as session:
            found = users.logged_in(
                session, self._token, session_minutes=hub.settings.session_minutes, now_ns=now_ns
            )
        if found is None:
            return NOT_LOGGED_IN
        if "worklist.read" not in permissions_of(found.user.role):
            return NOT_ALLOWED
        snapshot = Snapshot(now_ns=now_ns, items=_list(hub, found.user, now_ns))
        shown = [item.model_dump(exclude={"waiting_s"}) for item in snapshot.items]
        if shown == self._sent:
            return {"type": "beat", "now_ns": now_ns}
        new = [item.exam_id for item in snapshot.items if item.exam_id not in self._noted]
        if new:
            _note_shown(hub, found.user, new)
            self._noted.update(new)
        self._sent = shown
        return snapshot.model_dump(mode="json")


@router.websocket("/live")
async def live(socket: WebSocket) -> None:
    """A snapshot on connect and at every change, within a second of it; else a beat every two seconds."""
    hub = hub_of(socket)
    origin = socket.headers.get("origin")
    if origin is not None and origin.partition("://")[2] != socket.headers.get("host"):
        await socket.close(NOT_ALLOWED)
        return
    viewer = _Viewer(hub, socket.cookies.get(COOKIE, ""))
    async with hub.notices.subscribe("worklist", "exam") as changes:
        await socket.accept()
        try:
            while True:
                said = await run_in_threadpool(viewer.look)
                if isinstance(said, int):
                    await socket.close(said)
                    return
                await socket.send_json(said)
                await changes.wait()
        except WebSocketDisconnect:
            return
        except SQLAlchemyError as error:
            _logger.warning("worklist: the database did not answer (%s)", type(error).__name__)
            await socket.close(TRY_AGAIN)
