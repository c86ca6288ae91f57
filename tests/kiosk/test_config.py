"""Settings: read once, strict, and a template that is its own example."""

from pathlib import Path

import pytest

from kiosk.config import Config, ConfigError, load, template


def test_the_template_gives_back_the_settings_it_was_made_from(tmp_path: Path) -> None:
    config = Config(name='The "old" library', host="lend.example.org", printer="tcp://printer:9100")
    (tmp_path / "kiosk.toml").write_text(template(config), encoding="utf-8")
    assert load(tmp_path / "kiosk.toml") == config


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    assert load(tmp_path / "kiosk.toml") == Config()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nmae = 'x'", "no setting 'nmae'; there are: name, place"),
        ("port = 'x'", "port is 'x', which is not a number from 1 to 65535"),
        ("port = 70000", "port is 70000"),
        ("port = true", "port is True"),
        ("warn_after = 5", "at least 20"),
        ("reset_after = 1.5", "WCAG"),
        ("languages = []", "which is not a list"),
        ("language = 'pl'\nlanguages = ['en']", "which is not one of languages"),
        ("name = ", "cannot be read"),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_allowed(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "kiosk.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "kiosk.toml")
    assert words in str(caught.value)
