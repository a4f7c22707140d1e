"""The station agent: `python -m edge_agent run | check-config | queue`."""

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
        ("queue", "show what is owed to the county 查看待传队列"),
    ):
        command = commands.add_parser(name, help=told)
        command.add_argument("--settings", type=Path, required=True, help="settings.toml of this station")
        if name == "queue":
            command.add_argument("what", choices=("ls", "stat"), nargs="?", default="ls")
    given = parser.parse_args(arguments)

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
            return _queue(settings, given.what)


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


def _queue(settings: "StationSettings", what: str) -> int:
    from edge_agent import outbox

    path = Path(settings.data_dir) / outbox.FILE_NAME
    if not path.exists():
        print(f"{path} is not there: this station has never run", file=sys.stderr)
        return 1
    shown = outbox.queue_ls(path) if what == "ls" else [outbox.queue_stat(path)]
    for row in shown:
        print(json.dumps(row, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
