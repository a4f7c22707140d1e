"""A line that loses packets, which a proxy cannot: two network namespaces joined by two TUN devices.

One thread reads each IP packet from either device and writes it to the other one, later, at the line's
rate, or never. Needs root and /dev/net/tun.
"""

import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.network import FAR_HOST

NEAR_HOST = "10.87.0.1"
TUNSETIFF = 0x400454CA  # linux/if_tun.h
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
STANDING_S = 2.0
"""What would stand in the line longer than this is dropped at its tail, as a modem does."""


@dataclass(frozen=True, slots=True)
class Weather:
    """What becomes of packets, each way."""

    loss: float = 0.0
    delay_s: float = 0.0
    jitter_s: float = 0.0
    rate: float = float("inf")
    """Bytes per second."""


class LossyLine:
    """`with LossyLine() as line:` programs run with the prefixes `line.near` and `line.far` meet over it.

    Skips the test, by name, where namespaces and TUN devices cannot be made.
    """

    def __init__(self) -> None:
        self.weather = Weather()
        self.carried = self.lost = 0
        self._names = tuple(f"mt-{os.getpid()}-{end}" for end in ("near", "far"))
        self.near, self.far = (("ip", "netns", "exec", name) for name in self._names)
        self._dice = random.Random(10)
        self._stop = threading.Event()
        self._fds: list[int] = []

    def __enter__(self) -> "LossyLine":
        if os.geteuid() != 0 or not Path("/dev/net/tun").exists():
            pytest.skip("a line that loses packets needs root and /dev/net/tun")
        try:
            for n, (name, host) in enumerate(zip(self._names, (NEAR_HOST, FAR_HOST), strict=True)):
                _ip("netns", "add", name)
                _ip("-n", name, "link", "set", "lo", "up")
                self._fds.append(_tun(f"mt{os.getpid()}-{n}", name, host))
        except (OSError, subprocess.CalledProcessError) as error:
            self._remove()
            pytest.skip(f"a line that loses packets: namespaces cannot be made here ({error})")
        self._thread = threading.Thread(target=self._carry, name="lossy line", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(5)
        self._remove()

    def _remove(self) -> None:
        for fd in self._fds:
            os.close(fd)
        for name in self._names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)

    def _carry(self) -> None:
        near, far = self._fds
        other, free = {near: far, far: near}, {near: 0.0, far: 0.0}
        on_the_way: list[tuple[float, int, int, bytes]] = []
        while not self._stop.is_set():
            wait_s = on_the_way[0][0] - time.monotonic() if on_the_way else 0.1
            for fd in select.select([near, far], [], [], max(0.0, min(wait_s, 0.1)))[0]:
                packet, weather, now = os.read(fd, 65536), self.weather, time.monotonic()
                if self._dice.random() < weather.loss or free[fd] - now > STANDING_S:
                    self.lost += 1
                    continue
                free[fd] = max(free[fd], now) + len(packet) / weather.rate
                late_s = max(0.0, weather.delay_s + self._dice.uniform(-1, 1) * weather.jitter_s)
                heapq.heappush(on_the_way, (free[fd] + late_s, self.carried, other[fd], packet))
                self.carried += 1
            while on_the_way and on_the_way[0][0] <= time.monotonic():
                _, _, fd, packet = heapq.heappop(on_the_way)
                os.write(fd, packet)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def _tun(device: str, namespace: str, host: str) -> int:
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", device.encode(), IFF_TUN | IFF_NO_PI))
    _ip("link", "set", device, "netns", namespace)
    _ip("-n", namespace, "addr", "add", f"{host}/24", "dev", device)
    _ip("-n", namespace, "link", "set", device, "up")
    return fd
