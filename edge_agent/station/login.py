"""Who is at the page: cached accounts, sessions with a time-out, a lock after wrong passwords. Needs no link.

Sessions live in memory and end with the agent. Time is monotonic: setting the wall clock extends nothing.
"""

import asyncio
import secrets
from dataclasses import dataclass

from edge_agent.clock import Clock
from edge_agent.station.answers import Refusal
from protocols.station import Account, check_secret, hash_secret

COOKIE = "maitong_session"
TRIES = 5
"""Wrong passwords before the account is locked."""
LOCK_S = 60
"""The first lock; each further one is twice as long."""
LONGEST_LOCK_S = 3600
_MOST_SESSIONS = 64
_MOST_NAMES = 1024

PERMISSIONS: dict[str, frozenset[str]] = {
    "village_doctor": frozenset({"station", "queue", "patient", "capture", "report"}),
    "network_ops": frozenset({"station", "queue"}),
}
"""Role → what it may do here. Nothing about a patient for those who keep the network."""


@dataclass(slots=True)
class Session:
    account: Account
    expires_ns: int

    def may(self, permission: str) -> bool:
        return permission in PERMISSIONS.get(self.account.role, frozenset())


@dataclass(slots=True)
class _Failures:
    wrong: int = 0
    locks: int = 0
    locked_until_ns: int = 0


class Logins:
    """The sessions of one agent."""

    def __init__(self, accounts: tuple[Account, ...], session_minutes: int, clock: Clock) -> None:
        self.timeout_s = session_minutes * 60
        self._accounts = {account.username: account for account in accounts}
        self._clock = clock
        self._sessions: dict[str, Session] = {}
        self._failures: dict[str, _Failures] = {}
        # One check at a time: guesses in parallel must not outrun the count, nor take 16 MiB each.
        self._turn = asyncio.Lock()
        self._nobody = hash_secret(secrets.token_hex(16), secrets.token_bytes(16))

    async def log_in(self, username: str, password: str) -> tuple[str, Session]:
        """A new session and its token. Raises Refusal bad_login or locked."""
        async with self._turn:
            failures = self._failures.get(username, _Failures())
            self._refuse_if_locked(failures)
            account = self._accounts.get(username)
            # A name that does not exist takes as long, counts and locks like one that does.
            stored = self._nobody if account is None else account.secret
            right = await asyncio.to_thread(check_secret, password, stored)
            if account is None or not right:
                raise self._wrong(username, failures)
            self._failures.pop(username, None)
        token = secrets.token_urlsafe(32)
        self._forget_expired()
        while len(self._sessions) >= _MOST_SESSIONS:
            self._sessions.pop(next(iter(self._sessions)))
        session = Session(account, self._in(self.timeout_s))
        self._sessions[token] = session
        return token, session

    def session(self, token: str | None, *, touch: bool) -> Session | None:
        """The session behind a token, if it has not run out; `touch` prolongs it."""
        session = self._sessions.get(token or "")
        if session is None:
            return None
        if session.expires_ns <= self._clock.mono_ns():
            self._forget_expired()
            return None
        if touch:
            session.expires_ns = self._in(self.timeout_s)
        return session

    def remaining_s(self, session: Session) -> int:
        """Seconds until the session runs out unless it is used."""
        return max(0, (session.expires_ns - self._clock.mono_ns()) // 10**9)

    def log_out(self, token: str | None) -> None:
        self._sessions.pop(token or "", None)

    def _refuse_if_locked(self, failures: _Failures) -> None:
        left_ns = failures.locked_until_ns - self._clock.mono_ns()
        if left_ns > 0:
            raise Refusal("locked", retry_after_s=-(-left_ns // 10**9))

    def _wrong(self, username: str, failures: _Failures) -> Refusal:
        failures.wrong += 1
        self._failures[username] = failures
        if len(self._failures) > _MOST_NAMES:  # guessed names make room, an account's count never does
            self._failures.pop(next((n for n in self._failures if n not in self._accounts), username))
        if failures.wrong < TRIES:
            return Refusal("bad_login", tries_left=TRIES - failures.wrong)
        lock_s = min(LOCK_S * 2**failures.locks, LONGEST_LOCK_S)
        failures.wrong, failures.locks = 0, failures.locks + 1
        failures.locked_until_ns = self._in(lock_s)
        return Refusal("locked", retry_after_s=lock_s)

    def _forget_expired(self) -> None:
        now_ns = self._clock.mono_ns()
        self._sessions = {t: s for t, s in self._sessions.items() if s.expires_ns > now_ns}

    def _in(self, seconds: int) -> int:
        return self._clock.mono_ns() + seconds * 10**9
