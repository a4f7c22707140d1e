"""DRIVERS: device name → import path, as text, so that a radio nobody uses is never imported."""

import importlib
from typing import cast

from edge_agent.drivers.base import Driver

DRIVERS: dict[str, str] = {
    "ecg_ads1298": "edge_agent.drivers.ecg_ads1298.driver:Ads1298Driver",
}


def load(name: str) -> type[Driver]:
    """The driver class of a device name. Raises KeyError for a name that is not in DRIVERS."""
    module, _, attribute = DRIVERS[name].partition(":")
    return cast(type[Driver], getattr(importlib.import_module(module), attribute))
