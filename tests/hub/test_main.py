"""The hub's commands as processes: set up a county, serve it, stop in order, end when a role fails."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from hub_county import INVENTORY, PASSWORD


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hub", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | environment, timeout=120)


@pytest.fixture
def config(tmp_path: Path, free_port: int) -> Path:
    file = tmp_path / "hub.toml"
    file.write_text(f'database_url = "sqlite:///hub.db"\n[http]\nport = {free_port}\n', encoding="utf-8")
    return file


def _health(port: int, process: "subprocess.Popen[str]") -> dict[str, object]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
                found: dict[str, object] = json.load(answer)
                return found
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise AssertionError("the hub did not come up")


def test_a_county_is_set_up_served_and_stopped(config: Path, free_port: int, tmp_path: Path) -> None:
    refused = _run("serve", "--config", str(config))
    assert refused.returncode == 2
    assert "python -m hub migrate" in refused.stderr
    assert _run("migrate", "--config", str(config)).returncode == 0
    inventory = tmp_path / "inventory.json"
    inventory.write_text(INVENTORY, encoding="utf-8")
    assert "2 stations" in _run("import-inventory", str(inventory), "--config", str(config)).stdout
    admin = ("create-admin", "--username", "admin", "--name", "管理员", "--config", str(config))
    assert _run(*admin, MAITONG_PASSWORD="short").returncode == 2
    assert _run(*admin, MAITONG_PASSWORD=PASSWORD).returncode == 0
    assert _run(*admin, "--if-missing", MAITONG_PASSWORD=PASSWORD).returncode == 0
    assert "whole" in _run("verify-audit", "--config", str(config)).stdout

    command = [sys.executable, "-m", "hub", "all", "--config", str(config)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as hub:
        health = _health(free_port, hub)
        assert health["checks"] == {
            "database": "ok", "broker": "none", "ingest": "ok", "interfaces": "ok", "timers": "ok"
        }  # fmt: skip
        hub.send_signal(signal.SIGTERM)
        _, errors = hub.communicate(timeout=60)
        assert hub.returncode == 0, errors
    assert all(json.loads(line) for line in errors.splitlines())


def test_a_role_that_cannot_run_ends_the_process(config: Path, free_port: int) -> None:
    assert _run("migrate", "--config", str(config)).returncode == 0
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port))
        taken.listen()
        assert _run("all", "--config", str(config)).returncode != 0


def test_the_schema_is_printed_and_names_every_route() -> None:
    schema = json.loads(_run("openapi").stdout)
    assert "/api/exams/{exam_id}/sign" in schema["paths"]
