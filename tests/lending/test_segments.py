"""What a text costs, counted as the networks count."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lending.message_texts import TEXTS, shipped, wrong_with
from lending.segments import plain, size


@pytest.mark.parametrize(
    ("text", "alphabet", "places", "parts"),
    [
        ("a" * 160, "GSM-7", 160, 1),
        ("a" * 161, "GSM-7", 161, 2),
        ("a" * 306, "GSM-7", 306, 2),
        ("a" * 307, "GSM-7", 307, 3),
        ("€" * 80, "GSM-7", 160, 1),
        ("€" * 81, "GSM-7", 162, 2),
        ("ł" * 70, "UCS-2", 70, 1),
        ("ł" * 71, "UCS-2", 71, 2),
        ("ł" * 134, "UCS-2", 134, 2),
        ("ł" * 135, "UCS-2", 135, 3),
        ("", "GSM-7", 0, 1),
    ],
)
def test_parts_are_counted_at_their_edges(text: str, alphabet: str, places: int, parts: int) -> None:
    found = size(text)
    assert (found.alphabet, found.places, found.parts) == (alphabet, places, parts)


def test_a_character_of_two_places_is_never_torn_in_two() -> None:
    # 152 letters leave one place in the first part: the euro sign begins the second.
    assert size("a" * 152 + "€" + "a" * 152).parts == 3
    assert size("ł" * 66 + "😀" + "ł" * 66).parts == 3


def test_accents_are_left_out_only_where_that_saves_the_alphabet() -> None:
    assert plain("Zażółć gęślą jaźń") == "Zazolc gesla jazn"
    assert plain("împrumutul până la ștrand") == "imprumutul pana la strand"
    assert plain("é à ü stay") == "é à ü stay"
    assert plain("إعارتك") == "إعارتك"
    assert plain("позику") == "позику"


@given(st.text(max_size=400))
def test_leaving_accents_out_never_costs_more(text: str) -> None:
    assert size(plain(text)).parts <= size(text).parts or size(text).alphabet == "GSM-7"


def test_every_shipped_text_is_whole_in_every_language_and_short() -> None:
    for kind, texts in TEXTS.items():
        assert set(texts) == {"en", "ar", "pl", "pt", "ro", "uk", "ckb"}, kind
        for language in texts:
            assert wrong_with(kind, texts[language]) == ""
            link = "https://kit.example.org/l/" + "x" * 12
            assert size(plain(shipped(kind, language).filled(sender="Kitbank", link=link))).parts <= 2
