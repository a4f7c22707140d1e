"""The county on one page: its organisations and the stations in them. No secrets.

inventory.json is what `python -m hub import-inventory` reads; it is written whole or not at all.
"""

import json
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from protocols.topics import STATION_ID
from provisioning.errors import InventoryError

FILE_NAME = "inventory.json"

OrganisationKind = Literal[
    "county_hospital",
    "township_health_centre",
    "central_township_centre",
    "village_clinic",
    "community_health_centre",
    "community_health_station",
]


class Organisation(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str
    name: str
    name_en: str = ""
    kind: OrganisationKind
    parent: str | None = None
    """Code of the organisation above; None for the county hospital."""
    travel_minutes: int = 0
    """By road to the county hospital."""


class Station(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    name: str
    organisation: str
    """Code."""


class Inventory(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    county: str
    organisations: tuple[Organisation, ...] = ()
    stations: tuple[Station, ...] = ()

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        codes = [o.code for o in self.organisations]
        ids = [s.id for s in self.stations]
        for names in (codes, ids):
            if twice := {n for n in names if names.count(n) > 1}:
                raise ValueError(f"named twice: {', '.join(sorted(twice))}")
        for organisation in self.organisations:
            if organisation.parent is not None and organisation.parent not in codes:
                raise ValueError(f"{organisation.code}: parent {organisation.parent} is not in the inventory")
        for station in self.stations:
            if not STATION_ID.fullmatch(station.id):
                raise ValueError(f"station id {station.id!r} does not fit {STATION_ID.pattern}")
            if station.organisation not in codes:
                raise ValueError(f"{station.id}: organisation {station.organisation} is not in the inventory")
        return self


def load(county_folder: Path) -> Inventory:
    """Read inventory.json. Raises InventoryError with the place that is wrong."""
    file = county_folder / FILE_NAME
    try:
        return Inventory.model_validate_json(file.read_bytes())
    except OSError as error:
        raise InventoryError(f"{file} cannot be read ({error.strerror}): run `init` first") from None
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        place = ".".join(str(p) for p in first["loc"]) or "file"
        raise InventoryError(f"{file}: {place}: {first['msg']}") from None


def save(county_folder: Path, inventory: Inventory) -> None:
    """Write inventory.json, whole or not at all."""
    file = county_folder / FILE_NAME
    county_folder.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(file.name + ".new")
    temporary.write_text(
        json.dumps(inventory.model_dump(), ensure_ascii=False, indent=2) + "\n", encoding="utf-8"
    )
    temporary.replace(file)


def add(
    inventory: Inventory, *, organisation: Organisation | None = None, station: Station | None = None
) -> Inventory:
    """The inventory with one more (or one changed) organisation or station. Raises InventoryError."""
    organisations = {o.code: o for o in inventory.organisations}
    stations = {s.id: s for s in inventory.stations}
    if organisation is not None:
        organisations[organisation.code] = organisation
    if station is not None:
        stations[station.id] = station
    try:
        return Inventory(
            county=inventory.county,
            organisations=tuple(organisations.values()),
            stations=tuple(stations.values()),
        )
    except ValidationError as error:
        raise InventoryError(error.errors(include_input=False)[0]["msg"]) from None
