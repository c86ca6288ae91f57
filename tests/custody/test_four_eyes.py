"""Two people: who counts as somebody, who may check and accept whose wipe, and what can never open the gate."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from custody.errors import Refused
from custody.events import Event, mentions
from custody.four_eyes import WIPERS, doubt
from custody.rules import Policy, fold, why_not_disputable
from tests.custody.test_rules import M1, Story
from tests.factories import ALICE, BOB, CHECKER, NOBODY, WIPER, Town, accepted, checked, issued, wiped

EYES = Policy(second_check=True)
ACCEPT = Policy(acceptance=True)
CAROL = {"ref": "p-carol", "authenticated": True, "roster": 1}


def told(wiper: Mapping[str, Any] = WIPER, roles: Mapping[str, list[str]] | None = None) -> tuple[Story, Event]:
    """Return a story with a roster and a device that lacks only its second person; and its wipe."""
    story = Story()
    story.server("roster.issued", "roster:1", issued(1, roles))
    story.ready()
    story.told.remove(next(e for e in story.told if e.kind == "medium.wiped"))
    return story, story.bench("medium.wiped", M1.id, wiped(M1, None) | {"who": dict(wiper)})


@pytest.mark.parametrize(
    ("who", "enough"),
    [
        (CHECKER, True),
        (BOB, False),  # says that he signed in, and by no roster
        ({**BOB, "roster": 2}, False),  # by one that was never issued
        ({**BOB, "roster": True}, False),
        ({**CHECKER, "authenticated": False}, False),
        (CAROL, False),  # was not on that roster
        ({**WIPER}, False),  # the wiper
        (NOBODY, False),
    ],
)
def test_a_second_person_is_signed_in_by_an_issued_roster_in_a_role_that_may_check(
    who: dict[str, Any], enough: bool
) -> None:
    story, wipe = told()
    assert story.codes(policy=EYES) == {"not-checked"}
    story.other("medium.checked", M1.id, checked(wipe, who))
    assert (story.codes(policy=EYES) == set()) is enough
    assert story.codes() == set()


def test_a_volunteer_without_the_role_of_verifier_is_no_second_person() -> None:
    story, wipe = told(roles={"p-alice": ["volunteer"], "p-bob": ["volunteer"]})
    story.other("medium.checked", M1.id, checked(wipe))
    assert story.codes(policy=EYES) == {"not-checked"}


def test_who_may_only_check_has_wiped_nothing_that_counts_as_four_eyes() -> None:
    story, wipe = told(roles={"p-alice": ["verifier"], "p-bob": ["verifier"]})
    story.other("medium.checked", M1.id, checked(wipe))
    assert story.codes(policy=EYES) == {"not-checked"}


@pytest.mark.parametrize("wiper", [NOBODY, ALICE, {**ALICE, "roster": 9}, {**CAROL}])
def test_a_wipe_by_nobody_who_counts_is_shown_as_such_and_never_meets_four_eyes(wiper: dict[str, Any]) -> None:
    story, wipe = told(wiper)
    story.other("medium.checked", M1.id, checked(wipe))
    assert story.codes(policy=EYES) == {"not-checked"}
    assert doubt(fold(story.told), wipe, WIPERS)
    assert story.codes() == set()  # without the policy it is a wipe like any other


def test_a_badge_that_is_not_to_be_trusted_takes_its_second_looks_back() -> None:
    story, wipe = told()
    story.other("medium.checked", M1.id, checked(wipe))
    ended = {"ref": "p-bob", "through": 1, "distrust": False, "who": BOB}
    story.server("badge.revoked", "badge:p-bob", ended)
    assert story.codes(policy=EYES) == set()  # who leaves takes nothing along
    story.server("badge.revoked", "badge:p-bob", ended | {"distrust": True})
    assert story.codes(policy=EYES) == {"not-checked"}
    story.server("roster.issued", "roster:2", issued(2))
    story.other("medium.checked", M1.id, checked(wipe, {**BOB, "roster": 2}))
    assert story.codes(policy=EYES) == set()  # the new badge counts again


def test_a_supervisor_who_did_not_wipe_accepts_and_nobody_else() -> None:
    story, wipe = told(roles={"p-alice": ["volunteer", "supervisor"], "p-bob": ["verifier"], "p-carol": ["supervisor"]})
    assert story.codes(policy=ACCEPT) == {"not-accepted"}
    for who in (WIPER, CHECKER, NOBODY, {**CAROL, "roster": 7}):
        story.other("medium.accepted", M1.id, accepted(wipe, who))
        assert story.codes(policy=ACCEPT) == {"not-accepted"}
    story.other("medium.accepted", M1.id, accepted(wipe, CAROL))
    assert story.codes(policy=ACCEPT) == set()
    assert story.codes(policy=replace(ACCEPT, second_check=True)) == {"not-checked"}


def test_what_the_server_says_of_a_supervisor_at_its_own_screen_counts_without_a_roster() -> None:
    story, wipe = told()
    story.server("medium.accepted", M1.id, accepted(wipe, {"ref": "S-OFFICE", "authenticated": True}))
    assert story.codes(policy=ACCEPT) == set()
    story, wipe = told()
    story.server("medium.accepted", M1.id, accepted(wipe, ALICE))
    assert story.codes(policy=ACCEPT) == {"not-accepted"}  # the wiper at another screen


@pytest.mark.parametrize(("yes", "destination"), [(False, "reuse"), (True, "parts"), (True, "recycler")])
def test_what_is_turned_down_by_anybody_stays_in_and_cannot_be_disputed(yes: bool, destination: str) -> None:
    story, wipe = told()
    no = story.other("medium.accepted", M1.id, accepted(wipe, NOBODY, yes, destination))
    assert story.codes() == {"turned-down"}
    story.server("medium.accepted", M1.id, accepted(wipe, CHECKER))
    assert story.codes() == {"turned-down"}
    story.server("record.disputed", M1.id, {"event": no.hash, "reason": "please", "who": BOB})
    assert story.codes() == {"turned-down"}
    assert why_not_disputable(no)
    story.bench("medium.wiped", M1.id, wiped(M1, None) | {"who": WIPER})
    assert story.codes() == set()


def test_agreeing_with_ones_own_wipe_is_stored_as_refused_and_jams_nothing() -> None:
    town = Town()
    wipe = town.bench.say("medium.wiped", M1.id, wiped(M1, None) | {"who": WIPER})
    assert not town.ledger.take(town.bench.envelopes[-1]).reasons
    town.bench.say("medium.checked", M1.id, checked(wipe, WIPER))
    assert [r.code for r in town.ledger.take(town.bench.envelopes[-1]).reasons] == ["self-check"]
    town.bench.say("medium.checked", M1.id, checked(wipe, CHECKER))
    assert not town.ledger.take(town.bench.envelopes[-1]).reasons


@pytest.mark.parametrize(("who", "agreed"), [(WIPER, False), ({"ref": "p-alice", "authenticated": False}, True)])
def test_disagreeing_with_oneself_is_heard_and_a_mere_name_proves_nothing(who: dict[str, Any], agreed: bool) -> None:
    town = Town()
    wipe = town.bench.say("medium.wiped", M1.id, wiped(M1, None) | {"who": WIPER})
    town.ledger.take(town.bench.envelopes[-1])
    town.other_bench.say("medium.checked", M1.id, checked(wipe, who, agreed))
    assert not town.ledger.take(town.other_bench.envelopes[-1]).reasons
    story, wipe = told()
    story.bench("medium.checked", M1.id, checked(wipe, who, agreed))
    assert story.codes(policy=EYES) == ({"not-checked"} if agreed else {"check-disagreed"})


def test_a_station_may_not_issue_rosters_nor_end_badges() -> None:
    town = Town()
    ended = {"ref": "p-bob", "through": 1, "distrust": True, "who": BOB}
    for kind, subject, body in (
        ("roster.issued", "roster:5", issued(5)),
        ("badge.revoked", "badge:p-bob", ended),
    ):
        town.bench.say(kind, subject, body)
        assert [r.code for r in town.ledger.take(town.bench.envelopes[-1]).reasons] == ["role"]


def test_what_somebody_signed_in_did_is_found_by_their_reference_and_a_typed_name_is_not() -> None:
    town = Town()
    assert "by:p-alice" in mentions(town.bench.say("medium.wiped", M1.id, wiped(M1, None) | {"who": WIPER}))
    assert not any(one.startswith("by:") for one in mentions(town.bench.say("medium.wiped", M1.id, wiped(M1, None))))


def test_a_journal_does_not_record_that_somebody_agreed_with_themselves(tmp_path: Any) -> None:
    from custody.journal import Journal

    town = Town()
    with Journal.create(tmp_path / "j", role=town.bench.role, world=town.bench.world, key=town.bench.key) as journal:
        body = wiped(M1, None) | {"who": WIPER}
        wipe = journal.append("medium.wiped", M1.id, body, key=town.bench.key, at=town.bench.clock)
        with pytest.raises(Refused, match="another person"):
            journal.append("medium.checked", M1.id, checked(wipe, WIPER), key=town.bench.key, at=town.bench.clock)
        journal.append("medium.checked", M1.id, checked(wipe, WIPER, False), key=town.bench.key, at=town.bench.clock)
        assert journal.verify().events == 2


def test_a_station_refuses_what_the_server_refused_in_one_stretch_or_in_two(tmp_path: Any) -> None:
    from custody.journal import Journal

    town = Town()
    wipe = town.other_bench.say("medium.wiped", M1.id, wiped(M1, None) | {"who": WIPER})
    town.other_bench.say("medium.checked", M1.id, checked(wipe, WIPER))
    fed = [*town.server.envelopes, *town.other_bench.envelopes]
    for cut in (len(fed), len(fed) - 1):
        file = tmp_path / f"j{cut}"
        with Journal.create(file, role=town.bench.role, world=town.bench.world, key=town.bench.key) as journal:
            journal.enrol(town.server.writer(), "https://server.invalid")
            taken = [journal.take(part, None) for part in (fed[:cut], fed[cut:])]
            assert sum(one.refused for one in taken) == 1
            assert [r.code for r in journal.events(kind="medium.checked")[0].refused] == ["self-check"]
            journal.verify()


def test_one_wipe_is_checked_and_accepted_and_not_one_checked_and_another_accepted() -> None:
    policy = Policy(second_check=True, acceptance=True)
    story, first = told()
    second = story.other("medium.wiped", M1.id, wiped(M1, None) | {"who": WIPER})
    story.bench("medium.checked", M1.id, checked(first))
    story.bench("medium.accepted", M1.id, accepted(second))
    assert story.codes(policy=policy) == {"not-accepted"}
    story.bench("medium.accepted", M1.id, accepted(first))
    assert story.codes(policy=policy) == set()


def test_policy_may_ask_for_the_second_person_at_another_station() -> None:
    story, wipe = told()
    story.bench("medium.checked", M1.id, checked(wipe))
    assert story.codes(policy=EYES) == set()
    assert story.codes(policy=replace(EYES, other_station=True)) == {"not-checked"}
    story.other("medium.checked", M1.id, checked(wipe))
    assert story.codes(policy=replace(EYES, other_station=True)) == set()
