"""settings.toml → one frozen StationSettings; read once in __main__, passed on, never global."""

import tomllib
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from pydantic import ValidationError

from edge_agent.errors import ConfigError
from protocols import bundle
from protocols.errors import BundleError
from protocols.station import StationSettings

KEY_BYTES = 32
_FILE_ADDRESSES = ("pty", "replay", "serial")


def load(path: Path) -> StationSettings:
    """The settings in `path`, with all file names made absolute (they are relative to that file).

    Raises ConfigError naming the file, the field and what is wrong with it, never the value: it may be
    a secret.
    """
    path = path.absolute()
    try:
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(path, "", error.strerror or "cannot be read") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(path, "", f"is not TOML: {error}") from None
    try:
        settings = StationSettings.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise ConfigError(path, ".".join(str(part) for part in first["loc"]), first["msg"]) from None
    return _absolute(settings, path.parent)


def storage_key(settings: StationSettings) -> bytes:
    """The 32 bytes the station's files are sealed with.

    Raises ConfigError if the key file cannot be read or is not exactly 32 bytes.
    """
    path = Path(settings.storage_key_file)
    try:
        key = path.read_bytes()
    except OSError as error:
        raise ConfigError(path, "storage_key_file", error.strerror or "cannot be read") from None
    if len(key) != KEY_BYTES:
        raise ConfigError(path, "storage_key_file", f"must be {KEY_BYTES} random bytes, it has {len(key)}")
    return key


def bundle_key(settings: StationSettings, where: Path) -> X25519PublicKey:
    """The county's public key, which `queue export` encrypts to. `where`: the settings file, for the error.

    Raises ConfigError in words if there is none, or if the file holds no such key.
    """
    if not settings.bundle_key_file:
        raise ConfigError(
            where,
            "bundle_key_file",
            "is not set, so the queue cannot be exported. Take hub_bundle.pub from the hub's folder of the "
            "county, put it beside the settings, and name it there",
        )
    path = Path(settings.bundle_key_file)
    try:
        return bundle.public_key(path.read_bytes())
    except OSError as error:
        raise ConfigError(path, "bundle_key_file", error.strerror or "cannot be read") from None
    except BundleError as error:
        raise ConfigError(path, "bundle_key_file", str(error)) from None


def _absolute(settings: StationSettings, base: Path) -> StationSettings:
    broker = settings.broker
    changed: dict[str, Any] = {
        "data_dir": str(base / settings.data_dir),
        "storage_key_file": str(base / settings.storage_key_file),
        "bundle_key_file": str(base / settings.bundle_key_file) if settings.bundle_key_file else "",
        "broker": broker.model_copy(
            update={
                "ca_file": str(base / broker.ca_file),
                "cert_file": str(base / broker.cert_file),
                "key_file": str(base / broker.key_file),
            }
        ),
        "boxes": tuple(
            box.model_copy(update={"address": _absolute_address(box.address, base)}) for box in settings.boxes
        ),
    }
    return settings.model_copy(update=changed)


def _absolute_address(address: str, base: Path) -> str:
    scheme, colon, rest = address.partition(":")
    return f"{scheme}:{base / rest}" if colon and scheme in _FILE_ADDRESSES else address
