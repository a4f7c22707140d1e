"""`make bench [ARGS="name …"]`: run every benchmark, or those named. Each prints one line of JSON."""

import importlib
import sys
from pathlib import Path


def main() -> int:
    here = Path(__file__).parent
    names = sorted(p.stem.removeprefix("bench_") for p in here.glob("bench_*.py"))
    wanted = sys.argv[1:] or names
    if unknown := [w for w in wanted if w not in names]:
        print(f"no such benchmark: {', '.join(unknown)} (known: {', '.join(names)})", file=sys.stderr)
        return 2
    sys.path.insert(0, str(here.parent))
    for name in wanted:
        importlib.import_module(f"bench.bench_{name}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main())
