"""Column kinds the tables share: one way to keep a big number, bytes, and a JSON value on both databases."""

from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Integer, LargeBinary
from sqlalchemy.dialects.postgresql import JSONB

Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
BigKey = BigInteger().with_variant(Integer, "sqlite")
"""SQLite counts rows up only in an INTEGER key."""


def json_column(*, nullable: bool = False) -> "Column[Any]":
    return Column(Json, nullable=nullable)


def bytes_column(*, nullable: bool = False) -> "Column[Any]":
    return Column(LargeBinary, nullable=nullable)


def key_column() -> "Column[Any]":
    """A running number given by the database, never used twice."""
    return Column(BigKey, primary_key=True, autoincrement=True)
