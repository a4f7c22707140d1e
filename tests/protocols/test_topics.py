from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import topics
from protocols.errors import TopicError
from protocols.topics import LANES, STATION_ID, STREAM_ID, TOPICS, Kind, Topic

stations = st.from_regex(STATION_ID, fullmatch=True)


def xs(kind: Kind) -> st.SearchStrategy[str]:
    if kind == "live":
        return st.from_regex(STREAM_ID, fullmatch=True)
    return st.sampled_from(LANES) if "{x}" in TOPICS[kind].pattern else st.just("")


@given(st.sampled_from(get_args(Kind)), stations, st.data())
def test_built_and_parsed(kind, station, data):
    x = data.draw(xs(kind))
    text = topics.build(kind, station, x)
    assert topics.parse(text) == Topic(station, kind, x)
    assert not set(text) & set("+#\0\n ")


@pytest.mark.parametrize(
    ("kind", "station", "x", "text"),
    [
        ("up", "MT-0001", "urgent", "mt/1/MT-0001/up/urgent"),
        ("up_receipt", "MT-0001", "", "mt/1/MT-0001/up/receipt"),
        ("down", "MT-0001", "clinical", "mt/1/MT-0001/down/clinical"),
        ("down_receipt", "MT-0001", "", "mt/1/MT-0001/down/receipt"),
        ("live", "MT-0001", "ecg", "mt/1/MT-0001/live/ecg"),
        ("hello", "MT-0001", "", "mt/1/MT-0001/hello"),
        ("status", "MT-0001", "", "mt/1/MT-0001/status"),
    ],
)
def test_as_published(kind, station, x, text):
    assert topics.build(kind, station, x) == text


@given(st.text(max_size=60) | st.text(alphabet="mt/1MT-0uprecids+#\n", max_size=40).map("mt/1/".__add__))
def test_any_text_is_a_topic_of_the_table_or_an_error(text):
    try:
        found = topics.parse(text)
    except TopicError as error:
        said = str(error)
    else:
        said = "not one of our topics"
        assert topics.build(found.kind, found.station, found.x) == text
    assert said == "not one of our topics"  # the text may be anybody's: it is not repeated


@pytest.mark.parametrize(
    "text",
    [
        "", "mt/1", "mt/1//hello", "mt/2/MT-0001/hello", "x/mt/1/MT-0001/hello", "mt/1/MT-0001/hello/",
        "mt/1/MT-0001\n/hello", "mt/1/MT-0001/live/ecg\n", "mt/1/mt-0001/hello", "mt/1/+/hello",
        "mt/1/MT-0001/up/later", "mt/1/MT-0001/up/", "mt/1/MT-0001/up", "mt/1/MT-0001/live/",
    ],
)  # fmt: skip
def test_what_is_not_in_the_table(text):
    with pytest.raises(TopicError):
        topics.parse(text)


@pytest.mark.parametrize(
    ("kind", "station", "x"),
    [
        ("up", "MT-0001", ""), ("up", "MT-0001", "later"), ("live", "MT-0001", "ECG"),
        ("hello", "MT-0001", "x"),
        ("hello", "mt-0001", ""), ("hello", "MT/0001", ""), ("hello", "MT-0001\n", ""), ("hello", "M", ""),
        ("live", "MT-0001", "ecg\n"), ("live", "MT-0001", "张三"),
    ],
)  # fmt: skip
def test_what_cannot_be_built(kind, station, x):
    with pytest.raises(TopicError):
        topics.build(kind, station, x)


def test_only_the_last_will_is_retained_and_only_the_live_lane_may_be_lost():
    assert [kind for kind, row in TOPICS.items() if row.retained] == ["status"]
    assert [kind for kind, row in TOPICS.items() if row.qos == 0] == ["live"]


def test_subscriptions_take_what_the_other_side_sends():
    assert topics.hub_subscriptions(shared=True) == (
        "$share/hub/mt/1/+/up/#",
        "mt/1/+/hello",
        "mt/1/+/status",
    )
    assert topics.hub_subscriptions(shared=False)[0] == "mt/1/+/up/#"
    assert topics.station_subscription("MT-0001") == "mt/1/MT-0001/down/#"
