"""Badges and rosters as texts and bytes: what is read, what is refused, and that neither half alone helps anybody."""

import json
import random
import secrets
import time
from datetime import timedelta
from typing import Any

import pytest

from custody.badges import (
    COST,
    SECRET_SYMBOLS,
    BadBadge,
    BadRoster,
    Roster,
    entry_for,
    fits,
    looks_like_a_badge,
    new_badge,
    read_badge,
    why_not_pin,
)
from tests.badges import CHEAP, VERA, VIC, holder, roster
from tests.factories import NOON


def test_a_badge_is_read_back_as_a_scanner_types_it() -> None:
    badge = new_badge("S-4K7Q2M", secrets.randbelow)
    assert read_badge(f"  {badge.text.lower()}\r\n") == badge
    assert badge.text.startswith("KB1/S-4K7Q2M/")
    assert len(badge.secret) * 5 >= 128
    assert len({new_badge("S-4K7Q2M", secrets.randbelow).secret for _ in range(50)}) == 50


def test_a_badge_text_fits_the_characters_that_every_scanner_types_alike() -> None:
    assert set(VIC.card) <= set("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:")


NO_BADGES = ["", "KB1/S-4K7Q2M/", "KB2" + VIC.card[3:], VIC.card[:-1], VIC.card + "0", "7K3QX9MDA4TP"]
POOR_PINS = [
    "", "12345", "1234567890123", "48291x", "４８２９１５", "000000", "123456", "987654", "890123", "121212",
]  # fmt: skip


@pytest.mark.parametrize("text", NO_BADGES)
def test_what_is_no_badge_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(BadBadge) as raised:
        read_badge(text)
    assert not text or text not in str(raised.value)


def test_a_badge_scanned_into_another_field_is_recognised() -> None:
    assert looks_like_a_badge(f" {VIC.card.lower()}")
    assert not looks_like_a_badge("7K3QX9MDA4TP")


def test_neither_badge_nor_entry_prints_its_secret() -> None:
    shown = repr(VIC.badge) + repr(VIC.entry) + str(VIC.badge)
    assert VIC.badge.secret not in shown
    assert VIC.entry.verifier not in shown


@pytest.mark.parametrize("pin", ["482915", "0042917", "905533821764"])
def test_pins_that_somebody_may_choose(pin: str) -> None:
    assert why_not_pin(pin) == ""


@pytest.mark.parametrize("pin", POOR_PINS)
def test_pins_that_are_short_or_the_first_that_anybody_tries(pin: str) -> None:
    assert why_not_pin(pin)
    with pytest.raises(BadBadge):
        entry_for(VIC.badge, pin, ["volunteer"], bytes(16), CHEAP)


def test_both_halves_are_needed() -> None:
    assert fits(VIC.entry, VIC.badge, VIC.pin, CHEAP)
    assert not fits(VIC.entry, VIC.badge, "482916", CHEAP)
    assert not fits(VIC.entry, holder("S-VIC000", "volunteer", seed=2).badge, VIC.pin, CHEAP)
    assert not fits(VIC.entry, VERA.badge, VIC.pin, CHEAP)


def test_a_roster_that_leaks_tells_no_pin_without_the_badge() -> None:
    """All PINs of a thousand, against every entry, with a thousand guessed badges: none fits."""
    document = roster().to_bytes()
    assert VIC.badge.secret.encode() not in document
    entry, dice = Roster.from_bytes(document).entries[0], random.Random(1)
    tries = ((new_badge("S-VIC000", dice.randrange), f"{dice.randrange(10**6):06}") for _ in range(1000))
    assert not any(fits(entry, badge, pin, CHEAP) for badge, pin in tries)
    assert SECRET_SYMBOLS * 5 >= 128


def test_one_try_at_the_real_cost_takes_a_noticeable_moment() -> None:
    began = time.monotonic()
    entry = entry_for(VIC.badge, VIC.pin, ["volunteer"], bytes(16))
    assert fits(entry, VIC.badge, VIC.pin, COST)
    assert time.monotonic() - began > 0.1


def test_a_badge_is_for_known_roles_and_at_least_one() -> None:
    for roles in ([], ["chief"]):
        with pytest.raises(BadBadge, match="one or more of volunteer, verifier, supervisor"):
            entry_for(VIC.badge, VIC.pin, roles, bytes(16), CHEAP)


def test_a_roster_is_read_back_and_says_of_people_only_references_and_roles() -> None:
    made = roster()
    assert Roster.from_bytes(made.to_bytes()) == made
    people = json.loads(made.to_bytes())["people"]
    assert {key for one in people for key in one} == {"ref", "roles", "mark", "salt", "verifier"}
    assert made.entry("S-VERA00") == VERA.entry
    assert made.entry("S-NOBODY") is None


def changed(**changes: Any) -> bytes:
    return json.dumps({**json.loads(roster().to_bytes()), **changes}).encode()


@pytest.mark.parametrize(
    "document",
    [
        b"", b"{}", b"[" * 5000, changed(kind="event"), changed(not_after="2026-12-01T00:00:00"), changed(share=101),
        changed(scrypt={"n": 1 << 30, "r": 8, "p": 1}), changed(scrypt={"n": 3, "r": 8, "p": 1}),
        changed(people=[{"ref": "S-1"}]), changed(people=[{**VIC.entry.to_json(), "salt": "x"}]), changed(people=7),
        changed(seed="zz"), b" " * ((1 << 20) + 1),
    ],
)  # fmt: skip
def test_what_is_no_roster_is_refused_with_a_sentence(document: bytes) -> None:
    with pytest.raises(BadRoster, match="roster"):
        Roster.from_bytes(document)


def test_rosters_differ_in_their_bytes_when_anything_differs() -> None:
    made = {roster().to_bytes(), roster(number=2).to_bytes(), roster([VIC]).to_bytes(),
            roster(not_after=NOON + timedelta(days=1)).to_bytes()}  # fmt: skip
    assert len(made) == 4
