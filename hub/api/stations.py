"""The fleet and the quarantine, for those who run the network: no patient data in either."""

from typing import Annotated, Literal, Self

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from hub import db
from hub.api.deps import PROBLEMS, TheHub, needs
from hub.domain.station import Organisation
from hub.domain.user import User
from hub.services import messages, stations
from protocols.messages import BoxState

router = APIRouter(prefix="/api", tags=["stations"], responses=PROBLEMS)


class OrganisationView(BaseModel):
    id: str
    name: str
    name_en: str
    kind: str
    travel_minutes: int

    @classmethod
    def of(cls, row: Organisation) -> Self:
        return cls(
            id=row.id, name=row.name, name_en=row.name_en, kind=row.kind, travel_minutes=row.travel_minutes
        )


class StationItem(BaseModel):
    id: str
    name: str
    organisation: OrganisationView
    online: bool
    state: Literal["online", "offline"]
    last_seen_ns: int | None
    waiting: int
    """As last known."""
    oldest_ns: int | None
    rejected: int
    missing: int | None
    """Messages it had saved when it spoke last and the hub has not got; None: it does not say."""
    missing_oldest_ns: int | None
    """When the oldest of them was saved, by the hub's clock."""
    said_ns: int | None
    """When it spoke of them last."""
    boxes: list[BoxState]
    version: str


class StationList(BaseModel):
    now_ns: int
    items: list[StationItem]


class QuarantineItem(BaseModel):
    id: int
    station_id: str | None
    topic: str
    type: str
    code: str
    reason: str
    size: int
    received_ns: int


class QuarantineView(BaseModel):
    now_ns: int
    total: int
    items: list[QuarantineItem]


@router.get("/stations")
def fleet(hub: TheHub, _: Annotated[User, Depends(needs("station.read"))]) -> StationList:
    """Every station, worst first."""
    now_ns = hub.clock.wall_ns()
    with db.reading(hub.engine) as session:
        rows = stations.listing(session, now_ns=now_ns)
    return StationList(
        now_ns=now_ns,
        items=[
            StationItem(
                id=row.station.id,
                name=row.station.name,
                organisation=OrganisationView.of(row.organisation),
                online=row.state == "online",
                state=row.state,
                last_seen_ns=row.station.last_seen_ns,
                waiting=row.station.waiting,
                oldest_ns=row.station.oldest_ns,
                rejected=row.station.rejected,
                missing=row.missing,
                missing_oldest_ns=row.missing_oldest_ns,
                said_ns=row.station.said_ns,
                boxes=[BoxState.model_validate(box) for box in row.station.boxes],
                version=row.station.version,
            )
            for row in rows
        ],
    )


@router.get("/quarantine")
def quarantine(hub: TheHub, _: Annotated[User, Depends(needs("quarantine.read"))]) -> QuarantineView:
    """The newest messages nobody could take, and why; never their content."""
    with db.reading(hub.engine) as session:
        found = messages.quarantined(session)
    return QuarantineView(
        now_ns=hub.clock.wall_ns(),
        total=found.total,
        items=[
            QuarantineItem(
                id=row.id or 0,
                station_id=row.station_id,
                topic=row.topic,
                type=row.type,
                code=row.code,
                reason=row.reason,
                size=row.size,
                received_ns=row.received_ns,
            )
            for row in found.newest
        ],
    )
