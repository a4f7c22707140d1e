"""The extras are honest: [edge] alone runs the station and has nothing of the hub, and so the hub."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HUB_ONLY = ("fastapi", "sqlmodel", "sqlalchemy", "alembic", "psycopg", "argon2", "fpdf")
EDGE_ONLY = ("serial",)
NOBODYS = ("amqtt", "pytest", "playwright", "hypothesis")

IMPORT_ALL = """
import importlib, json, pkgutil, sys
package = importlib.import_module(sys.argv[1])
names = [m.name for m in pkgutil.walk_packages(package.__path__, package.__name__ + ".")]
for name in names:
    if not name.endswith("__main__") and ".migrations." not in name:
        importlib.import_module(name)
present = []
for name in json.loads(sys.argv[2]):
    try:
        importlib.import_module(name)
        present.append(name)
    except ImportError:
        pass
print(json.dumps({"imported": len(names), "present": present}))
"""


def install(folder: Path, extra: str) -> Path:
    uv = ROOT / ".tools" / "bin" / "uv"
    program = str(uv) if uv.exists() else shutil.which("uv")
    if program is None:
        pytest.skip("uv is not here (make setup brings it)")
    environment = os.environ | {"UV_PROJECT_ENVIRONMENT": str(folder)}
    environment.pop("VIRTUAL_ENV", None)
    subprocess.run(
        [program, "sync", "--locked", "--quiet", "--no-dev", "--extra", extra],
        cwd=ROOT,
        env=environment,
        check=True,
    )
    return folder / "bin" / "python"


def ask(python: Path, package: str, unwanted: tuple[str, ...]) -> dict:
    done = subprocess.run(
        [python, "-c", IMPORT_ALL, package, json.dumps(unwanted)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("extra", "package", "unwanted", "command"),
    [
        ("edge", "edge_agent", HUB_ONLY + NOBODYS, ["-m", "edge_agent", "--help"]),
        ("hub", "hub", EDGE_ONLY + NOBODYS, ["-m", "hub", "--help"]),
    ],
)
def test_one_extra_alone_imports_and_runs_its_whole_package(tmp_path, extra, package, unwanted, command):
    python = install(tmp_path / extra, extra)

    answer = ask(python, package, unwanted)

    assert answer["imported"] > 15
    assert answer["present"] == []
    subprocess.run([python, *command], cwd=ROOT, check=True, capture_output=True)
    subprocess.run([python, "-m", "provisioning", "--help"], cwd=ROOT, check=True, capture_output=True)
