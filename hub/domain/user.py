"""People who log in at the hub, their log-ins, and wrong guesses. Never a response model: secrets."""

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel


class User(SQLModel, table=True):
    __tablename__ = "user_account"  # "user" is a reserved word of PostgreSQL

    id: str = Field(primary_key=True, max_length=32)
    username: str = Field(unique=True, max_length=32)
    name: str = Field(max_length=64)
    """As signed on reports."""
    role: str = Field(max_length=32)
    """A key of hub.security.PERMISSIONS."""
    organisation_id: str | None = Field(default=None, foreign_key="organisation.id", max_length=64)
    """For roles that see only their own site."""
    password_hash: str = Field(max_length=200)
    enabled: bool = True
    language: str = Field(default="zh-CN", max_length=8)
    created_ns: int = Field(sa_type=BigInteger)
    last_login_ns: int | None = Field(default=None, sa_type=BigInteger)


class Login(SQLModel, table=True):
    """One browser that is logged in. Gone with log-out, time-out, a new password or a disabled account."""

    __tablename__ = "login"

    token_hash: bytes = Field(primary_key=True)
    """SHA-256 of the cookie: who reads this table cannot log in with it."""
    user_id: str = Field(foreign_key="user_account.id", index=True, max_length=32)
    created_ns: int = Field(sa_type=BigInteger)
    expires_ns: int = Field(index=True, sa_type=BigInteger)


class LoginFailures(SQLModel, table=True):
    """Wrong guesses at one user name, whether it exists or not: a lock tells nobody which names do."""

    __tablename__ = "login_failures"

    username: str = Field(primary_key=True, max_length=64)
    failures: int = 0
    locked_until_ns: int = Field(default=0, sa_type=BigInteger)
    at_ns: int = Field(default=0, index=True, sa_type=BigInteger)
