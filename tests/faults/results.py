"""What each scenario of the campaign found: one JSON file each below `.faults/`, and docs/FAULTS.md of them.

A result counts for the commit it was made at; `make faults` does the scenarios that have none yet.
"""

import json
import re
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.county import ROOT

FOLDER = ROOT / ".faults"
PAGE = ROOT / "docs" / "FAULTS.md"

HEAD = """\
# Fault campaign

Written by `make faults`; never edited. Each scenario runs the real processes: stations (outbox, inbox and
uplink, or the whole agent), a broker with the county's TLS, the hub's ingest and its database. An oracle
outside them notes an obligation when a station's append has returned. After the faults it asks the hub's
tables, with SQL of its own, for every one of them and for a fresh record of each station.

*Lost*: accepted, and not at the hub. *Doubled*: there twice, or never asked for. *Altered*: there with other
bytes. *Kills*: `kill -9` of a process.

"""

COUNTS = ("obligations", "lost", "doubled", "altered", "kills")


@dataclass
class Result:
    scenario: str
    done: str
    """What was done, in words."""
    kinds: str = ""
    """Broker and database."""
    obligations: int = 0
    lost: int = 0
    doubled: int = 0
    altered: int = 0
    kills: int = 0
    measured: dict[str, Any] = field(default_factory=dict)
    outcome: str = ""
    """passed, failed, or why a failure is expected."""
    seconds: float = 0.0
    commit: str = ""


SOURCES = (".", ":!docs")
"""What a result depends on: the page of results is not part of it."""


def commit() -> str:
    """The last commit of the sources, marked if they differ from it; empty outside a checkout."""
    try:
        at = _git("log", "-1", "--format=%h", "--", *SOURCES)
        return f"{at}-dirty" if _git("status", "--porcelain", "--untracked-files=no", "--", *SOURCES) else at
    except (OSError, subprocess.CalledProcessError):
        return ""


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def file_of(test: str) -> Path:
    """Where the result of a test of this name lies."""
    return FOLDER / (re.sub(r"[^A-Za-z0-9_.-]+", "-", test.removeprefix("test_")).strip("-") + ".json")


def save(test: str, result: Result) -> None:
    FOLDER.mkdir(exist_ok=True)
    text = json.dumps(asdict(result), ensure_ascii=False, indent=1)
    file_of(test).write_text(text + "\n", encoding="utf-8")


def is_done(test: str, at: str) -> bool:
    """Whether the test has passed, or failed as expected, at this very commit."""
    file = file_of(test)
    if not at or at.endswith("-dirty") or not file.exists():
        return False
    result = json.loads(file.read_text(encoding="utf-8"))
    return result["commit"] == at and result["outcome"] != "failed"


def saved() -> list[Result]:
    """All results there are, by number."""
    results = [Result(**json.loads(f.read_text(encoding="utf-8"))) for f in FOLDER.glob("*.json")]
    return sorted(results, key=lambda r: (number(r.scenario), r.scenario, r.kinds))


def number(scenario: str) -> int:
    """The fault's number, to sort by; what has none comes last."""
    found = re.match(r"F(\d+)", scenario)
    return int(found[1]) if found else 10**6


def write_page() -> None:
    """docs/FAULTS.md, from the result files."""
    PAGE.write_text(HEAD + table(saved()), encoding="utf-8")


def table(results: Iterable[Result]) -> str:
    """One row a result, and the sums."""
    rows = list(results)
    lines = [
        f"| Scenario | What was done | With | {' | '.join(COUNTS)} | Measured | Outcome |",
        "|---|---|---|--:|--:|--:|--:|--:|---|---|",
    ]
    for r in rows:
        measured = "; ".join(f"{name} {value}" for name, value in r.measured.items())
        counts = " | ".join(str(getattr(r, name)) for name in COUNTS)
        outcome = f"{r.outcome}, {r.seconds:.0f} s, at `{r.commit}`"
        lines.append(f"| {r.scenario} | {r.done} | {r.kinds} | {counts} | {measured} | {outcome} |")
    sums = " | ".join(f"**{sum(getattr(r, name) for r in rows)}**" for name in COUNTS)
    return "\n".join([*lines, f"| **All** | | | {sums} | | |"]) + "\n"
