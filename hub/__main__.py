"""The county hub's commands: its roles, its database, its accounts.

python -m hub all --config hub.toml          every role in one process
python -m hub serve|ingest|interfaces|timers --config hub.toml
python -m hub migrate|import-inventory FILE|create-admin|create-user|verify-audit --config hub.toml
python -m hub import-bundle FILE --key hub_bundle.key --config hub.toml    what a station exported
python -m hub openapi                        the API's schema as JSON
"""

import argparse
import asyncio
import contextlib
import getpass
import json
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

import uvicorn
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from hub import db, log, render, timers
from hub.app import create_app
from hub.clock import Clock
from hub.config import Settings, load
from hub.domain.role import BEAT_EVERY_S
from hub.errors import HubError, Unavailable
from hub.ingest import bundles, consumer
from hub.interfaces import worker
from hub.notices import Notices
from hub.security import ROLES
from hub.services import audit, recordings, roles, stations, users
from protocols import bundle
from protocols.errors import BundleError

_logger = logging.getLogger("hub")
PASSWORD_VARIABLE = "MAITONG_PASSWORD"  # noqa: S105 - the variable's name


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: this process has one place that is told to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Stopped(Exception):  # noqa: N818
    """Somebody asked this process to end."""


Role = Callable[[Settings, Engine, Clock, Notices], Awaitable[None]]


async def _serve(settings: Settings, engine: Engine, clock: Clock, notices: Notices) -> None:
    http = settings.http
    server = _Server(
        uvicorn.Config(
            create_app(settings, engine=engine, clock=clock, notices=notices),
            host=http.host,
            port=http.port,
            ssl_certfile=http.tls_cert_file,
            ssl_keyfile=http.tls_key_file,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=3,
        )
    )
    # Loading scipy, wfdb and the PDF engine takes seconds; meanwhile everything but these is served.
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(asyncio.to_thread(_warm_up), name="warm up")
        try:
            await server.serve()
        finally:
            if server.started and not server.should_exit:
                await server.shutdown()


def _warm_up() -> None:
    recordings.warm_up()
    try:
        render.warm_up()
    except HubError as error:  # said again, in words, to whoever signs
        _logger.error("reports cannot be printed: %s", error)  # noqa: TRY400, RUF100


async def _interfaces(settings: Settings, engine: Engine, clock: Clock, notices: Notices) -> None:
    if settings.broker is None:  # nobody to deliver to; what is owed waits
        await asyncio.Event().wait()
    await worker.run(settings, engine, clock, notices)


async def _timers(_: Settings, engine: Engine, clock: Clock, notices: Notices) -> None:
    await timers.run(engine, clock, notices)


SERVICE: dict[str, Role] = {
    "serve": _serve,
    "ingest": consumer.run,
    "interfaces": _interfaces,
    "timers": _timers,
}


async def run_roles(names: list[str], settings: Settings) -> None:
    """Run these roles until told to stop; one that fails or ends by itself ends all (ExceptionGroup)."""
    engine, clock = db.open_engine(settings.database_url), Clock()
    if db.revision(engine) != db.newest_revision():
        raise Unavailable(what="the database is not migrated: run `python -m hub migrate` first")
    notices = Notices(settings.broker, f"{'-'.join(names)}-{clock.boot[:6]}")
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(notices.run(), name="notices")
            for name in names:
                tasks.create_task(_role(name, settings, engine, clock, notices), name=name)
            tasks.create_task(_beat(names, engine, clock), name="beat")
            tasks.create_task(_stop_when(stopping), name="stop")
    except* _Stopped:
        _logger.info("stopped")
    finally:
        engine.dispose()


async def _role(name: str, settings: Settings, engine: Engine, clock: Clock, notices: Notices) -> None:
    _logger.info("role %s begins", name)
    await SERVICE[name](settings, engine, clock, notices)
    raise RuntimeError(f"role {name} ended by itself")


async def _stop_when(stopping: asyncio.Event) -> None:
    await stopping.wait()
    raise _Stopped


async def _beat(names: list[str], engine: Engine, clock: Clock) -> None:
    """Say every few seconds that these roles are alive; a role that dies takes this with it."""

    def once() -> None:
        with db.transaction(engine) as session:
            for name in names:
                roles.beat(session, name, now_ns=clock.wall_ns())

    while True:
        try:
            await db.in_thread(once)
        except SQLAlchemyError as error:
            _logger.warning("the database does not take the heartbeat (%s)", type(error).__name__)
        await asyncio.sleep(BEAT_EVERY_S)


def _password(options: argparse.Namespace) -> str:
    if options.password_file is not None:
        text = sys.stdin.read() if str(options.password_file) == "-" else options.password_file.read_text()
        return str(text).rstrip("\r\n")
    if PASSWORD_VARIABLE in os.environ:
        return os.environ[PASSWORD_VARIABLE]
    return getpass.getpass("Password: ")


def _migrate(settings: Settings, _: argparse.Namespace) -> int:
    print(f"database at revision {db.migrate(db.open_engine(settings.database_url))}")
    return 0


def _import_inventory(settings: Settings, options: argparse.Namespace) -> int:
    engine = db.open_engine(settings.database_url)
    with db.transaction(engine) as session:
        done = stations.import_inventory(session, options.file.read_bytes(), now_ns=Clock().wall_ns())
    print(f"{done.organisations} organisations, {done.stations} stations")
    return 0


def _import_bundle(settings: Settings, options: argparse.Namespace) -> int:
    engine, key = db.open_engine(settings.database_url), bundle.private_key(options.key.read_bytes())
    done = bundles.Imported()
    try:
        with options.file.open("rb") as file:
            pieces = iter(partial(file.read, bundle.CHUNK_BYTES), b"")
            bundles.take_bundle(engine, bundle.read(pieces, key), done, clock=Clock())
    finally:
        print(done)
    return 0


def _create_user(settings: Settings, options: argparse.Namespace) -> int:
    engine = db.open_engine(settings.database_url)
    with db.transaction(engine) as session:
        if options.if_missing and users.find(session, options.username) is not None:
            print(f"{options.username} exists")
            return 0
        user = users.create(
            session,
            username=options.username,
            name=options.name,
            role=options.role,
            password=_password(options),
            organisation_id=options.organisation,
            now_ns=Clock().wall_ns(),
        )
    print(f"{user.username} ({user.role}) created")
    return 0


def _verify_audit(settings: Settings, _: argparse.Namespace) -> int:
    with db.reading(db.open_engine(settings.database_url)) as session:
        chain = audit.verify(session)
    if chain.first_bad is None:
        print(f"audit chain whole: {chain.lines} lines")
        return 0
    print(f"audit chain BROKEN at line {chain.first_bad}", file=sys.stderr)
    return 1


def _openapi(settings: Settings, _: argparse.Namespace) -> int:
    engine = db.open_engine(settings.database_url)  # not connected to
    app = create_app(settings, engine=engine, clock=Clock(), notices=Notices(None, "openapi"))
    print(json.dumps(app.openapi(), ensure_ascii=False, indent=2, sort_keys=True))
    return 0


def _run(names: list[str]) -> Callable[[Settings, argparse.Namespace], int]:
    def run(settings: Settings, _: argparse.Namespace) -> int:
        try:
            asyncio.run(run_roles(names, settings))
        except ExceptionGroup as group:
            for error in group.exceptions:
                _logger.critical("the hub ends: %s", type(error).__name__, exc_info=error)
            return 1
        return 0

    return run


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", type=Path, help="hub.toml")
    parser = argparse.ArgumentParser(
        prog="python -m hub", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(
        name: str, help: str, do: Callable[[Settings, argparse.Namespace], int]
    ) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=help, parents=[common])
        command.set_defaults(do=do)
        return command

    add("all", "all roles in one process", _run(list(SERVICE)))
    for name, about in (
        ("serve", "web pages and API"),
        ("ingest", "messages from stations"),
        ("interfaces", "deliveries to stations and others"),
        ("timers", "what happens because time has passed"),
    ):
        add(name, about, _run([name]))
    add("migrate", "bring the database to the newest form", _migrate)
    add(
        "import-inventory", "organisations and stations, as provisioning writes them", _import_inventory
    ).add_argument("file", type=Path)
    bundle_command = add("import-bundle", "take what a station exported to a file", _import_bundle)
    bundle_command.add_argument("file", type=Path)
    bundle_command.add_argument("--key", type=Path, required=True, help="hub_bundle.key of the county")
    add("verify-audit", "walk the audit chain", _verify_audit)
    add("openapi", "print the API's schema", _openapi)
    for name, about in (("create-user", "a new account"), ("create-admin", "a new system administrator")):
        command = add(name, about, _create_user)
        command.add_argument("--username", required=True)
        command.add_argument("--name", required=True, help="as signed on reports")
        command.add_argument("--organisation", help="for roles that see only their own site")
        command.add_argument(
            "--password-file", type=Path, help=f"- for standard input; else ${PASSWORD_VARIABLE}, else asked"
        )
        command.add_argument("--if-missing", action="store_true", help="an existing account is left alone")
        if name == "create-user":
            command.add_argument("--role", required=True, choices=ROLES)
        else:
            command.set_defaults(role="sys_admin")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 if it did what it should."""
    options = _parser().parse_args(arguments)
    try:
        settings = load(options.config) if options.config else Settings()
        log.configure(settings.log_level)
        return int(options.do(settings, options))
    except (HubError, BundleError, OSError) as error:
        print(f"hub: {error}", file=sys.stderr)
        return 2
    except SQLAlchemyError as error:
        print(f"hub: the database cannot be used ({type(error).__name__})", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
