"""A whole county as real processes for tests: the demo in a folder of its own, and clients for its HTTP.

Nothing here imports the product: it is started, spoken to and killed from outside.
"""

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
                [sys.executable, "-m", "hub.demo", "--home", str(self.home), *self._options],
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
        client.log_in(VILLAGE_DOCTOR[name], self.passwords[VILLAGE_DOCTOR[name]])
        return client

    def reader(self, username: str = READER) -> "HubClient":
        client = HubClient(self.url("hub"))
        self._clients.append(client)
        client.log_in(username, self.passwords[username])
        return client


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


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[str | None]:
    """A private PostgreSQL on a unix socket in `folder`; yields its URL, or None where it is not installed.

    It refuses to run as root, so as root it runs as `nobody`.
    """
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[4]))
    if not found:
        yield None
        return
    binaries = found[-1].parent
    folder.mkdir(parents=True, exist_ok=True)
    who: list[str] = []
    if os.geteuid() == 0:
        who = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
        for place in (folder, *folder.parents):
            if str(place) in ("/", "/tmp"):
                break
            place.chmod(place.stat().st_mode | 0o011)
        import shutil

        shutil.chown(folder, "nobody", "nogroup")
    data = folder / "data"
    user = "maitong"
    subprocess.run(
        [*who, binaries / "initdb", "-D", data, "-U", user, "-A", "trust", "--encoding=UTF8", "--locale=C"],
        check=True,
        capture_output=True,
        cwd=folder,
    )
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [*who, binaries / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses="],
            stdout=log,
            stderr=log,
            cwd=folder,
        )
    try:
        until(lambda: (folder / ".s.PGSQL.5432").exists(), 30, "PostgreSQL is up")
        time.sleep(0.3)
        yield f"postgresql+psycopg://{user}@/postgres?host={folder}"
    finally:
        server.send_signal(signal.SIGINT)  # fast shutdown
        server.wait(30)


def english(text: str) -> bool:
    """Whether a visible text has no Chinese left in it."""
    return re.search(r"[一-鿿]", text) is None
