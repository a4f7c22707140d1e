import shutil
import tomllib
from datetime import UTC, datetime

import pytest

from protocols import bundle
from protocols.station import BoxSettings, StationSettings, check_secret
from provisioning import enrol, inventory
from provisioning.errors import ProvisioningError

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def make(county, station_id, **more):
    return enrol.make_station(
        county,
        inventory.Station(id=station_id, name='河西村"卫生室"\\', organisation="V1"),
        NOW,
        broker_host="127.0.0.1",
        broker_port=8883,
        boxes=(BoxSettings(driver="ecg_ads1298", address="tcp:127.0.0.1:7001", serial="BOX-1"),),
        accounts=(("cunyi", "村医甲", "village_doctor", "a password"),),
        page_port=8101,
        **more,
    )


@pytest.fixture
def county(tmp_path):
    enrol.make_county(tmp_path, "示例县", NOW, broker_hosts=("127.0.0.1", "localhost"))
    enrol.add_organisation(
        tmp_path,
        inventory.Organisation(code="V1", name="河西村卫生室", kind="village_clinic", travel_minutes=130),
    )
    return tmp_path


def test_a_station_gets_settings_that_load_and_no_secret_in_clear(county):
    file = make(county, "MT-0001")

    settings = StationSettings.model_validate(tomllib.loads(file.read_text()))
    assert settings.station_name == '河西村"卫生室"\\'
    assert settings.travel_minutes == 130
    assert check_secret("a password", settings.accounts[0].secret)
    assert not check_secret("another", settings.accounts[0].secret)
    assert "a password" not in file.read_text()
    assert len((file.parent / "storage.key").read_bytes()) == 32


def test_a_second_run_keeps_the_stations_keys(county):
    place = make(county, "MT-0001").parent
    names = ("station.key", "station.crt", "storage.key", "hub_bundle.pub")
    keys = [(place / name).read_bytes() for name in names]

    make(county, "MT-0001", duty_phone="0000-0000")

    assert [(place / name).read_bytes() for name in names] == keys


def test_what_a_station_exports_opens_with_the_hubs_key_alone(county):
    place = make(county, "MT-0001").parent
    settings = StationSettings.model_validate(tomllib.loads((place / "settings.toml").read_text()))
    to = bundle.public_key((place / settings.bundle_key_file).read_bytes())
    secret = county / "hub" / "hub_bundle.key"

    whole = b"".join(bundle.write([bundle.Entry("prompt", b"x")], to))

    assert list(bundle.read([whole], bundle.private_key(secret.read_bytes()))) == [("prompt", b"x")]
    assert secret.stat().st_mode & 0o077 == 0
    assert "PRIVATE" not in (place / "hub_bundle.pub").read_text()


def test_a_county_made_before_there_were_bundles_gets_its_key_with_the_next_station(county):
    for name in ("hub_bundle.key", "hub_bundle.pub"):
        (county / "hub" / name).unlink()

    first, second = make(county, "MT-0001").parent, make(county, "MT-0002").parent

    assert (first / "hub_bundle.pub").read_bytes() == (second / "hub_bundle.pub").read_bytes()


def test_a_bundle_key_that_is_none_is_told(county):
    (county / "hub" / "hub_bundle.key").write_text("no key")
    with pytest.raises(ProvisioningError, match="no private key"):
        make(county, "MT-0001")


def test_verify_names_everybody(county):
    make(county, "MT-0001")

    assert enrol.verify(county, NOW) == ["broker", "hub", "MT-0001"]


def test_verify_finds_two_boxes_swapped(county):
    first, second = make(county, "MT-0001").parent, make(county, "MT-0002").parent
    shutil.move(first / "station.crt", county / "kept")
    shutil.move(second / "station.crt", first / "station.crt")
    shutil.move(county / "kept", second / "station.crt")

    with pytest.raises(ProvisioningError, match="two boxes swapped"):
        enrol.verify(county, NOW)
