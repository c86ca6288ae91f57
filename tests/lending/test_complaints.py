"""Complaints, agreements and breaches: each clock runs to the day the law names, and what is late is first."""

from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import select

from custody.errors import Refused
from lending import breaches, complaints, data_agreements, people
from lending.complaints import Words
from lending.people import Actor
from lending.privacy_tables import ComplaintRow
from tests.factories import NOON
from tests.lending.house import House

WORDS = Words("Nadia Rahman", "07700 900123", "You wrote to me although I asked you not to.")
DIGEST = "ab" * 32


@pytest.fixture
def lead(house: House) -> Actor:
    with house.db.transaction() as tx:
        made = people.create_account(tx, "lead@example.org", "Lea", ["data-protection"], None, NOON)
        found = people.actor(tx, made.id)
    assert found is not None
    return found


def complain(house: House, at: datetime | None = None, words: Words = WORDS) -> str:
    with house.db.transaction() as tx:
        return complaints.receive(tx, words, "phone", house.tick(), at)


def subjects(error: pytest.ExceptionInfo[Refused]) -> set[str]:
    return {reason.subject for reason in error.value.reasons}


def test_a_complaint_is_sealed_and_only_the_lead_reads_it(house: House, lead: Actor) -> None:
    ref = complain(house)
    with house.db.read() as tx:
        row = tx.s.scalars(select(ComplaintRow)).one()
        assert b"Nadia" not in (row.sealed or b"")
        assert complaints.get(tx, lead, ref).words == WORDS
        for other in (house.desk, house.supervisor, house.administrator, house.partner):
            with pytest.raises(Refused, match="data-protection"):
                complaints.get(tx, other, ref)


@pytest.mark.parametrize(("days", "late"), [(0, False), (29, False), (30, True)])
def test_the_thirty_days_include_the_day_of_receipt(house: House, lead: Actor, days: int, late: bool) -> None:
    ref = complain(house, NOON)
    with house.db.read() as tx:
        one = complaints.get(tx, lead, ref)
    now = NOON + timedelta(days=days)
    assert (one.overdue(now), one.days_left(now)) == (late, 30 - days)


def test_a_complaint_goes_from_received_to_acknowledged_to_answered(house: House, lead: Actor) -> None:
    first, second = complain(house), complain(house)
    with house.db.transaction() as tx:
        complaints.acknowledge(tx, first, lead, house.tick())
        with pytest.raises(Refused, match="already"):
            complaints.acknowledge(tx, first, lead, house.tick())
        complaints.answer(tx, first, "upheld", "We stopped the messages and said sorry.", lead, house.tick())
        with pytest.raises(Refused, match="answered already"):
            complaints.answer(tx, first, "upheld", "And again.", lead, house.tick())
        complaints.answer(tx, second, "withdrawn", "They called again.", lead, house.tick())
    with house.db.read() as tx:
        assert [one.state for one in complaints.complaints(tx, lead)] == ["closed", "closed"]
        done = complaints.get(tx, lead, first)
        assert done.words is not None
        assert (done.outcome, done.words.done, done.words.text) == (
            "upheld", "We stopped the messages and said sorry.", WORDS.text,
        )  # fmt: skip
        assert complaints.get(tx, lead, second).acknowledged_at is not None


def test_what_waits_comes_first_and_by_its_day(house: House, lead: Actor) -> None:
    later, earlier = complain(house, NOON), complain(house, NOON - timedelta(days=3))
    closed = complain(house, NOON - timedelta(days=9))
    with house.db.transaction() as tx:
        complaints.answer(tx, closed, "upheld", "Done at once.", lead, house.tick())
    with house.db.read() as tx:
        assert [one.ref for one in complaints.complaints(tx, lead)] == [earlier, later, closed]


def test_a_complaint_needs_words_and_a_way_to_answer_but_no_name(house: House) -> None:
    with pytest.raises(Refused) as error:
        complain(house, house.now + timedelta(days=1), Words(name="x" * 101, reply_to=" ", text="no"))
    assert subjects(error) == {"text", "reply_to", "name", "received"}
    assert complain(house, words=Words("", "through St Bride's", WORDS.text)).startswith("C-")


def test_a_partner_without_an_agreement_or_with_an_old_one_is_shown_first(house: House, lead: Actor) -> None:
    partner, other = house.partner.partner_id, house.outsider.partner_id
    assert partner is not None
    assert other is not None
    today = house.now.date()
    with house.db.transaction() as tx:
        data_agreements.record(
            tx, partner, "joint", today - timedelta(days=300), today + timedelta(days=400), DIGEST, lead, house.now
        )
        found = data_agreements.standings(tx, lead, house.now)
        assert [(one.partner_id, one.warning) for one in found] == [(other, "missing"), (partner, "")]
    for days, warning in ((330, ""), (341, "soon"), (400, "soon"), (401, "overdue")):
        with house.db.read() as tx:
            shown = data_agreements.standings(tx, lead, house.now + timedelta(days=days))
        assert {one.partner_id: one.warning for one in shown}[partner] == warning, days


def test_a_newer_agreement_of_a_kind_ends_the_older_and_one_that_ends_is_missing(house: House, lead: Actor) -> None:
    partner = house.partner.partner_id
    assert partner is not None
    today = house.now.date()
    with house.db.transaction() as tx:
        for days in (700, 20):
            new = data_agreements.record(
                tx, partner, "sharing", today - timedelta(days=days), today + timedelta(days=300), DIGEST, lead,
                house.now,
            )  # fmt: skip
        held = {one.partner_id: one for one in data_agreements.standings(tx, lead, house.now)}[partner].agreements
        assert [one.ended_on for one in held] == [None, today - timedelta(days=20)]
        data_agreements.end(tx, new, lead, house.now)
        shown = {one.partner_id: one for one in data_agreements.standings(tx, lead, house.now)}[partner]
        assert shown.warning == "missing"


def test_an_agreement_that_cannot_be_is_refused_field_by_field(house: House, lead: Actor) -> None:
    partner = house.partner.partner_id
    assert partner is not None
    with house.db.transaction() as tx, pytest.raises(Refused) as error:
        data_agreements.record(tx, partner, "oral", date(2999, 1, 1), date(2998, 1, 1), "abc", lead, house.now)
    assert subjects(error) == {"kind", "signed", "review", "document"}


@pytest.mark.parametrize(("hours", "late"), [(71, False), (72, False), (73, True)])
def test_a_breach_is_decided_within_72_hours_of_our_knowing(house: House, lead: Actor, hours: int, late: bool) -> None:
    with house.db.transaction() as tx:
        ref = breaches.record(tx, "A letter went to the wrong house.", NOON, house.desk, house.tick(), people=1)
        one = breaches.get(tx, lead, ref)
    assert one.overdue(NOON + timedelta(hours=hours)) == late
    assert one.hours_left(NOON + timedelta(hours=hours)) == 72 - hours


def test_a_decided_breach_stays_in_the_register_with_the_reason(house: House, lead: Actor) -> None:
    with house.db.transaction() as tx:
        ref = breaches.record(tx, "A letter went to the wrong house.", NOON, house.desk, house.tick())
        open_one = breaches.record(tx, "A list lay on the copier overnight.", NOON, house.desk, house.tick())
        with pytest.raises(Refused, match="data-protection"):
            breaches.decide(tx, ref, "told", "The letter named the family.", house.desk, house.tick())
        with pytest.raises(Refused) as error:
            breaches.decide(tx, ref, "open", "", lead, house.tick())
        assert subjects(error) == {"decision", "why"}
        breaches.decide(tx, ref, "told", "The letter named the family.", lead, house.tick())
        found = breaches.breaches(tx, lead)
    assert [one.ref for one in found] == [open_one, ref]
    assert not found[1].overdue(NOON + timedelta(days=30))


def test_one_recall_makes_one_breach_however_often_it_is_recorded(house: House) -> None:
    with house.db.transaction() as tx:
        refs = {
            breaches.record(
                tx, "A wipe is disputed after hand-over.", NOON, house.desk, house.tick(), source="recall:X-1"
            )
            for _ in range(3)
        }
    assert len(refs) == 1
