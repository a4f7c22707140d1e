"""Files that other programs read: a station's settings.toml, the broker's configuration and rights.

Who may say what on the broker is one table here (`RIGHTS`), rendered for mosquitto and obeyed by the
embedded broker's plug-in, so that both brokers refuse the same things.
"""

import json
from pathlib import Path
from typing import NamedTuple

from protocols.envelope import HUB, MAX_FRAME_BYTES
from protocols.station import StationSettings
from protocols.topics import PREFIX


class Rights(NamedTuple):
    """Topic filters; {name} is the certificate's common name."""

    write: tuple[str, ...]
    read: tuple[str, ...]


HUB_RIGHTS = Rights(write=(f"{PREFIX}/#",), read=(f"{PREFIX}/#",))
STATION_RIGHTS = Rights(
    write=tuple(f"{PREFIX}/{{name}}/{tail}" for tail in ("up/#", "live/#", "hello", "status", "reported")),
    read=(f"{PREFIX}/{{name}}/down/#",),
)


def rights_of(common_name: str) -> Rights:
    """What the holder of a certificate may do: the hub everything of ours, a station its own."""
    if common_name == HUB:
        return HUB_RIGHTS
    return Rights(*(tuple(f.format(name=common_name) for f in filters) for filters in STATION_RIGHTS))


def mosquitto_acl() -> str:
    """RIGHTS as mosquitto's acl_file."""
    lines = [f"user {HUB}"]
    lines += [f"topic readwrite {f}" for f in HUB_RIGHTS.write]
    lines += [f"pattern write {f.format(name='%u')}" for f in STATION_RIGHTS.write]
    lines += [f"pattern read {f.format(name='%u')}" for f in STATION_RIGHTS.read]
    return "\n".join(lines) + "\n"


def mosquitto_conf(folder: Path, ca_file: Path, bind: str, port: int, user: str) -> str:
    """mosquitto.conf for a broker whose certificate, rights and store are in `folder`."""
    return f"""\
listener {port} {bind}
cafile {ca_file}
certfile {folder / "broker.crt"}
keyfile {folder / "broker.key"}
require_certificate true
use_identity_as_username true
allow_anonymous false
acl_file {folder / "acl"}
user {user}
persistence true
persistence_location {folder}/
autosave_interval 60
# The default of 1000 queued messages per client is dropped past in silence.
max_queued_messages 0
max_inflight_messages 100
message_size_limit {MAX_FRAME_BYTES}
set_tcp_nodelay true
log_dest stderr
log_type error
log_type warning
log_type notice
connection_messages true
"""


def settings_toml(settings: StationSettings) -> str:
    """A station's settings as TOML. JSON strings, numbers and arrays are TOML's too (TOML 1.0 §String)."""
    fields = settings.model_dump()
    tables = {name: fields.pop(name) for name in ("broker", "boxes", "accounts")}
    lines = [f"{name} = {_value(value)}" for name, value in fields.items()]
    lines += ["", "[broker]", *(f"{name} = {_value(value)}" for name, value in tables["broker"].items())]
    for name in ("boxes", "accounts"):
        for row in tables[name]:
            lines += ["", f"[[{name}]]", *(f"{key} = {_value(value)}" for key, value in row.items())]
    return "\n".join(lines) + "\n"


def _value(value: object) -> str:
    # json leaves DEL bare, which TOML forbids.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
