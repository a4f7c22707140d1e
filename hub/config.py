"""One frozen Settings from a TOML file and the environment; read in __main__, passed on, never global."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hub.errors import ConfigError

ENV_PREFIX = "MAITONG_HUB_"
"""MAITONG_HUB_DATABASE_URL sets `database_url`, MAITONG_HUB_HTTP__PORT sets `http.port`."""


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Http(_Settings):
    """Where browsers find the hub."""

    host: str = "127.0.0.1"
    port: int = Field(default=8100, ge=0, le=65535)
    tls_cert_file: Path | None = None
    tls_key_file: Path | None = None

    @property
    def secure(self) -> bool:
        return self.tls_cert_file is not None


class Broker(_Settings):
    """The MQTT broker in the hub's machine room. With `ca_file` it is spoken to over mutual TLS."""

    host: str = "127.0.0.1"
    port: int = Field(default=8883, ge=1, le=65535)
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    shared: bool = True
    """The broker shares subscriptions among ingest workers (Mosquitto does; amqtt and NATS do not)."""


class Settings(_Settings):
    """The hub's settings. Relative paths are relative to the file they stand in."""

    database_url: str = "sqlite:///hub.db"
    """sqlite:///path, or postgresql+psycopg://…"""
    data_dir: Path = Path("data")
    http: Http = Http()
    broker: Broker | None = None
    """None: no broker. Browsers and roles then poll; stations cannot be reached."""
    hospital_name: str = "县人民医院"
    """As printed on the report."""
    hospital_name_en: str = "County People's Hospital"
    default_language: Literal["zh-CN", "en"] = "zh-CN"
    session_minutes: int = Field(default=15, ge=1, le=720)
    """A log-in ends after so long without a request."""
    claim_minutes: int = Field(default=15, ge=1, le=240)
    """A claimed exam returns to the list after so long without a sign of the reader."""
    font_file: Path | None = None
    """TrueType font with Chinese for the report; None: the one in the bundle, then Debian's."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


_PATHS = {"data_dir", "font_file", "tls_cert_file", "tls_key_file", "ca_file", "cert_file", "key_file"}


def load(path: Path, environment: Mapping[str, str] = os.environ) -> Settings:
    """Settings of a file, overridden by the environment. Raises ConfigError naming file and field."""
    try:
        with path.open("rb") as file:
            fields = tomllib.load(file)
    except OSError as error:
        raise ConfigError(file=str(path), reason=error.strerror or "cannot be read") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(file=str(path), reason=str(error)) from None
    for name, value in environment.items():
        if name.startswith(ENV_PREFIX):
            _put(fields, name.removeprefix(ENV_PREFIX).lower().split("__"), value)
    try:
        return Settings.model_validate(_resolved(fields, path.resolve().parent))
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        place = ".".join(str(p) for p in first["loc"])
        raise ConfigError(file=str(path), reason=f"{place}: {first['msg']}") from None


def _put(fields: dict[str, Any], keys: list[str], value: str) -> None:
    for key in keys[:-1]:
        inner = fields.setdefault(key, {})
        if not isinstance(inner, dict):
            return
        fields = inner
    fields[keys[-1]] = value


def _resolved(fields: dict[str, Any], folder: Path) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in fields.items():
        if isinstance(value, dict):
            out[key] = _resolved(value, folder)
        elif key in _PATHS and isinstance(value, str):
            out[key] = folder / value
        elif key == "database_url" and isinstance(value, str) and value.startswith("sqlite:///"):
            out[key] = f"sqlite:///{folder / value.removeprefix('sqlite:///')}"
        else:
            out[key] = value
    return out
