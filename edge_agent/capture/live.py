"""The live picture: twelve filtered leads about ten times a second, heart rate and lead quality each second.

It may lose blocks (a slow page), it is never the record. numpy only.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ecg import beats, filters, leads, quality
from edge_agent.drivers.events import Samples
from protocols import live

BLOCK_S = 0.1
BANDS = ("diagnostic", "monitor")
"""What a page may watch; the second is one-way filtered at 0.5 Hz and marked so."""
RATE_WINDOW_S = 10.0
QUALITY_WINDOW_S = 4.0
"""Long enough for baseline wander, short enough that a repaired lead is good again soon."""
JUDGE_EVERY_S = 1.0
NO_BEAT_S = 4.0
"""After so long without a beat no heart rate is shown."""
_QUEUE_BLOCKS = 20
"""A page that lags by two seconds loses the oldest."""

Publish = Callable[[bytes], None]


@dataclass(eq=False)
class _Watcher:
    band: str
    queue: "asyncio.Queue[bytes]" = field(default_factory=lambda: asyncio.Queue(_QUEUE_BLOCKS))


class LivePicture:
    """What the electrodes say now. Fed with samples; read by pages, the live lane and the state."""

    def __init__(self, publish: Publish | None = None) -> None:
        """`publish`, the live lane, is given diagnostic blocks of the sampled leads while a page looks."""
        self.heart_rate: int | None = None
        self.lead_quality: dict[str, str] = {}
        self.electrodes_off: frozenset[str] = frozenset()
        self._publish = publish
        self._watchers: set[_Watcher] = set()
        self._filters: dict[str, filters.LiveFilter] = {}
        self._pending: list[NDArray[np.float64]] = []
        self._pending_first = 0
        self._pending_n = 0
        self._next_sample: int | None = None
        self._rate_hz = 0
        self._leads: tuple[str, ...] = ()
        self._ring = np.zeros((0, 0))
        self._since_judged = 0

    @contextlib.contextmanager
    def watch(self, band: str = "diagnostic") -> "Iterator[asyncio.Queue[bytes]]":
        """A queue of packed blocks of one band, as long as the context lives."""
        watcher = _Watcher(band if band in BANDS else BANDS[0])
        self._watchers.add(watcher)
        try:
            yield watcher.queue
        finally:
            self._watchers.discard(watcher)

    def clear(self) -> None:
        """The box is gone: nothing said about the heart is true any more."""
        self.heart_rate = None
        self.lead_quality = {}
        self.electrodes_off = frozenset()
        self._filters.clear()
        self._pending.clear()
        self._pending_n = 0
        self._next_sample = None
        self._ring = np.zeros((0, 0))
        self._rate_hz = 0

    def feed(self, samples: Samples) -> None:
        """Take what the box said; a jump in its numbering becomes a gap."""
        if (samples.rate_hz, samples.leads) != (self._rate_hz, self._leads):
            self.clear()
            self._rate_hz, self._leads = samples.rate_hz, samples.leads
            size = round(RATE_WINDOW_S * samples.rate_hz)
            self._ring = np.full((len(samples.leads), size), np.nan)
        self.electrodes_off = samples.electrodes_off
        microvolts = samples.counts.astype(np.float64) * samples.uv_per_count
        gap = 0 if self._next_sample is None else samples.first_sample - self._next_sample
        if gap:
            self._flush()
            lost = np.full((len(self._leads), min(max(gap, 1), self._ring.shape[1])), np.nan)
            self._remember(lost)
            for one in self._filters.values():
                one.feed(lost)
        if not self._pending_n:
            self._pending_first = samples.first_sample
        self._pending.append(microvolts)
        self._pending_n += microvolts.shape[1]
        self._next_sample = samples.first_sample + microvolts.shape[1]
        if self._pending_n >= BLOCK_S * self._rate_hz:
            self._flush()
        if self._since_judged >= JUDGE_EVERY_S * self._rate_hz:
            self._judge()

    def _remember(self, block: NDArray[np.float64]) -> None:
        n = min(block.shape[1], self._ring.shape[1])
        if n:
            self._ring[:, :-n] = self._ring[:, n:]
            self._ring[:, -n:] = block[:, -n:]
        self._since_judged += block.shape[1]

    def _flush(self) -> None:
        if not self._pending_n:
            return
        block = np.concatenate(self._pending, axis=1) if len(self._pending) > 1 else self._pending[0]
        first = self._pending_first
        self._pending.clear()
        self._pending_n = 0
        self._remember(block)
        wanted = {watcher.band for watcher in self._watchers}
        # Nobody at the screen, nobody at the electrodes: then the link is spared too.
        publish = self._publish if wanted else None
        if publish is not None:
            wanted.add("diagnostic")
        for band in self._filters.keys() - wanted:
            del self._filters[band]
        for band in wanted:
            shown = self._filter(band).feed(block)
            if band == "diagnostic" and publish is not None:
                publish(self._pack(self._leads, band, first, shown))
            queues = [watcher.queue for watcher in self._watchers if watcher.band == band]
            if queues:
                packed = self._pack(leads.LEADS, band, first, leads.derive(shown, self._leads))
                for queue in queues:
                    if queue.full():
                        queue.get_nowait()
                    queue.put_nowait(packed)

    def _filter(self, band: str) -> filters.LiveFilter:
        if band not in self._filters:
            row = filters.BANDS[band]
            self._filters[band] = filters.LiveFilter(
                self._rate_hz, len(self._leads), row.highpass_hz, row.lowpass_hz, row.notch_hz
            )
        return self._filters[band]

    def _pack(self, names: tuple[str, ...], band: str, first: int, shown: NDArray[np.float64]) -> bytes:
        flags = live.MONITORING if band == "monitor" else 0
        return live.pack(live.Block(names, self._rate_hz, 1.0, first, live.to_counts(shown), flags))

    def _judge(self) -> None:
        self._since_judged = 0
        # What is not there yet (or was lost) does not count for the beats, a lead without contact neither.
        off = leads.leads_off(self.electrodes_off)
        rows = [row for row, name in enumerate(self._leads) if name not in off]
        self.heart_rate = self._heart_rate(rows)
        recent = self._ring[:, -round(QUALITY_WINDOW_S * self._rate_hz) :]
        recent = recent[:, np.isfinite(recent).any(axis=0)]
        if recent.shape[1] >= self._rate_hz:
            twelve = leads.derive(recent, self._leads)
            self.lead_quality = quality.latest(twelve, self._rate_hz, leads.LEADS, self.electrodes_off)
        else:
            self.lead_quality = {}

    def _heart_rate(self, rows: list[int]) -> int | None:
        window = self._ring[rows]
        present = np.flatnonzero(np.isfinite(window).any(axis=0)) if rows else np.zeros(0, dtype=np.int64)
        if present.size < 2 * self._rate_hz:
            return None
        window = window[:, present[0] :]
        found = beats.detect(window, self._rate_hz)
        if found.size < 3 or window.shape[1] - found[-1] > NO_BEAT_S * self._rate_hz:
            return None
        return round(60.0 * self._rate_hz / float(np.median(np.diff(found))))
