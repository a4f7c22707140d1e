"""The hub's tests run on real databases: SQLite in a file, and a PostgreSQL cluster of their own."""

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_county import furnish
from sqlalchemy import Engine, create_engine, text

from hub import db


def _postgres_bin() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    return found[-1].parent if found else None


def _as_nobody() -> list[str]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return []
    if setpriv := shutil.which("setpriv"):
        return [setpriv, "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"]
    if runuser := shutil.which("runuser"):
        return [runuser, "-u", "nobody", "--"]
    pytest.skip("PostgreSQL: running as root, and neither setpriv nor runuser is installed")


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[Path]:
    """A private cluster on a unix socket in this folder; gone with the session."""
    binaries = _postgres_bin()
    if binaries is None:
        pytest.skip("PostgreSQL: no server under /usr/lib/postgresql/*/bin")
    prefix = _as_nobody()
    with tempfile.TemporaryDirectory(prefix="maitong-pg-", dir="/tmp") as name:
        folder = Path(name)
        if prefix:
            nobody = pwd.getpwnam("nobody")
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        data = folder / "data"

        def run(*command: str) -> None:
            done = subprocess.run(
                [*prefix, *command],
                cwd=folder,
                capture_output=True,
                text=True,
                env={"LC_ALL": "C", "PATH": "/usr/bin"},
            )
            assert done.returncode == 0, done.stdout + done.stderr

        run(f"{binaries}/initdb", "-D", str(data), "-U", "hub", "-A", "trust", "-E", "UTF8", "--no-sync")
        options = (
            f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
            " -c synchronous_commit=off -c full_page_writes=off -c max_connections=60 -c shared_buffers=16MB"
        )
        run(f"{binaries}/pg_ctl", "-D", str(data), "-w", "-l", str(folder / "log"), "-o", options, "start")
        try:
            yield folder
        finally:
            run(f"{binaries}/pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'hub.db'}"
        return
    folder = request.getfixturevalue("postgres_cluster")
    name = f"hub_{secrets.token_hex(6)}"
    admin = create_engine(f"postgresql+psycopg://hub@/postgres?host={folder}", isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield f"postgresql+psycopg://hub@/{name}?host={folder}"
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
