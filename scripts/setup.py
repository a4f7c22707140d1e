"""Set this checkout up for one job: demo, check, test or bench. Standard library only; safe to run again.

Python packages go into .venv (exact versions of uv.lock), uv itself into .tools, front-end packages into
web/node_modules (exact versions of package-lock.json). Programs that only the tests need come from the
system's packages where this user may install them; otherwise they are named and the tests that need them
are skipped by name.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from npm import node_is_here, npm

ROOT = Path(__file__).resolve().parent.parent
UV_VERSION = "0.13.9"

EXTRAS = {
    "demo": ("edge", "hub", "demo"),
    "check": ("edge", "hub", "demo", "dev"),
    "test": ("edge", "hub", "demo", "dev"),
    "bench": ("edge", "hub", "demo", "dev"),
}
PEERS = ROOT / "tests" / "bench" / "peers.txt"
GATEWAY = ROOT / "tests" / "bench" / "peer_gateway.txt"

# Program or file that must be there → Debian package that brings it.
TEST_PROGRAMS = {
    "chromium": "chromium",
    "mosquitto": "mosquitto",
    "initdb": "postgresql",
    "pdftotext": "poppler-utils",
    "strace": "strace",
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc": "fonts-noto-cjk",
}


def main() -> int:
    job = sys.argv[1] if len(sys.argv) > 1 else "test"
    if job not in EXTRAS:
        print(f"setup: no such job: {job} (known: {', '.join(EXTRAS)})", file=sys.stderr)
        return 2
    if sys.version_info < (3, 11):
        print(
            f"setup: Python 3.11 or later is needed, this is {sys.version.split()[0]}: "
            "apt-get install python3 python3-venv, or make PYTHON=/path/to/python3.11",
            file=sys.stderr,
        )
        return 2
    os.chdir(ROOT)
    try:
        uv = find_uv()
        sync(uv, [*EXTRAS[job], *([] if node_is_here() else ["node"])])
        if job in ("test", "bench"):
            install_test_programs()
        if job == "bench":
            add_peers(uv, "peers", PEERS, EXTRAS[job])
            add_peers(uv, "gateway", GATEWAY)
        build_web()
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    return 0


class SetupError(Exception):
    """What is missing, and the package that brings it."""


def find_uv() -> Path:
    """uv of the pinned version, from PyPI, in .tools."""
    program = ROOT / ".tools" / "bin" / "uv"
    if program.exists() and UV_VERSION in output([program, "--version"]):
        return program
    say(f"uv {UV_VERSION}")
    if not (ROOT / ".tools" / "bin" / "python").exists():
        made = subprocess.run([sys.executable, "-m", "venv", ROOT / ".tools"], capture_output=True, text=True)
        if made.returncode:
            shutil.rmtree(ROOT / ".tools", ignore_errors=True)
            raise SetupError(
                "this Python cannot make virtual environments: apt-get install python3-venv\n"
                + made.stdout[-300:]
            )
    run([ROOT / ".tools" / "bin" / "python", "-m", "pip", "install", "--quiet", f"uv=={UV_VERSION}"])
    return program


def sync(uv: Path, extras: Sequence[str], folder: str = ".venv") -> None:
    """The environment as uv.lock says. What an earlier, larger job put there is kept."""
    arguments = [uv, "sync", "--quiet", "--locked", "--inexact", "--python", sys.executable]
    for extra in extras:
        arguments += ["--extra", extra]
    run(arguments, env=os.environ | {"UV_PROJECT_ENVIRONMENT": folder})


def add_peers(uv: Path, name: str, wanted: Path, extras: Sequence[str] = ()) -> None:
    """.tools/NAME: the peers, and all of ours with them if `extras` name any.

    Never .venv: they ask for older packages than we run on.
    """
    folder = ROOT / ".tools" / name
    stamp = folder / ".maitong-peers"
    contents = (ROOT / "uv.lock").read_text() + wanted.read_text()
    if stamp.exists() and stamp.read_text() == contents:
        return
    say(f"the peers of the benchmarks: {wanted.name}")
    if extras:
        sync(uv, extras, str(folder))
    else:
        run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder])
    run([uv, "pip", "install", "--quiet", "--python", folder / "bin" / "python", "-r", wanted])
    stamp.write_text(contents)


def install_test_programs() -> None:
    """What the tests need beside Python: installed as root, else named."""
    missing = sorted({package for name, package in TEST_PROGRAMS.items() if not present(name)})
    if not missing:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        print(
            f"setup: not on this machine: {' '.join(missing)}. Tests that need them are skipped by name; "
            f"to run them: apt-get install {' '.join(missing)}"
        )
        return
    say(f"apt-get install {' '.join(missing)}")
    # RUNLEVEL=1: the packages' own services are not started; tests start theirs on free ports.
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    run(["apt-get", "-qq", "update"], env=environment)
    run(["apt-get", "-qq", "install", "-y", "--no-install-recommends", *missing], env=environment, quiet=True)


def present(name: str) -> bool:
    if name.startswith("/"):
        return Path(name).exists()
    if name == "initdb":
        return shutil.which(name) is not None or any(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    path = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin"
    return shutil.which(name, path=path) is not None


def build_web() -> None:
    """The screens, built into hub/static and edge_agent/static when their sources have changed."""
    web = ROOT / "web"
    stamp = web / "node_modules" / ".maitong-built"
    sources = fingerprint(web)
    pages = ("hub/static/reading.html", "hub/static/console.html", "edge_agent/static/station.html")
    built = all((ROOT / page).exists() for page in pages)
    if built and stamp.exists() and stamp.read_text() == sources:
        return
    for what, arguments in (
        ("front-end packages", ("ci", "--no-audit", "--no-fund", "--loglevel=error")),
        ("screens", ("run", "--silent", "build")),
    ):
        say(what)
        done = npm(*arguments, quiet=True)
        if done.returncode:
            raise SetupError(f"npm {' '.join(arguments)} failed:\n{done.stdout}")
    stamp.write_text(sources)


def fingerprint(web: Path) -> str:
    """Hash over everything the build reads."""
    digest = hashlib.sha256()
    for file in sorted(web.rglob("*")):
        if file.is_file() and "node_modules" not in file.parts:
            digest.update(str(file.relative_to(web)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def say(text: str) -> None:
    print(f"setup: {text} …", flush=True)


def output(arguments: list[object]) -> str:
    return subprocess.run([str(a) for a in arguments], capture_output=True, text=True).stdout.strip()


def run(arguments: list[object], *, env: dict[str, str] | None = None, quiet: bool = False) -> None:
    """Run a program; its output is shown, or with `quiet` only when it fails."""
    command = [str(a) for a in arguments]
    kept = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT} if quiet else {}
    done = subprocess.run(command, env=env, text=True, **kept)  # type: ignore[call-overload]
    if done.returncode:
        raise SetupError(f"{' '.join(command)} failed with {done.returncode}\n{done.stdout or ''}")


if __name__ == "__main__":
    sys.exit(main())
