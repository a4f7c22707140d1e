"""Log in, log out, who am I."""

from typing import Literal

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field

from hub import db, security
from hub.api.deps import COOKIE, PROBLEMS, TheCaller, TheHub, from_our_page
from hub.domain.user import User
from hub.errors import HubError
from hub.services import users

router = APIRouter(prefix="/api", tags=["auth"], responses=PROBLEMS)


class Credentials(BaseModel):
    username: str = Field(min_length=1, max_length=64)
    password: str = Field(min_length=1, max_length=200)


class Me(BaseModel):
    id: str
    username: str
    name: str
    role: str
    permissions: list[security.Permission]
    language: str


class LoginState(BaseModel):
    user: Me
    expires_s: int
    """Of silence, until the log-in ends."""


class LanguageChoice(BaseModel):
    language: Literal["zh-CN", "en"]


def _me(user: User) -> Me:
    return Me(
        id=user.id,
        username=user.username,
        name=user.name,
        role=user.role,
        permissions=sorted(security.permissions_of(user.role)),
        language=user.language,
    )


@router.post("/login", dependencies=[Depends(from_our_page)])
def log_in(body: Credentials, response: Response, hub: TheHub) -> LoginState:
    """Open a session: the cookie is HttpOnly and SameSite=Strict. 401 bad_login, 429 locked."""
    minutes = hub.settings.session_minutes
    with db.transaction(hub.engine) as session:
        attempt = users.begin_login(session, body.username, now_ns=hub.clock.wall_ns())
    right = security.check_password(body.password, attempt.password_hash)
    with db.transaction(hub.engine) as session:
        outcome = users.finish_login(
            session, attempt, right=right, session_minutes=minutes, now_ns=hub.clock.wall_ns()
        )
    if isinstance(outcome, HubError):
        raise outcome
    user, token = outcome
    response.set_cookie(
        COOKIE, token, httponly=True, samesite="strict", secure=hub.settings.http.secure, path="/"
    )
    return LoginState(user=_me(user), expires_s=minutes * 60)


@router.post("/logout", status_code=204)
def log_out(who: TheCaller, response: Response, hub: TheHub) -> None:
    """End the session here and in the database."""
    with db.transaction(hub.engine) as session:
        users.log_out(session, who.token, who.user, now_ns=hub.clock.wall_ns())
    response.delete_cookie(COOKIE, httponly=True, samesite="strict", path="/")


@router.get("/me")
def me(who: TheCaller, hub: TheHub) -> LoginState:
    left_s = (who.expires_ns - hub.clock.wall_ns()) // 1_000_000_000
    return LoginState(user=_me(who.user), expires_s=max(0, left_s))


@router.put("/me/language")
def choose_language(body: LanguageChoice, who: TheCaller, hub: TheHub) -> LoginState:
    with db.transaction(hub.engine) as session:
        user = users.set_language(session, who.user.id, body.language)
    left_s = (who.expires_ns - hub.clock.wall_ns()) // 1_000_000_000
    return LoginState(user=_me(user), expires_s=max(0, left_s))
