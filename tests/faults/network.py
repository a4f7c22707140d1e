"""A county for one scenario: broker, hub and light stations as processes, each with a line between.

Everything listens on 127.0.0.1 (or inside a namespace given as `inside`), and only what was started here
is ended, by its own process id.
"""

import contextlib
import json
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

from hub import db
from hub.services import stations
from protocols.station import BrokerSettings, StationSettings
from provisioning import certificates, enrol
from provisioning.render import settings_toml
from tests.county import ROOT, free_ports, until
from tests.faults.link import Certificates, Link
from tests.faults.oracle import Obligation, Oracle, Verdict

BrokerKind = Literal["mosquitto", "embedded"]
DatabaseKind = Literal["sqlite", "postgresql"]
FAR_HOST = "10.87.0.2"
"""Where the broker is in a namespace of its own.
        """
ANSWER_S = 30.0


class Kinds(NamedTuple):
    broker: BrokerKind = "mosquitto"
    database: DatabaseKind = "sqlite"


def in_short(*kinds: Kinds) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """What a scenario runs with in `make test`, if not with the first of all; the campaign has its own."""

    def mark(scenario: Callable[..., None]) -> Callable[..., None]:
        scenario.short_kinds = kinds  # type: ignore[attr-defined]
        return scenario

    return mark


class Gone(Exception):  # noqa: N818 - reads as the fact it states
    """The process ended before it answered."""


def make_county(folder: Path, names: list[str]) -> Path:
    """The certificates of a county; copied for each scenario, since a broker keeps its store beside them."""
    now = datetime.now(UTC)
    enrol.make_county(folder, "测试县", now, broker_hosts=("127.0.0.1", "localhost", FAR_HOST))
    for name in names:
        certificates.make_leaf(folder / "ca", folder / "stations", name, name, now)
    return folder


class Process:
    """One program that may be killed and started again."""

    def __init__(self, log: Path, command: list[object], inside: tuple[str, ...] = ()) -> None:
        self.kills = 0
        self._log = log
        self._command = [*inside, sys.executable, "-m", *map(str, command)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as out:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            self.kills += 1

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None


class Broker(Process):
    """A real broker with the county's TLS and rights."""

    def __init__(
        self, folder: Path, kind: BrokerKind, *, bind: str = "127.0.0.1", inside: tuple[str, ...] = ()
    ) -> None:
        (self.port,) = free_ports(1)
        self._store = folder / "broker"
        command = ["provisioning", "broker", folder, "--bind", bind, "--port", self.port, "--use", kind]
        super().__init__(folder / "broker.log", command, inside)

    def start(self) -> None:
        super().start()
        until(self._listens, 20, f"the broker listens: {self._log}")

    def _listens(self) -> bool:
        """From the kernel's table of its own namespace: proc(5), net/tcp."""
        assert self._process is not None
        assert self.runs, self.log
        rows = Path(f"/proc/{self._process.pid}/net/tcp").read_text().splitlines()[1:]
        return any(row.split()[1].endswith(f":{self.port:04X}") and row.split()[3] == "0A" for row in rows)

    def forget(self) -> None:
        """Delete what a dead broker had on disk."""
        assert not self.runs
        for file in self._store.glob("mosquitto.db*"):
            file.unlink()


class Hub(Process):
    """`python -m hub ingest`, or another role."""

    BEGUN = "ingest: connected to the broker"

    def __init__(self, folder: Path, role: str = "ingest", inside: tuple[str, ...] = ()) -> None:
        super().__init__(folder / "hub.log", ["hub", role, "--config", folder / "hub.toml"], inside)

    def start(self, *, wait: bool = True) -> None:
        self._before = self._log.read_text().count(self.BEGUN) if self._log.exists() else 0
        super().start()
        if wait:
            until(lambda: self.is_connected, 40, "the hub is connected")

    @property
    def is_connected(self) -> bool:
        """Whether it has found the broker since it was last started. AssertionError if it has ended."""
        assert self.runs, self.log
        return self.log.count(self.BEGUN) > self._before


class Stations:
    """A process with one light station or several."""

    def __init__(self, log: Path, settings: list[Path], oracle: Oracle, inside: tuple[str, ...] = ()) -> None:
        self.kills = 0
        self.took_s: list[float] = []
        """How long each start took until the first append could be made."""
        self._log = log
        self._settings = settings
        self._oracle = oracle
        self._inside = inside
        self._lock = threading.Lock()
        self._asked: dict[int, tuple[dict[str, Any], Future[dict[str, Any]]]] = {}
        self._count = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        began = time.monotonic()
        ready: Future[dict[str, Any]] = Future()
        self._asked = {0: ({"do": "start"}, ready)}
        module = [sys.executable, "-m", "tests.faults.light_station"]
        with self._log.open("ab") as out:
            self._process = subprocess.Popen(
                [*self._inside, *module, *map(str, self._settings)],
                cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=out,
            )  # fmt: skip
        threading.Thread(target=self._read, args=(self._process, self._asked), daemon=True).start()
        try:
            ready.result(ANSWER_S)
        except Gone:
            raise AssertionError(f"the station did not start: {self._log.read_text()[-2000:]}") from None
        self.took_s.append(time.monotonic() - began)

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._hang_up()
            self.kills += 1

    def _hang_up(self) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        with self._lock, contextlib.suppress(OSError):  # a line may still be in our buffer
            self._process.stdin.close()
        self._process = None

    def stop(self) -> None:
        """End it as an operator does: it says goodbye."""
        if self._process is None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _read(self, process: "subprocess.Popen[bytes]", asked: dict[int, Any]) -> None:
        assert process.stdout is not None
        for raw in process.stdout:
            with contextlib.suppress(json.JSONDecodeError):  # cut off by a kill
                said = json.loads(raw)
                line, future = asked.pop(said["ask"])
                if line["do"] == "append" and "error" not in said:
                    self._note(line, said)
                future.set_result(said)
        process.stdout.close()
        for _, future in list(asked.values()):
            future.set_exception(Gone())

    def _note(self, line: dict[str, Any], said: dict[str, Any]) -> None:
        hashes = (bytes.fromhex(said[key]) for key in ("mid", "body", "record"))
        self._oracle.accepted(Obligation(line["station"], line["ref"], *hashes, time.time_ns()))

    def ask(self, do: str, station: str, **more: Any) -> "Future[dict[str, Any]]":
        """Ask without waiting. The future raises Gone if the process ends first."""
        future: Future[dict[str, Any]] = Future()
        with self._lock:
            process = self._process
            self._count += 1
            line = {"ask": self._count, "do": do, "station": station, **more}
            self._asked[self._count] = (line, future)
            try:
                if process is None or process.stdin is None or process.poll() is not None:
                    raise Gone
                process.stdin.write(json.dumps(line).encode() + b"\n")
                process.stdin.flush()
            except (OSError, ValueError, Gone):
                if self._asked.pop(self._count, None):
                    future.set_exception(Gone())
        return future

    def append(
        self, station: str, ref: str, *, size: int = 2000, lane: str = "clinical", **more: Any
    ) -> "Future[dict[str, Any]]":
        """Hand over a recording; the obligation begins when the future has a result."""
        self._oracle.ask(ref)
        return self.ask("append", station, ref=ref, size=size, lane=lane, **more)

    def state(self, station: str) -> dict[str, Any]:
        return self.ask("state", station).result(ANSWER_S)


@dataclass
class Load:
    """Recordings one after another while the block lasts; one a kill interrupted is handed over again."""

    stations: Stations
    names: list[str]
    prefix: str
    every_s: float = 0.05
    sizes: tuple[int, int] = (500, 30_000)
    most: int | None = None
    count: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _failed: list[BaseException] = field(default_factory=list)

    def __enter__(self) -> "Load":
        self._dice = random.Random(self.prefix)
        self._thread = threading.Thread(target=self._run, name=f"load {self.prefix}", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)
        if kind is None and self._failed:
            raise self._failed[0]

    def _run(self) -> None:
        try:
            while not self._stop.is_set() and (self.most is None or self.count < self.most):
                self._one(f"{self.prefix}-{self.count}")
                self.count += 1
                self._stop.wait(self._dice.uniform(0, 2 * self.every_s))
        except BaseException as error:
            self._failed.append(error)

    def _one(self, ref: str) -> None:
        name, size = self._dice.choice(self.names), self._dice.randrange(*self.sizes)
        lane = self._dice.choice(("urgent", "clinical", "clinical", "bulk"))
        while True:
            with contextlib.suppress(Gone, NotInTime):
                said = self.stations.append(name, ref, size=size, lane=lane).result(5)
                assert "error" not in said, said["error"]
                return
            if self._stop.wait(0.05):
                return


class Network:
    """`with Network(…) as network:` one hub, one broker, and a line and a folder for each station."""

    def __init__(
        self,
        folder: Path,
        county: Path,
        kinds: Kinds,
        database_url: str,
        names: tuple[str, ...] = ("MT-0001",),
        *,
        sees_packets: bool = False,
        role: str = "ingest",
        idle: bool = False,
        inside: tuple[tuple[str, ...], tuple[str, ...]] | None = None,
    ) -> None:
        """`idle`: the stations are not started.

        `inside`: prefixes that start a station, and a broker or hub, in a namespace of its own.
        """
        self.folder = folder / "county"
        shutil.copytree(county, self.folder)
        self.kinds, self.names, self.database_url = kinds, names, database_url
        self._sees_packets = sees_packets
        self._stack = contextlib.ExitStack()
        self._near, self._far = inside or ((), ())
        bind = "0.0.0.0" if inside else "127.0.0.1"
        self.broker = Broker(self.folder, kinds.broker, bind=bind, inside=self._far)
        self._role, self._idle = role, idle
        self.links: dict[str, Link] = {}
        self.processes: list[Stations] = []
        self._settled = 0

    def __enter__(self) -> "Network":
        with self._stack:
            self._furnish()
            self.oracle = Oracle(self.database_url)
            self._stack.callback(self.oracle.close)
            self.broker.start()
            self._stack.callback(self.broker.kill)
            for name in () if self._far else ("hub", *self.names):
                certificate = Certificates(self.folder, name) if self._sees_packets else None
                self.links[name] = self._stack.enter_context(Link(self.broker.port, certificate))
            self._write_hub_settings()
            self.hub = Hub(self.folder, self._role, self._far)
            self._stack.callback(self.hub.kill)
            self.hub.start(wait=False)
            self.stations = self.make_stations(list(self.names))
            if not self._idle:
                self.stations.start()
            self._stack_up = self._stack.pop_all()
        until(lambda: self.hub.is_connected, 40, "the hub is connected")
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.stop()
        self._stack_up.close()

    def _furnish(self) -> None:
        engine = db.open_engine(self.database_url)
        db.migrate(engine)
        inventory = {
            "county": "测试县",
            "organisations": [
                {"code": "H1", "name": "县人民医院", "kind": "county_hospital"},
                {"code": "V1", "name": "河西村卫生室", "kind": "village_clinic", "parent": "H1"},
            ],
            "stations": [{"id": n, "name": f"{n}卫生室", "organisation": "V1"} for n in self.names],
        }
        with db.transaction(engine) as session:
            stations.import_inventory(session, json.dumps(inventory), now_ns=time.time_ns())
        engine.dispose()

    def _write_hub_settings(self) -> None:
        (http,) = free_ports(1)
        shared = "true" if self.kinds.broker == "mosquitto" else "false"
        lines = [
            f"database_url = {json.dumps(self.database_url)}",
            f"http = {{ port = {http} }}",
            "[broker]",
            f'port = {self._port("hub")}\nshared = {shared}\nca_file = "ca/ca.crt"',
            'cert_file = "hub/hub.crt"\nkey_file = "hub/hub.key"',
        ]
        (self.folder / "hub.toml").write_text("\n".join(lines) + "\n")

    def _port(self, client: str) -> int:
        """Where a client finds the broker: at its line's end, or at the broker's own."""
        return self.links[client].port if self.links else self.broker.port

    def settings(self, name: str, *, data: str | None = None) -> Path:
        """A station's settings file; `data` names its folder if it is not the station's own."""
        data_dir = self.folder / "data" / (data or name)
        host = FAR_HOST if self._far else "127.0.0.1"
        return write_settings(self.folder, name, data_dir, host, self._port(name))

    def make_stations(self, names: list[str], *, data: str | None = None) -> Stations:
        """A process for these stations, not started; ended with the network."""
        files = [self.settings(name, data=data) for name in names]
        made = Stations(self.folder / f"{data or names[0]}.log", files, self.oracle, self._near)
        self.processes.append(made)
        return made

    def load(self, prefix: str = "r", **more: Any) -> Load:
        return Load(self.stations, list(self.names), prefix, **more)

    def append(self, ref: str, station: str = "", **more: Any) -> dict[str, Any]:
        """One recording at the first station, or the one named; waits until it is accepted."""
        said = self.stations.append(station or self.names[0], ref, **more).result(ANSWER_S)
        assert "error" not in said, said["error"]
        return said

    def settle(self, within_s: float = 60) -> Verdict:
        """The end without faults: all that is owed arrives, and a fresh record of each station too.

        The fresh ones are obligations like all others, so that one that does not flow is lost.
        """
        self._settled += 1
        for name in self.names:
            self.append(f"fresh-{name}-{self._settled}", name, lane="urgent")
        return self.oracle.settle(within_s)

    @property
    def kills(self) -> int:
        return self.broker.kills + self.hub.kills + sum(p.kills for p in self.processes)


def write_settings(folder: Path, name: str, data_dir: Path, host: str, port: int) -> Path:
    """A station's settings file beside its data folder."""
    key, place = folder / "storage.key", folder / "stations" / name
    key.write_bytes(bytes(range(32)))
    settings = StationSettings(
        station_id=name,
        station_name=f"{name}卫生室",
        organisation="V1",
        data_dir=str(data_dir),
        storage_key_file=str(key),
        page_port=0,
        broker=BrokerSettings(
            host=host,
            port=port,
            ca_file=str(folder / "ca/ca.crt"),
            cert_file=f"{place}.crt",
            key_file=f"{place}.key",
        ),
    )
    file = folder / f"{data_dir.name}.toml"
    file.write_text(settings_toml(settings))
    return file


@contextlib.contextmanager
def repeated(work: Callable[[], object], every_s: tuple[float, float], seed: str) -> Iterator[None]:
    """Do it again and again, at random intervals, while the block lasts."""
    stop, failed = threading.Event(), list[BaseException]()
    dice = random.Random(seed)

    def run() -> None:
        try:
            while not stop.wait(dice.uniform(*every_s)):
                work()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, name=f"repeated {seed}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(60)
    if failed:
        raise failed[0]
