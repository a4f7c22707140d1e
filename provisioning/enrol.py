"""Make a county, and put a station into it: folder with key, certificate, storage key and settings.

Every step keeps what is already there, so a cut in the middle is mended by running it again.

    <county>/inventory.json
    <county>/ca/         ca.key ca.crt           stays at the desk
    <county>/broker/     broker.key broker.crt   beside it: configuration, rights, store
    <county>/hub/        hub.key hub.crt ca.crt hub_bundle.key hub_bundle.pub
    <county>/stations/<id>/  settings.toml station.key station.crt ca.crt storage.key hub_bundle.pub
"""

import secrets
import shutil
from datetime import datetime
from pathlib import Path

from protocols.envelope import HUB
from protocols.station import Account, BoxSettings, BrokerSettings, StationSettings, hash_secret
from provisioning import certificates, inventory, render
from provisioning.errors import InventoryError


def make_county(folder: Path, county: str, now: datetime, *, broker_hosts: tuple[str, ...]) -> None:
    """County CA, broker and hub certificates, and an empty inventory."""
    folder.mkdir(parents=True, exist_ok=True)
    ca = folder / "ca"
    certificates.make_ca(ca, county, now)
    certificates.make_leaf(ca, folder / "broker", "broker", "broker", now, hosts=broker_hosts)
    certificates.make_leaf(ca, folder / "hub", "hub", HUB, now)
    certificates.make_bundle_key(folder / "hub")
    for place in ("broker", "hub"):
        shutil.copyfile(ca / "ca.crt", folder / place / "ca.crt")
    if not (folder / inventory.FILE_NAME).exists():
        inventory.save(folder, inventory.Inventory(county=county))


def add_organisation(folder: Path, organisation: inventory.Organisation) -> None:
    """Put an organisation into the inventory."""
    inventory.save(folder, inventory.add(inventory.load(folder), organisation=organisation))


def make_station(
    folder: Path,
    station: inventory.Station,
    now: datetime,
    *,
    broker_host: str,
    broker_port: int,
    boxes: tuple[BoxSettings, ...],
    accounts: tuple[tuple[str, str, str, str], ...],
    page_port: int,
    duty_phone: str = "",
) -> Path:
    """Put a station into the inventory and make its folder; return the settings file.

    `accounts`: (username, name, role, secret). A station that exists keeps its keys and gets its settings
    anew. Raises InventoryError if the organisation is unknown.
    """
    county = inventory.add(inventory.load(folder), station=station)
    place = folder / "stations" / station.id
    certificates.make_leaf(folder / "ca", place, "station", station.id, now)
    shutil.copyfile(folder / "ca" / "ca.crt", place / "ca.crt")
    certificates.make_bundle_key(folder / "hub")  # of a county made before there were bundles, too
    shutil.copyfile(folder / "hub" / "hub_bundle.pub", place / "hub_bundle.pub")
    if not (place / "storage.key").exists():
        certificates.write_secret(place / "storage.key", secrets.token_bytes(32))
    travel = next(o.travel_minutes for o in county.organisations if o.code == station.organisation)
    settings = StationSettings(
        station_id=station.id,
        station_name=station.name,
        organisation=station.organisation,
        travel_minutes=travel,
        storage_key_file="storage.key",
        bundle_key_file="hub_bundle.pub",
        page_port=page_port,
        duty_phone=duty_phone,
        broker=BrokerSettings(
            host=broker_host,
            port=broker_port,
            ca_file="ca.crt",
            cert_file="station.crt",
            key_file="station.key",
        ),
        boxes=boxes,
        accounts=tuple(
            Account.model_validate(
                {
                    "username": username,
                    "name": name,
                    "role": role,
                    "secret": hash_secret(secret, secrets.token_bytes(16)),
                }
            )
            for username, name, role, secret in accounts
        ),
    )
    certificates.write_secret(place / "settings.toml", render.settings_toml(settings).encode())
    inventory.save(folder, county)
    return place / "settings.toml"


def verify(folder: Path, now: datetime) -> list[str]:
    """Common names of all certificates of the county, each valid now and each station's the right one.

    Raises CertificateError or InventoryError at the first that is not.
    """
    county = inventory.load(folder)
    names = [
        certificates.check_leaf(folder / "ca", folder / "broker" / "broker.crt", now),
        certificates.check_leaf(folder / "ca", folder / "hub" / "hub.crt", now),
    ]
    for station in county.stations:
        name = certificates.check_leaf(folder / "ca", folder / "stations" / station.id / "station.crt", now)
        if name != station.id:
            raise InventoryError(f"stations/{station.id} holds the certificate of {name}: two boxes swapped")
        names.append(name)
    return names
