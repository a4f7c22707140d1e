"""Password hashes, log-in tokens, and which role may do what. Deny by default."""

import hashlib
import secrets
from typing import Literal, get_args

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

Permission = Literal[
    "worklist.read",  # the list of what waits to be read
    "exam.read",  # an exam with its patient and recordings
    "exam.claim",
    "report.write",
    "report.sign",
    "report.read",
    "record.export",  # the WFDB files
    "patient.timeline",  # the county's exams of a patient under treatment
    "station.read",  # the fleet; no patient data
    "quarantine.read",  # what was set aside and why; no content
    "user.manage",
]
Role = Literal["village_doctor", "ecg_reader", "network_ops", "sys_admin"]
ROLES: tuple[Role, ...] = get_args(Role)

# requirements.md §2.4. What is not here is refused. Relations (own site, claimed by me) are narrowed
# further in hub.services.access.
PERMISSIONS: dict[Role, frozenset[Permission]] = {
    "village_doctor": frozenset({"exam.read", "report.read", "record.export"}),
    "ecg_reader": frozenset(
        {
            "worklist.read",
            "exam.read",
            "exam.claim",
            "report.write",
            "report.sign",
            "report.read",
            "record.export",
            "patient.timeline",
        }
    ),
    "network_ops": frozenset({"station.read", "quarantine.read"}),
    "sys_admin": frozenset({"user.manage"}),
}

OWN_SITE_ONLY: frozenset[Role] = frozenset({"village_doctor"})
"""Roles that see only what was taken in their own organisation."""

SHORTEST_PASSWORD = 10

_hasher = PasswordHasher()
_NOBODY = _hasher.hash(secrets.token_hex(16))


def permissions_of(role: str) -> frozenset[Permission]:
    """What a role may do; nothing for a role this version does not know."""
    for known, granted in PERMISSIONS.items():
        if known == role:
            return granted
    return frozenset()


def hash_password(password: str) -> str:
    """Argon2id with the library's parameters (64 MB, some 0.1 s)."""
    return _hasher.hash(password)


def check_password(password: str, stored: str | None) -> bool:
    """Whether it is the password; for no account (None) it takes as long, and is False."""
    try:
        return _hasher.verify(stored or _NOBODY, password) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


def new_token() -> str:
    """The value of a log-in cookie: 256 random bits."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> bytes:
    """What is stored of a token."""
    return hashlib.sha256(token.encode()).digest()
