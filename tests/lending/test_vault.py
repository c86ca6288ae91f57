"""What is sealed tells nothing without its key, opens only where it belongs, and outlives a change of keys."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lending import vault
from lending.vault import FORMAT, HEAD_BYTES, ContactKey, Vault, VaultError
from tests.factories import NOON

KEYS = vault.new_keys(NOON, random.Random("vault").randbytes)
VALUES = {"name": "Nadia Rahman", "phone": "07700 900123"}


def opened() -> Vault:
    return vault.in_memory(KEYS)


@given(st.dictionaries(st.text(), st.text()), st.text(), st.text())
def test_what_was_sealed_opens_to_the_same_texts(values: dict[str, str], purpose: str, row: str) -> None:
    assert opened().open_(purpose, row, opened().seal(purpose, row, values)) == values


def test_nothing_of_the_text_shows_and_no_two_seals_are_alike() -> None:
    first, second = (opened().seal("referral", "R-1", VALUES) for _ in range(2))
    assert first != second
    assert not any(word in first for word in (b"Nadia", b"Rahman", b"07700", b"name", b"phone"))


def test_a_short_name_and_a_longer_one_are_sealed_to_the_same_length() -> None:
    short, longer = (opened().seal("p", "r", {"name": name}) for name in ("Bo", "Bartholomew Fitzgerald-Smythe"))
    assert len(short) == len(longer)


@pytest.mark.parametrize(("purpose", "row"), [("referral", "R-2"), ("loan", "R-1"), ("referralR", "-1")])
def test_a_value_that_is_moved_to_another_row_or_purpose_does_not_open(purpose: str, row: str) -> None:
    sealed = opened().seal("referral", "R-1", VALUES)
    with pytest.raises(VaultError, match="another row"):
        opened().open_(purpose, row, sealed)


def test_every_changed_byte_is_noticed() -> None:
    sealed = opened().seal("referral", "R-1", VALUES)
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(VaultError):
            opened().open_("referral", "R-1", bytes(changed))
    for length in (0, 1, HEAD_BYTES, HEAD_BYTES + 11, len(sealed) - 1):
        with pytest.raises(VaultError):
            opened().open_("referral", "R-1", sealed[:length])


def test_the_newest_key_seals_and_an_older_one_still_opens() -> None:
    newer = ContactKey(b"n" * 32, NOON)
    both = vault.in_memory(replace(KEYS, sealing=(*KEYS.sealing, newer)))
    old, new = opened().seal("p", "r", VALUES), both.seal("p", "r", VALUES)
    assert old.startswith(FORMAT + KEYS.newest.id)
    assert new.startswith(both.head())
    assert both.open_("p", "r", old) == both.open_("p", "r", new) == VALUES
    with pytest.raises(VaultError, match="not in the file"):
        opened().open_("p", "r", new)


def test_a_fingerprint_finds_the_same_text_again_and_only_with_the_key() -> None:
    other = vault.in_memory(replace(KEYS, fingerprint=b"f" * 32))
    mark = opened().fingerprint("phone", "07700900123")
    assert mark == opened().fingerprint("phone", "07700900123")
    assert len({mark, opened().fingerprint("phon", "e07700900123"), other.fingerprint("phone", "07700900123")}) == 3
    assert len(mark) == 64


def test_a_rotation_changes_no_fingerprint() -> None:
    after = vault.in_memory(replace(KEYS, sealing=(*KEYS.sealing, ContactKey(b"n" * 32, NOON))))
    assert after.fingerprint("phone", "1") == opened().fingerprint("phone", "1")


def test_without_keys_nothing_is_sealed_and_the_message_says_why() -> None:
    for work in (lambda: vault.closed().seal("p", "r", {}), lambda: vault.closed().fingerprint("p", "x")):
        with pytest.raises(VaultError, match="without the contact keys"):
            work()
