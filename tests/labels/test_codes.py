"""Label codes: every single mistake located, swaps noticed, and a sentence for everything else."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labels import codes

reedsolo = pytest.importorskip("reedsolo")

CODES = st.text(alphabet=codes.ALPHABET, min_size=10, max_size=10).map(codes.complete)
PLACES = st.integers(min_value=0, max_value=11)


@given(CODES)
def test_a_fresh_code_is_accepted_in_any_spelling(code: str) -> None:
    assert codes.check(code) == code
    assert codes.check(f"  {codes.pretty(code).lower()} ") == code
    assert codes.check(" ".join(code)) == code


@given(CODES)
def test_an_independent_reed_solomon_library_agrees(code: str) -> None:
    oracle = reedsolo.RSCodec(nsym=2, nsize=31, fcr=0, prim=0x25, generator=2, c_exp=5)
    # that library writes the highest power first; the code writes the lowest first
    assert oracle.check(bytearray(codes.ALPHABET.index(symbol) for symbol in reversed(code))) == [True]


@settings(max_examples=40)
@given(CODES)
def test_every_single_substitution_is_located_and_the_right_code_offered(code: str) -> None:
    for place in range(codes.LENGTH):
        for symbol in set(codes.ALPHABET) - {code[place]}:
            with pytest.raises(codes.BadCode) as caught:
                codes.check(code[:place] + symbol + code[place + 1 :])
            error = caught.value
            assert (error.why, error.position, error.wrong, error.right, error.suggestion) == (
                "one",
                place + 1,
                symbol,
                code[place],
                code,
            )


@given(CODES, st.integers(min_value=0, max_value=10))
def test_two_neighbours_that_changed_places_are_noticed_and_never_corrected_to_another_code(
    code: str, at: int
) -> None:
    typed = code[:at] + code[at + 1] + code[at] + code[at + 2 :]
    if typed == code:
        return
    with pytest.raises(codes.BadCode) as caught:
        codes.check(typed)
    assert "More than one character is wrong" in str(caught.value)
    assert caught.value.suggestion in (code, None)


@given(CODES, PLACES, PLACES)
def test_any_two_characters_that_changed_places_are_noticed(code: str, one: int, other: int) -> None:
    typed = list(code)
    typed[one], typed[other] = typed[other], typed[one]
    if "".join(typed) != code:
        with pytest.raises(codes.BadCode, match="More than one character is wrong"):
            codes.check("".join(typed))


@given(CODES, st.permutations(range(12)), st.integers(1, 31), st.integers(1, 31))
def test_two_wrong_characters_are_always_refused(code: str, places: list[int], one: int, other: int) -> None:
    typed = list(code)
    for place, change in ((places[0], one), (places[1], other)):
        typed[place] = codes.ALPHABET[codes.ALPHABET.index(typed[place]) ^ change]
    with pytest.raises(codes.BadCode) as caught:
        codes.check("".join(typed))
    assert caught.value.why in ("one", "swapped", "many")


def test_about_two_thirds_of_double_mistakes_are_known_to_be_more_than_one() -> None:
    rng, many = Random(7), 0
    for _ in range(2000):
        typed = list(codes.new(rng))
        for place in rng.sample(range(12), 2):
            typed[place] = rng.choice([symbol for symbol in codes.ALPHABET if symbol != typed[place]])
        with pytest.raises(codes.BadCode) as caught:
            codes.check("".join(typed))
        many += caught.value.why != "one"
    assert 0.58 < many / 2000 < 0.70


@pytest.mark.parametrize(
    ("typed", "why", "words"),
    [
        ("", "empty", "Nothing was read"),
        (" - ", "empty", "Nothing was read"),
        ("7K3Q-X9MD", "length", "this has 8: 4 missing"),
        ("7K3Q-X9MD-A4TP-7", "length", "this has 13: 1 too many"),
        ("7K3Q-X9MD-A4T", "length", "1 missing"),
        ("7K3Q*X9MDA4", "character", "Character 5 (the 1st of group 2), “*”, is never used"),
        ("7K3QÖX9MDA4TP", "character", "Character 5"),
        ("HTTPS://EXAMPLE.ORG/ABOUT", "address", "not one of ours"),
        ("https://example.org/x/7K3QX9MDA4TP", "address", "not one of ours"),
    ],
)
def test_what_is_no_code_gets_a_sentence(typed: str, why: str, words: str) -> None:
    with pytest.raises(codes.BadCode) as caught:
        codes.parse(typed)
    assert caught.value.why == why
    assert words in str(caught.value)


@given(CODES, PLACES)
def test_a_character_that_no_code_has_is_named_and_its_right_value_offered(code: str, place: int) -> None:
    with pytest.raises(codes.BadCode, match="never used") as caught:
        codes.check(code[:place] + "U" + code[place + 1 :])
    assert (caught.value.position, caught.value.right, caught.value.suggestion) == (
        place + 1,
        code[place],
        code,
    )


def test_letters_that_look_like_digits_are_read_as_digits() -> None:
    code = codes.complete("1010101010")
    assert codes.check(code.replace("1", "l", 1).replace("1", "I", 1).replace("0", "o", 1)) == code


@given(CODES)
def test_an_address_in_any_case_and_a_bare_code_are_the_same_thing(code: str) -> None:
    scanned = codes.address("lend.example.org:8443", code)
    assert scanned == f"HTTPS://LEND.EXAMPLE.ORG:8443/D/{code}"
    assert codes.parse(scanned) == codes.parse(scanned.lower()) == codes.parse(f" {scanned}/ \r\n") == code
    assert codes.parse(codes.pretty(code)) == code
    assert codes.address("https://lend.example.org:8443/", code) == scanned


@given(CODES, st.text(alphabet="0123456789abcdef", min_size=64, max_size=64))
def test_a_return_slip_carries_the_exit_it_answers(code: str, answers: str) -> None:
    assert codes.parse_slip(codes.slip_address("h.org", code, answers)) == (code, answers)
    assert codes.parse_slip(codes.slip_address("h.org", code, answers).lower()) == (code, answers)
    assert codes.parse_slip(codes.slip_address("h.org", code, None)) == (code, None)
    assert codes.parse_slip(codes.address("h.org", code)) == (code, None)
    assert codes.parse_slip(code) == (code, None)


def test_a_slip_whose_exit_was_cut_off_is_not_half_believed() -> None:
    with pytest.raises(codes.BadCode, match="end of this return slip"):
        codes.parse_slip(codes.slip_address("h.org", codes.new(Random(1)), "ab" * 31))


def test_codes_made_with_the_same_chance_are_the_same_and_otherwise_differ() -> None:
    assert codes.new(Random(3)) == codes.new(Random(3))
    assert len({codes.new() for _ in range(500)}) == 500


def test_only_complete_codes_of_ten_good_symbols() -> None:
    with pytest.raises(ValueError, match="is not 10 symbols"):
        codes.complete("ABC")
