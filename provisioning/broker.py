"""One launcher for the county's broker: mosquitto where it is found, else the embedded one."""

import asyncio
import getpass
import logging
import os
import shutil
import signal
from pathlib import Path
from typing import Literal, NoReturn

from provisioning import render
from provisioning.errors import BrokerMissing

Choice = Literal["auto", "mosquitto", "embedded"]


def find_mosquitto() -> str | None:
    """The mosquitto program; Debian puts it where a user's PATH does not look."""
    path = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin" + os.pathsep + "/usr/local/sbin"
    return shutil.which("mosquitto", path=path)


def choose(choice: Choice) -> Literal["mosquitto", "embedded"]:
    """Which broker will run. Raises BrokerMissing if the one asked for is not there."""
    if choice != "embedded" and find_mosquitto():
        return "mosquitto"
    if choice == "mosquitto":
        raise BrokerMissing("mosquitto is not on this machine: apt-get install mosquitto")
    try:
        import amqtt  # noqa: F401, PLC0415, RUF100 - only where the embedded broker is wanted
    except ImportError:
        raise BrokerMissing(
            "no broker: apt-get install mosquitto, or install the extra maitong[demo] for the embedded one"
        ) from None
    return "embedded"


def run(folder: Path, bind: str, port: int, choice: Choice = "auto") -> None:
    """Run the broker whose certificate is in `folder`, in this process, until it is told to stop."""
    folder = folder.resolve()
    ca_file = folder / "ca.crt"
    if choose(choice) == "mosquitto":
        _exec_mosquitto(folder, ca_file, bind, port)
    asyncio.run(_run_embedded(folder, ca_file, bind, port))


def _exec_mosquitto(folder: Path, ca_file: Path, bind: str, port: int) -> NoReturn:
    program = find_mosquitto()
    assert program is not None
    (folder / "acl").write_text(render.mosquitto_acl())
    (folder / "acl").chmod(0o600)
    configuration = folder / "mosquitto.conf"
    configuration.write_text(render.mosquitto_conf(folder, ca_file, bind, port, getpass.getuser()))
    os.execv(program, [program, "-c", str(configuration)])  # noqa: S606 - becomes the broker, no shell


async def _run_embedded(folder: Path, ca_file: Path, bind: str, port: int) -> None:
    from provisioning import embedded  # noqa: PLC0415, RUF100 - needs the extra [demo]

    logging.getLogger("amqtt").setLevel(logging.ERROR)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    broker = embedded.make(folder, ca_file, bind, port)
    await broker.start()
    await stop.wait()
    await broker.shutdown()
