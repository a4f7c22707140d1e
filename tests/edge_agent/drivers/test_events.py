import dataclasses

import numpy as np
import pytest

from edge_agent.drivers.events import BadFrame, Battery, Samples


def test_events_cannot_be_changed_on_their_way():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Battery(50).percent = 51


def test_samples_are_compared_by_identity():
    # An array has no single truth value, so equality of two events would raise deep inside a caller.
    one = Samples(0, 500, ("I",), np.zeros((1, 5), dtype=np.int32), 1.0)
    assert one == one
    assert one != Samples(0, 500, ("I",), np.zeros((1, 5), dtype=np.int32), 1.0)
    assert BadFrame("x", 1) == BadFrame("x", 1)
