"""One county on one machine: broker, hub, and two stations with simulated boxes, each its own process.

Everything lives in one folder (.demo): a second start finds the data of the first. A child that dies is
started again, and said so; when this process ends, however it ends, so do its children.
"""

import argparse
import asyncio
import contextlib
import ctypes
import json
import os
import secrets
import shutil
import signal
import socket
import ssl
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

BIND = "127.0.0.1"
MARKER = "maitong-demo"
RESTART_DELAY_S = 1.0
READY_WITHIN_S = 60.0


class Person(NamedTuple):
    username: str
    name: str
    role: str


class Clinic(NamedTuple):
    station: str
    organisation: str
    name: str
    name_en: str
    travel_minutes: int
    box_serial: str
    scenario: str
    """What its box plays when no record is given: a name of edge_agent.simulator's scenarios."""
    person: Person


COUNTY = "示例县"
HOSPITAL = ("H0001", "示例县人民医院", "Example County People's Hospital")
CLINICS = (
    Clinic("MT-0001", "V0001", "河西村卫生室", "Hexi Village Clinic", 130, "BOX-0001", "sinus",
           Person("cunyi1", "村医甲", "village_doctor")),
    Clinic("MT-0002", "V0002", "柳沟村卫生室", "Liugou Village Clinic", 95, "BOX-0002", "inferior_stemi",
           Person("cunyi2", "村医乙", "village_doctor")),
)  # fmt: skip
HUB_PEOPLE = (
    Person("yishi", "示例医师甲", "ecg_reader"),
    Person("yunwei", "示例运维", "network_ops"),
    Person("admin", "示例管理员", "sys_admin"),
)
PORTS = {"broker": 18883, "hub": 8100, "MT-0001": 8101, "MT-0002": 8102, "BOX-0001": 7001, "BOX-0002": 7002}


@dataclass
class Child:
    """One process of the county and how to know that it is ready."""

    name: str
    command: list[str]
    ready: Callable[[], bool]
    log: Path
    environment: dict[str, str] = field(default_factory=dict)
    process: asyncio.subprocess.Process | None = None
    restarts: int = 0


def main(arguments: list[str] | None = None) -> int:
    """Run the demo until Ctrl-C; 0 after an orderly stop, 1 if something could not be started."""
    parser = argparse.ArgumentParser(prog="python -m hub.demo", description=__doc__)
    parser.add_argument("--home", type=Path, default=Path(".demo"), help="folder that keeps everything")
    parser.add_argument(
        "--record", type=Path, help="WFDB record (.hea, or a .tar.xz that holds one) for box 1"
    )
    parser.add_argument("--record2", type=Path, help="the same for box 2")
    parser.add_argument("--reset", action="store_true", help="begin again: forget all data")
    parser.add_argument("--broker", choices=("auto", "mosquitto", "embedded"), default="auto")
    parser.add_argument("--first-port", type=int, help="use the ports from here on, not the usual ones")
    parser.add_argument("--database-url", default="sqlite:///hub.db", help="the hub's database")
    parser.add_argument(
        "--sent-log", action="store_true", help="boxes write the samples they send to the home"
    )
    options = parser.parse_args(arguments)
    for name in ("record", "record2"):
        path = getattr(options, name)
        if path is not None and not path.exists() and not path.with_suffix(".hea").exists():
            print(f"demo: no such record: {path}", file=sys.stderr)
            return 1
    home = options.home.resolve()
    try:
        if options.reset:
            forget(home)
        return asyncio.run(County(home, options).run())
    except DemoError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1


class DemoError(Exception):
    """The demo cannot go on; the text says what to do."""


def forget(home: Path) -> None:
    """Remove a demo's folder, and only a demo's."""
    if not home.exists():
        return
    if not (home / MARKER).exists():
        raise DemoError(f"{home} was not made by the demo; it is not removed")
    shutil.rmtree(home)


class County:
    """The processes of one demo, and the files they share."""

    def __init__(self, home: Path, options: argparse.Namespace) -> None:
        self._home = home
        self._options = options
        self._children: list[Child] = []
        self._stopping = asyncio.Event()

    async def run(self) -> int:
        """Make what is missing, start everything, watch it until told to stop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stopping.set)
        self._home.mkdir(parents=True, exist_ok=True)
        (self._home / MARKER).touch()
        with self._lock():
            ports = choose_ports(self._home / "ports.json", self._options.first_port)
            passwords = remember_passwords(self._home / "accounts.json")
            await self._provision(ports, passwords)
            await self._prepare_hub(ports, passwords)
            self._children = self._processes(ports)
            failed: DemoError | None = None
            try:
                async with asyncio.TaskGroup() as group:
                    broker, *others = self._children
                    for batch in ([broker], others):  # who comes before the broker only waits for it
                        for child in batch:
                            await self._start(child)
                            group.create_task(self._keep(child), name=f"keep {child.name}")
                        ready = [await self._until_ready(child) for child in batch]
                    if all(ready):
                        print_addresses(ports, passwords, self._home)
                    await self._stopping.wait()
                    await self._stop_all()
            except* DemoError as errors:
                failed = next(e for e in errors.exceptions if isinstance(e, DemoError))
            finally:
                await self._stop_all()
            if failed is not None:
                raise failed
        print("demo: 已全部停止 / all stopped", flush=True)
        return 0

    @contextlib.contextmanager
    def _lock(self) -> Any:
        """One demo a folder: two would write the same outbox."""
        import fcntl  # noqa: PLC0415, RUF100 - POSIX only, like the demo

        with (self._home / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise DemoError(f"another demo runs in {self._home}; stop it, or give --home") from None
            yield

    async def _provision(self, ports: dict[str, int], passwords: dict[str, str]) -> None:
        county = str(self._home / "county")
        await self._tool(
            "init", county, "--name", COUNTY, "--broker-host", BIND, "--broker-host", "localhost"
        )
        code, name, name_en = HOSPITAL
        await self._tool(
            "new-organisation", county, "--code", code, "--name", name, "--name-en", name_en,
            "--kind", "county_hospital",
        )  # fmt: skip
        for clinic in CLINICS:
            await self._tool(
                "new-organisation", county, "--code", clinic.organisation, "--name", clinic.name,
                "--name-en", clinic.name_en, "--kind", "village_clinic", "--parent", code,
                "--travel-minutes", str(clinic.travel_minutes),
            )  # fmt: skip
            person = clinic.person
            await self._tool(
                "new-station", county, "--id", clinic.station, "--name", clinic.name,
                "--organisation", clinic.organisation, "--broker-host", BIND,
                "--broker-port", str(ports["broker"]), "--page-port", str(ports[clinic.station]),
                "--duty-phone", "0000-0000",
                "--box", f"driver=ecg_ads1298,address=tcp:{BIND}:{ports[clinic.box_serial]},"
                         f"serial={clinic.box_serial},rate_hz=500",
                "--account", f"{person.username}:{person.name}:{person.role}:DEMO_PASSWORD",
                environment={"DEMO_PASSWORD": passwords[person.username]},
            )  # fmt: skip

    async def _prepare_hub(self, ports: dict[str, int], passwords: dict[str, str]) -> None:
        folder = self._home / "hub"
        folder.mkdir(exist_ok=True)
        certificates = self._home / "county" / "hub"
        settings = [
            f"database_url = {json.dumps(self._options.database_url)}",
            'data_dir = "data"',
            f"hospital_name = {json.dumps(HOSPITAL[1], ensure_ascii=False)}",
            f"hospital_name_en = {json.dumps(HOSPITAL[2])}",
            "[http]",
            f'host = "{BIND}"',
            f"port = {ports['hub']}",
            "[broker]",
            f'host = "{BIND}"',
            f"port = {ports['broker']}",
            f"shared = {'true' if self._broker() == 'mosquitto' else 'false'}",
            f"ca_file = {json.dumps(str(certificates / 'ca.crt'))}",
            f"cert_file = {json.dumps(str(certificates / 'hub.crt'))}",
            f"key_file = {json.dumps(str(certificates / 'hub.key'))}",
        ]
        (folder / "hub.toml").write_text("\n".join(settings) + "\n", encoding="utf-8")
        await asyncio.to_thread(
            fill_hub, folder / "hub.toml", self._home / "county" / "inventory.json", passwords
        )

    def _processes(self, ports: dict[str, int]) -> list[Child]:
        home = self._home
        (home / "log").mkdir(exist_ok=True)
        broker_context = ssl.create_default_context(cafile=str(home / "county/ca/ca.crt"))
        broker_context.load_cert_chain(home / "county/hub/hub.crt", home / "county/hub/hub.key")
        children = [
            Child(
                "broker",
                [sys.executable, "-m", "provisioning", "broker", str(home / "county"), "--bind", BIND,
                 "--port", str(ports["broker"]), "--use", self._options.broker],
                partial(answers_tls, ports["broker"], broker_context),
                home / "log" / "broker.log",
            ),
            Child(
                "hub",
                [sys.executable, "-m", "hub", "all", "--config", str(home / "hub" / "hub.toml")],
                partial(answers_health, ports["hub"]),
                home / "log" / "hub.log",
            ),
        ]  # fmt: skip
        records = (self._options.record, self._options.record2)
        for clinic, record in zip(CLINICS, records, strict=True):
            box_port, page_port = ports[clinic.box_serial], ports[clinic.station]
            plays = ["--record", str(record.resolve())] if record else ["--scenario", clinic.scenario]
            if self._options.sent_log:
                plays += ["--sent-log", str(home / f"{clinic.box_serial}.i32")]
            children += [
                Child(
                    clinic.box_serial,
                    [sys.executable, "-m", "edge_agent.simulator", "ecg_ads1298", "--listen",
                     f"tcp:{BIND}:{box_port}", "--serial", clinic.box_serial, *plays],
                    partial(answers, box_port),
                    home / "log" / f"{clinic.box_serial}.log",
                ),
                Child(
                    clinic.station,
                    [sys.executable, "-m", "edge_agent", "run", "--settings",
                     str(home / "county" / "stations" / clinic.station / "settings.toml")],
                    partial(answers_health, page_port),
                    home / "log" / f"{clinic.station}.log",
                ),
            ]  # fmt: skip
        return children

    def _broker(self) -> str:
        if self._options.broker != "auto":
            return str(self._options.broker)
        path = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin" + os.pathsep + "/usr/local/sbin"
        return "mosquitto" if shutil.which("mosquitto", path=path) else "embedded"

    async def _tool(self, *arguments: str, environment: dict[str, str] | None = None) -> None:
        await self._once([sys.executable, "-m", "provisioning", *arguments], environment)

    async def _once(self, command: list[str], environment: dict[str, str] | None) -> None:
        process = await asyncio.create_subprocess_exec(
            *command,
            env=os.environ | (environment or {}),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        if process.returncode:
            raise DemoError(f"{' '.join(command[2:4])} failed:\n{output.decode(errors='replace')[-2000:]}")

    async def _start(self, child: Child) -> None:
        with child.log.open("ab") as log:
            child.process = await asyncio.create_subprocess_exec(
                *child.command,
                env=os.environ | child.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for this process, which stops them in order
                preexec_fn=die_with_parent,  # noqa: PLW1509, RUF100 - one prctl call, no locks taken
            )

    async def _keep(self, child: Child) -> None:
        """Start a child that died again, until the demo stops."""
        while not self._stopping.is_set():
            assert child.process is not None
            code = await child.process.wait()
            if self._stopping.is_set():
                return
            child.restarts += 1
            print(
                f"demo: {child.name} 已退出({code})，{RESTART_DELAY_S:.0f} s 后重启 / "
                f"{child.name} ended ({code}), starting it again (log: {child.log})",
                flush=True,
            )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), RESTART_DELAY_S)
                return
            await self._start(child)

    async def _until_ready(self, child: Child) -> bool:
        """Wait until a child answers. False if the demo is being stopped; DemoError if it never answers."""
        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline:
            if self._stopping.is_set():
                return False
            if await asyncio.to_thread(child.ready):
                return True
            if child.restarts >= 3:
                break
            await asyncio.sleep(0.1)
        tail = child.log.read_text(errors="replace")[-2000:]
        raise DemoError(f"{child.name} did not come up (log: {child.log}):\n{tail}")

    async def _stop_all(self) -> None:
        self._stopping.set()
        # Stations first, the broker last: what they say on leaving still arrives.
        for child in reversed(self._children):
            if child.process is not None and child.process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    child.process.terminate()
                try:
                    await asyncio.wait_for(child.process.wait(), 8)
                except TimeoutError:
                    with contextlib.suppress(ProcessLookupError):
                        child.process.kill()
                    await child.process.wait()


def fill_hub(config: Path, inventory: Path, passwords: dict[str, str]) -> None:
    """The hub's database in its newest form, with the county's stations and people in it."""
    from hub import db  # these take a second to load, while the demo can already say what is wrong
    from hub.clock import Clock
    from hub.config import load
    from hub.services import stations, users

    engine = db.open_engine(load(config).database_url)
    db.migrate(engine)
    now_ns = Clock().wall_ns()
    with db.transaction(engine) as session:
        stations.import_inventory(session, inventory.read_bytes(), now_ns=now_ns)
        for person in HUB_PEOPLE:
            if users.find(session, person.username) is None:
                users.create(
                    session,
                    username=person.username,
                    name=person.name,
                    role=person.role,
                    password=passwords[person.username],
                    organisation_id=None,
                    now_ns=now_ns,
                )
    engine.dispose()


def choose_ports(file: Path, first: int | None = None) -> dict[str, int]:
    """The ports of the last start where they are still free, else the next free ones."""
    usual = PORTS if first is None else {name: first + i for i, name in enumerate(PORTS)}
    wanted = usual | (json.loads(file.read_text()) if file.exists() else {})
    chosen: dict[str, int] = {}
    for name, usual_port in wanted.items():
        port = usual_port
        while port in chosen.values() or not is_free(port):
            port += 1
        if port != usual_port:
            print(
                f"demo: 端口 {usual_port} 被占用，改用 {port} / "
                f"port {usual_port} is taken, {name} moves to {port}"
            )
        chosen[name] = port
    file.write_text(json.dumps(chosen))
    return chosen


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((BIND, port))
        except OSError:
            return False
    return True


def remember_passwords(file: Path) -> dict[str, str]:
    """One password a person, made at the first start."""
    people = [*(c.person for c in CLINICS), *HUB_PEOPLE]
    known: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    for person in people:
        known.setdefault(person.username, f"{secrets.randbelow(10**10):010d}")
    file.touch(mode=0o600)
    file.write_text(json.dumps(known))
    return known


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((BIND, port), 1):
        return True
    return False


def answers_tls(port: int, context: ssl.SSLContext) -> bool:
    with (
        contextlib.suppress(OSError),
        socket.create_connection((BIND, port), 1) as plain,
        context.wrap_socket(plain, server_hostname=BIND),
    ):
        return True
    return False


def answers_health(port: int) -> bool:
    with (
        contextlib.suppress(OSError, ValueError),
        urllib.request.urlopen(f"http://{BIND}:{port}/health", timeout=2) as answer,
    ):
        return answer.status == 200 and json.load(answer)["status"] in ("ok", "degraded")
    return False


def die_with_parent() -> None:
    """In the child, before it becomes the program: end when the demo ends, even by kill -9 (Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def print_addresses(ports: dict[str, int], passwords: dict[str, str], home: Path) -> None:
    """Where to go and who to be."""
    rows = [
        (f"阅图室 Reading room      http://{BIND}:{ports['hub']}/", HUB_PEOPLE[0]),
        (f"运维台 Console           http://{BIND}:{ports['hub']}/console", HUB_PEOPLE[1]),
        (f"运维台 Console           http://{BIND}:{ports['hub']}/console", HUB_PEOPLE[2]),
        *((f"{c.name} {c.station}  http://{BIND}:{ports[c.station]}/", c.person) for c in CLINICS),
    ]
    print("\n脉通演示 Maitong demo — 演示数据，非医疗器械 / demo data, not a medical device")
    for address, person in rows:
        print(f"  {address:58} {person.username:8} {passwords[person.username]}  {person.role}")
    print(f"  数据与日志 data and logs: {home}")
    print("  Ctrl-C 停止全部 stops everything; make demo RESET=1 重新开始 begins again\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
