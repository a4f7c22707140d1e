"""Every device file parses and says what its driver does; every udev rule is well formed."""

import re
import tomllib
from pathlib import Path

import pytest

from edge_agent.drivers import DRIVERS
from edge_agent.drivers.ecg_ads1298 import codec, driver
from edge_agent.drivers.transport import SERIAL_BAUD

DEVICES = Path(__file__).parents[2] / "firmware_configs" / "devices"
_TERM = re.compile(r'^[A-Z_]+(\{[^}]+\})?(==|!=|\+=|:=|=)"[^"]*"$')


def test_every_folder_is_a_known_device():
    assert {path.name for path in DEVICES.iterdir()} == set(DRIVERS)


@pytest.mark.parametrize("name", DRIVERS)
def test_device_file(name):
    device = tomllib.loads((DEVICES / name / "device.toml").read_text())
    assert device["id"] == name
    assert {"version", "kind", "name_zh", "name_en", "match", "signal", "danger"} <= device.keys()


@pytest.mark.parametrize("path", sorted(DEVICES.glob("*/*.rules")), ids=lambda path: path.name)
def test_rules_are_terms_udev_knows(path):
    assert path.stem.endswith(path.parent.name)
    rules = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    assert rules
    for rule in rules:
        for term in rule.split(", "):
            assert _TERM.match(term), f"{path.name}: {term!r}"


def test_ecg_ads1298_says_what_its_codec_does():
    device = tomllib.loads((DEVICES / "ecg_ads1298" / "device.toml").read_text())
    assert device["wire_version"] == codec.VERSION
    assert tuple(device["signal"]["leads"]) == codec.LEADS
    assert tuple(device["signal"]["electrodes"]) == codec.ELECTRODES
    assert tuple(device["signal"]["rates_hz"]) == codec.RATES_HZ
    assert device["link"] == {"baud": SERIAL_BAUD, "quiet_s": driver.QUIET_S, "answer_s": driver.QUIET_S}


def test_the_published_wire_says_what_the_codec_does():
    page = (DEVICES / "ecg_ads1298" / "protocol.md").read_text()
    for kind, name in [(codec.INFO, "INFO"), (codec.SAMPLES, "SAMPLES"), (codec.STATUS, "STATUS")]:
        assert f"{name}, type 0x{kind:02x}" in page
    for kind, name in [(codec.GET_INFO, "GET_INFO"), (codec.START, "START"), (codec.STOP, "STOP")]:
        assert re.search(rf"\| 0x{kind:02x} \|.*\| {name} \|", page)
    assert f"0 … {codec.MOST_PAYLOAD:,} |" in page
    assert f"{SERIAL_BAUD:,} baud" in page
