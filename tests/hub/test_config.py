"""Settings: from a file and the environment; what is wrong is named."""

from pathlib import Path

import pytest

from hub.config import Settings, load
from hub.errors import ConfigError


def _file(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "hub.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_paths_are_relative_to_the_file_and_the_environment_wins(tmp_path: Path) -> None:
    text = 'database_url = "sqlite:///hub.db"\n[http]\nport = 1\n[broker]\nca_file = "ca.crt"\n'
    file = _file(tmp_path, text)
    environment = {"MAITONG_HUB_HTTP__PORT": "8200", "MAITONG_HUB_HOSPITAL_NAME": "甲医院", "OTHER": "x"}
    settings = load(file, environment)
    assert settings.database_url == f"sqlite:///{tmp_path / 'hub.db'}"
    assert settings.broker is not None
    assert settings.broker.ca_file == tmp_path / "ca.crt"
    assert (settings.http.port, settings.hospital_name) == (8200, "甲医院")
    assert load(_file(tmp_path, ""), {}).broker is None
    assert Settings().http.secure is False


@pytest.mark.parametrize(
    ("text", "named"), [("[http]\nport = 99999", "http.port"), ("colour = 1", "colour"), ("=", "hub.toml")]
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(_file(tmp_path, text), {})
    assert named in str(raised.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        load(tmp_path / "nowhere.toml", {})
