"""Words in the languages of the people who come: gettext catalogues read straight from their `.po` files.

English is what the templates say. Every other language is `translations/<code>/LC_MESSAGES/messages.po`, whose
header comment says whether a person has reviewed it; staff are shown that. Nothing is compiled at set-up, so
a corrected word needs a restart and nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from babel import Locale, UnknownLocaleError
from babel.messages.pofile import read_po

from kiosk.config import ConfigError

FOLDER = Path(__file__).parent / "translations"
REVIEWED = "# Status: reviewed by a person"
NAMES = {"en": "English", "ar": "العربية", "pl": "Polski"}
"""What speakers call their language, where the Unicode data would begin it with a small letter."""


@dataclass(frozen=True)
class Language:
    """One language: its words, its own name, the direction it is read in, and whether a person checked it."""

    code: str
    name: str
    direction: str
    reviewed: bool
    locale: str
    messages: Mapping[str, str]

    def say(self, text: str) -> str:
        """Return the text in this language, in English where nobody translated it."""
        return self.messages.get(text) or text


def languages(wanted: Sequence[str], folder: Path = FOLDER) -> dict[str, Language]:
    """Return the wanted languages in their order; raises `ConfigError` for one that we do not have."""
    return {code: _language(code, folder) for code in wanted}


def catalogue(code: str, folder: Path = FOLDER) -> Path:
    """Return where a language's words are."""
    return folder / code / "LC_MESSAGES" / "messages.po"


def _language(code: str, folder: Path) -> Language:
    path = catalogue(code, folder)
    try:
        locale = Locale.parse(code)
        if code == "en":
            return Language(code, NAMES[code], "ltr", True, "en_GB", {})
        with path.open("rb") as file:
            read = read_po(file, locale=locale)
    except (OSError, UnknownLocaleError, ValueError) as error:
        have = sorted(["en", *(one.parent.parent.name for one in folder.glob("*/LC_MESSAGES/messages.po"))])
        raise ConfigError(f"there are no words in the language {code!r}; there are: {', '.join(have)}") from error
    messages = {str(one.id): str(one.string) for one in read if one.id and not one.fuzzy}
    name = NAMES.get(code) or locale.get_display_name(locale) or code
    return Language(code, name, locale.text_direction, REVIEWED in read.header_comment.splitlines(), code, messages)
