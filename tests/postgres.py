"""A real PostgreSQL of one's own, on a unix socket in a folder that is gone afterwards."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

USER = "hub"


def url(folder: Path, database: str = "postgres") -> str:
    """SQLAlchemy's address of a database in the cluster of `folder`."""
    return f"postgresql+psycopg://{USER}@/{database}?host={folder}"


@contextlib.contextmanager
def cluster(*, durable: bool = True) -> Iterator[Path]:
    """The folder of a running cluster; skips by name where PostgreSQL is not installed.

    The folder is in /tmp itself: PostgreSQL refuses root and then runs as nobody, who may not enter
    pytest's own folders.
    """
    if _binaries() is None:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    with tempfile.TemporaryDirectory(prefix="maitong-pg-", dir="/tmp") as name:
        folder = Path(name)
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        _run(folder, "initdb", "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync")
        start(folder, durable=durable)
        try:
            yield folder
        finally:
            stop(folder)


def start(folder: Path, *, durable: bool = True) -> None:
    """Start the cluster of `folder` (again)."""
    options = f"-c listen_addresses= -c unix_socket_directories={folder} -c max_connections=60"
    if not durable:
        options += " -c fsync=off -c synchronous_commit=off -c full_page_writes=off"
    _run(folder, "pg_ctl", "-w", "-l", str(folder / "log"), "-o", options, "start")


def stop(folder: Path) -> None:
    """Stop it as a power cut would: nothing is flushed, nobody is told."""
    _run(folder, "pg_ctl", "-m", "immediate", "-w", "stop")


def _binaries() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    return found[-1].parent if found else None


def _run(folder: Path, program: str, *arguments: str) -> None:
    done = subprocess.run(
        [*_as_nobody(), f"{_binaries()}/{program}", "-D", str(folder / "data"), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env={"LC_ALL": "C", "PATH": "/usr/bin"},
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _as_nobody() -> list[str]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return []
    if setpriv := shutil.which("setpriv"):
        return [setpriv, "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"]
    if runuser := shutil.which("runuser"):
        return [runuser, "-u", "nobody", "--"]
    pytest.skip("PostgreSQL: running as root, and neither setpriv nor runuser is installed")
