"""The eight-channel ECG box, simulated: scenario → bytes, commands → answers. No I/O but the log.

It uses the codec's own encoders, so it proves nothing about the wire; tests/vectors/ecg_ads1298 does.
"""

from collections.abc import Callable
from typing import BinaryIO

import numpy as np

from edge_agent.drivers.ecg_ads1298 import codec
from edge_agent.simulator.scenarios import Strip

FIRMWARE = "sim-1"
FRAMES_PER_S = 20


class Box:
    """One box from power-on: it counts every sample it ever converts, across all connections."""

    def __init__(
        self,
        strip_at: Callable[[int], Strip],
        *,
        serial: str,
        rates_hz: tuple[int, ...],
        sent_log: BinaryIO | None = None,
    ) -> None:
        self._strip_at = strip_at
        self._serial = serial
        self._rates_hz = rates_hz
        self._uv_per_count = strip_at(rates_hz[0]).uv_per_count
        self._log = sent_log
        self._commands = codec.CommandDecoder()
        self._rate_hz = 0
        self._sample = 0
        self._frames = 0

    @property
    def interval_s(self) -> float | None:
        """Seconds from frame to frame; None while the converter stands still."""
        return self._samples_per_frame / self._rate_hz if self._rate_hz else None

    @property
    def _samples_per_frame(self) -> int:
        return min(codec.MOST_SAMPLES, self._rate_hz // FRAMES_PER_S)

    def hear(self, data: bytes) -> bytes:
        """Bytes from the host → the answers."""
        answers = b""
        for command in self._commands.feed(data):
            if command.type == codec.START:
                self._rate_hz = command.rate_hz if command.rate_hz in self._rates_hz else 0
            elif command.type == codec.STOP:
                self._rate_hz = 0
            answers += codec.encode_info(
                self._serial, FIRMWARE, self._rate_hz, self._rates_hz, self._uv_per_count
            )
        return answers

    def hang_up(self) -> None:
        """The host is gone: the converter stands still, half a command is forgotten."""
        self._rate_hz = 0
        self._commands = codec.CommandDecoder()

    def speak(self) -> list[bytes]:
        """The next frame of samples, and once a second the status before it."""
        n = self._samples_per_frame
        counts, electrodes_off = self._strip_at(self._rate_hz).cut(self._sample, n)
        counts = np.clip(counts, codec.COUNT_MIN, codec.COUNT_MAX)
        if self._log is not None:
            self._log.write(np.ascontiguousarray(counts.T, dtype="<i4").tobytes())
            self._log.flush()
        frames = []
        if self._frames % FRAMES_PER_S == 0:
            uptime_s = self._frames // FRAMES_PER_S
            frames.append(codec.encode_status(max(5, 90 - uptime_s // 600), uptime_s=uptime_s))
        frames.append(codec.encode_samples(self._sample, counts, electrodes_off))
        self._sample += n
        self._frames += 1
        return frames
