"""What the routers share: the hub's parts, who is asking, and the form of a refusal.

No dependency here commits after the answer: what must be kept is committed in a function body.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Path, Request
from fastapi.security import APIKeyCookie
from pydantic import BaseModel
from sqlalchemy import Engine
from starlette.requests import HTTPConnection

from hub import db
from hub.clock import Clock
from hub.config import Settings
from hub.domain.user import User
from hub.errors import MissingHeader, NotLoggedIn
from hub.notices import Notices
from hub.security import Permission
from hub.services import access, audit, users

COOKIE = "maitong_hub"
HEADER = "x-maitong"
"""Sent by our own pages with every request that changes something: another site's form cannot."""
_SAFE = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Hub:
    """The parts of this process, made in app.py."""

    settings: Settings
    engine: Engine
    clock: Clock
    notices: Notices


def hub_of(connection: HTTPConnection) -> Hub:
    hub: Hub = connection.app.state.hub
    return hub


class Problem(BaseModel):
    """Every refusal: a code for support, and words in both languages."""

    code: str
    message_zh: str
    message_en: str
    detail: dict[str, Any] = {}


PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem} for status in (400, 401, 403, 404, 409, 422, 429, 503)
}
"""For OpenAPI: what any route may answer instead."""

OpaqueId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
"""An id in a path; the only thing about a patient that may stand in a URL."""

TheHub = Annotated[Hub, Depends(hub_of)]
_cookie = APIKeyCookie(name=COOKIE, auto_error=False, description="From POST /api/login")


@dataclass(frozen=True, slots=True)
class Caller:
    user: User
    token: str
    expires_ns: int


def from_our_page(request: Request) -> None:
    """Raises MissingHeader for a request that changes something and was not made by our own page."""
    if request.method not in _SAFE and request.headers.get(HEADER) != "1":
        raise MissingHeader


def caller(request: Request, hub: TheHub, token: Annotated[str | None, Depends(_cookie)]) -> Caller:
    """Who is logged in; being here prolongs the log-in. Raises NotLoggedIn or MissingHeader."""
    from_our_page(request)
    now_ns = hub.clock.wall_ns()
    minutes = hub.settings.session_minutes
    if not token:
        raise NotLoggedIn
    with db.reading(hub.engine) as session:
        found = users.logged_in(session, token, session_minutes=minutes, now_ns=now_ns)
    if found is None:
        raise NotLoggedIn
    expires_ns = found.expires_ns
    if found.renew:
        with db.transaction(hub.engine) as session:
            users.renew_login(session, token, session_minutes=minutes, now_ns=now_ns)
        expires_ns = now_ns + minutes * 60_000_000_000
    return Caller(found.user, token, expires_ns)


TheCaller = Annotated[Caller, Depends(caller)]
"""Anybody who is logged in."""


def needs(permission: Permission) -> Callable[[Caller], User]:
    """A dependency: the user, if the role has this permission. Raises Forbidden."""

    def allowed(who: TheCaller) -> User:
        access.need(who.user, permission)
        return who.user

    return allowed


def note_read(
    hub: Hub, user: User, action: str, object: str, *, patient_id: str | None = None, detail: str = ""
) -> None:
    """Commit the audit line of a read, before it is answered."""
    with db.transaction(hub.engine) as session:
        audit.record(
            session,
            action,
            object,
            now_ns=hub.clock.wall_ns(),
            user=user,
            patient_id=patient_id,
            detail=detail,
        )
