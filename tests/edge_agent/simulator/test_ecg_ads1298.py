from io import BytesIO

import numpy as np
import pytest

from edge_agent.drivers.ecg_ads1298 import codec
from edge_agent.drivers.events import Battery, BoxInfo, Samples
from edge_agent.simulator.ecg_ads1298 import Box
from edge_agent.simulator.scenarios import from_scenario


@pytest.fixture(scope="module")
def strip():
    strips = {}
    return lambda rate_hz: strips.setdefault(rate_hz, from_scenario("lead_off", 1, rate_hz, 1.0))


def heard(*frames: bytes) -> list:
    decoder = codec.Decoder()
    return [event for frame in frames for event in decoder.feed(frame)]


def test_answers_every_command_with_what_it_now_is(strip):
    box = Box(strip, serial="BOX-0001", rates_hz=(500, 1000))
    commands = (
        codec.encode_get_info(), codec.encode_start(1000), codec.encode_start(250), codec.encode_start(500),
        codec.encode_stop(),
    )  # fmt: skip
    answers = heard(*(box.hear(command) for command in commands))
    assert all(isinstance(answer, BoxInfo) for answer in answers)
    assert [answer.rate_hz for answer in answers] == [0, 1000, 0, 500, 0]


def test_speaks_in_step_and_logs_all_it_converts(strip):
    log = BytesIO()
    box = Box(strip, serial="BOX-0001", rates_hz=(500,), sent_log=log)
    answer = box.hear(codec.encode_start(500))
    assert box.interval_s == 0.05
    events = heard(answer, *(frame for _ in range(21) for frame in box.speak()))
    samples = [event for event in events if isinstance(event, Samples)]
    assert [event.first_sample for event in samples] == list(range(0, 525, 25))
    assert all(event.electrodes_off == {"V2"} for event in samples)
    assert len([event for event in events if isinstance(event, Battery)]) == 2
    sent = np.frombuffer(log.getvalue(), dtype="<i4").reshape(-1, 8)
    np.testing.assert_array_equal(np.hstack([event.counts for event in samples]).T, sent)


def test_the_running_number_goes_on_after_the_host_has_gone(strip):
    box = Box(strip, serial="BOX-0001", rates_hz=(500,))
    box.hear(codec.encode_start(500))
    box.speak()
    box.hang_up()
    assert box.interval_s is None
    again = heard(box.hear(codec.encode_start(500)), *box.speak())
    assert [event.first_sample for event in again if isinstance(event, Samples)] == [25]
