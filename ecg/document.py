"""The validation as a document: the tables with what a reader must know before believing them.

No date, no time and no path stands in it, so that the same code and records give the same bytes.
"""

from collections.abc import Mapping
from typing import Any

from ecg.tables import tables
from ecg.typeset import markdown

_HEAD = """# Validation

What `ecg` {version} says of annotated records, beside what their annotators said. Written by

    python -m ecg validate {options}--report FILE FOLDER

with the folder of the development records, and not edited by hand: the same code and the same records
write the same bytes. Any set of WFDB records with annotations or labels can be put in their place.

## What these figures are worth

The records are the development halves of public collections. The constants of the program were chosen
with these records in sight, so the tables show the program on what it was tuned on: expect less on
records that nobody here has seen. Each constant says in the code where it comes from.

{held_out}

Nothing else below is cross-validated as a whole; where a threshold was, its place in the code says so.

A statement or a level is a machine's and waits for a doctor. Figures on real records and on the simulated
heart are never added together. Where few records have a finding, read the interval and not the
percentage.
"""
_ALL_SEEN = """The boundaries come from a small network that was trained on the LUDB and QTDB records
below, and partly on the others. Here it reads the very records that it learned from: boundaries,
intervals and whatever rests on them are its training figures, not what it does on others. `--wave-folds`
reads each record with weights that did not learn from it."""
_HELD_OUT = """The boundaries come from a small network that was trained on the LUDB and QTDB records
below, and partly on the others. For {count} of {records} records it was trained once more without them
(five parts, by record), and each of these was read with the weights that had not learned from it: their
boundaries and intervals are cross-validated as far as the weights go, and so are the boundaries that
statements and levels rest on. The other records are in no training."""


def document(figures: Mapping[str, Any], picture: str | None = None, folds: str | None = None) -> str:
    """Markdown of every figure; `picture`: where their drawing lies, seen from the document; `folds`: where
    the weights of the folds lie, as typed."""
    count = sum(own["held_out"] for own in figures["sets"].values())
    records = sum(own["records"] for own in figures["sets"].values())
    head = _HEAD.format(
        version=figures["version"],
        options=f"--wave-folds {folds or 'FOLDS'} " if count else "",
        held_out=_HELD_OUT.format(count=count, records=records) if count else _ALL_SEEN,
    )
    drawing = f"![Every figure with its spread or interval]({picture})\n\n" if picture else ""
    return f"{head}\n{drawing}{markdown(tables(figures))}"
