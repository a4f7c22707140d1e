"""A whole county as real processes for tests: the demo in a folder of its own, and clients for its HTTP.

Nothing here imports the product: it is started, spoken to and killed from outside.
"""

import contextlib
import io
import json
import os
import random
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import httpx2 as httpx
import psutil

ROOT = Path(__file__).resolve().parent.parent
STATION, SECOND_STATION = "MT-0001", "MT-0002"
READER, OPS, ADMIN = "yishi", "yunwei", "admin"
VILLAGE_DOCTOR = {"MT-0001": "cunyi1", "MT-0002": "cunyi2"}


class County:
    """`with County(home, …) as county:` runs until the block ends."""

    def __init__(self, home: Path, *options: str) -> None:
        self.home = home
        self._options = options
        self._demo: subprocess.Popen[bytes] | None = None
        self._clients: list[Client] = []
        self._added: list[AddedStation] = []
        self.doctors = dict(VILLAGE_DOCTOR)
        """Station → the village doctor's account there."""

    def __enter__(self) -> "County":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the demo and wait until it has printed its addresses."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.output = self.home / "demo.out"
        mark = self.output.stat().st_size if self.output.exists() else 0
        with self.output.open("ab") as out:
            self._demo = subprocess.Popen(
                [
                    *(sys.executable, "-m", "hub.demo", "--home", str(self.home)),
                    *("--first-port", str(random.randrange(1200, 2700) * 12), *self._options),
                ],
                cwd=ROOT,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        until(lambda: "Ctrl-C" in self.printed(mark) or self._demo.poll() is not None, 120, "the demo is up")
        assert self._demo.poll() is None, self.printed(mark)
        self.ports: dict[str, int] = json.loads((self.home / "ports.json").read_text())
        self.passwords: dict[str, str] = json.loads((self.home / "accounts.json").read_text())

    def printed(self, since: int = 0) -> str:
        """What the demo has written to its terminal."""
        return self.output.read_bytes()[since:].decode(errors="replace")

    def stop(self) -> None:
        """Ctrl-C, and wait; what does not end in time is killed and is an error."""
        self.close_clients()
        while self._added:
            self._added.pop().stop()
        if self._demo is None or self._demo.poll() is not None:
            return
        left = [p.pid for p in psutil.Process(self._demo.pid).children(recursive=True)]
        self._demo.send_signal(signal.SIGINT)
        try:
            self._demo.wait(60)
        finally:
            for pid in left:
                with contextlib.suppress(psutil.NoSuchProcess):
                    psutil.Process(pid).kill()
            if self._demo.poll() is None:
                self._demo.kill()
                raise AssertionError("the demo did not stop on Ctrl-C within a minute")

    def close_clients(self) -> None:
        """Close what `station()` and `reader()` have opened; called after each test."""
        while self._clients:
            self._clients.pop().http.close()

    def url(self, who: str) -> str:
        return f"http://127.0.0.1:{self.ports[who]}"

    def process(self, name: str) -> psutil.Process | None:
        """A part's live process (broker, hub, MT-0001, BOX-0001, analysis-MT-0001), or None."""
        assert self._demo is not None
        for process in psutil.Process(self._demo.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                if self._is(name, process):
                    return process
        return None

    def _is(self, name: str, process: psutil.Process) -> bool:
        command = " ".join(process.cmdline())
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        if name == "broker":
            return "mosquitto.conf" in command or "provisioning broker" in command
        if name == "hub":
            return "-m hub all" in command
        if name.startswith("analysis-"):
            station = self.process(name.removeprefix("analysis-"))
            return "edge_agent.analysis" in command and station is not None and process.ppid() == station.pid
        if name.startswith("BOX-"):
            return "edge_agent.simulator" in command and name in command
        return "edge_agent run" in command and f"/{name}/" in command

    def kill(self, name: str) -> None:
        """kill -9 one part; the demo starts it again."""
        process = until(lambda: self.process(name), 30, f"{name} runs")
        process.kill()
        process.wait(10)

    def station(self, name: str = STATION) -> "StationClient":
        client = StationClient(self.url(name))
        self._clients.append(client)
        client.log_in(self.doctors[name], self.passwords[self.doctors[name]])
        return client

    def add_stations(self, *wanted: "Wanted") -> "dict[str, AddedStation]":
        """More stations in the county, each with a box of its own, up when this returns; ended with it.

        Together, because the hub is told of them once. Each has a village doctor and an account `yunwei`.
        """
        county, added = self.home / "county", {}
        for one in wanted:
            doctor = f"cunyi{one.name[-2:]}"
            self.ports[one.name], box_port = free_ports(2)
            self.doctors[one.name] = doctor
            self.passwords.setdefault(doctor, secrets.token_hex(8))
            expects = one.serial if one.expects is None else one.expects
            run_tool(
                "provisioning", "new-station", county, "--id", one.name, "--name", one.place,
                "--organisation", "V0001", "--broker-host", "127.0.0.1",
                "--broker-port", self.ports["broker"], "--page-port", self.ports[one.name],
                "--box", f"driver=ecg_ads1298,address=tcp:127.0.0.1:{box_port},serial={expects},rate_hz=500",
                "--account", f"{doctor}:{doctor}:village_doctor:DOCTOR",
                "--account", f"{OPS}:{OPS}:network_ops:OPS",
                DOCTOR=self.passwords[doctor], OPS=self.passwords[OPS],
            )  # fmt: skip
            added[one.name] = AddedStation(self.home, one, box_port)
            self._added.append(added[one.name])
            added[one.name].plug_in(*one.box)
        run_tool("hub", "import-inventory", county / "inventory.json", "--config", self.home / "hub/hub.toml")
        for station in added.values():
            station.start()
        for name in added:
            until(lambda name=name: answers_health(self.url(name)), 60, f"{name} is up")
        return added

    def reader(self, username: str = READER) -> "HubClient":
        client = HubClient(self.url("hub"))
        self._clients.append(client)
        client.log_in(username, self.passwords[username])
        return client


class Wanted(NamedTuple):
    """A station to add, and what its box is like."""

    name: str
    place: str
    serial: str
    """What the box says it is."""
    expects: str | None = None
    """The serial in the station's settings, if that is another."""
    box: tuple[str, ...] = ()
    """Options of `python -m edge_agent.simulator`."""


class AddedStation:
    """The agent and the simulated box of one added station."""

    def __init__(self, home: Path, wanted: Wanted, box_port: int) -> None:
        self.name, self._serial = wanted.name, wanted.serial
        self.sent_log = home / f"{wanted.name}.i32"
        """Every sample the box has put on the wire since it was last plugged in."""
        self._home, self._box_port = home, box_port
        self._agent: subprocess.Popen[bytes] | None = None
        self._box: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the agent; the hub must know the station by now."""
        settings = self._home / "county/stations" / self.name / "settings.toml"
        self._agent = self._process(self.name, "edge_agent", "run", "--settings", settings)

    def plug_in(self, *options: str) -> None:
        """The box comes to life: at the same place, counting its samples from 0."""
        self._box = self._process(
            f"{self.name}-box", "edge_agent.simulator", "ecg_ads1298", "--serial", self._serial,
            "--listen", f"tcp:127.0.0.1:{self._box_port}", "--sent-log", self.sent_log, *options,
        )  # fmt: skip

    def unplug(self) -> None:
        """The cable goes, and with it the power of the box."""
        assert self._box is not None
        self._box.kill()
        self._box.wait()
        self._box = None

    def stop(self) -> None:
        if self._agent is not None:
            self._agent.terminate()
            try:
                self._agent.wait(15)
            finally:
                self._agent.kill()
        if self._box is not None:
            self.unplug()

    def printed_by_box(self) -> str:
        return (self._home / "log" / f"{self.name}-box.log").read_text()

    def _process(self, log: str, *command: object) -> subprocess.Popen[bytes]:
        with (self._home / "log" / f"{log}.log").open("ab") as out:
            return subprocess.Popen(
                [sys.executable, "-m", *map(str, command)], cwd=ROOT, stdout=out, stderr=out
            )


class Client:
    """JSON over HTTP with a session; repeats a request while its server is being started again."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(base_url=url, headers={"X-Maitong": "1"}, timeout=10)
        self._who: tuple[str, str] | None = None

    def log_in(self, username: str, password: str) -> None:
        self._who = (username, password)
        answer = self.http.post("/api/login", json={"username": username, "password": password})
        assert answer.status_code == 200, answer.text

    def call(self, method: str, path: str, *, patient_s: float = 45, **more: Any) -> httpx.Response:
        """The answer; a server that is away or has lost our session is asked again for a while."""
        deadline = time.monotonic() + patient_s
        while True:
            try:
                answer = self.http.request(method, path, **more)
                if answer.status_code == 401 and self._who is not None:
                    self.log_in(*self._who)
                    answer = self.http.request(method, path, **more)
                return answer
            except httpx.TransportError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def get(self, path: str, **more: Any) -> Any:
        answer = self.call("GET", path, **more)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text[:300]}"
        return answer.json()

    def post(self, path: str, body: Any = None, *, expect: tuple[int, ...] = (200, 201, 202)) -> Any:
        answer = self.call("POST", path, json=body if body is not None else {})
        assert answer.status_code in expect, f"{path}: {answer.status_code} {answer.text[:300]}"
        return answer.json() if answer.content else None


class StationClient(Client):
    """What the station page does, without the page."""

    def state(self) -> Any:
        return self.get("/api/state")

    def until_streaming(self) -> None:
        until(lambda: (self.state()["box"] or {}).get("state") == "streaming", 60, "the box streams")

    def new_exam(self, name: str = "测试甲", symptoms: tuple[str, ...] = ("check_up",)) -> Any:
        patient = self.post(
            "/api/patients",
            {
                "name": name,
                "sex": "male",
                "birth_date": "1968-03-12",
                "id_type": "none",
                "no_id_reason": "未带证件",
            },
        )
        return self.post(
            "/api/exams", {"patient_id": patient["patient_id"], "complaint": {"symptoms": list(symptoms)}}
        )

    def start_capture(self, exam_id: str) -> str:
        return str(self.post(f"/api/exams/{exam_id}/capture")["recording_id"])

    def exam(self, exam_id: str) -> Any:
        return self.get(f"/api/exams/{exam_id}")

    def attempts(self) -> dict[str, Any]:
        """Every attempt of today: recording id → attempt."""
        exams = self.get("/api/exams?day=today")["items"]
        return {a["recording_id"]: a | {"exam_id": e["exam_id"]} for e in exams for a in e["attempts"]}

    def received(self, recording_id: str) -> Any:
        """The attempt once the county has committed it, else None."""
        attempt = self.attempts().get(recording_id)
        return attempt if attempt and attempt["state"] == "received" else None


class HubClient(Client):
    """What the reading room does, without the browser."""

    def worklist(self) -> list[Any]:
        return list(self.get("/api/worklist")["items"])

    def exam(self, exam_id: str) -> Any:
        return self.get(f"/api/exams/{exam_id}")

    def sign(self, exam_id: str, text: str = "窦性心律") -> Any:
        claimed = self.call("POST", f"/api/exams/{exam_id}/claim")
        assert claimed.status_code == 200, claimed.text
        newest = max(self.exam(exam_id)["recordings"], key=lambda r: r["attempt"])
        body = {
            "findings": "",
            "impression": [{"code": "sinus_rhythm", "text": text}],
            "recording_id": newest["recording_id"],
        }
        return self.post(f"/api/exams/{exam_id}/sign", {"body": body, "confirm": True})

    def files(self, recording_id: str, folder: Path) -> Path:
        """Unpack a recording's WFDB files; return the record's path without extension."""
        answer = self.call("GET", f"/api/recordings/{recording_id}/files.zip")
        assert answer.status_code == 200, answer.text
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            archive.extractall(folder)
        return next(folder.rglob("*.hea")).with_suffix("")


def until(ask: Any, seconds: float, what: str) -> Any:
    """The first true answer; an AssertionError naming `what` if none comes in time."""
    deadline = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.1)


def run_tool(module: str, *arguments: object, **environment: str) -> None:
    """One command of a package, to its end; an AssertionError with its output if it failed."""
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{module} {arguments[0]}: {done.stdout}{done.stderr}"


def free_ports(n: int) -> list[int]:
    """TCP ports on 127.0.0.1 nobody listens on now."""
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(n)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def answers_health(url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{url}/health", timeout=2).status_code == 200
    return False


def english(text: str) -> bool:
    """Whether a visible text has no Chinese left in it."""
    return re.search(r"[一-鿿]", text) is None
