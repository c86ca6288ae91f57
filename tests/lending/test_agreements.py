"""The words of agreements: complete in every language, printed as they are read."""

import io
from datetime import date

import pytest
from pypdf import PdfReader

from custody.errors import Refused
from labels.fonts import face
from lending import agreement_pdf, agreements, glyphs, timeline
from lending.agreements import KINDS, LANGUAGES, Signature, words
from lending.loan_items import KINDS as THINGS


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", list(KINDS))
def test_every_language_has_every_clause_every_thing_and_says_who_made_it(language: str, kind: str) -> None:
    found, english = words(kind, language), words(kind, "en")
    assert len(found.clauses) == len(english.clauses)
    assert set(found.kinds) == set(THINGS)
    assert found.intro.count("{organisation}") == 1
    assert found.until.count("{due}") == 1
    assert found.made in ("human", "machine")
    assert found.direction == ("rtl" if language in ("ar", "ckb") else "ltr")
    assert found.reviewed == (language == "en")


def test_an_unknown_language_or_kind_says_what_there_is() -> None:
    for kind, language, code in (("loan", "xx", "language"), ("theft", "en", "kind")):
        with pytest.raises(Refused) as refused:
            words(kind, language)
        assert refused.value.reasons[0].code == code


@pytest.mark.parametrize(
    ("said", "wanted"),
    [("Arabic", "ar"), ("polski", "pl"), ("Kurdish Sorani", "ckb"), ("uk", "uk"), ("Klingon", "en"), ("", "en")],
)
def test_the_language_of_a_referral_is_recognised_in_words(said: str, wanted: str) -> None:
    assert agreements.language_of(said) == wanted


def test_a_mark_is_strokes_of_points_and_nothing_else() -> None:
    assert agreements.strokes("1,2 3,4|5,6") == [[(1, 2), (3, 4)], [(5, 6)]]
    for bad in ("", "1,2;", "a,b", "1,2||3,4", "12345,1"):
        assert agreements.strokes(bad) == []
    long = Signature("mark", "N", "1,1 " * 4000 + "1,1")
    assert [one.subject for one in agreements.what_is_wrong(long)] == ["mark"]


def pdf(lines: list[str], direction: str) -> bytes:
    paper = agreement_pdf.Paper("T", [agreement_pdf.Part(lines, direction)], [("Name", "نادية Rahman")])
    return agreement_pdf.print_paper(paper)


def test_the_same_words_give_the_same_paper_and_latin_words_can_be_found_in_it() -> None:
    made = pdf(["Zgoda na wypożyczenie", "Tak"], "ltr")
    assert made == pdf(["Zgoda na wypożyczenie", "Tak"], "ltr")
    assert "wypożyczenie" in PdfReader(io.BytesIO(made)).pages[0].extract_text()


def test_letters_that_join_are_joined_and_a_run_from_the_right_is_as_wide_as_its_shapes() -> None:
    letters = face()
    if not letters.has("ێ"):
        pytest.skip("no font here has the letters of Central Kurdish (Debian's package fonts-dejavu-core)")
    apart = sum(glyphs.width(one, letters.regular, 11) for one in "پێویست")
    assert glyphs.width("پێویست", letters.regular, 11) < 0.95 * apart


def test_a_script_that_no_font_here_has_is_said_and_not_shown_as_boxes() -> None:
    made = PdfReader(io.BytesIO(pdf(["ትግርኛ ቋንቋ", "ሰላም"], "ltr"))).pages[0].extract_text()
    if face().has("ት"):
        pytest.skip("this machine has a font for Ethiopic")
    assert "No font on this machine" in made


def test_a_long_agreement_goes_on_on_another_page_and_loses_no_line() -> None:
    made = PdfReader(io.BytesIO(pdf([f"Line number {number}" for number in range(120)], "ltr")))
    text = "".join(page.extract_text() for page in made.pages)
    assert len(made.pages) > 1
    assert all(f"Line number {number}" in text for number in range(120))


BEGAN, DUE = date(2026, 11, 1), date(2026, 12, 1)


@pytest.mark.parametrize(
    ("began", "due", "today", "ended", "words_", "state"),
    [
        (None, DUE, BEGAN, None, "not handed over yet", "waits"),
        (BEGAN, DUE, date(2026, 11, 2), None, "29 days left", "runs"),
        (BEGAN, DUE, date(2026, 11, 17), None, "14 days left", "soon"),
        (BEGAN, DUE, DUE, None, "due today", "soon"),
        (BEGAN, DUE, date(2026, 12, 2), None, "1 day past the day agreed", "late"),
        (BEGAN, None, date(2026, 11, 3), None, "out for 2 days, as long as needed", "runs"),
        (BEGAN, DUE, DUE, date(2026, 11, 5), "out for 4 days", "ended"),
        (BEGAN, BEGAN, BEGAN, None, "due today", "soon"),
    ],
)
def test_a_clock_says_in_words_what_it_draws(
    began: date | None, due: date | None, today: date, ended: date | None, words_: str, state: str
) -> None:
    found = timeline.clock(began, due, today, ended)
    assert (found.words, found.state) == (words_, state)
    assert 0 <= found.today <= timeline.WIDE
    assert found.due is None or 0 <= found.due <= timeline.WIDE
