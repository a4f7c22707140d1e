"""The hub's tests run on real databases: SQLite in a file, and a PostgreSQL cluster of their own."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import postgres
import pytest
from hub_county import furnish
from sqlalchemy import Engine, create_engine, text

from hub import db


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[Path]:
    """A private cluster, gone with the session; its data need not outlive the machine."""
    with postgres.cluster(durable=False) as folder:
        yield folder


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'hub.db'}"
        return
    folder = request.getfixturevalue("postgres_cluster")
    name = f"hub_{secrets.token_hex(6)}"
    admin = create_engine(postgres.url(folder), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield postgres.url(folder, name)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A migrated database of each kind."""
    engine = db.open_engine(database_url)
    db.migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def county(engine: Engine) -> Engine:
    """The database with two stations and their organisations in it."""
    furnish(engine)
    return engine
