"""How a benchmark says what it saw: one line of JSON, with the machine it was seen on."""

import json
import os
import platform
from collections.abc import Sequence

import numpy as np


def spread(seconds: Sequence[float], unit: str = "ms") -> dict[str, float]:
    """Median, p95 and worst of some times."""
    values = np.asarray(seconds) * (1000 if unit == "ms" else 1)
    return {
        "n": len(values),
        f"median_{unit}": round(float(np.median(values)), 1),
        f"p95_{unit}": round(float(np.percentile(values, 95)), 1),
        f"worst_{unit}": round(float(values.max()), 1),
    }


def say(name: str, reach: str, **figures: object) -> None:
    """Print the figure beside what was to be reached. Nothing is asserted here."""
    machine = {"cores": os.cpu_count(), "python": platform.python_version()}
    print(
        json.dumps({"bench": name, "reach": reach, **figures, "machine": machine}, ensure_ascii=False),
        flush=True,
    )
