"""The page's server put together: routes, who may, refusals as JSON, headers, the page's files."""

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from edge_agent.errors import StoreError
from edge_agent.recorder import CaptureRefused
from edge_agent.station import api, bodies, live
from edge_agent.station.answers import Refusal, refusal_json
from edge_agent.station.desk import Desk
from edge_agent.station.login import COOKIE, Logins, Session

log = logging.getLogger(__name__)

STATIC = Path(__file__).parent.parent / "static"
PAGE = "station.html"
HEADER = "x-maitong"
"""Mutating requests carry it: a form or link on another page cannot."""

_SAFE = frozenset({"GET", "HEAD"})
_HEADERS = (
    (b"content-security-policy", b"default-src 'self'; style-src 'self'; img-src 'self' data:"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
)
_API_HEADERS = (*_HEADERS, (b"cache-control", b"no-store"))


def create_app(desk: Desk, static: Path = STATIC) -> Starlette:
    """The ASGI application of one station."""
    logins = Logins(desk.settings.accounts, desk.settings.session_minutes, desk.clock)

    async def page(request: Request) -> Response:
        if not (static / PAGE).is_file():
            return _refuse("page_missing", {})
        return FileResponse(static / PAGE, headers={"Cache-Control": "no-cache"})

    async def follow(websocket: WebSocket) -> None:
        await live.follow(desk, logins, websocket)

    routes: list[BaseRoute] = [
        Route("/", page),
        Route("/health", _health(desk)),
        Route("/api/login", _log_in(logins), methods=["POST"]),
        Route("/api/logout", _log_out(logins), methods=["POST"]),
        Route("/api/me", _me(logins)),
        *_by_path(desk, logins),
        WebSocketRoute("/api/live", follow),
    ]
    if static.is_dir():
        routes.append(Mount("/", StaticFiles(directory=static)))
    return Starlette(
        routes=routes,
        middleware=[Middleware(_Headers)],
        exception_handlers={
            Refusal: _on_refusal,
            CaptureRefused: _on_capture_refused,
            StoreError: _on_store_error,
            HTTPException: _on_http,
            Exception: _on_anything,
        },
    )


def _by_path(desk: Desk, logins: Logins) -> list[BaseRoute]:
    """One route per address, so that a wrong method is a 405 and not a 404."""
    paths: dict[str, dict[str, api.Row]] = {}
    for row in api.TABLE:
        paths.setdefault(row.path, {})[row.method] = row
    return [Route(path, _endpoint(desk, logins, rows), methods=list(rows)) for path, rows in paths.items()]


def _endpoint(
    desk: Desk, logins: Logins, rows: dict[str, api.Row]
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        row = rows["GET" if request.method == "HEAD" else request.method]
        session = _session(request, logins, touch=row.prolongs)
        if not session.may(row.permission):
            raise Refusal("forbidden")
        return await row.handler(api.Call(desk, request, session))

    return endpoint


def _session(request: Request, logins: Logins, *, touch: bool) -> Session:
    session = logins.session(request.cookies.get(COOKIE), touch=touch)
    if session is None:
        raise Refusal("not_logged_in")
    _need_header(request)
    return session


def _need_header(request: Request) -> None:
    if request.method not in _SAFE and request.headers.get(HEADER) != "1":
        raise Refusal("header_missing")


def _user_json(logins: Logins, session: Session) -> dict[str, Any]:
    account = session.account
    user = {"username": account.username, "name": account.name, "role": account.role}
    return {"user": user, "expires_s": logins.remaining_s(session)}


def _log_in(logins: Logins) -> Callable[[Request], Awaitable[Response]]:
    async def log_in(request: Request) -> Response:
        _need_header(request)
        body = await bodies.read(request, bodies.LoginBody)
        token, session = await logins.log_in(body.username, body.password)
        logins.log_out(request.cookies.get(COOKIE))  # whoever was here before
        response = JSONResponse(_user_json(logins, session))
        response.set_cookie(COOKIE, token, path="/", httponly=True, samesite="strict")
        return response

    return log_in


def _log_out(logins: Logins) -> Callable[[Request], Awaitable[Response]]:
    async def log_out(request: Request) -> Response:
        _need_header(request)
        logins.log_out(request.cookies.get(COOKIE))
        response = JSONResponse({"logged_out": True})
        response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
        return response

    return log_out


def _me(logins: Logins) -> Callable[[Request], Awaitable[Response]]:
    async def me(request: Request) -> Response:
        return JSONResponse(_user_json(logins, _session(request, logins, touch=False)))

    return me


def _health(desk: Desk) -> Callable[[Request], Awaitable[Response]]:
    async def health(request: Request) -> Response:
        """For a monitor: no log-in, nothing about a patient."""
        state = await desk.state()
        box, disk, queue = state["box"], state["disk"], state["queue"]
        checks = {
            "link": "online" if state["link"]["online"] else "offline",
            "box": "none" if box is None else box["state"],
            "disk": "low" if disk["low"] else "ok",
            "queue": "rejected" if queue["rejected"] else "ok",
        }
        good = {"online", "streaming", "none", "ok"}
        status = "ok" if set(checks.values()) <= good else "degraded"
        return JSONResponse({"status": status, "version": desk.version, "checks": checks})

    return health


def _refuse(code: str, detail: dict[str, Any], status: int | None = None) -> JSONResponse:
    wanted = Refusal(code).status if status is None else status
    return JSONResponse(refusal_json(code, detail), wanted)


async def _on_refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    response = _refuse(error.code, error.detail)
    if error.code == "locked":
        response.headers["Retry-After"] = str(error.detail["retry_after_s"])
    return response


async def _on_capture_refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, CaptureRefused)
    return _refuse(error.code, {"reason": str(error), **error.detail})


async def _on_store_error(request: Request, error: Exception) -> Response:
    log.error("%s: %s", type(error).__name__, error)
    return _refuse("not_saved", {"reason": type(error).__name__})


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method"}.get(error.status_code)
    if code is None:
        return _refuse("bad_json", {}, error.status_code)
    return _refuse(code, {}, error.status_code)


async def _on_anything(request: Request, error: Exception) -> Response:
    log.error("%s %s failed: %s", request.method, request.url.path, type(error).__name__)
    return _refuse("internal", {"error": type(error).__name__})


class _Headers:
    """The security headers on every answer; nothing of the API is kept by a browser."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        extra = _API_HEADERS if scope["path"].startswith(("/api/", "/health")) else _HEADERS

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *extra]}
            await send(message)

        await self._app(scope, receive, send_with_headers)
