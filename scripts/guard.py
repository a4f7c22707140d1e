"""Refuse files that must never be committed: private keys and other secrets, and large files."""

import re
import subprocess
import sys
from pathlib import Path

LARGEST_BYTES = 1_000_000
SECRETS = {
    "a private key": re.compile(rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{20}"),
    "an access token": re.compile(rb"\b(?:ghp_[A-Za-z0-9]{36}|AKIA[0-9A-Z]{16}|xox[bp]-[0-9A-Za-z-]{20,})\b"),
    "a resident ID number": re.compile(
        rb"(?<![0-9A-Za-z])[1-6]\d{5}(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dX]"
        rb"(?![0-9A-Za-z])"
    ),
}
# Numbers that are nobody's: the example printed in GB 11643, and it with another digit or year.
INVENTED = re.compile(rb"110105(?:19491231002|20990101001)[\dX]")


def main() -> int:
    names = sys.argv[1:] or subprocess.run(
        ["git", "ls-files", "-z"], capture_output=True, text=True, check=True
    ).stdout.split("\0")
    wrong = [f"{name}: {reason}" for name in names if name for reason in faults(Path(name))]
    print("\n".join(wrong))
    return 1 if wrong else 0


def faults(file: Path) -> list[str]:
    """What is wrong with one file, in words."""
    if not file.is_file():
        return []
    data = file.read_bytes()
    found = [f"{len(data)} bytes, the limit is {LARGEST_BYTES}"] if len(data) > LARGEST_BYTES else []
    return found + [f"holds {what}" for what, form in SECRETS.items() if form.search(INVENTED.sub(b"", data))]


if __name__ == "__main__":
    sys.exit(main())
