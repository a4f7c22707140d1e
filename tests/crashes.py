"""What a disk may hold after a power cut, rebuilt from the system calls of a real run.

A program is run under strace. Replayed, its calls give for each moment what was synced, which a power cut
cannot take, and what was not: of that any part may have reached the disk, in any order, in pieces of a
sector or a page. File names are no better: a new or removed one is certain only once its folder was synced.
The shared-memory file is left out; after a power cut SQLite makes it anew.
"""

import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_CALLS = "pwrite64,write,fsync,fdatasync,ftruncate,unlink,rename,openat"
_LINE = re.compile(rb"^\d+ +(\w+)\((.*)$", re.DOTALL)
_RESUMED = re.compile(rb"^(\d+) +<\.\.\. (\w+) resumed>")
_FD = re.compile(rb"^(\d+)<([^>]*)>")
_TEXT = re.compile(rb'"((?:\\x[0-9a-f]{2})*)"')


@dataclass(frozen=True, slots=True)
class Write:
    path: str
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Truncate:
    path: str
    size: int


@dataclass(frozen=True, slots=True)
class Name:
    """A file appears (True) or goes."""

    path: str
    there: bool


@dataclass(frozen=True, slots=True)
class Sync:
    """A file's bytes and length, or a folder's names, are on the disk."""

    path: str


@dataclass(frozen=True, slots=True)
class Said:
    """A line the program wrote to its standard output."""

    text: str


Event = Write | Truncate | Name | Sync | Said


def record(command: Sequence[str], folder: Path, log: Path) -> list[Event]:
    """Run `command` and return what it did to the files of `folder`, and what it said, in order."""
    subprocess.run(
        ["strace", "-f", "-y", "-xx", "-s", "5000000", "-e", f"trace={_CALLS}", "-o", str(log), *command],
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=120,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    events: list[Event] = []
    waiting: dict[bytes, Event] = {}  # a sync counts from its end on, everything else from its beginning
    exists: set[str] = set()
    with log.open("rb") as lines:
        for line in lines:
            if resumed := _RESUMED.match(line):
                event = waiting.pop(resumed[1], None)
            else:
                event = _event(line, str(folder), exists)
                if isinstance(event, Sync) and b"<unfinished" in line:
                    waiting[line.split()[0]] = event
                    continue
            if event is not None:
                events.append(event)
    return events


def _event(line: bytes, folder: str, exists: set[str]) -> Event | None:
    found = _LINE.match(line)
    if found is None or b") = -1 " in line[-60:]:
        return None
    name, rest = found[1], found[2]
    path = _unhex(fd[2]) if (fd := _FD.match(rest)) else ""
    texts = [_unhex_bytes(text) for text in _TEXT.findall(rest)]
    if name == b"write":
        return Said(texts[0].decode().strip()) if fd and fd[1] == b"1" and texts else None
    if name in (b"unlink", b"rename", b"openat"):
        paths = [text.decode() for text in texts]
        if not paths[-1].startswith(folder + "/") or paths[-1].endswith("-shm"):
            return None
        assert name != b"rename", "a renamed file is not modelled yet"
        if name == b"unlink":
            exists.discard(paths[0])
            return Name(paths[0], there=False)
        if b"O_CREAT" not in rest or paths[0] in exists:
            return None
        exists.add(paths[0])
        return Name(paths[0], there=True)
    if not (path + "/").startswith(folder + "/") or path.endswith("-shm"):
        return None
    numbers = [int(number) for number in re.findall(rb", (\d+)", _TEXT.sub(b'""', rest))]
    if name == b"pwrite64":
        return Write(path, numbers[1], texts[0])
    return Truncate(path, numbers[0]) if name == b"ftruncate" else Sync(path)


def _unhex_bytes(text: bytes) -> bytes:
    return bytes.fromhex(text.replace(b"\\x", b"").decode())


def _unhex(text: bytes) -> str:
    return _unhex_bytes(text).decode() if text.startswith(b"\\x") else text.decode()


@dataclass
class _File:
    synced: bytearray = field(default_factory=bytearray)
    pending: list[Write | Truncate] = field(default_factory=list)


class Disk:
    """What is certain and what is not, after the events so far."""

    def __init__(self) -> None:
        self._files: dict[str, _File] = {}
        self._names: set[str] = set()
        self._pending: list[Name] = []

    def do(self, event: Event) -> None:
        """One event more."""
        match event:
            case Write() | Truncate():
                self._files.setdefault(event.path, _File()).pending.append(event)
            case Name():
                self._pending.append(event)
                if event.there:
                    self._files[event.path] = _File()
            case Sync() if event.path in self._files:
                file = self._files[event.path]
                for change in file.pending:
                    _apply(file.synced, change)
                file.pending.clear()
            case Sync():
                for name in self._pending:
                    _rename(self._names, name)
                self._pending.clear()

    def after_cut(self, dice: random.Random) -> dict[str, bytes]:
        """Name → content as a power cut at this moment may leave them; which one, the dice decide.

        One time in eight everything has reached the disk (as after kill -9), one in eight nothing that
        was not synced.
        """
        chance = dice.choice([1.0, 0.0, *(dice.random() for _ in range(6))])
        piece = dice.choice([512, 4096])
        names = set(self._names)
        for name in self._pending:
            if dice.random() < chance:
                _rename(names, name)
        return {path: self._content(self._files[path], dice, chance, piece) for path in sorted(names)}

    def _content(self, file: _File, dice: random.Random, chance: float, piece: int) -> bytes:
        content = bytearray(file.synced)
        for change in file.pending:
            if isinstance(change, Truncate):
                if dice.random() < chance:
                    _apply(content, change)
                continue
            for part in _torn(change, piece):
                if dice.random() < chance:
                    _apply(content, part)
        return bytes(content)


def cuts(events: Sequence[Event], how_many: int, seed: int) -> Iterator[tuple[int, dict[str, bytes]]]:
    """States after a power cut, spread over the run: (events before it, name → content)."""
    dice = random.Random(seed)
    moments = sorted(dice.randrange(len(events) + 1) for _ in range(how_many))
    disk, done = Disk(), 0
    for moment in moments:
        for event in events[done:moment]:
            disk.do(event)
        done = moment
        yield moment, disk.after_cut(dice)


def _torn(write: Write, piece: int) -> Iterator[Write]:
    """The write cut at the borders of sectors or pages of its file."""
    start = 0
    while start < len(write.data):
        end = min(len(write.data), start + piece - (write.offset + start) % piece)
        yield Write(write.path, write.offset + start, write.data[start:end])
        start = end


def _apply(content: bytearray, change: Write | Truncate) -> None:
    size = change.size if isinstance(change, Truncate) else change.offset + len(change.data)
    if len(content) < size:
        content += bytes(size - len(content))
    if isinstance(change, Truncate):
        del content[size:]
    else:
        content[change.offset : size] = change.data


def _rename(names: set[str], name: Name) -> None:
    if name.there:
        names.add(name.path)
    else:
        names.discard(name.path)
