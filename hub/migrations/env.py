"""Alembic's entry: runs the steps on the connection that hub.db.migrate hands in."""

from typing import Any, Literal

from alembic import context
from sqlmodel import AutoString

from hub.domain import metadata


def _written(kind: str, value: Any, _: object) -> str | Literal[False]:
    """Name SQLModel's own text type by what it is, so that old steps need no SQLModel."""
    return f"sa.String(length={value.length})" if kind == "type" and isinstance(value, AutoString) else False


connection = context.config.attributes["connection"]
# SQLite cannot alter most of a table in place, so its steps copy the table.
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=True,
    compare_type=True,
    render_item=_written,
)
with context.begin_transaction():
    context.run_migrations()
