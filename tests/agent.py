"""One station as real processes: the agent, its simulated box, a client of its page's HTTP."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx

from protocols.station import hash_secret

ROOT = Path(__file__).resolve().parent.parent
PASSWORD = "脉通-123456"
DOCTOR, OPS = "cunyi", "yunwei"
SECRET = hash_secret(PASSWORD, b"0123456789abcdef")
KEY = bytes(range(32))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until(is_so: Callable[[], Any], timeout_s: float, what: str) -> Any:
    """The first true answer of `is_so`."""
    deadline = time.monotonic() + timeout_s
    while True:
        if answer := is_so():
            return answer
        assert time.monotonic() < deadline, f"not within {timeout_s:g} s: {what}"
        time.sleep(0.05)


class Simulator:
    """`with Simulator(...)`: a box on a TCP port of its own; the same port after a restart."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.options = list(options)
        self.port = free_port()
        self.sent_log = folder / "sent.i32"
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Simulator":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, *options: str) -> None:
        out = (self.folder / "simulator.out").open("ab")
        with out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "edge_agent.simulator", "ecg_ads1298"]
                + ["--listen", f"tcp:127.0.0.1:{self.port}", "--sent-log", str(self.sent_log)]
                + (list(options) or self.options),
                cwd=ROOT,
                stdout=out,
                stderr=out,
            )
        until(self._listens, 20, "the simulator listens")

    def _listens(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "simulator.out").read_text()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.2):
            return True
        return False

    def stop(self) -> None:
        """The power of the box goes."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


class Agent:
    """`with Agent(folder, box_port=…)`: a running agent; `page` is its HTTP."""

    def __init__(
        self,
        folder: Path,
        box_port: int | None,
        *,
        broker: dict[str, Any] | None = None,
        serial: str = "",
        rate_hz: int = 500,
        session_minutes: int = 15,
    ) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        (folder / "storage.key").write_bytes(KEY)
        # A broker that is not there is the normal state of a village.
        gone = {"host": "127.0.0.1", "port": free_port(), "ca_file": "c", "cert_file": "c", "key_file": "k"}
        lines = [
            'station_id = "MT-0001"',
            'station_name = "河西村卫生室"',
            'organisation = "HX"',
            'storage_key_file = "storage.key"',
            f"page_port = {self.port}",
            f"session_minutes = {session_minutes}",
            'duty_phone = "0000-0000"',
            "[broker]",
            *(f"{name} = {json.dumps(value)}" for name, value in (broker or gone).items()),
        ]
        if box_port is not None:
            lines += [
                "[[boxes]]",
                'driver = "ecg_ads1298"',
                f'address = "tcp:127.0.0.1:{box_port}"',
                f'serial = "{serial}"',
                f"rate_hz = {rate_hz}",
            ]
        for username, role in ((DOCTOR, "village_doctor"), (OPS, "network_ops")):
            lines += ["[[accounts]]", f'username = "{username}"', f'name = "{username}"', f'role = "{role}"']
            lines.append(f'secret = "{SECRET}"')
        self.settings = folder / "settings.toml"
        self.settings.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def __enter__(self) -> "Agent":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise

    @property
    def log(self) -> str:
        return (self.folder / "agent.log").read_text(encoding="utf-8")

    def start(self) -> None:
        with (self.folder / "agent.log").open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "edge_agent", "run", "--settings", str(self.settings)],
                cwd=ROOT,
                stdout=out,
                stderr=out,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        until(self._answers, 30, "the agent answers")

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/health").status_code == 200
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    @contextlib.contextmanager
    def page(self, username: str = DOCTOR) -> Iterator[httpx.Client]:
        """A logged-in browser."""
        base = f"http://127.0.0.1:{self.port}"
        with httpx.Client(base_url=base, headers={"X-Maitong": "1"}, timeout=20) as client:
            answer = client.post("/api/login", json={"username": username, "password": PASSWORD})
            assert answer.status_code == 200, answer.text
            yield client


def emergency(page: httpx.Client, **complaint: Any) -> str:
    """A new exam of somebody unknown; its id."""
    answer = page.post("/api/exams", json={"emergency": True, "complaint": complaint})
    assert answer.status_code == 201, answer.text
    exam_id: str = answer.json()["exam_id"]
    return exam_id


def streaming(page: httpx.Client) -> dict[str, Any]:
    """Wait until the box streams and the heart is seen; the state."""

    def look() -> dict[str, Any] | None:
        state: dict[str, Any] = page.get("/api/state").json()
        return state if state["box"]["state"] == "streaming" and state["lead_quality"] else None

    found: dict[str, Any] = until(look, 20, "the box streams")
    return found


def saved(page: httpx.Client, exam_id: str, attempts: int = 1, timeout_s: float = 30) -> dict[str, Any]:
    """Wait until so many attempts of the exam are in the outbox; the exam."""

    def look() -> dict[str, Any] | None:
        exam: dict[str, Any] = page.get(f"/api/exams/{exam_id}").json()
        states = [a["state"] for a in exam["attempts"]]
        return exam if len(states) == attempts and "sealing" not in states else None

    found: dict[str, Any] = until(look, timeout_s, f"{attempts} attempts of the exam are saved")
    return found
