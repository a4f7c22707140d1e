"""The station agent: `python -m edge_agent run | check-config | queue`."""

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from protocols.station import StationSettings

# One arithmetic thread is plenty for twelve leads; eight idle ones cost memory. Read when numpy is imported,
# so what imports numpy is imported below.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def main(arguments: list[str] | None = None) -> int:
    """Run a command; its exit status: 0 done, 1 failed, 2 the settings cannot be used."""
    parser = argparse.ArgumentParser(
        prog="python -m edge_agent", description="Maitong station agent 脉通站点程序"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, told in (
        ("run", "run the agent 运行"),
        ("check-config", "read the settings and say whether they can be used 检查设置"),
        ("queue", "look at what is owed to the county, check it, send it again, carry it away 待传队列"),
    ):
        command = commands.add_parser(name, help=told)
        command.add_argument("--settings", type=Path, required=True, help="settings.toml of this station")
        if name == "queue":
            _queue_arguments(command)
    given = parser.parse_args(arguments)
    if given.command == "queue":
        if (given.what == "export") != (given.to is not None):
            parser.error("--to FILE belongs to queue export, and to nothing else")
        if given.refs and given.what != "requeue":
            parser.error(f"queue {given.what} takes no REF")

    from edge_agent import config
    from edge_agent.errors import ConfigError

    try:
        settings = config.load(given.settings)
        config.storage_key(settings)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    match given.command:
        case "run":
            return _run(settings)
        case "check-config":
            return _check(settings)
        case _:
            return _queue(settings, given)


def _queue_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "what",
        choices=("ls", "stat", "fsck", "requeue", "export"),
        nargs="?",
        default="ls",
        help="ls, stat: what waits. fsck: read and check everything; status 1 if anything is wrong. "
        "requeue: send rejected messages again. export: all that is owed as one file for the hub alone",
    )
    command.add_argument("refs", nargs="*", metavar="REF", help="requeue: only these; else all rejected ones")
    command.add_argument("--to", type=Path, metavar="FILE", help="export: the file to write")
    command.add_argument(
        "--lane",
        action="append",
        choices=("urgent", "prompt", "clinical", "bulk"),
        help="export: only this lane; repeat",
    )


def _run(settings: "StationSettings") -> int:
    from edge_agent import app, log
    from edge_agent.errors import EdgeError

    log.configure(settings.station_id)
    failed: list[str] = []
    try:
        asyncio.run(app.run(settings))
    except* EdgeError as group:
        failed = [str(error) for error in group.exceptions]
    for reason in failed:
        print(reason, file=sys.stderr)
    return 1 if failed else 0


def _check(settings: "StationSettings") -> int:
    from edge_agent.drivers import DRIVERS

    wrong = [
        f"boxes.{number}.driver: {box.driver!r} is none of {', '.join(DRIVERS)}"
        for number, box in enumerate(settings.boxes)
        if box.driver not in DRIVERS
    ]
    broker = settings.broker
    wrong += [
        f"broker: {name} is not there"
        for name in (broker.ca_file, broker.cert_file, broker.key_file)
        if not Path(name).is_file()
    ]
    if not settings.accounts:
        wrong.append("accounts: nobody can log in")
    for line in wrong:
        print(line, file=sys.stderr)
    if not wrong:
        print(f"{settings.station_id}: settings can be used")
    return 2 if wrong else 0


def _queue(settings: "StationSettings", given: argparse.Namespace) -> int:
    import sqlite3

    from edge_agent import config, outbox, queue_commands
    from edge_agent.errors import EdgeError

    data_dir = Path(settings.data_dir)
    files = [path for name in outbox.FILES if (path := data_dir / name).exists()]
    if not files:
        print(f"{data_dir / outbox.FILE_NAME} is not there: this station has never run", file=sys.stderr)
        return 1
    key, failed = config.storage_key(settings), False
    try:
        match given.what:
            case "ls":
                _show(queue_commands.ls(files))
            case "stat":
                _show(queue_commands.stat(path) for path in files)
            case "fsck":
                for path in files:
                    for found in queue_commands.fsck(path, key, settings.station_id):
                        _show([found])
                        failed = failed or "finding" in found
            case "requeue":
                again = sum(queue_commands.requeue(path, given.refs or None) for path in files)
                _show([{"requeued": again}])
                failed = again < len(set(given.refs))
            case "export":
                failed = not _export(settings, files, key, given)
    except (EdgeError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    except (sqlite3.Error, ValueError, LookupError) as error:
        print(f"the queue cannot be read ({error}): run `queue fsck`", file=sys.stderr)
        return 1
    return 1 if failed else 0


def _export(settings: "StationSettings", files: list[Path], key: bytes, given: argparse.Namespace) -> bool:
    """Write the bundle; whether everything that is owed is in it. Raises ConfigError without a county key."""
    from edge_agent import queue_commands
    from edge_agent.config import bundle_key
    from protocols import bundle
    from protocols.messages import LANES

    to, count = bundle_key(settings, given.settings), queue_commands.Exported()
    entries = queue_commands.owed(files, key, settings.station_id, given.lane or LANES, count)
    queue_commands.save(bundle.write(entries, to), given.to)
    _show([{"to": str(given.to), **vars(count)}])
    if count.damaged:
        print(
            f"{count.damaged} messages could not be opened and are not in it: `queue fsck`", file=sys.stderr
        )
    return not count.damaged


def _show(found: "Iterable[dict[str, Any]]") -> None:
    for row in found:
        print(json.dumps(row, ensure_ascii=False))


if __name__ == "__main__":
    sys.exit(main())
