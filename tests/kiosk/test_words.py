"""Words: every sentence of every screen has its translation, and nobody is told that a machine's words were checked."""

import re
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir

from kiosk import words
from kiosk.config import Config, ConfigError

TEMPLATES = Path(words.__file__).parent / "templates"


def sentences() -> set[str]:
    found = extract_from_dir(
        str(TEMPLATES), [("**.html", "jinja2")], options_map={"**.html": {"newstyle_gettext": "true"}}
    )
    return {str(message) for _, _, message, _, _ in found}


@pytest.mark.parametrize("code", ["ar", "pl"])
def test_every_sentence_is_translated_and_nothing_else_is(code: str) -> None:
    language = words.languages([code])[code]
    assert set(language.messages) == sentences()
    for english, other in language.messages.items():
        assert other.strip()
        assert re.findall(r"%\(\w+\)s", english) == re.findall(r"%\(\w+\)s", other)
        assert (english[-1] in ".?:") == (other[-1] in ".?:؟"), english


def test_machine_made_words_are_said_to_be_so_until_a_person_changes_the_line(tmp_path: Path) -> None:
    found = words.languages(Config().languages)
    assert {code: one.reviewed for code, one in found.items()} == {"en": True, "ar": False, "pl": False}
    text = words.catalogue("pl").read_text(encoding="utf-8")
    path = words.catalogue("pl", tmp_path)
    path.parent.mkdir(parents=True)
    path.write_text(text.replace("# Status: machine-made, not reviewed by a person", words.REVIEWED), encoding="utf-8")
    assert words.languages(["pl"], tmp_path)["pl"].reviewed


def test_languages_have_their_own_names_and_directions() -> None:
    found = words.languages(["en", "ar", "pl"])
    assert [(one.name, one.direction) for one in found.values()] == [
        ("English", "ltr"), ("العربية", "rtl"), ("Polski", "ltr"),
    ]  # fmt: skip
    assert found["ar"].say("a sentence nobody translated") == "a sentence nobody translated"


@pytest.mark.parametrize("code", ["xx", "de", "../etc"])
def test_a_language_we_do_not_have_is_said(code: str) -> None:
    with pytest.raises(ConfigError, match="there are: ar, en, pl"):
        words.languages([code])
