"""The validation as a document: the tables with what a reader must know before believing them.

No date, no time and no path stands in it, so that the same code and records give the same bytes.
"""

from collections.abc import Mapping
from textwrap import wrap
from typing import Any

from ecg.tools.tables import tables
from ecg.tools.typeset import markdown

_HEAD = """# Validation

What `ecg` {version} says of annotated records, beside what their annotators said. Written by

    python -m ecg validate {options}--report FILE FOLDER

with the folder of the development records, and not edited by hand: the same code and the same records
write the same bytes. Any set of WFDB records with annotations or labels can be put in their place.

## What these figures are worth

The records are the development halves of public collections. The constants of the program were chosen
with these records in sight, so the tables show the program on what it was tuned on: expect less on
records that nobody here has seen. Each constant says in the code where it comes from.

{unseen}

A statement or a level is a machine's and waits for a doctor. Figures on real records and on the simulated
heart are never added together. Where few records have a finding, read the interval and not the
percentage.
"""
_SEEN = (
    "Two small networks are in it: one that chooses the QRS among the deflections, trained on the MIT-BIH"
    " records below, and one that reads boundaries, trained on those of LUDB and QTDB and, for P waves, on"
    " parts of the others. {beats} {waves} Rules for statements, quality and levels were written and tuned"
    " with all these records in sight; no table on them is cross-validated."
)
_TUNED = "{what} reads the very records that it learned from here: its tables are training figures."
_UNSEEN = (
    "{what} was trained again with each fifth of its records left out, and reads {count} of {records} records"
    " with the weights that had not learned from them: its tables are cross-validated by record as far as the"
    " weights go, not the constants beside them."
)


def document(figures: Mapping[str, Any], picture: str | None = None, typed: str = "") -> str:
    """Markdown of every figure; `picture`: where their drawing lies, seen from the document; `typed`: the
    options that were given beside the folder."""
    records = sum(own["records"] for own in figures["sets"].values())

    def told(what: str, kind: str) -> str:
        count = sum(own["held_out"][kind] for own in figures["sets"].values())
        return (_UNSEEN if count else _TUNED).format(what=what, count=count, records=records)

    seen = _SEEN.format(beats=told("The first", "beats"), waves=told("The second", "waves"))
    head = _HEAD.format(
        version=figures["version"],
        options=f"{typed} " if typed else "",
        unseen="\n".join(wrap(seen, 106)),
    )
    drawing = f"![Every figure with its spread or interval]({picture})\n\n" if picture else ""
    return f"{head}\n{drawing}{markdown(tables(figures))}"
