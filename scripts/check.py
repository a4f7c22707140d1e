"""Everything that can be said of the sources without running the product. One failure fails the whole."""

import subprocess
import sys
from pathlib import Path

from npm import npm

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".venv" / "bin"

CHECKS = {
    "ruff: rules": [BIN / "ruff", "check", "."],
    "ruff: format": [BIN / "ruff", "format", "--check", "."],
    "mypy --strict": [BIN / "mypy"],
    "import contracts": [BIN / "lint-imports", "--no-logo"],
    "no secrets, no large files": [BIN / "python", "scripts/guard.py"],
    "architecture": [BIN / "pytest", "-q", "-p", "no:cacheprovider", "tests/architecture"],
    "docs/asyncapi.yaml is what protocols say": [BIN / "python", "-m", "protocols.asyncapi", "--check"],
}


def main() -> int:
    failed = 0
    for name, command in CHECKS.items():
        done = subprocess.run(
            [str(c) for c in command], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        failed += report(name, done)
    failed += report("web: types", npm("run", "--silent", "check", quiet=True))
    print(f"{len(CHECKS) + 1 - failed} passed, {failed} failed")
    return 1 if failed else 0


def report(name: str, done: "subprocess.CompletedProcess[str]") -> bool:
    print(f"{'ok    ' if done.returncode == 0 else 'FAILED'} {name}", flush=True)
    if done.returncode:
        print(done.stdout, flush=True)
    return done.returncode != 0


if __name__ == "__main__":
    sys.exit(main())
