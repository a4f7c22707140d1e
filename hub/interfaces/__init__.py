"""What leaves the hub. LINKS: receiver kind → how its link is opened."""

from collections.abc import Callable
from functools import partial

from hub.config import Settings
from hub.interfaces import station_mqtt
from hub.interfaces.base import OpenLink


def _stations(settings: Settings) -> OpenLink | None:
    return partial(station_mqtt.connect, settings.broker) if settings.broker else None


LINKS: dict[str, Callable[[Settings], OpenLink | None]] = {station_mqtt.KIND: _stations}
"""None: the settings name no way to receivers of this kind; what they are owed waits."""
