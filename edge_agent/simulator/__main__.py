"""`python -m edge_agent.simulator ecg_ads1298 --listen tcp:127.0.0.1:7001`: a device behind an address.

Prints one JSON line when it listens, and one saying what was done to a record it plays. Ends on SIGTERM.
"""

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

from edge_agent.simulator import ecg_ads1298
from edge_agent.simulator.scenarios import Strip, from_record, from_scenario
from edge_agent.simulator.serve import Faults, parse_faults, serve

DEVICES = {"ecg_ads1298": ecg_ads1298.Box}
"""Device name, as in edge_agent.drivers.DRIVERS → its simulated twin."""


def main(argv: list[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    done: list[dict[str, Any]] = []

    @cache
    def strip_at(rate_hz: int) -> Strip:
        if options.record is None:
            return from_scenario(options.scenario, options.seed, rate_hz, options.uv_per_count)
        strip, what = from_record(options.record, rate_hz, options.uv_per_count)
        done.append(what)
        return strip

    try:
        rates_hz = tuple(int(rate) for rate in options.rates.split(","))
        faults = parse_faults(options.fault, options.seed)
        strip_at(rates_hz[0])
        with ExitStack() as stack:
            log: BinaryIO | None = (
                stack.enter_context(options.sent_log.open("wb")) if options.sent_log else None
            )
            box = DEVICES[options.device](strip_at, serial=options.serial, rates_hz=rates_hz, sent_log=log)

            def ready(address: str) -> None:
                _say({"event": "listening", "address": address, "serial": options.serial})
                for what in done:
                    _say({"event": "record"} | what)

            asyncio.run(_until_terminated(options, box, faults, ready))
    except (ValueError, OSError) as error:
        print(f"simulator: {error}", file=sys.stderr)
        return 2
    return 0


async def _until_terminated(
    options: argparse.Namespace, box: ecg_ads1298.Box, faults: Faults, ready: Callable[[str], None]
) -> None:
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        await serve(box, options.listen, faults=faults, speed=options.speed, ready=ready)
    except asyncio.CancelledError:
        task.uncancel()


def _say(line: dict[str, Any]) -> None:
    print(json.dumps(line, ensure_ascii=False), flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m edge_agent.simulator", description="A simulated device.")
    parser.add_argument("device", choices=sorted(DEVICES))
    parser.add_argument("--listen", required=True, help="tcp:host:port (0: any port) or pty:/path")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--scenario", default="sinus", help="of ecg.simulate; sinus:35 sets the rate")
    what.add_argument("--record", type=Path, help="a WFDB record: .hea, or .tar.xz that holds one")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--serial", default="BOX-0001")
    parser.add_argument("--rates", default="500,1000", help="rates the box offers, in Hz")
    parser.add_argument("--uv-per-count", type=float, default=1.0)
    parser.add_argument("--sent-log", type=Path, help="every sample converted: int32, 8 channels a sample")
    parser.add_argument("--fault", action="append", default=[], help="garbage|lost[:chance], cut|silent[:s]")
    parser.add_argument("--speed", type=float, default=1.0, help="times real time")
    return parser


if __name__ == "__main__":
    sys.exit(main())
