"""The validation as a document: the tables with what a reader must know before believing them.

No date, no time and no path stands in it, so that the same code and records give the same bytes.
"""

from collections.abc import Mapping
from typing import Any

from ecg.tables import markdown, tables

_HEAD = """# Validation

What `ecg` {version} says of annotated records, beside what their annotators said. Written by

    python -m ecg validate --report docs/VALIDATION.md FOLDER

with the folder of the development records; not edited by hand. The same code and the same records write the
same bytes.

**How to read it.** The records here are the development halves of public collections. The constants of the
program were chosen with these records in sight, so every table shows the program on what it was tuned on:
expect less on records that nobody here has seen. {validated}

A statement or level is a machine's and waits for a doctor; nothing here says what the program does to a
patient's care. Numbers on real records and on the simulated heart are never added together. Where few records
have a finding, read the interval and not the percentage.
"""

CROSS_VALIDATED = "No table below is cross-validated."
"""Which figures are not of the tuning data; part of the document, so that it is said in one place."""


def document(figures: Mapping[str, Any]) -> str:
    """Markdown of every figure."""
    head = _HEAD.format(version=figures["version"], validated=CROSS_VALIDATED)
    return head + "\n" + markdown(tables(figures))
