"""For all tests: a leaked task fails, bad log formatting fails; ports, certificates and real brokers."""

import asyncio
import contextlib
import inspect
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from protocols.station import BrokerSettings, StationSettings

NO_DATA = "MAITONG_ECG_DATA"
"""Real recordings are never part of a checkout: tests that want them may always be skipped, by name."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name what was skipped, and count it."""
    rows = unwanted_skips(terminalreporter)
    for reason in sorted({reason for _, reason in rows}):
        count = sum(1 for _, r in rows if r == reason)
        terminalreporter.write_line(f"skipped {count}: {reason}")
    if rows and os.environ.get("MAITONG_NO_SKIPS"):
        terminalreporter.write_line("as root everything can be installed: a skip is a failure", red=True)


def takes_a_county(item: pytest.Item) -> bool:
    """Whether a test runs against a whole county of processes."""
    return any(mark.name in ("e2e", "faults") for mark in item.iter_markers())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest starts first."""
    items.sort(key=lambda item: not takes_a_county(item))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """With MAITONG_NO_SKIPS (scripts/run_tests.py sets it for root) a skip fails the run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and os.environ.get("MAITONG_NO_SKIPS") and unwanted_skips(reporter):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def unwanted_skips(reporter: pytest.TerminalReporter) -> list[tuple[str, str]]:
    """(test, reason) of every skip but those for want of real recordings."""
    rows = []
    for report in reporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if NO_DATA not in reason:
            rows.append((report.nodeid, reason.removeprefix("Skipped: ")))
    return rows


OURS = ("ecg", "edge_agent", "hub", "protocols", "provisioning")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Every asynchronous test watches for tasks it leaves behind, set up before all other fixtures."""
    function = getattr(item, "function", None)
    names = getattr(item, "fixturenames", None)
    if names is not None and inspect.iscoroutinefunction(inspect.unwrap(function) if function else None):
        names.insert(0, "no_leaked_task")


@pytest.fixture
async def no_leaked_task():
    before = asyncio.all_tasks()
    yield
    for _ in range(3):  # tasks that were just cancelled end in the next turns of the loop
        await asyncio.sleep(0)
    leaked = [task for task in asyncio.all_tasks() - before if task is not asyncio.current_task()]
    assert not leaked, f"the test left tasks behind: {[task.get_coro() for task in leaked]}"


class _Reader(logging.Handler):
    """Formats every record, as a real handler would; keeps what could not be formatted."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.broken: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        try:
            record.getMessage()
        except (TypeError, ValueError, KeyError) as error:
            self.broken.append(
                f"{record.pathname}:{record.lineno}: {record.msg!r} % {record.args!r}: {error}"
            )


@pytest.fixture(autouse=True)
def sound_logging() -> Iterator[None]:
    """A log call whose arguments do not fit its text is an error, also at a level nobody reads."""
    reader, root = _Reader(), logging.getLogger()
    levels = {name: logging.getLogger(name).level for name in OURS}
    root.addHandler(reader)
    for name in OURS:
        logging.getLogger(name).setLevel(logging.DEBUG)
    yield
    root.removeHandler(reader)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    assert not reader.broken, "\n".join(reader.broken)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def free_port() -> int:
    """A TCP port on 127.0.0.1 nobody listens on now."""
    return _free_port()


@pytest.fixture(scope="session")
def certificates_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A county: CA, broker, hub, stations MT-0001 and MT-0002, and a stranger of another county."""
    from provisioning import certificates, enrol

    folder = tmp_path_factory.mktemp("certificates")
    now = datetime.now(UTC)
    enrol.make_county(folder, "测试县", now, broker_hosts=("127.0.0.1", "localhost"))
    for name in ("MT-0001", "MT-0002"):
        certificates.make_leaf(folder / "ca", folder / "stations", name, name, now)
    certificates.make_ca(folder / "other", "别县", now)
    certificates.make_leaf(folder / "other", folder / "stations", "stranger", "MT-0001", now)
    return folder


@dataclass
class RunningBroker:
    """A real broker process with the county's TLS, client certificates and rights; it can be stopped."""

    kind: str
    """mosquitto or amqtt."""
    folder: Path
    """The county's certificates."""
    port: int = field(default_factory=_free_port)
    host: str = "127.0.0.1"
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        use = "mosquitto" if self.kind == "mosquitto" else "embedded"
        command = [sys.executable, "-m", "provisioning", "broker", str(self.folder)]
        log = (self.folder / f"{self.kind}-{self.port}.log").open("ab")
        with log:
            self.process = subprocess.Popen(
                [*command, "--port", str(self.port), "--use", use], stdout=log, stderr=log
            )
        deadline = time.monotonic() + 15
        while True:
            with contextlib.suppress(OSError), socket.create_connection((self.host, self.port), 0.2):
                return
            assert self.process.poll() is None, f"{self.kind} ended: see {log.name}"
            assert time.monotonic() < deadline, f"{self.kind} does not listen"
            time.sleep(0.05)

    def stop(self) -> None:
        """kill -9: a broker may lose everything at any moment."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def settings(self, name: str) -> BrokerSettings:
        """How `name` (hub, MT-0001, MT-0002, stranger) connects to it."""
        place = self.folder / ("hub" if name == "hub" else "stations")
        return BrokerSettings(
            host=self.host,
            port=self.port,
            ca_file=str(self.folder / "ca" / "ca.crt"),
            cert_file=str(place / f"{name}.crt"),
            key_file=str(place / f"{name}.key"),
        )


def _run_broker(kind: str, folder: Path) -> Iterator[RunningBroker]:
    from provisioning import broker

    if kind == "mosquitto" and not broker.find_mosquitto():
        pytest.skip("mosquitto is not on this machine: apt-get install mosquitto")
    if kind == "amqtt":
        pytest.importorskip("amqtt", reason="amqtt is not installed: the extra [demo]")
    running = RunningBroker(kind, folder)
    running.start()
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def mosquitto(certificates_folder: Path) -> Iterator[RunningBroker]:
    """A real mosquitto: TLS, client certificates, `use_identity_as_username`, rights by pattern."""
    yield from _run_broker("mosquitto", certificates_folder)


@pytest.fixture
def amqtt_broker(certificates_folder: Path) -> Iterator[RunningBroker]:
    """A real amqtt, as strict as mosquitto."""
    yield from _run_broker("amqtt", certificates_folder)


@pytest.fixture(params=["mosquitto", "amqtt"])
def broker(request: pytest.FixtureRequest, certificates_folder: Path) -> Iterator[RunningBroker]:
    """Each of the two brokers in turn."""
    yield from _run_broker(request.param, certificates_folder)


@pytest.fixture
def station_settings(tmp_path: Path):
    """Makes settings of station MT-0001 for a broker; nothing else in them is used."""

    def make(broker: BrokerSettings, station_id: str = "MT-0001") -> StationSettings:
        return StationSettings(
            station_id=station_id,
            station_name="河西村卫生室",
            organisation="HX",
            data_dir=str(tmp_path / "data"),
            storage_key_file=str(tmp_path / "storage.key"),
            broker=broker,
        )

    return make
