"""The page's websocket: the state on every change and each second, the live leads as they come."""

import asyncio
import json
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from edge_agent.station.desk import Desk
from edge_agent.station.login import COOKIE, Logins, Session

BEAT_S = 1.0
LOOK_S = 0.25
"""No more than four states a second, however much changes."""
NOT_LOGGED_IN = 4401
"""Close code: no session, or it has run out."""
FORBIDDEN = 4403


class _Closed(Exception):  # noqa: N818 - ends the tasks of one page, no error
    """The other side went, or its session did."""


async def follow(desk: Desk, logins: Logins, websocket: WebSocket) -> None:
    """Serve one page until it leaves or its session ends. ?band=monitor: the 0.5 Hz picture."""
    token = websocket.cookies.get(COOKIE)
    session = logins.session(token, touch=False)
    if session is None or not _same_origin(websocket):
        await websocket.accept()  # only then does a browser learn the close code
        await websocket.close(NOT_LOGGED_IN if session is None else FORBIDDEN)
        return
    await websocket.accept()
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_hear(websocket))
            tasks.create_task(_say_state(desk, logins, token, websocket))
            if session.may("capture"):
                tasks.create_task(_say_leads(desk, websocket))
    except* _Closed:
        pass
    if websocket.application_state is WebSocketState.CONNECTED:
        await _close(websocket, logins.session(token, touch=False))


async def _close(websocket: WebSocket, session: Session | None) -> None:
    if websocket.client_state is WebSocketState.CONNECTED:
        await websocket.close(NOT_LOGGED_IN if session is None else 1000)


async def _hear(websocket: WebSocket) -> None:
    """A page says nothing here; this notices that it has gone."""
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise _Closed


async def _say_state(desk: Desk, logins: Logins, token: str | None, websocket: WebSocket) -> None:
    said: dict[str, Any] = {}
    spoke_ns = 0
    while True:
        if logins.session(token, touch=False) is None:
            raise _Closed
        state = await desk.state()
        now_ns = desk.clock.mono_ns()
        now_wall = state.pop("now_ns")
        if state != said or now_ns - spoke_ns >= BEAT_S * 1e9:
            await _send(websocket, {"type": "websocket.send", "text": _text(state, now_wall)})
            said, spoke_ns = state, now_ns
        await asyncio.sleep(LOOK_S)


async def _say_leads(desk: Desk, websocket: WebSocket) -> None:
    band = websocket.query_params.get("band", "diagnostic")
    with desk.machine.live.watch(band) as blocks:
        while True:
            await _send(websocket, {"type": "websocket.send", "bytes": await blocks.get()})


def _text(state: dict[str, Any], now_ns: int) -> str:
    return json.dumps({"type": "state", "now_ns": now_ns, **state}, ensure_ascii=False)


async def _send(websocket: WebSocket, message: dict[str, Any]) -> None:
    try:
        await websocket.send(message)
    except (WebSocketDisconnect, RuntimeError):  # RuntimeError: it was closed meanwhile
        raise _Closed from None


def _same_origin(websocket: WebSocket) -> bool:
    """A browser names the page's origin; another page than ours may not listen. Programs name none."""
    origin = websocket.headers.get("origin")
    return origin is None or origin.partition("://")[2] == websocket.headers.get("host")
