"""The hub's web application: routers, one way to refuse, security headers, the built screens."""

import logging
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from sqlalchemy import Engine
from sqlalchemy.exc import DataError, OperationalError
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub.api import auth, exams, health, patients, recordings, reports, stations, users, worklist
from hub.api.deps import Hub
from hub.clock import Clock
from hub.config import Settings
from hub.errors import HubError, Invalid, NotFound, Unavailable
from hub.notices import Notices

_logger = logging.getLogger(__name__)
STATIC = Path(__file__).parent / "static"
"""Built from web/; PAGES are its entries."""
PAGES = {"/": "reading.html", "/console": "console.html"}

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-ancestors 'self'; base-uri 'none'; form-action 'self'"
)


class _Headers:
    """Strict CSP on everything; nothing of the API is kept by a browser."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "no-referrer"
                if scope["path"].startswith("/api"):
                    headers["Cache-Control"] = "no-store"
            await send(message)

        await self._app(scope, receive, with_headers)


def create_app(settings: Settings, *, engine: Engine, clock: Clock, notices: Notices) -> FastAPI:
    """The application. `notices.run()` is the caller's to keep running beside it."""
    app = FastAPI(
        title="Maitong county hub",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,  # `python -m hub openapi` prints it
    )
    app.state.hub = Hub(settings, engine, clock, notices)
    app.add_middleware(_Headers)
    app.add_exception_handler(HubError, _refuse)
    app.add_exception_handler(RequestValidationError, _refuse_form)
    app.add_exception_handler(HTTPException, _refuse_http)
    app.add_exception_handler(DataError, _refuse_value)
    app.add_exception_handler(OperationalError, _database_away)
    app.add_exception_handler(Exception, _failed)
    for module in (auth, worklist, exams, recordings, reports, patients, stations, users, health):
        app.include_router(module.router)
    for path, name in PAGES.items():
        app.add_api_route(path, _page(STATIC / name), include_in_schema=False, response_model=None)
    app.mount("/", StaticFiles(directory=STATIC, check_dir=False), name="static")
    return app


def _page(file: Path) -> Any:
    def page() -> FileResponse:
        if not file.is_file():
            raise Unavailable(what=f"{file.name}: run `make build`")
        return FileResponse(file, headers={"Cache-Control": "no-cache"})

    return page


def _answer(error: HubError, headers: dict[str, str] | None = None) -> JSONResponse:
    body = {
        "code": error.code,
        "message_zh": error.message_zh,
        "message_en": error.message_en,
        "detail": error.detail,
    }
    return JSONResponse(body, error.status, headers)


async def _refuse(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HubError)
    after = error.detail.get("retry_after_s")
    return _answer(error, {"Retry-After": str(after)} if after is not None else None)


async def _refuse_form(_: Request, error: Exception) -> JSONResponse:
    # Where and what kind, never the value: it may be a patient's.
    assert isinstance(error, RequestValidationError)
    places = [".".join(str(p) for p in e["loc"]) + ": " + str(e["type"]) for e in error.errors()[:8]]
    return _answer(Invalid(fields="; ".join(places)))


async def _refuse_http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return _answer(NotFound(what="address"), dict(error.headers or {}))
    body = {
        "code": f"http_{error.status_code}",
        "message_zh": f"请求无法处理({error.status_code})",
        "message_en": f"The request cannot be handled ({error.status_code})",
        "detail": {},
    }
    return JSONResponse(body, error.status_code, dict(error.headers or {}))


async def _refuse_value(_: Request, error: Exception) -> JSONResponse:
    # A character or number that the database cannot hold.
    return _answer(Invalid(fields=f"a value: {type(error).__name__}"))


async def _database_away(request: Request, error: Exception) -> JSONResponse:
    _logger.error("the database does not answer: %s %s", request.method, type(error).__name__)
    return _answer(Unavailable(what="database"))


async def _failed(request: Request, error: Exception) -> JSONResponse:
    _logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _answer(HubError())
