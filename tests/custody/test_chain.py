"""Chains: truncation, reordering, edits, replays, forks, wrong role, revoked key, unknown kinds."""

import pytest

from custody.chain import Ledger, Writer, check_checkpoint, check_root, checkpoint_body, root_statement
from custody.errors import BadSignature, Fork, Gap, UnknownKey
from custody.events import NOTHING, PrivateKey, Role, World, origin_id, seal
from tests.factories import ALICE, NOON, Scribe, Town, left, medium, received, registered


def test_a_chain_in_order_is_accepted_and_a_replay_is_harmless() -> None:
    town = Town()
    for code in "ABC":
        town.bench.say("device.registered", code, registered(code))
    taken = [town.ledger.take(envelope) for envelope in town.bench.envelopes]
    assert [one.head.seq for one in taken] == [1, 2, 3]
    assert town.ledger.take(town.bench.envelopes[1]).duplicate
    assert town.ledger.head(town.bench.id).seq == 3


def test_a_missing_event_is_a_gap_that_says_where_to_go_on() -> None:
    town = Town()
    for code in "ABC":
        town.bench.say("device.registered", code, registered(code))
    town.ledger.take(town.bench.envelopes[0])
    with pytest.raises(Gap) as caught:
        town.ledger.take(town.bench.envelopes[2])
    assert caught.value.expected == 2
    assert "send from 2 on" in str(caught.value)


def test_two_events_under_one_number_are_a_fork_and_both_are_named() -> None:
    town, twin = Town(), Scribe(Role.STATION, seed=1)
    town.bench.say("device.registered", "A", registered("A"))
    twin.say("device.registered", "B", registered("B"))
    town.ledger.take(town.bench.envelopes[0])
    with pytest.raises(Fork) as caught:
        town.ledger.take(twin.envelopes[0])
    assert (caught.value.ours, caught.value.theirs) == (town.bench.events[0].hash, twin.events[0].hash)
    assert town.ledger.head(town.bench.id).hash == town.bench.events[0].hash


def test_an_event_that_follows_a_branch_we_do_not_hold_is_a_fork() -> None:
    town, twin = Town(), Scribe(Role.STATION, seed=1)
    town.bench.say("device.registered", "A", registered("A"))
    twin.say("device.registered", "B", registered("B"))
    twin.say("device.registered", "C", registered("C"))
    town.ledger.take(town.bench.envelopes[0])
    with pytest.raises(Fork):
        town.ledger.take(twin.envelopes[1])


def test_a_refused_event_in_the_middle_does_not_stop_the_rest() -> None:
    town = Town()
    town.bench.say("device.registered", "A", registered("A"))
    town.bench.say("device.left", "A", left("A", medium()))
    town.bench.say("device.registered", "B", registered("B"))
    taken = [town.ledger.take(envelope) for envelope in town.bench.envelopes]
    assert [[reason.code for reason in one.reasons] for one in taken] == [[], ["role"], []]
    assert town.ledger.head(town.bench.id).seq == 3


@pytest.mark.parametrize(
    ("who", "kind"),
    [
        ("kiosk", "medium.wiped"),
        ("server", "medium.wiped"),
        ("kiosk", "device.received"),
        ("kiosk", "record.disputed"),
        ("bench", "origin.enrolled"),
        ("bench", "checkpoint"),
        ("kiosk", "device.left"),
    ],
)
def test_nobody_signs_what_is_not_theirs_to_say(who: str, kind: str) -> None:
    town = Town()
    scribe: Scribe = getattr(town, who)
    envelope = scribe.forge(kind, "A", {"device": "A", "code": "A"})
    assert "role" in [reason.code for reason in town.ledger.take(envelope).reasons]


def test_a_body_that_does_not_fit_its_kind_is_kept_as_refused() -> None:
    town = Town()
    admission = town.ledger.take(town.bench.forge("medium.wiped", "A", {"device": "A"}))
    assert admission.reasons
    assert all(reason.code == "meaning" for reason in admission.reasons)
    assert town.ledger.head(town.bench.id).seq == 1


def test_an_unknown_kind_is_kept_and_not_refused() -> None:
    town = Town()
    town.bench.forge("device.blessed", "A", {"with": "water"})
    assert town.ledger.take(town.bench.envelopes[0]).reasons == ()


def test_an_event_signed_by_another_origin_in_its_name_is_refused() -> None:
    town = Town()
    envelope, _ = seal(
        origin=town.bench.id,
        seq=1,
        prev=NOTHING,
        kind="device.registered",
        subject="A",
        at=NOON,
        body=registered("A"),
        key=town.kiosk.key,
        world=World.REAL,
    )
    with pytest.raises(BadSignature, match="says it is by"):
        town.ledger.take(envelope)


def test_an_origin_that_was_never_enrolled_is_unknown() -> None:
    town, stranger = Town(), Scribe(Role.STATION, seed=99)
    stranger.say("device.registered", "A", registered("A"))
    with pytest.raises(UnknownKey):
        town.ledger.take(stranger.envelopes[0])


def test_after_a_revocation_earlier_events_stand_and_later_ones_do_not_count() -> None:
    town = Town()
    first = town.bench.say("device.registered", "A", registered("A"))
    town.ledger.take(town.bench.envelopes[0])
    town.server.say(
        "origin.revoked",
        town.bench.id,
        {"origin": town.bench.id, "through": 1, "head": first.hash, "reason": "stick lost"},
    )
    town.ledger.take(town.server.envelopes[-1])
    town.bench.say("device.registered", "B", registered("B"))
    admission = town.ledger.take(town.bench.envelopes[1])
    assert [reason.code for reason in admission.reasons] == ["revoked"]
    assert town.ledger.take(town.bench.envelopes[0]).duplicate


def test_a_second_revocation_can_only_take_more_away() -> None:
    town = Town()
    for code in "ABC":
        town.bench.say("device.registered", code, registered(code))
    for envelope in town.bench.envelopes:
        town.ledger.take(envelope)
    for through in (1, 3):
        head = town.bench.events[through - 1].hash
        town.server.say(
            "origin.revoked",
            town.bench.id,
            {"origin": town.bench.id, "through": through, "head": head, "reason": "x"},
        )
        town.ledger.take(town.server.envelopes[-1])
    writer = town.ledger.writer(town.bench.id)
    assert writer is not None
    assert writer.revoked_through == 1


def test_a_new_key_counts_from_its_number_on_and_the_old_one_no_longer() -> None:
    town, new = Town(), PrivateKey(b"n" * 32)
    town.bench.say("device.registered", "A", registered("A"))
    town.ledger.take(town.bench.envelopes[0])
    town.server.say(
        "origin.rekeyed",
        town.bench.id,
        {"origin": town.bench.id, "key": new.public.hex, "transport_key": None, "since": 2},
    )
    assert town.ledger.take(town.server.envelopes[-1]).reasons == ()
    town.bench.say("device.registered", "B", registered("B"), key=new)
    town.bench.say("device.registered", "C", registered("C"))  # a thief with the old key
    assert town.ledger.take(town.bench.envelopes[1]).reasons == ()
    with pytest.raises(BadSignature, match="not valid at that number"):
        town.ledger.take(town.bench.envelopes[2])
    assert town.ledger.head(town.bench.id).seq == 2  # the thief did not take the chain along


def test_a_new_key_cannot_reach_back_over_what_is_written() -> None:
    town, new = Town(), PrivateKey(b"n" * 32)
    town.bench.say("device.registered", "A", registered("A"))
    town.ledger.take(town.bench.envelopes[0])
    town.server.say(
        "origin.rekeyed",
        town.bench.id,
        {"origin": town.bench.id, "key": new.public.hex, "transport_key": None, "since": 1},
    )
    assert [reason.code for reason in town.ledger.take(town.server.envelopes[-1]).reasons] == ["key-backdated"]


def test_nobody_becomes_a_second_server_and_no_key_serves_twice() -> None:
    town, rival = Town(), Scribe(Role.SERVER, seed=7)
    town.server.enrol(rival)
    assert [reason.code for reason in town.ledger.take(town.server.envelopes[-1]).reasons] == ["second-server"]
    thief = Scribe(Role.STATION, seed=8)
    thief.key = town.bench.key
    thief.id = origin_id(Role.KIOSK, town.bench.key.public)
    town.server.enrol(thief)
    assert [reason.code for reason in town.ledger.take(town.server.envelopes[-1]).reasons] == ["origin-taken"]


def test_a_checkpoint_shows_a_tail_that_was_cut_and_a_chain_that_was_rewritten() -> None:
    town = Town()
    for code in "AB":
        town.bench.say("device.registered", code, registered(code))
    for envelope in town.bench.envelopes:
        town.ledger.take(envelope)
    town.server.say("checkpoint", town.server.id, checkpoint_body(town.ledger.heads()))
    mark = town.server.events[-1]
    assert check_checkpoint(mark, town.ledger) == []

    cut = Town()
    cut.ledger.take(town.bench.envelopes[0])
    assert [reason.code for reason in check_checkpoint(mark, cut.ledger)] == ["history-cut"]

    rewritten, twin = Town(), Scribe(Role.STATION, seed=1)
    for code in "AX":
        twin.say("device.registered", code, registered(code))
    for envelope in twin.envelopes:
        rewritten.ledger.take(envelope)
    assert [reason.code for reason in check_checkpoint(mark, rewritten.ledger)] == ["history-rewritten"]


def test_a_writer_survives_being_stored() -> None:
    town = Town()
    writer = town.ledger.writer(town.kiosk.id)
    assert writer is not None
    assert Writer.from_json(writer.to_json()) == writer


def test_stations_and_the_server_may_both_receive() -> None:
    town = Town()
    for scribe in (town.bench, town.server):
        scribe.say("device.received", "A", received("A", None) | {"who": ALICE})
        assert town.ledger.take(scribe.envelopes[-1]).reasons == ()


def test_the_world_of_a_ledger_is_fixed() -> None:
    town = Town(World.PRACTICE)
    other = Ledger(World.REAL, [town.server.writer()])
    with pytest.raises(BadSignature):
        other.take(town.server.envelopes[0])


def test_events_up_to_the_head_at_revocation_stand_even_when_they_arrive_later() -> None:
    town = Town()
    for code in "AB":
        town.bench.say("device.registered", code, registered(code))
    head = town.bench.events[0].hash
    body = {"origin": town.bench.id, "through": 1, "head": head, "reason": "stick lost"}
    town.server.say("origin.revoked", town.bench.id, body)
    town.ledger.take(town.server.envelopes[-1])
    taken = [town.ledger.take(envelope) for envelope in town.bench.envelopes]
    assert [[reason.code for reason in one.reasons] for one in taken] == [[], ["revoked"]]


def test_a_root_key_vouches_for_one_server_key_in_one_world() -> None:
    town, root = Town(), PrivateKey(b"r" * 32)
    key = town.server.key.public
    word = {"key": root.public.hex, "signature": root.sign(root_statement(World.REAL, key)).hex()}
    assert check_root(World.REAL, key, word) == root.public
    for world, other, said in (
        (World.PRACTICE, key, word),
        (World.REAL, town.bench.key.public, word),
        (World.REAL, key, word | {"signature": "zz"}),
        (World.REAL, key, word | {"key": town.kiosk.key.public.hex}),
    ):
        with pytest.raises(BadSignature):
            check_root(world, other, said)
