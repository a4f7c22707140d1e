"""settings.toml: what is read, and what an operator is told when it is wrong."""

import pytest

from edge_agent import config
from edge_agent.errors import ConfigError

GOOD = """
station_id = "MT-0001"
station_name = "河西村卫生室"
organisation = "HX"
storage_key_file = "secret/storage.key"

[broker]
host = "broker.example"
port = 8883
ca_file = "ca.crt"
cert_file = "/etc/maitong/station.crt"
key_file = "station.key"

[[boxes]]
driver = "ecg_ads1298"
address = "pty:box"

[[boxes]]
driver = "ecg_ads1298"
address = "tcp:127.0.0.1:7001"
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "settings.toml"
    path.write_text(GOOD, encoding="utf-8")
    return path


def test_file_names_are_relative_to_the_settings(file, tmp_path):
    settings = config.load(file)
    assert settings.station_name == "河西村卫生室"
    assert settings.data_dir == str(tmp_path / "data")
    assert settings.storage_key_file == str(tmp_path / "secret" / "storage.key")
    assert settings.bundle_key_file == ""
    assert settings.broker.ca_file == str(tmp_path / "ca.crt")
    assert settings.broker.cert_file == "/etc/maitong/station.crt"
    assert [box.address for box in settings.boxes] == [f"pty:{tmp_path}/box", "tcp:127.0.0.1:7001"]


def test_the_countys_key_for_bundles_is_found_beside_the_settings(file, tmp_path):
    file.write_text('bundle_key_file = "hub_bundle.pub"\n' + GOOD, encoding="utf-8")
    assert config.load(file).bundle_key_file == str(tmp_path / "hub_bundle.pub")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (('station_id = "MT-0001"', ""), "station_id"),
        (("port = 8883", "port = 99999"), "broker.port"),
        (("port = 8883", "port = 8883\ncolour = 1"), "broker.colour"),
    ],
)
def test_the_error_names_file_and_field(file, change, field):
    file.write_text(GOOD.replace(*change), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        config.load(file)
    assert caught.value.field == field
    assert str(file) in str(caught.value)


def test_the_error_never_repeats_a_secret(file):
    account = '\n[[accounts]]\nusername = "zhang"\nname = "张"\nrole = "king"\nsecret = "scrypt$aa$bb"\n'
    file.write_text(GOOD + account, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        config.load(file)
    assert caught.value.field == "accounts.0.role"
    assert "scrypt" not in str(caught.value)


def test_no_file_and_no_toml(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        config.load(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("= 1")
    with pytest.raises(ConfigError, match="is not TOML"):
        config.load(tmp_path / "bad.toml")
    (tmp_path / "bad.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is not TOML"):
        config.load(tmp_path / "bad.toml")


def test_the_storage_key_is_32_bytes(file, tmp_path):
    settings = config.load(file)
    with pytest.raises(ConfigError, match="No such file"):
        config.storage_key(settings)
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "storage.key").write_bytes(b"short")
    with pytest.raises(ConfigError, match="32 random bytes, it has 5"):
        config.storage_key(settings)
    (tmp_path / "secret" / "storage.key").write_bytes(bytes(range(32)))
    assert config.storage_key(settings) == bytes(range(32))
