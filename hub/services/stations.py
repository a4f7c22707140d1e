"""Stations and the organisations they stand in: inventory, what a station says of itself, the fleet list."""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import and_, func, or_
from sqlmodel import Session, col, select

from hub.domain.message import ReceivedMessage
from hub.domain.station import Organisation, Station
from hub.errors import InventoryError
from hub.services import audit
from protocols.messages import StationHello, StationStatus
from protocols.topics import STATION_ID


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class InventoryOrganisation(_Row):
    code: str = Field(min_length=1, max_length=64)
    name: str = Field(min_length=1, max_length=100)
    name_en: str = Field(default="", max_length=100)
    kind: str = Field(max_length=40)
    parent: str | None = None
    travel_minutes: int = Field(default=0, ge=0)


class InventoryStation(_Row):
    id: str = Field(pattern=STATION_ID.pattern)
    name: str = Field(min_length=1, max_length=100)
    organisation: str
    certificate_serial: str | None = None


class Inventory(_Row):
    """What provisioning writes: the county, its organisations, its stations."""

    county: str
    organisations: tuple[InventoryOrganisation, ...] = ()
    stations: tuple[InventoryStation, ...] = ()


@dataclass(frozen=True, slots=True)
class Imported:
    organisations: int
    stations: int


def import_inventory(session: Session, text: bytes | str, *, now_ns: int) -> Imported:
    """Add or update what the inventory names; nothing is removed. Raises InventoryError."""
    try:
        inventory = Inventory.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        place = ".".join(str(p) for p in first["loc"])
        raise InventoryError(reason=f"{place}: {first['msg']}") from None
    waiting = {o.code: o for o in inventory.organisations}
    known = set(session.exec(select(Organisation.id)))
    while waiting:  # parents before children
        ready = [o for o in waiting.values() if o.parent is None or o.parent in known]
        if not ready:
            raise InventoryError(reason=f"no parent for {', '.join(sorted(waiting))}")
        for row in ready:
            session.merge(
                Organisation(
                    id=row.code,
                    name=row.name,
                    name_en=row.name_en,
                    kind=row.kind,
                    parent_id=row.parent,
                    travel_minutes=row.travel_minutes,
                )
            )
            known.add(row.code)
            del waiting[row.code]
        session.flush()
    for entry in inventory.stations:
        if entry.organisation not in known:
            raise InventoryError(reason=f"{entry.id}: organisation {entry.organisation} is not known")
        station = session.get(Station, entry.id)
        if station is None:
            station = Station(id=entry.id, organisation_id=entry.organisation, name=entry.name)
            session.add(station)
        station.organisation_id, station.name = entry.organisation, entry.name
        if entry.certificate_serial is not None:
            station.certificate_serial = entry.certificate_serial
    session.flush()
    audit.record(
        session,
        "inventory.imported",
        "inventory:",
        now_ns=now_ns,
        detail=f"{len(inventory.organisations)} organisations, {len(inventory.stations)} stations",
    )
    return Imported(len(inventory.organisations), len(inventory.stations))


def find(session: Session, station_id: str) -> Station | None:
    """The station, or None for one the inventory does not know."""
    return session.get(Station, station_id)


def hello(
    session: Session, station_id: str, message: StationHello, *, now_ns: int, station_ns: int | None = None
) -> bool:
    """A station has connected, and its own clock was at `station_ns`. False if it is not in the inventory."""
    station = session.get(Station, station_id, with_for_update=True)
    if station is None:
        return False
    station.online = True
    station.last_seen_ns = now_ns
    _note_extent(station, message.epoch, message, station_ns, now_ns)
    station.epoch = message.epoch
    station.version = message.version[:64]
    station.waiting = sum(message.waiting.values())
    station.oldest_ns = message.oldest_ns
    return True


def status(session: Session, station_id: str, message: StationStatus, *, now_ns: int) -> bool:
    """A station's report of itself, or its last will. False if it is not in the inventory.

    A last will says only "offline": what was waiting stays as last known, so the console can show it.
    """
    station = session.get(Station, station_id, with_for_update=True)
    if station is None:
        return False
    station.online = message.online
    if not message.online:
        return True
    station.last_seen_ns = now_ns
    if message.epoch is not None:
        _note_extent(station, message.epoch, message, message.at_ns, now_ns)
    station.waiting, station.oldest_ns, station.rejected = (
        message.waiting,
        message.oldest_ns,
        message.rejected,
    )
    station.boxes = [box.model_dump(mode="json") for box in message.boxes]
    if message.version:
        station.version = message.version[:64]
    return True


def _note_extent(
    station: Station,
    epoch: bytes,
    said: StationHello | StationStatus,
    station_ns: int | None,
    now_ns: int,
) -> None:
    """Which numbers its store has given out. Workers may take two words of it in the wrong order: numbers
    only grow, so the one with the smaller is the older and changes nothing."""
    if (urgent := said.urgent) is not None and (
        station.urgent_epoch != urgent.epoch or urgent.last_seq >= (station.urgent_last_seq or 0)
    ):
        station.urgent_epoch = urgent.epoch
        station.urgent_first_seq, station.urgent_last_seq = urgent.first_seq, urgent.last_seq
    if said.last_seq is None or (station.epoch == epoch and said.last_seq < (station.last_seq or 0)):
        return
    station.epoch, station.first_seq, station.last_seq = epoch, said.first_seq, said.last_seq
    station.said_ns, station.owed_since_ns = now_ns, None
    if said.oldest_ns is not None and station_ns is not None:
        station.owed_since_ns = now_ns - max(0, station_ns - said.oldest_ns)


def heard(session: Session, station_id: str, *, now_ns: int) -> None:
    """Something arrived from the station, so its link is up."""
    station = session.get(Station, station_id)
    if station is not None and now_ns - (station.last_seen_ns or 0) > 5_000_000_000:
        station.last_seen_ns, station.online = now_ns, True


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the fleet list."""

    station: Station
    organisation: Organisation
    state: Literal["online", "offline"]
    missing: int | None
    """Messages it had saved when it spoke last, and we have neither committed nor refused; None: it does
    not number them for us."""

    @property
    def missing_oldest_ns(self) -> int | None:
        """When the oldest of them was saved, by our clock, as the station said last."""
        return self.station.owed_since_ns if self.missing else None


def listing(session: Session, *, now_ns: int) -> list[Row]:
    """The fleet, worst first: offline before online, then what is waiting, then by id."""
    pairs = session.exec(
        select(Station, Organisation).where(col(Station.organisation_id) == col(Organisation.id))
    )
    held = _held(session)
    rows = [
        Row(s, o, "online" if s.is_online(now_ns) else "offline", _missing(s, held.get(s.id, 0)))
        for s, o in pairs
    ]
    return sorted(rows, key=lambda row: (row.state == "online", -row.station.waiting, row.station.id))


def _held(session: Session) -> dict[str, int]:
    """Station → how many of the numbers between its first owed and its last one are here; 0 is left out."""
    in_between = and_(
        col(ReceivedMessage.station_id) == col(Station.id),
        or_(
            and_(
                col(ReceivedMessage.epoch) == col(Station.epoch),
                col(ReceivedMessage.seq).between(col(Station.first_seq), col(Station.last_seq)),
            ),
            and_(
                col(ReceivedMessage.epoch) == col(Station.urgent_epoch),
                col(ReceivedMessage.seq).between(col(Station.urgent_first_seq), col(Station.urgent_last_seq)),
            ),
        ),
    )
    counted = (
        select(col(Station.id), func.count()).join(ReceivedMessage, in_between).group_by(col(Station.id))
    )
    return dict(session.exec(counted).all())


def _missing(station: Station, held: int) -> int | None:
    if station.last_seq is None or station.first_seq is None:
        return None
    owed = station.last_seq - station.first_seq + 1
    if station.urgent_last_seq is not None and station.urgent_first_seq is not None:
        owed += station.urgent_last_seq - station.urgent_first_seq + 1
    return max(0, owed - held)
