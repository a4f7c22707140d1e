"""Is the hub well? For load balancers and people; no log-in, no patient data."""

from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError

from hub import db
from hub.api.deps import TheHub
from hub.services import roles

router = APIRouter(tags=["health"])


class Checks(BaseModel):
    database: Literal["ok", "not_migrated", "away"]
    broker: Literal["ok", "away", "none"]
    ingest: Literal["ok", "away"]
    interfaces: Literal["ok", "away"]
    timers: Literal["ok", "away"]


class Health(BaseModel):
    status: Literal["ok", "degraded", "down"]
    version: str
    checks: Checks


def _version() -> str:
    try:
        return version("maitong")
    except PackageNotFoundError:
        return "source"


@router.get("/health", responses={503: {"model": Health}})
def health(hub: TheHub, response: Response) -> Health:
    """503 only if the database is away: without it nothing can be answered. Anything else away: degraded."""
    beating: dict[str, Literal["ok", "away"]] = dict.fromkeys(("ingest", "interfaces", "timers"), "away")
    database: Literal["ok", "not_migrated", "away"] = "away"
    try:
        if db.revision(hub.engine) == db.newest_revision():
            database = "ok"
            with db.reading(hub.engine) as session:
                for role in beating:
                    if roles.is_alive(session, role, now_ns=hub.clock.wall_ns()):
                        beating[role] = "ok"
        else:
            database = "not_migrated"
    except SQLAlchemyError:
        database = "away"
    broker: Literal["ok", "away", "none"] = "ok" if hub.notices.connected else "away"
    if hub.settings.broker is None:
        broker = "none"
    checks = Checks(database=database, broker=broker, **beating)
    if database != "ok":
        response.status_code = 503
        return Health(status="down", version=_version(), checks=checks)
    well = broker == "ok" and all(state == "ok" for state in beating.values())
    return Health(status="ok" if well else "degraded", version=_version(), checks=checks)
