"""People: accounts, logging in and out, the lock after wrong guesses."""

import re
import secrets
from dataclasses import dataclass

from sqlalchemy import delete, func
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from hub import security
from hub.domain.station import Organisation
from hub.domain.user import Login, LoginFailures, User
from hub.errors import BadLogin, Invalid, Locked, NotFound, Taken
from hub.services import audit

_USERNAME = re.compile(r"^[a-z0-9_.-]{2,32}$")
FREE_TRIES = 5
FIRST_LOCK_S = 60
LONGEST_LOCK_S = 3600
_SECOND_NS = 1_000_000_000
_RENEW_WITHIN = 0.5
"""A log-in's end is moved only when this part of its time has gone: not a write for every request."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A guess that may be checked: it has been counted as wrong already."""

    username: str
    password_hash: str | None
    """None: no such account, or a disabled one."""
    tries_left: int
    locked_s: int
    """How long the name is locked if the guess is wrong."""


def begin_login(session: Session, username: str, *, now_ns: int) -> Attempt:
    """Count a guess at this name before it is checked, so that guesses in parallel count too.

    After five wrong ones the name is locked for a minute, then for twice as long with each further one.
    Unknown names behave like known ones. Raises Locked.
    """
    username = username.strip().lower()[:64]
    row = session.get(LoginFailures, username, with_for_update=True)
    if row is None:
        try:
            with session.begin_nested():
                session.add(LoginFailures(username=username))
        except IntegrityError:
            pass  # another guess at the same moment made the row
        row = session.exec(
            select(LoginFailures).where(LoginFailures.username == username).with_for_update()
        ).one()
    if row.locked_until_ns > now_ns:
        raise Locked(retry_after_s=-(-(row.locked_until_ns - now_ns) // _SECOND_NS))
    row.failures += 1
    row.at_ns = now_ns
    locked_s = 0
    if row.failures >= FREE_TRIES:
        locked_s = min(FIRST_LOCK_S * 2 ** min(row.failures - FREE_TRIES, 16), LONGEST_LOCK_S)
        row.locked_until_ns = now_ns + locked_s * _SECOND_NS
    session.flush()
    user = find(session, username)
    usable = user is not None and user.enabled
    return Attempt(
        username,
        user.password_hash if user is not None and usable else None,
        max(0, FREE_TRIES - row.failures),
        locked_s,
    )


def finish_login(
    session: Session, attempt: Attempt, *, right: bool, session_minutes: int, now_ns: int
) -> tuple[User, str] | BadLogin | Locked:
    """Note how the guess went: the user and a cookie token, or what to answer.

    The refusal is returned, not raised, so that its note is committed.
    """
    user = find(session, attempt.username)
    if not right or user is None or not user.enabled:
        audit.record(
            session,
            "login.refused",
            f"username:{attempt.username}",
            now_ns=now_ns,
            by=attempt.username,
            detail=f"{attempt.tries_left} tries left",
        )
        if attempt.locked_s:
            return Locked(retry_after_s=attempt.locked_s)
        return BadLogin(tries_left=attempt.tries_left)
    session.exec(delete(LoginFailures).where(col(LoginFailures.username) == attempt.username))
    token = security.new_token()
    session.add(
        Login(
            token_hash=security.token_hash(token),
            user_id=user.id,
            created_ns=now_ns,
            expires_ns=now_ns + session_minutes * 60 * _SECOND_NS,
        )
    )
    user.last_login_ns = now_ns
    audit.record(session, "login.ok", f"user:{user.id}", now_ns=now_ns, user=user)
    session.flush()
    return user, token


@dataclass(frozen=True, slots=True)
class LoggedIn:
    user: User
    expires_ns: int
    renew: bool
    """Half of its time is over: call `renew_login`."""


def logged_in(session: Session, token: str, *, session_minutes: int, now_ns: int) -> LoggedIn | None:
    """Who holds this cookie, or None if it is unknown, too old, or the account was disabled."""
    login = session.get(Login, security.token_hash(token))
    if login is None or login.expires_ns <= now_ns:
        return None
    user = session.get(User, login.user_id)
    if user is None or not user.enabled:
        return None
    left_ns = login.expires_ns - now_ns
    return LoggedIn(user, login.expires_ns, left_ns < session_minutes * 60 * _SECOND_NS * _RENEW_WITHIN)


def renew_login(session: Session, token: str, *, session_minutes: int, now_ns: int) -> None:
    """The user is still there."""
    login = session.get(Login, security.token_hash(token), with_for_update=True)
    if login is not None and login.expires_ns > now_ns:
        login.expires_ns = now_ns + session_minutes * 60 * _SECOND_NS


def log_out(session: Session, token: str, user: User, *, now_ns: int) -> None:
    """The cookie is worth nothing from now on."""
    session.exec(delete(Login).where(col(Login.token_hash) == security.token_hash(token)))
    audit.record(session, "logout", f"user:{user.id}", now_ns=now_ns, user=user)


def find(session: Session, username: str) -> User | None:
    return session.exec(select(User).where(col(User.username) == username)).first()


def get(session: Session, user_id: str) -> User:
    """Raises NotFound."""
    user = session.get(User, user_id)
    if user is None:
        raise NotFound(what="user")
    return user


def create(
    session: Session,
    *,
    username: str,
    name: str,
    role: str,
    password: str,
    now_ns: int,
    organisation_id: str | None = None,
    by: User | None = None,
) -> User:
    """A new account. Raises Invalid or Taken."""
    if not _USERNAME.match(username):
        raise Invalid(fields=f"username: {_USERNAME.pattern}")
    if role not in security.ROLES:
        raise Invalid(fields=f"role: one of {', '.join(security.ROLES)}")
    if role in security.OWN_SITE_ONLY and organisation_id is None:
        raise Invalid(fields="organisation: needed for this role")
    if organisation_id is not None and session.get(Organisation, organisation_id) is None:
        raise Invalid(fields="organisation: not known")
    if not name.strip():
        raise Invalid(fields="name: empty")
    _check_password(password)
    if find(session, username) is not None:
        raise Taken(what=username)
    user = User(
        id=secrets.token_hex(8),
        username=username,
        name=name.strip(),
        role=role,
        organisation_id=organisation_id,
        password_hash=security.hash_password(password),
        created_ns=now_ns,
    )
    try:
        with session.begin_nested():
            session.add(user)
    except IntegrityError:
        raise Taken(what=username) from None
    audit.record(
        session, "user.created", f"user:{user.id}", now_ns=now_ns, user=by, by="console", detail=role
    )
    return user


def _check_password(password: str) -> None:
    if len(password) < security.SHORTEST_PASSWORD:
        raise Invalid(fields=f"password: at least {security.SHORTEST_PASSWORD} characters")


def set_enabled(session: Session, user_id: str, enabled: bool, *, by: User, now_ns: int) -> User:
    """Let an account log in or not; disabling ends its log-ins. Raises NotFound, Invalid for one's own."""
    user = get(session, user_id)
    if user.id == by.id and not enabled:
        raise Invalid(fields="id: your own account")
    user.enabled = enabled
    if not enabled:
        session.exec(delete(Login).where(col(Login.user_id) == user.id))
    action = "user.enabled" if enabled else "user.disabled"
    audit.record(session, action, f"user:{user.id}", now_ns=now_ns, user=by)
    return user


def set_password(session: Session, user_id: str, password: str, *, by: User, now_ns: int) -> User:
    """A new password; ends the account's log-ins and its lock. Raises NotFound or Invalid."""
    user = get(session, user_id)
    _check_password(password)
    user.password_hash = security.hash_password(password)
    session.exec(delete(Login).where(col(Login.user_id) == user.id))
    session.exec(delete(LoginFailures).where(col(LoginFailures.username) == user.username))
    audit.record(session, "user.password", f"user:{user.id}", now_ns=now_ns, user=by)
    return user


def set_language(session: Session, user_id: str, language: str) -> User:
    user = get(session, user_id)
    user.language = language
    return user


def listing(session: Session) -> list[User]:
    return list(session.exec(select(User).order_by(col(User.username))))


def count(session: Session) -> int:
    return session.exec(select(func.count()).select_from(User)).one()


def sweep(session: Session, *, now_ns: int) -> int:
    """Forget log-ins that ran out and guesses of more than a day ago; returns how many log-ins."""
    gone = session.exec(delete(Login).where(col(Login.expires_ns) <= now_ns)).rowcount
    day_ago_ns = now_ns - 86_400 * _SECOND_NS
    session.exec(
        delete(LoginFailures).where(
            col(LoginFailures.at_ns) < day_ago_ns, col(LoginFailures.locked_until_ns) < now_ns
        )
    )
    return gone
