"""Accounts, for the system administrator. The table holds secrets, so it is never the answer itself."""

from typing import Annotated, Self

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from hub import db
from hub.api.deps import PROBLEMS, OpaqueId, TheHub, needs
from hub.domain.user import User
from hub.security import Role
from hub.services import users

router = APIRouter(prefix="/api/users", tags=["users"], responses=PROBLEMS)

Admin = Annotated[User, Depends(needs("user.manage"))]
_Text = r"^[^\x00]*$"


class UserView(BaseModel):
    id: str
    username: str
    name: str
    role: str
    organisation_id: str | None
    enabled: bool
    language: str
    created_ns: int
    last_login_ns: int | None

    @classmethod
    def of(cls, user: User) -> Self:
        return cls.model_validate(user, from_attributes=True)


class UserList(BaseModel):
    items: list[UserView]


class NewUser(BaseModel):
    username: str = Field(pattern=r"^[a-z0-9_.-]{2,32}$")
    name: str = Field(min_length=1, max_length=64, pattern=_Text)
    role: Role
    password: str = Field(min_length=10, max_length=200)
    organisation_id: str | None = Field(default=None, max_length=64, pattern=_Text)


class NewPassword(BaseModel):
    password: str = Field(min_length=10, max_length=200)


@router.get("")
def list_users(hub: TheHub, _: Admin) -> UserList:
    with db.reading(hub.engine) as session:
        return UserList(items=[UserView.of(user) for user in users.listing(session)])


@router.post("", status_code=201)
def create_user(body: NewUser, hub: TheHub, admin: Admin) -> UserView:
    """A new account. 409 taken, 422 invalid."""
    with db.transaction(hub.engine) as session:
        user = users.create(
            session,
            username=body.username,
            name=body.name,
            role=body.role,
            password=body.password,
            organisation_id=body.organisation_id,
            by=admin,
            now_ns=hub.clock.wall_ns(),
        )
    return UserView.of(user)


@router.post("/{user_id}/enable")
def enable(user_id: OpaqueId, hub: TheHub, admin: Admin) -> UserView:
    with db.transaction(hub.engine) as session:
        user = users.set_enabled(session, user_id, True, by=admin, now_ns=hub.clock.wall_ns())
    return UserView.of(user)


@router.post("/{user_id}/disable")
def disable(user_id: OpaqueId, hub: TheHub, admin: Admin) -> UserView:
    """The account may no longer log in, and what it had open ends now."""
    with db.transaction(hub.engine) as session:
        user = users.set_enabled(session, user_id, False, by=admin, now_ns=hub.clock.wall_ns())
    return UserView.of(user)


@router.post("/{user_id}/password")
def set_password(user_id: OpaqueId, body: NewPassword, hub: TheHub, admin: Admin) -> UserView:
    """A new password; ends the account's sessions and its lock."""
    with db.transaction(hub.engine) as session:
        user = users.set_password(session, user_id, body.password, by=admin, now_ns=hub.clock.wall_ns())
    return UserView.of(user)
