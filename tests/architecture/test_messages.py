"""A message type is done when it has a vector, and a handler where it arrives; vectors are for ever."""

import subprocess
from pathlib import Path

import pytest

from edge_agent import downlink
from hub.ingest import handlers
from protocols.messages import MESSAGES

ROOT = Path(__file__).parents[2]
VECTORS = "tests/vectors/messages"


@pytest.mark.parametrize("name", MESSAGES)
def test_every_type_has_a_vector(name):
    assert (ROOT / VECTORS / f"{name}.json").is_file(), f"{VECTORS}/{name}.json is missing."


def test_every_vector_is_of_a_known_type():
    for path in (ROOT / VECTORS).glob("*.json"):
        assert any(path.name.startswith(f"{name}.") for name in MESSAGES), f"{path.name}: of which type?"


@pytest.mark.parametrize("name", [name for name, row in MESSAGES.items() if row.direction in ("up", "both")])
def test_every_upward_type_has_a_handler_at_the_hub(name):
    assert name in handlers.HANDLERS, f"hub/ingest/handlers.py has no handler for {name}."


@pytest.mark.parametrize(
    "name", [name for name, row in MESSAGES.items() if row.direction in ("down", "both") and row.durable]
)
def test_every_downward_type_has_a_handler_at_the_station(name):
    assert name in downlink.HANDLERS, f"edge_agent/downlink.py has no handler for {name}."


def test_no_handler_waits_for_a_type_nobody_sends():
    assert set(handlers.HANDLERS) <= set(MESSAGES)
    assert set(downlink.HANDLERS) <= set(MESSAGES)


def git(*arguments: str) -> list[str]:
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"not a git checkout with history: {done.stderr.strip()[:80]}")
    return done.stdout.split()


def test_vectors_are_never_edited_or_removed():
    """Old stations stay in the field for years: what they say must be understood for ever."""
    pattern = f"{VECTORS}/*.json"
    committed = git("log", "--diff-filter=MDRT", "--format=", "--name-only", "--", pattern)
    pending = git("diff", "HEAD", "--diff-filter=MDRT", "--name-only", "--", pattern)
    assert not committed + pending, "Add a new vector beside these; never change one: " + ", ".join(
        sorted({*committed, *pending})
    )
