"""Who did or saw what, as a chain: each line's hash covers the line before it. Append only."""

import hashlib
import json

from sqlalchemy import BigInteger, Column
from sqlmodel import Field, SQLModel

from hub.domain.columns import BigKey

FIRST = b"\0" * 32
"""What the first line follows."""


class AuditLine(SQLModel, table=True):
    __tablename__ = "audit_line"

    seq: int = Field(sa_column=Column(BigKey, primary_key=True, autoincrement=False))
    """1, 2, 3 … without a hole."""
    at_ns: int = Field(index=True, sa_type=BigInteger)
    user_id: str | None = Field(default=None, index=True, max_length=32)
    """None: a station or a timer."""
    username: str = Field(default="", max_length=64)
    """As it was then; a station's id, or "hub"."""
    action: str = Field(max_length=64)
    """exam.viewed, report.signed, login.refused …"""
    object: str = Field(default="", max_length=100)
    """kind:id"""
    patient_id: str | None = Field(default=None, index=True, max_length=32)
    detail: str = Field(default="", max_length=2000)
    """Opaque ids and reasons; never a name or a number of a patient."""
    previous: bytes
    hash: bytes

    def expected_hash(self) -> bytes:
        """SHA-256 over the line before and every field of this one."""
        fields = [
            self.seq,
            self.at_ns,
            self.user_id,
            self.username,
            self.action,
            self.object,
            self.patient_id,
            self.detail,
        ]
        text = json.dumps(fields, ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(self.previous + text.encode()).digest()


class AuditHead(SQLModel, table=True):
    """One row: where the chain ends. Its lock is what puts concurrent writers in line."""

    __tablename__ = "audit_head"

    id: int = Field(default=1, primary_key=True)
    seq: int = Field(default=0, sa_type=BigInteger)
    hash: bytes = FIRST
