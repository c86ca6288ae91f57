"""Badges at the office: given, replaced, ended; rosters issued with each change; and what machines say of people."""

import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from custody import rules
from custody.badges import Badge, Roster, fits
from custody.errors import Refused
from custody.events import Event, OriginId
from custody.rules import Policy
from lending import audit, badge_tables, badges, caches, people, tables
from lending.badges import Prepared
from lending.people import Account
from lending.record import facts_about, opened
from tests.badges import CHEAP
from tests.factories import accepted, checked, inventoried, medium, passed, registered, wiped
from tests.lending.house import House, code

PIN = "482915"


def account(house: House, name: str) -> Account:
    with house.db.read() as tx:
        return next(one for one in people.list_accounts(tx) if one.name == name)


def give(house: House, name: str, *roles: str, pin: str = PIN) -> Prepared:
    owner = account(house, name)
    made = badges.prepare(owner.ref, roles, pin, pin, CHEAP)
    with house.db.transaction() as tx:
        badges.give(tx, owner.id, made, house.administrator, house.tick())
    return made


def end(house: House, name: str, distrust: bool = False) -> None:
    owner = account(house, name)
    with house.db.transaction() as tx:
        badges.end(tx, owner.id, house.administrator, house.tick(), distrust=distrust)


def roster(house: House) -> Roster:
    found = house.server.roster(house.bench.id)
    assert found is not None
    return Roster.from_bytes(found)


def issued(house: House) -> list[Event]:
    with house.db.read() as tx:
        row = tables.EventRow
        query = select(row.envelope).where(row.kind == "roster.issued").order_by(row.n)
        return list(opened(tx, tx.s.scalars(query).all()))


def codes(refused: Any) -> list[str]:
    return [reason.code for reason in refused.value.reasons]


def test_a_badge_is_given_and_a_station_gets_the_roster_that_history_names(house: House) -> None:
    assert house.server.roster(house.bench.id) is None
    made = give(house, "Vic", "volunteer")
    document = house.server.roster(house.bench.id)
    assert document is not None
    (event,) = issued(house)
    assert event.body["digest"] == hashlib.sha256(document).hexdigest()
    assert event.body["roles"] == {made.badge.ref: ["volunteer"]}
    entry = roster(house).entry(made.badge.ref)
    assert entry is not None
    assert fits(entry, made.badge, PIN, CHEAP)


def test_only_stations_that_count_are_given_a_roster(house: House) -> None:
    give(house, "Vic", "volunteer")
    assert house.server.roster(house.kiosk.id) is None
    assert house.server.roster(OriginId("station-0000000000000000")) is None
    from lending import origins

    with house.db.transaction() as tx:
        origins.revoke(tx, house.other_bench.id, "stolen", house.administrator, house.tick())
    assert house.server.roster(house.other_bench.id) is None
    assert house.server.roster(house.bench.id) is not None


def test_no_name_and_no_secret_is_in_history_or_in_the_office(house: House) -> None:
    made = give(house, "Vic", "volunteer")
    with house.db.read() as tx:
        envelopes = b"".join(bytes(one) for one in tx.s.scalars(select(tables.EventRow.envelope)))
        events = [json.dumps(one.to_json()) for one in opened(tx, [*tx.s.scalars(select(tables.EventRow.envelope))])]
        row = tx.s.get_one(badge_tables.BadgeRow, account(house, "Vic").id)
        kept = f"{vars(row)}" + repr(tx.s.scalars(select(badge_tables.RosterRow.document)).all())
    for text in (made.badge.secret, PIN):
        assert text not in kept
        assert text not in "".join(events)
        assert text.encode() not in envelopes
    assert "Vic" not in "".join(events) + roster(house).to_bytes().decode()
    assert made.entry.verifier not in "".join(events)
    assert made.badge.secret not in repr(made)


def test_ending_a_badge_takes_it_off_the_roster_and_what_recognised_it_out_of_the_office(house: House) -> None:
    made = give(house, "Vic", "volunteer")
    give(house, "Sue", "supervisor")
    end(house, "Vic")
    assert roster(house).number == 3
    assert roster(house).entry(made.badge.ref) is None
    with house.db.read() as tx:
        row = tx.s.get_one(badge_tables.BadgeRow, account(house, "Vic").id)
        assert (row.mark, row.salt, row.verifier) == (None, None, None)
        assert [one.state for one in badges.listing(tx) if one.account.name == "Vic"] == ["ended"]
    with pytest.raises(Refused) as refused:
        end(house, "Vic")
    assert codes(refused) == ["badge"]


def test_a_new_card_replaces_the_old_one_and_keeps_the_reference(house: House) -> None:
    old, new = give(house, "Vic", "volunteer"), give(house, "Vic", "volunteer", "verifier")
    entry = roster(house).entry(old.badge.ref)
    assert entry is not None
    assert (new.badge.ref, entry.roles) == (old.badge.ref, ("volunteer", "verifier"))
    assert not fits(entry, old.badge, PIN, CHEAP)
    with house.db.read() as tx:
        number = account(house, "Vic").id
        assert badges.is_current(tx, number, new.badge)
        assert not badges.is_current(tx, number, old.badge)
        assert not badges.is_current(tx, account(house, "Sue").id, new.badge)


def test_a_closed_account_has_no_badge_any_more(house: House) -> None:
    made = give(house, "Vic", "volunteer")
    with house.db.transaction() as tx:
        badges.close_account(tx, account(house, "Vic").id, house.administrator, house.tick())
    assert roster(house).entry(made.badge.ref) is None
    with pytest.raises(Refused) as refused:
        give(house, "Vic", "volunteer")
    assert codes(refused) == ["account"]


@pytest.mark.parametrize(
    ("roles", "pin", "again", "code_"),
    [
        ((), PIN, PIN, "roles"), (("chief",), PIN, PIN, "roles"), (("volunteer",), "12345", "12345", "pin"),
        (("volunteer",), "111111", "111111", "pin"), (("volunteer",), PIN, "482916", "again"),
    ],
)  # fmt: skip
def test_what_the_form_of_a_badge_may_not_be(roles: tuple[str, ...], pin: str, again: str, code_: str) -> None:
    with pytest.raises(Refused) as refused:
        badges.prepare("S-4K7Q2M", roles, pin, again, CHEAP)
    assert codes(refused) == [code_]
    assert pin not in str(refused.value)


def test_only_an_administrator_gives_and_ends_badges_and_partners_get_none(house: House) -> None:
    owner = account(house, "Vic")
    made = badges.prepare(owner.ref, ["volunteer"], PIN, PIN, CHEAP)
    for actor in (house.supervisor, house.desk, house.volunteer, house.partner):
        with pytest.raises(Refused) as refused, house.db.transaction() as tx:
            badges.give(tx, owner.id, made, actor, house.tick())
        assert codes(refused) == ["role"]
        with pytest.raises(Refused) as refused, house.db.transaction() as tx:
            badges.end(tx, owner.id, actor, house.tick())
        assert codes(refused) == ["role"]
    with pytest.raises(Refused) as refused:
        give(house, "Pat", "volunteer")
    assert codes(refused) == ["account"]
    with pytest.raises(Refused) as refused, house.db.transaction() as tx:
        badges.give(tx, account(house, "Sue").id, made, house.administrator, house.tick())
    assert codes(refused) == ["account"]
    assert issued(house) == []


def test_a_roster_is_made_again_when_it_is_a_week_old_and_somebody_asks(house: House) -> None:
    give(house, "Vic", "volunteer")
    first = roster(house)
    house.now += timedelta(days=6)
    assert roster(house).number == 1
    house.now += timedelta(days=2)
    second = roster(house)
    assert (second.number, second.entries, second.seed) == (2, first.entries, first.seed)
    assert second.not_after > first.not_after + timedelta(days=7)
    assert [one.body["number"] for one in issued(house)] == [1, 2]


def test_a_number_is_never_used_twice_even_when_the_office_lost_the_roster(house: House) -> None:
    give(house, "Vic", "volunteer")
    with house.db.transaction() as tx:
        tx.s.delete(tx.s.scalars(select(badge_tables.RosterRow)).one())
    give(house, "Sue", "supervisor")
    assert [one.body["number"] for one in issued(house)] == [1, 2]


def test_namesakes_are_pointed_out(house: House) -> None:
    with house.db.transaction() as tx:
        people.create_account(tx, "vic2@example.org", "vic", ["volunteer"], None, house.tick())
        found = {one.account.email: one.namesake for one in badges.listing(tx)}
    assert found["vic2@example.org"]
    assert found["vic@example.org"]
    assert not found["sue@example.org"]


def test_a_station_that_shut_a_badge_out_is_heard_at_the_office(house: House) -> None:
    made = give(house, "Vic", "volunteer")
    house.bench.say("badge.refused", f"badge:{made.badge.ref}", {"ref": made.badge.ref, "tries": 5})
    house.sync(house.bench)
    with house.db.read() as tx:
        shut = {one.account.name: one.shut_out for one in badges.listing(tx)}
    assert shut["Vic"] is not None
    assert shut["Sue"] is None


# -- four eyes, kept by the server -----------------------------------------------------------------------------


def who(badge: Badge, number: int) -> dict[str, Any]:
    return {"ref": badge.ref, "authenticated": True, "roster": number}


def prepared(house: House, wiper: dict[str, Any], number: int = 21) -> tuple[str, Event]:
    """Let the bench do everything with a device; return its code and the wipe."""
    name, disk = code(number), medium(number)
    house.bench.say("device.registered", name, registered(name, serial=f"SER{number}"))
    house.bench.say("device.inventoried", name, inventoried(name, None, disk))
    house.bench.say("device.tested", name, passed(name, None))
    wipe = house.bench.say("medium.wiped", disk.id, wiped(disk, None, device=name) | {"who": wiper})
    house.sync(house.bench)
    return name, wipe


def reasons(house: House, name: str, policy: Policy) -> set[str]:
    with house.db.read() as tx:
        return {one.code for one in rules.why_not_lendable(facts_about(tx, name), name, policy, house.now)}


EYES = Policy(second_check=True)


def test_with_badges_a_second_check_lets_a_device_out(house: House) -> None:
    vic, sue = give(house, "Vic", "volunteer"), give(house, "Sue", "verifier")
    name, wipe = prepared(house, who(vic.badge, 2))
    assert reasons(house, name, EYES) == {"not-checked"}
    house.bench.say("medium.checked", wipe.subject, checked(wipe, who(sue.badge, 2)))
    house.sync(house.bench)
    assert reasons(house, name, EYES) == set()
    strict = replace(house, db=replace(house.db, policy=EYES))
    loan = strict.new_loan()
    strict.hand_over(loan, name)
    with strict.db.read() as tx:
        audit.verify(tx)


def test_a_check_by_the_wiper_is_stored_as_refused_and_jams_nothing(house: House) -> None:
    vic = give(house, "Vic", "volunteer", "verifier")
    name, wipe = prepared(house, who(vic.badge, 1))
    house.bench.say("medium.checked", wipe.subject, checked(wipe, who(vic.badge, 1)))
    house.bench.say("medium.checked", wipe.subject, checked(wipe, who(vic.badge, 1), agreed=False))
    taken = [house.server.take(one) for one in house.bench.envelopes[-2:]]
    assert [one.outcome for one in taken] == ["refused", "accepted"]
    assert [one.code for one in taken[0].reasons] == ["self-check"]
    assert reasons(house, name, EYES) == {"check-disagreed"}
    with house.db.read() as tx:
        audit.verify(tx)


def test_two_cards_of_one_person_are_one_person(house: House) -> None:
    first = give(house, "Vic", "volunteer", "verifier")
    name, wipe = prepared(house, who(first.badge, 1))
    second = give(house, "Vic", "volunteer", "verifier")
    house.bench.say("medium.checked", wipe.subject, checked(wipe, who(second.badge, 2)))
    taken = house.server.take(house.bench.envelopes[-1])
    assert taken.outcome == "refused"
    assert reasons(house, name, EYES) == {"not-checked"}


def test_a_claimed_sign_in_counts_only_by_the_roster_of_that_number(house: House) -> None:
    sue = give(house, "Sue", "verifier")
    vic = give(house, "Vic", "volunteer")
    end(house, "Vic")
    for number, (claimed, enough) in enumerate(
        [(who(vic.badge, 1), False), (who(vic.badge, 2), True), (who(vic.badge, 3), False), (who(vic.badge, 4), False)],
        30,
    ):
        name, wipe = prepared(house, claimed, number)
        house.bench.say("medium.checked", wipe.subject, checked(wipe, who(sue.badge, 1)))
        house.sync(house.bench)
        assert (reasons(house, name, EYES) == set()) is enough, claimed


def test_a_badge_that_is_not_to_be_trusted_shuts_the_gate_and_the_caches_know(house: House) -> None:
    vic, sue = give(house, "Vic", "volunteer"), give(house, "Sue", "verifier")
    strict = replace(house, db=replace(house.db, policy=EYES))
    name, wipe = prepared(strict, who(vic.badge, 2))
    strict.bench.say("medium.checked", wipe.subject, checked(wipe, who(sue.badge, 2)))
    strict.sync(strict.bench)
    with strict.db.read() as tx:
        assert tx.s.get_one(tables.DeviceRow, name).state == "ready"
    end(strict, "Sue", distrust=True)
    assert reasons(strict, name, EYES) == {"not-checked"}
    with strict.db.transaction() as tx:
        assert tx.s.get_one(tables.DeviceRow, name).state == "not-ready"
        assert caches.rebuild(tx).same


def test_an_acceptance_at_a_station_is_taken_in(house: House) -> None:
    vic, sue = give(house, "Vic", "volunteer"), give(house, "Sue", "supervisor")
    policy = Policy(acceptance=True)
    name, wipe = prepared(house, who(vic.badge, 2))
    assert reasons(house, name, policy) == {"not-accepted"}
    house.bench.say("medium.accepted", wipe.subject, accepted(wipe, who(vic.badge, 2)))
    house.sync(house.bench)
    assert reasons(house, name, policy) == {"not-accepted"}
    house.bench.say("medium.accepted", wipe.subject, accepted(wipe, who(sue.badge, 2)))
    house.sync(house.bench)
    assert reasons(house, name, policy) == set()
