"""Tables in plain text and in Markdown."""

from collections.abc import Iterable
from typing import NamedTuple


class Table(NamedTuple):
    """One table with what must be known to read it."""

    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def text(all_tables: Iterable[Table]) -> str:
    """For a terminal: columns as wide as their widest cell, numbers to the right."""
    parts: list[str] = []
    for table in all_tables:
        rows = [table.columns, *table.rows]
        widths = [max(len(row[k]) for row in rows) for k in range(len(table.columns))]
        lines = [
            "  ".join(
                cell.ljust(width) if k == 0 else cell.rjust(width)
                for k, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        lines.insert(1, "-" * (sum(widths) + 2 * (len(widths) - 1)))
        parts.append("\n".join([table.title, *([table.note] if table.note else []), "", *lines]))
    return "\n\n\n".join(parts) + "\n"


def markdown(all_tables: Iterable[Table]) -> str:
    """For a document: second-level headings, numbers to the right."""
    parts: list[str] = []
    for table in all_tables:
        lines = [f"## {table.title}", ""]
        if table.note:
            lines += [table.note, ""]
        lines.append("| " + " | ".join(table.columns) + " |")
        lines.append("|---" + "|---:" * (len(table.columns) - 1) + "|")
        lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in table.rows]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"
