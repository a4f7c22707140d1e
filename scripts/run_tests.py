"""All tests: the browser's units, then pytest. As root nothing may be skipped; else what was is named."""

import os
import subprocess
import sys
from pathlib import Path

from npm import npm

ROOT = Path(__file__).resolve().parent.parent
# A file's tests share brokers, databases and running counties, so a file stays on one worker; the order is
# kept because what takes longest comes first.
PYTEST = [
    *(sys.executable, "-m", "pytest", "-q"),
    *("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"),
]


def main() -> int:
    web = npm("test", "--silent")
    environment = dict(os.environ)
    if os.geteuid() == 0:
        environment["MAITONG_NO_SKIPS"] = "1"
    tests = subprocess.run([*PYTEST, *sys.argv[1:]], cwd=ROOT, env=environment)
    return 1 if web.returncode or tests.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
