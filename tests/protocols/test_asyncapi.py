import yaml

from protocols import asyncapi
from protocols.messages import MESSAGES
from protocols.topics import TOPICS


def refs(value) -> list[str]:
    if isinstance(value, dict):
        return [v for k, v in value.items() if k == "$ref"] + [r for v in value.values() for r in refs(v)]
    return [r for v in value for r in refs(v)] if isinstance(value, list) else []


def test_the_published_file_is_current():
    assert asyncapi.main(["--check"]) == 0


def test_check_says_when_it_is_not(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(asyncapi, "PATH", tmp_path / "asyncapi.yaml")
    assert asyncapi.main(["--check"]) == 1
    assert "not current" in capsys.readouterr().err
    assert asyncapi.main([]) == 0
    assert asyncapi.main(["--check"]) == 0


def test_another_yaml_reader_reads_the_same():
    assert yaml.safe_load(asyncapi.PATH.read_text(encoding="utf-8")) == asyncapi.document()
    odd = {"a b": ["yes", "1.0", "", "x: y", {"null": None, "t": True}, []], "空": -1.5}
    assert yaml.safe_load(asyncapi.to_yaml(odd)) == odd


def test_every_reference_leads_somewhere():
    document = asyncapi.document()
    for ref in set(refs(document)):
        place = document
        for step in ref.removeprefix("#/").split("/"):
            assert step in place, ref
            place = place[step]


def test_every_type_goes_by_some_topic_and_every_topic_carries_something():
    assert {name for kind in TOPICS for name in asyncapi.types_on(kind)} == set(MESSAGES)
    channels = asyncapi.document()["channels"]
    assert channels.keys() == TOPICS.keys()
    assert all(channel["messages"] for channel in channels.values())


def test_fields_are_explained():
    schema = asyncapi.document()["components"]["schemas"]["Recording"]
    assert schema["properties"]["uv_per_count"]["description"] == "Per lead."
