"""The gate: each rule alone keeps a device in, all reasons are told, and nothing but a new wipe lets it out again."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

import pytest

from custody.claims import Claim
from custody.events import Event, mentions
from custody.rules import Policy, exit_of, fold, gather, last_exit, state_of, why_not_disputable, why_not_lendable
from tests.factories import (
    BOB,
    NOON,
    Town,
    inventoried,
    left,
    medium,
    passed,
    received,
    registered,
    wiped,
)

M1, M2 = medium(1), medium(2)
GONE = {"gone": [{"medium": M1.id, "names": ["p-1", "p-2"]}]}


class Story:
    """A town's events, told one after another, with the questions asked of them."""

    def __init__(self) -> None:
        """Begin with nothing told."""
        self.town = Town()
        self.told: list[Event] = []

    def bench(self, kind: str, subject: str, body: dict[str, object]) -> Event:
        """Let the first bench say something."""
        self.told.append(self.town.bench.say(kind, subject, body))
        return self.told[-1]

    def other(self, kind: str, subject: str, body: dict[str, object]) -> Event:
        """Let the second bench say something."""
        self.told.append(self.town.other_bench.say(kind, subject, body))
        return self.told[-1]

    def server(self, kind: str, subject: str, body: dict[str, object]) -> Event:
        """Let the server say something."""
        self.told.append(self.town.server.say(kind, subject, body))
        return self.told[-1]

    def codes(self, device: str = "A", policy: Policy | None = None) -> set[str]:
        """Return the codes of the reasons not to lend, asked through the index as a store would be."""
        facts = gather(device, self.about)
        reasons = why_not_lendable(facts, device, policy or Policy(), NOON)
        assert reasons == why_not_lendable(fold(self.told), device, policy or Policy(), NOON)
        return {reason.code for reason in reasons}

    def about(self, subjects: Collection[str]) -> Iterable[Event]:
        """Answer as a store's index does."""
        return [e for e in self.told if mentions(e) & set(subjects)]

    def ready(self, device: str = "A", after: Event | None = None) -> None:
        """Do everything a bench does with a device that came in."""
        name = after.hash if after else None
        if after is None:
            self.bench("device.registered", device, registered(device, serial=f"S-{device}"))
        else:
            self.bench("device.received", device, received(device, name))
        self.bench("device.inventoried", device, inventoried(device, name, M1))
        self.bench("medium.wiped", M1.id, wiped(M1, name, device=device))
        self.bench("device.tested", device, passed(device, name))


@pytest.fixture
def story() -> Story:
    """Return a story in which device A is ready to be lent."""
    told = Story()
    told.ready()
    return told


def test_a_device_that_was_prepared_may_go(story: Story) -> None:
    assert story.codes() == set()


def test_all_reasons_are_told_at_once() -> None:
    story = Story()
    story.bench("device.registered", "A", registered("A"))
    assert story.codes() == {"not-tested", "no-inventory"}
    assert Story().codes() == {"not-registered", "not-tested", "no-inventory"}


def test_after_a_loan_it_stays_in_until_everything_was_done_again(story: Story) -> None:
    gone = story.server("device.left", "A", left("A", M1))
    assert story.codes() == {"not-in-hand", "not-tested", "no-inventory"}
    story.bench("device.received", "A", received("A", gone.hash))
    assert story.codes() == {"not-tested", "no-inventory"}
    story.bench("device.inventoried", "A", inventoried("A", gone.hash, M1))
    assert story.codes() == {"not-tested", "wipe-before-exit"}
    story.bench("medium.wiped", M1.id, wiped(M1, gone.hash))
    assert story.codes() == {"not-tested"}
    story.bench("device.tested", "A", passed("A", gone.hash))
    assert story.codes() == set()


def test_the_old_certificate_does_not_count_after_an_exit(story: Story) -> None:
    gone = story.server("device.left", "A", left("A", M1))
    for kind, body in (
        ("device.received", received("A", gone.hash)),
        ("device.inventoried", inventoried("A", gone.hash, M1)),
        ("device.tested", passed("A", gone.hash)),
    ):
        story.bench(kind, "A", body)
    story.bench("medium.wiped", M1.id, wiped(M1, None))  # by a bench that never heard of the exit
    assert story.codes() == {"wipe-before-exit"}


def test_a_certificate_made_before_the_exit_arrives_late_and_does_not_help(story: Story) -> None:
    late = story.town.other_bench.say("medium.wiped", M1.id, wiped(M1, None))
    gone = story.server("device.left", "A", left("A", M1))
    story.bench("device.received", "A", received("A", gone.hash))
    story.bench("device.inventoried", "A", inventoried("A", gone.hash, M1))
    story.bench("device.tested", "A", passed("A", gone.hash))
    story.told.append(late)
    assert story.codes() == {"wipe-before-exit"}


def test_a_lock_stays_until_that_lock_is_opened(story: Story) -> None:
    lock = story.bench("device.locked", "A", {"device": "A", "lock": "Activation Lock", "seen": "screen"})
    story.bench("device.locked", "A", {"device": "A", "lock": "MDM", "seen": "screen"})
    story.server("device.unlocked", "A", {"device": "A", "lock": lock.hash, "seen": "owner signed out"})
    assert story.codes() == {"locked"}
    assert state_of(fold(story.told), "A").locks == ("MDM",)


def test_a_failed_test_or_a_low_grade_keeps_it_in(story: Story) -> None:
    story.other("device.tested", "A", passed("A", None, "D", screen="fail"))
    assert story.codes() == {"test-not-passed", "grade-too-low"}
    story.other("device.tested", "A", passed("A", None))
    assert story.codes() == set()


def test_a_required_test_that_nobody_did_keeps_it_in(story: Story) -> None:
    assert story.codes(policy=Policy(tests=("electrical", "battery"))) == {"test-not-passed"}


def test_every_medium_that_any_bench_found_must_be_wiped(story: Story) -> None:
    story.other("device.inventoried", "A", inventoried("A", None, M2))
    assert story.codes() == {"not-wiped"}


def test_no_medium_inside_is_a_statement_that_lets_it_go() -> None:
    story = Story()
    story.bench("device.registered", "A", registered("A"))
    story.bench("device.inventoried", "A", inventoried("A", None))
    story.bench("device.tested", "A", passed("A", None))
    assert story.codes() == set()


@pytest.mark.parametrize("outcome", ["UNKNOWN", "NOT_RUN"])
def test_only_done_counts(outcome: str) -> None:
    story = Story()
    story.bench("device.registered", "A", registered("A"))
    story.bench("device.inventoried", "A", inventoried("A", None, M1))
    story.bench("device.tested", "A", passed("A", None))
    story.bench("medium.wiped", M1.id, wiped(M1, None, outcome))
    assert story.codes() == {"wipe-unknown" if outcome == "UNKNOWN" else "not-wiped"}


def test_an_unknown_after_a_done_at_the_same_bench_takes_the_done_away(story: Story) -> None:
    story.bench("medium.wiped", M1.id, wiped(M1, None, "UNKNOWN"))
    assert story.codes() == {"wipe-unknown"}
    story.bench("medium.wiped", M1.id, wiped(M1, None))
    assert story.codes() == set()


def test_a_not_run_after_a_done_takes_nothing_away(story: Story) -> None:
    story.bench("medium.wiped", M1.id, wiped(M1, None, "NOT_RUN"))
    assert story.codes() == set()


def test_what_the_donor_asks_counts_as_much_as_the_policy() -> None:
    story = Story()
    story.ready()
    assert story.codes(policy=Policy(claim=Claim.PURGE)) == {"claim-too-low"}
    story.bench("device.registered", "A", registered("A", "S-A", wants="purge"))
    assert story.codes() == {"claim-too-low"}
    story.bench("medium.wiped", M1.id, wiped(M1, None, claim="purge"))
    assert story.codes() == set()


def test_a_done_that_claims_nothing_counts_for_nothing(story: Story) -> None:
    story.bench("medium.wiped", M1.id, wiped(M1, None, claim="none"))
    assert story.codes(policy=Policy(claim=Claim.NONE)) == {"claim-too-low"}


def test_a_medium_nobody_can_name_is_never_certified() -> None:
    story, anonymous = Story(), medium()
    nameless = type(anonymous)("ata", "ACME", "", "", "", 100)
    story.bench("device.registered", "A", registered("A"))
    story.bench("device.inventoried", "A", inventoried("A", None, nameless))
    story.bench("medium.wiped", nameless.id, wiped(nameless, None))
    story.bench("device.tested", "A", passed("A", None))
    assert story.codes() == {"medium-unidentified"}


def test_a_medium_cannot_be_in_two_devices_at_once(story: Story) -> None:
    story.other("device.registered", "B", registered("B"))
    story.other("device.inventoried", "B", inventoried("B", None, M1))
    assert story.codes("A") == {"medium-elsewhere"}
    assert "medium-elsewhere" in story.codes("B")
    story.other("device.inventoried", "B", inventoried("B", None))
    assert story.codes("A") == set()


def test_a_retired_medium_does_not_go_out(story: Story) -> None:
    story.server("medium.retired", M1.id, {"medium": M1.id, "device": "A", "how": "removed", "names": ["a", "b"]})
    assert story.codes() == {"medium-retired"}


def test_borrowers_who_swap_drives_gain_nothing() -> None:
    story = Story()
    story.ready("A")
    story.bench("device.registered", "B", registered("B"))
    story.bench("device.inventoried", "B", inventoried("B", None, M2))
    story.bench("medium.wiped", M2.id, wiped(M2, None))
    story.bench("device.tested", "B", passed("B", None))
    out_a = story.server("device.left", "A", left("A", M1))
    out_b = story.server("device.left", "B", left("B", M2))
    for kind, body in (
        ("device.received", received("A", out_a.hash)),
        ("device.inventoried", inventoried("A", out_a.hash, M2) | GONE),
        ("device.tested", passed("A", out_a.hash)),
    ):
        story.bench(kind, "A", body)
    assert story.codes("A") == {"wipe-before-exit"}
    story.bench("medium.wiped", M2.id, wiped(M2, out_a.hash))
    assert story.codes("A") == {"wipe-before-exit"}  # it left with B, so B's exit must be answered
    story.bench("medium.wiped", M2.id, wiped(M2, out_b.hash))
    assert story.codes("A") == set()
    assert exit_of(fold(story.told), M2.id) == out_b.hash


def test_a_stranger_in_a_returned_device_needs_a_wipe_that_is_surely_later() -> None:
    story = Story()
    story.other("medium.wiped", M2.id, wiped(M2, None))  # a loose drive, then put in unseen, lent, and filled
    story.ready("A")
    out = story.server("device.left", "A", left("A", M1))
    story.bench("device.received", "A", received("A", out.hash))
    story.bench("device.inventoried", "A", inventoried("A", out.hash, M2) | GONE)
    story.bench("device.tested", "A", passed("A", out.hash))
    assert story.codes() == {"medium-stranger"}
    story.bench("medium.wiped", M2.id, wiped(M2, None))
    assert story.codes() == set()


def test_two_records_of_one_machine_stay_in_until_they_are_merged() -> None:
    story = Story()
    story.ready("A")
    story.other("device.registered", "B", registered("B", serial="s-a"))
    assert story.codes("A") == {"duplicate-record"}
    assert "duplicate-record" in story.codes("B")
    story.server("device.merged", "B", {"from": "B", "into": "A", "reason": "same", "who": BOB})
    assert story.codes("A") == set()
    assert story.codes("B") == {"merged"}


def test_a_merge_brings_the_exits_of_both_records_together() -> None:
    story = Story()
    story.ready("A")
    story.server("device.left", "B", left("B", M1))
    story.server("device.merged", "B", {"from": "B", "into": "A", "reason": "same", "who": BOB})
    assert "not-in-hand" in story.codes("A")
    story.server("device.merged", "A", {"from": "A", "into": "C", "reason": "again", "who": BOB})
    assert "not-in-hand" in story.codes("C")


def test_a_disputed_wipe_no_longer_counts(story: Story) -> None:
    wipe = next(e for e in story.told if e.kind == "medium.wiped")
    story.server("record.disputed", wipe.subject, {"event": wipe.hash, "reason": "wrong drive", "who": BOB})
    assert story.codes() == {"not-wiped"}


def test_no_dispute_can_open_the_gate() -> None:
    story = Story()
    story.ready()
    gone = story.server("device.left", "A", left("A", M1))
    lock = story.bench("device.locked", "A", {"device": "A", "lock": "MDM", "seen": "screen"})
    failed = story.bench("medium.wiped", M1.id, wiped(M1, gone.hash, "UNKNOWN"))
    before = story.codes()
    disputes: list[Event] = []
    for mistaken in (gone, lock, failed):
        assert why_not_disputable(mistaken)
        body: dict[str, object] = {"event": mistaken.hash, "reason": "please", "who": BOB}
        disputes.append(story.server("record.disputed", mistaken.subject, body))
        assert story.codes() == before
    for dispute in disputes:
        assert why_not_disputable(dispute)


def test_a_check_that_disagrees_takes_the_wipe_away_for_good(story: Story) -> None:
    wipe = next(e for e in story.told if e.kind == "medium.wiped")
    body: dict[str, object] = {"wipe": wipe.hash, "medium": M1.id, "agreed": False, "method": "read", "who": BOB}
    check = story.other("medium.checked", M1.id, body)
    story.other("medium.checked", M1.id, body | {"agreed": True})
    assert story.codes() == {"check-disagreed"}
    story.server("record.disputed", M1.id, {"event": check.hash, "reason": "no", "who": BOB})
    assert story.codes() == {"check-disagreed"}


def test_an_old_inventory_can_be_made_to_expire(story: Story) -> None:
    assert story.codes(policy=Policy(inventory_days=1)) == set()
    facts = fold(story.told)
    assert [r.code for r in why_not_lendable(facts, "A", Policy(inventory_days=1))] == ["inventory-old"]


def test_the_state_of_a_device_can_be_read_at_a_glance(story: Story) -> None:
    here = state_of(fold(story.told), "A")
    assert (here.registered, here.in_hand, here.exit, here.media) == (True, True, None, (M1,))
    gone = story.server("device.left", "A", left("A", M1))
    away = state_of(fold(story.told), "A")
    assert (away.in_hand, away.exit, away.loan, away.media) == (False, gone.hash, "L-1", None)
    assert last_exit(fold(story.told), "A") == gone.hash


def test_the_order_of_arrival_changes_nothing(story: Story) -> None:
    shuffles: list[Callable[[list[Event]], list[Event]]] = [
        lambda events: events[::-1],
        lambda events: sorted(events, key=lambda e: e.hash),
    ]
    for shuffle in shuffles:
        assert why_not_lendable(fold(shuffle(story.told)), "A", Policy()) == []


def test_a_receipt_after_an_earlier_loan_is_no_receipt_after_this_one(story: Story) -> None:
    first = story.server("device.left", "A", left("A", M1))
    story.ready("A", first)
    story.server("device.left", "A", left("A", M1))
    assert "not-in-hand" in story.codes()


def test_only_a_wipe_behind_the_exit_in_the_same_chain_is_surely_later() -> None:
    story = Story()
    story.bench("medium.wiped", M2.id, wiped(M2, None))  # this bench names the exit, but only later
    story.ready("A")
    out = story.server("device.left", "A", left("A", M1))
    story.bench("device.received", "A", received("A", out.hash))
    story.bench("device.inventoried", "A", inventoried("A", out.hash, M2) | GONE)
    story.bench("device.tested", "A", passed("A", out.hash))
    assert story.codes() == {"medium-stranger"}
    for number in range(20):
        story.other("device.registered", f"X{number}", registered(f"X{number}"))
    story.other("medium.wiped", M2.id, wiped(M2, None))  # that bench never named the exit
    assert story.codes() == {"medium-stranger"}


def test_a_dispute_is_found_by_the_event_it_names_whatever_its_subject(story: Story) -> None:
    wipe = next(e for e in story.told if e.kind == "medium.wiped")
    story.server("record.disputed", "somewhere else", {"event": wipe.hash, "reason": "wrong drive", "who": BOB})
    assert story.codes() == {"not-wiped"}


def test_one_drive_behind_two_adapters_answers_the_exits_of_both(story: Story) -> None:
    """Its certificate from before, under its other name, must not hide that a borrower has had it since."""
    again = replace(M1, transport="scsi", model="ACME Disk via HBA")
    assert again.id != M1.id
    story.bench("medium.wiped", again.id, wiped(again, None))
    gone = story.server("device.left", "A", left("A", M1))
    story.bench("device.registered", "B", registered("B"))
    story.bench("device.inventoried", "B", inventoried("B", None, again))
    story.bench("device.tested", "B", passed("B", None))
    assert story.codes("B") == {"wipe-before-exit"}
    assert exit_of(fold(story.told), again.id) == gone.hash
    story.bench("medium.wiped", again.id, wiped(again, gone.hash))
    assert story.codes("B") == set()


def test_a_drive_behind_a_usb_adapter_is_not_certified() -> None:
    story, docked = Story(), replace(M1, transport="usb")
    story.bench("device.registered", "A", registered("A"))
    story.bench("device.inventoried", "A", inventoried("A", None, docked))
    story.bench("medium.wiped", docked.id, wiped(docked, None))
    story.bench("device.tested", "A", passed("A", None))
    assert story.codes() == {"medium-unidentified"}


def test_an_entry_that_cannot_be_read_keeps_the_device_in(story: Story) -> None:
    """By the rules of today it is refused; an event that was accepted under others must still fail closed."""
    told = story.bench("device.inventoried", "A", inventoried("A", None, M1))
    odd = replace(told, body={**told.body, "media": [M1.to_json(), {"transport": "ata"}]})
    facts = fold([*story.told[:-1], odd])
    assert {reason.code for reason in why_not_lendable(facts, "A", Policy())} == {"medium-unidentified"}


@pytest.mark.parametrize("kind", ["device.registered", "device.inventoried", "device.tested", "medium.retired"])
def test_what_may_keep_a_device_in_cannot_be_disputed_away(story: Story, kind: str) -> None:
    closing = {
        "device.registered": story.bench("device.registered", "A", registered("A", "S-A", wants="purge")),
        "device.inventoried": story.bench("device.inventoried", "A", inventoried("A", None, M1, M2)),
        "device.tested": story.bench("device.tested", "A", passed("A", None, screen="fail")),
        "medium.retired": story.server(
            "medium.retired", M1.id, {"medium": M1.id, "device": "A", "how": "removed", "names": ["a", "b"]}
        ),
    }
    before = story.codes()
    assert before >= {"medium-retired", "not-wiped", "claim-too-low", "test-not-passed"}
    mistaken = closing[kind]
    story.server("record.disputed", mistaken.subject, {"event": mistaken.hash, "reason": "please", "who": BOB})
    assert story.codes() == before


def test_a_registration_cannot_hide_behind_another_device(story: Story) -> None:
    story.bench("device.registered", "A", registered("A", "S-A", wants="purge") | {"device": "Z"})
    assert story.codes() == {"claim-too-low"}


def test_saying_that_nothing_is_inside_does_not_make_an_unwiped_drive_go_away() -> None:
    story = Story()
    story.bench("device.registered", "A", registered("A"))
    story.bench("device.inventoried", "A", inventoried("A", None, M1))
    story.bench("device.tested", "A", passed("A", None))
    assert story.codes() == {"not-wiped"}
    story.bench("device.inventoried", "A", inventoried("A", None))
    assert story.codes() == {"medium-missing"}
    gone = [{"medium": M1.id, "names": ["p-1", "p-1"]}]
    story.bench("device.inventoried", "A", inventoried("A", None) | {"gone": gone})
    assert story.codes() == {"medium-missing"}  # two people, not one twice
    gone = [{"medium": M1.id, "names": ["p-1", "p-2"]}]
    story.bench("device.inventoried", "A", inventoried("A", None) | {"gone": gone})
    assert story.codes() == set()


def test_the_drive_that_left_with_a_device_is_expected_back(story: Story) -> None:
    out = story.server("device.left", "A", left("A", M1))
    story.bench("device.received", "A", received("A", out.hash))
    story.bench("device.tested", "A", passed("A", out.hash))
    story.bench("device.inventoried", "A", inventoried("A", out.hash))
    assert story.codes() == {"medium-missing"}
    story.bench("medium.wiped", M1.id, wiped(M1, out.hash))  # taken out and wiped on the dock
    assert story.codes() == set()


def test_a_drive_that_two_people_retired_is_not_missed(story: Story) -> None:
    story.bench("device.inventoried", "A", inventoried("A", None, M1, M2))
    story.bench("device.inventoried", "A", inventoried("A", None, M1))
    assert story.codes() == {"medium-missing"}
    body: dict[str, object] = {"medium": M2.id, "device": "A", "how": "destroyed", "names": ["p-1", "p-2"]}
    story.server("medium.retired", M2.id, body)
    assert story.codes() == set()
