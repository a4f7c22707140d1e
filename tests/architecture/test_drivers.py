"""A device is done when it has all its places (house rule 5a): a sentence for each one missing."""

from pathlib import Path

import pytest

from edge_agent.drivers import DRIVERS, load
from edge_agent.simulator.__main__ import DEVICES

ROOT = Path(__file__).parents[2]
FEWEST_VECTORS = 3


def missing_places(name: str, root: Path = ROOT) -> list[str]:
    """One sentence for each place a driver of DRIVERS lacks."""
    sentences = []
    vectors = root / "tests" / "vectors" / name
    cases = {path.stem for path in vectors.glob("*.bin")}
    if len(cases) < FEWEST_VECTORS:
        sentences.append(
            f"tests/vectors/{name}/ has {len(cases)} .bin files, at least {FEWEST_VECTORS} are needed."
        )
    expected = {path.stem: path.read_text() for path in vectors.glob("*.json")}
    sentences += [f"tests/vectors/{name}/{case}.bin has no {case}.json." for case in cases - expected.keys()]
    if not any('"BadFrame"' in text for text in expected.values()):
        sentences.append(f"tests/vectors/{name}/ has no broken case: no .json expects a BadFrame.")
    places = {
        f"tests/vectors/{name}/ORIGIN.md": "where the vectors come from",
        f"edge_agent/drivers/{name}/codec.py": "bytes to events",
        f"edge_agent/drivers/{name}/driver.py": "open, start, keep alive, close",
        f"edge_agent/simulator/{name}.py": "scenario to bytes",
        f"tests/edge_agent/drivers/{name}/test_codec.py": "the codec against its vectors",
        f"tests/edge_agent/drivers/{name}/test_driver.py": "the driver against the simulated device",
        f"tests/edge_agent/simulator/test_{name}.py": "the simulated device",
        f"firmware_configs/devices/{name}/device.toml": "what the device is and can do",
    }
    sentences += [
        f"{path} is missing: {what}." for path, what in places.items() if not (root / path).is_file()
    ]
    if not list((root / "firmware_configs" / "devices" / name).glob("*.rules")) and not list(
        (root / "firmware_configs" / "devices" / name).glob("*.md")
    ):
        sentences.append(f"firmware_configs/devices/{name}/ has neither a udev rule nor pairing notes.")
    return sentences


@pytest.mark.parametrize("name", DRIVERS)
def test_every_driver_has_all_its_places(name):
    assert not (missing := missing_places(name)), "\n".join(["", *missing])


@pytest.mark.parametrize("name", DRIVERS)
def test_every_driver_can_be_loaded_and_simulated(name):
    assert DRIVERS[name].startswith(f"edge_agent.drivers.{name}.driver:")
    assert hasattr(load(name), "__aiter__")
    assert name in DEVICES, f"edge_agent/simulator/__main__.py does not know {name}."


def test_every_driver_folder_is_in_the_dictionary():
    folders = {path.parent.name for path in (ROOT / "edge_agent" / "drivers").glob("*/codec.py")}
    assert folders == set(DRIVERS), "A folder of edge_agent/drivers and DRIVERS must name the same devices."


def test_a_missing_place_is_said_in_a_sentence(tmp_path):
    sentences = missing_places("bp_nobody", tmp_path)
    assert len(sentences) == 11
    assert "edge_agent/drivers/bp_nobody/codec.py is missing: bytes to events." in sentences
