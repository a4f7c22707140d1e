"""Settings of a station: written by provisioning, obeyed by edge_agent. Pure.

Also the form of a cached account's secret, since the station must let its doctor in with no link.
"""

import hashlib
import hmac
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

_SCRYPT_N, _SCRYPT_R, _SCRYPT_P = 2**14, 8, 1  # RFC 7914 interactive: 16 MiB, some 40 ms


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Account(_Settings):
    """A person who may log in at the station when the hub cannot be asked."""

    username: str = Field(pattern=r"^[a-z0-9_.-]{2,32}$")
    name: str = Field(max_length=64)
    role: Literal["village_doctor", "network_ops"]
    secret: str
    """From `hash_secret`."""


class BoxSettings(_Settings):
    """An ECG box: where it is, what it must be."""

    driver: str
    """A name of edge_agent.drivers.DRIVERS."""
    address: str
    """serial:/dev/ttyUSB0, pty:/path, tcp:host:port, replay:/path."""
    serial: str = ""
    """The box bound to this station; another serial is refused. Empty: any."""
    rate_hz: Literal[500, 1000] = 500


class BrokerSettings(_Settings):
    host: str
    port: int = Field(ge=1, le=65535)
    ca_file: str
    cert_file: str
    key_file: str
    interfaces: tuple[str, ...] = ()
    """Network interfaces to try, in order: the wired one, then 4G. Empty: as the system routes."""


class StationSettings(_Settings):
    """settings.toml of one station; paths are relative to that file."""

    station_id: str = Field(pattern=r"^[A-Z0-9][A-Z0-9-]{1,31}$")
    station_name: str
    """The clinic it stands in, as shown in the top bar: 河西村卫生室."""
    organisation: str
    """Code of that organisation in the county's tree."""
    travel_minutes: int = Field(default=120, ge=0)
    """By road to the county hospital (R-003)."""
    data_dir: str = "data"
    storage_key_file: str
    """32 random bytes: what the outbox is encrypted with."""
    bundle_key_file: str = ""
    """The county's public key for `queue export`. Empty: this station cannot export."""
    urgent_quota_mb: int = Field(default=256, ge=8)
    """Room for what is owed in the lanes urgent and prompt."""
    bulk_quota_mb: int = Field(default=2048, ge=8)
    """Room for the lanes clinical and bulk. Both together must be less than the disk has free."""
    keep_received_days: int = Field(default=365, ge=90)
    """How long the station remembers that a message was received; the message itself leaves at once."""
    page_host: str = "127.0.0.1"
    page_port: int = Field(default=8101, ge=0, le=65535)
    session_minutes: int = Field(default=15, ge=1, le=720)
    duty_phone: str = ""
    broker: BrokerSettings
    boxes: tuple[BoxSettings, ...] = ()
    accounts: tuple[Account, ...] = ()


def hash_secret(secret: str, salt: bytes) -> str:
    """A password as stored in settings: scrypt$<salt hex>$<hash hex>. Salt: 16 random bytes."""
    digest = hashlib.scrypt(
        secret.encode("utf-8", "surrogatepass"), salt=salt, n=_SCRYPT_N, r=_SCRYPT_R, p=_SCRYPT_P, dklen=32
    )
    return f"scrypt${salt.hex()}${digest.hex()}"


def check_secret(secret: str, stored: str) -> bool:
    """Whether `secret` is the password behind `stored`; False for a form this version does not know."""
    scheme, _, rest = stored.partition("$")
    salt_hex, _, _digest = rest.partition("$")
    try:
        salt = bytes.fromhex(salt_hex)
    except ValueError:
        return False
    return scheme == "scrypt" and hmac.compare_digest(
        hash_secret(secret, salt).encode(), stored.encode("utf-8", "surrogatepass")
    )
