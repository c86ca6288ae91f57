"""Plans are worked out before anything is done, and nothing is silently less than was wanted."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

import wipe_profiles
from custody.claims import Claim
from custody.events import MediumIdentity
from station.media import Medium
from station.wipe import Capabilities, can_do, plan
from station.wipe.methods import Method
from station.wipe.overwrite import METHODS


def medium(kind: str = "ssd", transport: str = "ata") -> Medium:
    identity = MediumIdentity(transport, "Model X", "SERIAL1234", "", "", 10**9)
    return Medium(
        path="/dev/sdx", kind=kind, transport=transport, identity=identity, size=10**9, sector_size=512,
        physical_sector=4096, rotational=False, removable=False, read_only=False, via_bridge=False, practice=False,
        firmware="", bay="", number="8:0", sequence=1,
    )  # fmt: skip


def test_clear_on_any_drive_is_one_zero_pass_with_canaries_and_a_full_read() -> None:
    planned = plan(wipe_profiles.load("clear"), medium())
    assert (planned.method, planned.passes) == ("overwrite-zero", ("zero",))
    assert set(planned.prove) == {"canaries", "read-all"}
    assert not planned.needs_supervisor


@pytest.mark.parametrize(("kind", "transport"), [("nvme", "nvme"), ("ssd", "ata"), ("usb", "usb"), ("file", "block")])
def test_purge_with_nothing_but_overwriting_says_so_and_needs_a_supervisor(kind: str, transport: str) -> None:
    planned = plan(wipe_profiles.load("purge"), medium(kind, transport))
    assert planned.reaches is Claim.CLEAR
    assert planned.needs_supervisor
    assert any("PURGE UNAVAILABLE" in line for line in planned.lines())
    assert all(one.why_not for one in planned.options if not one.method.startswith("overwrite"))


def test_a_method_that_reaches_what_is_wanted_wins_over_one_that_comes_first_in_the_list() -> None:
    profile = wipe_profiles.load("purge")
    methods = {**METHODS, "sanitize-block": Method("sanitize-block", "sanitize-block", (), Claim.PURGE)}
    planned = plan(profile, medium(), Capabilities(methods, "none"))
    assert (planned.method, planned.needs_supervisor) == ("sanitize-block", False)


def test_where_hidden_areas_cannot_be_looked_for_no_method_is_announced_as_a_purge() -> None:
    methods = {**METHODS, "sanitize-block": Method("sanitize-block", "sanitize-block", (), Claim.PURGE)}
    planned = plan(wipe_profiles.load("purge"), medium(), Capabilities(methods, "unknown"))
    assert (planned.reaches, planned.needs_supervisor) == (Claim.CLEAR, True)


def test_a_hidden_part_is_given_back_first_or_no_method_is_offered() -> None:
    hides = Capabilities(METHODS, "present")
    for name in wipe_profiles.names():
        for transport in ("ata", "scsi"):
            planned = plan(wipe_profiles.load(name), medium(transport=transport), hides)
            assert planned.unhide or not planned.method, (name, transport)
    clear = wipe_profiles.load("clear")
    assert plan(clear, medium(), hides).unhide and plan(clear, medium(), hides).method == "overwrite-zero"
    bare = replace(clear, recipes={"ata": replace(clear.recipes["ata"], before=())})
    planned = plan(bare, medium(), hides)
    assert not planned.method and "hidden" in planned.options[0].why_not


def test_what_is_accepted_is_never_undercut() -> None:
    strict = replace(wipe_profiles.load("purge"), accepts="purge")
    planned = plan(strict, medium())
    assert planned.method == ""
    assert "destroy it" in planned.problems[0]


def test_a_profile_without_a_word_on_practice_drives_is_not_bent_to_them() -> None:
    planned = plan(wipe_profiles.load("purge"), medium("file", "file"))
    assert planned.method == ""
    assert "says nothing about file media" in planned.problems[0]


def test_reading_again_and_destroying_are_no_wipes_of_this_program() -> None:
    assert "verify" in plan(wipe_profiles.load("verify"), medium()).problems[0]
    assert plan(wipe_profiles.load("destroy"), medium()).method == ""


def test_hidden_areas_are_unknown_where_they_can_exist_and_none_where_they_cannot() -> None:
    assert can_do(medium("hdd", "ata")).hidden_areas == "unknown"
    assert can_do(medium("nvme", "nvme")).hidden_areas == "none"
    planned = plan(wipe_profiles.load("clear"), medium("hdd", "ata"))
    assert any("hidden areas" in note for note in planned.notes)


def test_the_plan_prints_what_must_be_typed_and_is_plain_json(tmp_path: Path) -> None:
    planned = plan(wipe_profiles.load("clear"), medium())
    assert any("--confirm 1234" in line for line in planned.lines())
    assert json.loads(json.dumps(planned.to_json()))["confirm"] == "1234"
