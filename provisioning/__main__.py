"""Commands: init, new-organisation, new-station, broker, verify."""

import argparse
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from protocols.station import BoxSettings
from provisioning import broker, enrol, inventory
from provisioning.errors import ProvisioningError


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 if it worked, 2 with one line on stderr if it did not."""
    options = _parser().parse_args(arguments)
    now = datetime.fromtimestamp(time.time_ns() / 1e9, UTC)
    try:
        match options.command:
            case "init":
                enrol.make_county(options.county, options.name, now, broker_hosts=tuple(options.broker_host))
            case "new-organisation":
                enrol.add_organisation(
                    options.county,
                    inventory.Organisation(
                        code=options.code,
                        name=options.name,
                        name_en=options.name_en,
                        kind=options.kind,
                        parent=options.parent,
                        travel_minutes=options.travel_minutes,
                    ),
                )
            case "new-station":
                print(_new_station(options, now))
            case "broker":
                broker.run(options.county / "broker", options.bind, options.port, options.use)
            case "verify":
                print("\n".join(enrol.verify(options.county, now)))
    except (ProvisioningError, ValueError) as error:
        print(f"provisioning: {error}", file=sys.stderr)
        return 2
    return 0


def _new_station(options: argparse.Namespace, now: datetime) -> Path:
    accounts = []
    for text in options.account:
        username, name, role, variable = text.split(":")
        secret = os.environ.get(variable)
        if not secret:
            raise ProvisioningError(f"--account {username}: put the password into the variable {variable}")
        accounts.append((username, name, role, secret))
    boxes = tuple(_box(text) for text in options.box)
    return enrol.make_station(
        options.county,
        inventory.Station(id=options.id, name=options.name, organisation=options.organisation),
        now,
        broker_host=options.broker_host,
        broker_port=options.broker_port,
        boxes=boxes,
        accounts=tuple(accounts),
        page_port=options.page_port,
        duty_phone=options.duty_phone,
    )


def _box(text: str) -> BoxSettings:
    """driver=…,address=…,serial=…,rate_hz=… as settings. Raises ProvisioningError."""
    said = dict(pair.split("=", 1) for pair in text.split(",") if "=" in pair)
    fields: dict[str, object] = {**said, "rate_hz": int(said.get("rate_hz", "500"))}
    try:
        return BoxSettings.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        raise ProvisioningError(f"--box: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m provisioning", description="Make a county and its stations."
    )
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text)
        sub.add_argument("county", type=Path, help="the county's folder")
        return sub

    init = command("init", "county CA, broker and hub certificates, empty inventory")
    init.add_argument("--name", required=True)
    init.add_argument(
        "--broker-host", action="append", required=True, help="name or address of the broker; repeat"
    )

    organisation = command("new-organisation", "put an organisation into the inventory")
    organisation.add_argument("--code", required=True)
    organisation.add_argument("--name", required=True)
    organisation.add_argument("--name-en", default="")
    organisation.add_argument("--kind", required=True)
    organisation.add_argument("--parent")
    organisation.add_argument("--travel-minutes", type=int, default=0)

    station = command("new-station", "key, certificate and settings of one station; prints the settings file")
    station.add_argument("--id", required=True)
    station.add_argument("--name", required=True)
    station.add_argument("--organisation", required=True)
    station.add_argument("--broker-host", required=True)
    station.add_argument("--broker-port", type=int, required=True)
    station.add_argument("--page-port", type=int, default=8101)
    station.add_argument("--duty-phone", default="")
    station.add_argument("--box", action="append", default=[], help="driver=…,address=…,serial=…,rate_hz=…")
    station.add_argument(
        "--account",
        action="append",
        default=[],
        help="username:name:role:VARIABLE, the password in that variable",
    )

    run = command("broker", "run the county's broker")
    run.add_argument("--bind", default="127.0.0.1")
    run.add_argument("--port", type=int, default=8883)
    run.add_argument("--use", choices=("auto", "mosquitto", "embedded"), default="auto")

    command("verify", "check every certificate of the county")
    return parser


if __name__ == "__main__":
    sys.exit(main())
