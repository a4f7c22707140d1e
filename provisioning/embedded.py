"""The broker for machines without one: amqtt, with the county's certificates and rights.

The two plug-ins make amqtt as strict as mosquitto is by configuration: who you are is your certificate's
common name, and `render.rights_of` is what you may do. amqtt speaks MQTT 3.1.1 and shares no
subscriptions, so one ingest worker takes everything.
"""

import logging
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amqtt.broker import Broker
from amqtt.contexts import Action, BrokerConfig, ListenerConfig, ListenerType
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin
from amqtt.session import Session

from provisioning.render import rights_of

_log = logging.getLogger(__name__)


def common_name(tls: ssl.SSLObject | None) -> str | None:
    """The common name in the peer's verified certificate; None without one."""
    certificate = tls.getpeercert() if tls is not None else None
    if not certificate:
        return None
    subject: Any = certificate.get("subject", ())
    return next((value for part in subject for key, value in part if key == "commonName"), None)


def matches(topic_filter: str, allowed: str) -> bool:
    """Whether everything `topic_filter` (a topic, or a subscription) covers lies within `allowed`."""
    wanted, limit = topic_filter.split("/"), allowed.split("/")
    for i, level in enumerate(limit):
        if level == "#":
            return True
        if i >= len(wanted) or wanted[i] == "#":
            return False
        if level not in ("+", wanted[i]):
            return False
    return len(wanted) == len(limit)


class CertificateIdentity(BaseAuthPlugin):
    """A client is who its certificate says; without one it is nobody."""

    async def authenticate(self, *, session: Session) -> bool | None:
        name = common_name(session.ssl_object)
        session.username = name
        return name is not None

    @dataclass
    class Config:
        pass


class CertificateRights(BaseTopicPlugin):
    """Who may publish and subscribe where."""

    async def topic_filtering(
        self, *, session: Session | None = None, topic: str | None = None, action: Action | None = None
    ) -> bool | None:
        if session is None or session.username is None or not topic:
            return False
        rights = rights_of(session.username)
        allowed = rights.write if action is Action.PUBLISH else rights.read
        # Delivering a message: what was subscribed was already within the rights.
        permitted = action is Action.RECEIVE or any(matches(topic, f) for f in allowed)
        if not permitted:
            _log.warning("%s refused to %s", action, session.username)
        return permitted

    @dataclass
    class Config:
        pass


def configuration(folder: Path, ca_file: Path, bind: str, port: int) -> BrokerConfig:
    """The broker's configuration: TLS with client certificates, and the two plug-ins."""
    return BrokerConfig(
        listeners={
            "default": ListenerConfig(
                type=ListenerType.TCP,
                bind=f"{bind}:{port}",
                ssl=True,
                cafile=str(ca_file),
                certfile=str(folder / "broker.crt"),
                keyfile=str(folder / "broker.key"),
            )
        },
        plugins={
            f"{__name__}.CertificateIdentity": {},
            f"{__name__}.CertificateRights": {},
        },
    )


def make(folder: Path, ca_file: Path, bind: str, port: int) -> Broker:
    """A broker ready to `await start()`."""
    return Broker(configuration(folder, ca_file, bind, port))
