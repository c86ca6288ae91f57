"""Who is reminded of what, when, how, and who is not."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from custody.errors import Refused
from lending import exceptions, inbound, loans, messages, recipients, reminders
from lending.message_config import MessageConfig
from lending.message_tables import MessageRow, MessageSaid, MessageStop
from lending.recipients import language_code, mobile
from lending.reminders import ZONE, Planned, Policy, Post, allowed_from
from tests.lending.house import House, code
from tests.lending.post import HOST, lend, post, real_worker

MORNING = datetime(2026, 6, 10, 8, 30, tzinfo=UTC)
"""Half past nine in an English summer."""


def plan(house: House, now_post: Post, now: datetime | None = None) -> list[Planned]:
    with house.db.read() as tx:
        return reminders.plan(tx, now_post, now or house.now)


def rows(house: House) -> list[MessageRow]:
    with house.db.read() as tx:
        return list(tx.s.scalars(select(MessageRow).order_by(MessageRow.id)))


def set_policy(house: House, **values: object) -> None:
    with house.db.transaction() as tx:
        policy = replace(reminders.policies(tx)["device"], **values)  # type: ignore[arg-type]
        reminders.change(tx, policy, house.supervisor, house.now)


@pytest.fixture
def now_post(tmp_path: Path) -> Post:
    """Return an installation whose messages go into a folder."""
    return post(tmp_path)


@pytest.fixture
def due(house: House) -> date:
    """Bring the clock to a summer morning and return the day in a week."""
    house.now = MORNING
    return date(2026, 6, 17)


def test_a_week_before_the_day_the_household_gets_a_text_in_its_language(
    house: House, now_post: Post, due: date
) -> None:
    loan = lend(house, 1, due)
    (one,) = plan(house, now_post)
    assert (one.loan, one.step, one.way, one.why_not, one.language) == (loan, -7, "sms", "", "ar")
    assert "17 يونيو" in one.body
    assert f"{HOST}/l/" in one.body
    assert (one.size.alphabet, one.size.parts, one.cost) == ("UCS-2", 2, 500)
    assert one.shown_to == "number ending 123"
    for private in ("Nadia", "Rahman", "L1", "St Bride", "ThinkPad", code(1), loan):
        assert private not in one.body


def test_planning_twice_sends_once_and_the_plan_is_what_is_sent(
    house: House, now_post: Post, due: date, tmp_path: Path
) -> None:
    lend(house, 1, due)
    (planned,) = plan(house, now_post)
    one = real_worker(house, now_post, tmp_path)
    one.take_office()
    one.round()
    with house.db.transaction() as tx:
        assert reminders.enqueue_day(tx, now_post, house.now) == 0
    (sent,) = rows(house)
    assert (sent.state, sent.kind, sent.cost) == ("sent", "device-before", 500)
    (file,) = (tmp_path / "out").iterdir()
    text = file.read_text(encoding="utf-8")
    assert planned.body in text
    assert "+447700900123" in text


def test_the_link_in_a_message_leads_to_the_loan_and_a_guess_to_nothing(
    house: House, now_post: Post, due: date
) -> None:
    from lending import cards

    loan = lend(house, 1, due)
    with house.db.transaction() as tx:
        reminders.enqueue_day(tx, now_post, house.now)
        token = cards.token_of(tx, loan)
        assert cards.loan_of(tx, token.upper()) == loan
        assert cards.loan_of(tx, "0" * 12) is None
        cards.end(tx, loan, house.now)
        assert cards.loan_of(tx, token) is None
        assert cards.loan_of(tx, cards.keep(tx, loan, house.now)) == loan


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ({"safe_contact": "no-text"}, "not safe"),
        ({"safe_contact": "partner-only"}, "not safe"),
        ({"via_partner": True}, "not safe"),
        ({"contact_phone": "0151 496 0123"}, "no mobile number"),
    ],
)
def test_a_way_that_is_not_safe_or_not_there_is_not_gone(
    house: House, now_post: Post, due: date, answers: dict[str, object], why: str
) -> None:
    loan = lend(house, 1, due, **answers)
    (one,) = plan(house, now_post)
    assert (one.way, one.shown_to) == ("partner", "p…@example.org")
    assert "Nadia" not in one.body
    assert loan in one.body
    set_policy(house, channels=("sms",))
    (one,) = plan(house, now_post)
    assert why in one.why_not


def test_do_not_write_leaves_the_text(house: House, now_post: Post, due: date) -> None:
    lend(house, 1, due, safe_contact="no-write")
    set_policy(house, channels=("letter", "email", "sms"))
    assert plan(house, now_post)[0].way == "sms"


def test_an_exception_stops_reminders_at_once_also_those_that_wait(
    house: House, now_post: Post, due: date, tmp_path: Path
) -> None:
    loan = lend(house, 1, due)
    with house.db.transaction() as tx:
        assert reminders.enqueue_day(tx, now_post, house.now) == 1
        exceptions.stop_reminders(tx, loan, "domestic-abuse", house.desk, house.now)
    assert "stopped" in plan(house, now_post)[0].why_not
    one = real_worker(house, now_post, tmp_path)
    one.take_office()
    one.round()
    (called_off,) = rows(house)
    assert (called_off.state, (tmp_path / "out").exists()) == ("cancelled", False)


@pytest.mark.parametrize("what", ["returned", "extended", "told us", "stop", "switched off"])
def test_what_changed_since_the_morning_is_asked_again_at_the_last_moment(
    house: House, now_post: Post, due: date, tmp_path: Path, what: str
) -> None:
    loan = lend(house, 1, due)
    with house.db.transaction() as tx:
        reminders.enqueue_day(tx, now_post, house.now)
    with house.db.transaction() as tx:
        if what == "returned":
            loans.take_back(tx, code(1), house.desk, house.tick(), "good", {})
        if what == "extended":
            loans.extend(tx, loan, due + timedelta(days=90), house.desk, house.now)
        if what == "told us":
            inbound.say(tx, loan, "longer", house.now)
        if what == "stop":
            inbound.receive(tx, now_post, "07700 900123", "stop", "x1", "text", house.now)
    if what == "switched off":
        set_policy(house, active=False)
    one = real_worker(house, now_post, tmp_path)
    one.take_office()
    one.round()
    assert {row.state for row in rows(house) if row.kind == "device-before"} == {"cancelled"}


def test_nobody_is_woken(house: House, now_post: Post, due: date, tmp_path: Path) -> None:
    lend(house, 1, due)
    house.now = datetime(2026, 6, 10, 19, 30, tzinfo=UTC)  # 20:30 by the clocks
    (one,) = plan(house, now_post)
    assert one.at == datetime(2026, 6, 11, 8, 0, tzinfo=UTC)
    worker = real_worker(house, now_post, tmp_path)
    worker.take_office()
    assert worker.round() == 0
    house.now = datetime(2026, 6, 11, 8, 1, tzinfo=UTC)
    worker.round()
    assert rows(house)[0].state == "sent"


@pytest.mark.parametrize(
    ("moment", "from_"),
    [
        # the clocks go forward on 28 March 2027 at 01:00 UTC and back on 25 October 2026
        ("2026-10-24T20:00", "2026-10-25T09:00"),  # winter by the next morning: 09:00 is 09:00 UTC
        ("2027-03-27T20:00", "2027-03-28T08:00"),  # summer by the next morning: 09:00 is 08:00 UTC
        ("2027-01-10T12:00", "2027-01-10T12:00"),
        ("2027-01-10T19:00", "2027-01-11T09:00"),
        ("2027-01-10T08:59", "2027-01-10T09:00"),
    ],
)
def test_quiet_hours_follow_the_clocks(moment: str, from_: str) -> None:
    given_, wanted = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (moment, from_))
    assert allowed_from(given_, "19:00", "09:00") == wanted


@given(st.integers(0, 2 * 365 * 24 * 60), st.integers(0, 23), st.integers(0, 23))
def test_the_moment_found_is_never_in_the_past_and_never_quiet(minutes: int, start: int, stop: int) -> None:
    moment = MORNING + timedelta(minutes=minutes)
    found = allowed_from(moment, f"{start:02}:00", f"{stop:02}:00")
    assert moment <= found <= moment + timedelta(hours=25)
    hour = found.astimezone(ZONE).hour
    if start != stop and 1 not in (start, stop):  # the hour that the clocks skip or repeat
        assert not (start <= hour < stop if start < stop else hour >= start or hour < stop)


def test_after_days_without_a_worker_one_reminder_goes_and_none_that_is_old(
    house: House, now_post: Post, due: date
) -> None:
    lend(house, 1, due)
    set_policy(house, steps=(-7, -6, 0, 7))
    house.now = MORNING + timedelta(days=3)
    assert [one.step for one in plan(house, now_post)] == [-6]
    house.now = MORNING + timedelta(days=5)
    assert plan(house, now_post) == []


def test_no_household_gets_more_than_the_most_per_week(house: House, now_post: Post, due: date) -> None:
    for number in (1, 2, 3):
        lend(house, number, due)
    found = plan(house, now_post)
    assert [bool(one.why_not) for one in found].count(False) == 2
    assert "in a week already" in next(one.why_not for one in found if one.why_not)


def test_the_partner_gets_a_copy_where_the_rules_say_so(house: House, now_post: Post, due: date) -> None:
    loan = lend(house, 1, due)
    set_policy(house, copy_partner=True)
    with house.db.transaction() as tx:
        assert reminders.enqueue_day(tx, now_post, house.now) == 2
    text, copy = rows(house)
    assert (text.channel, copy.channel, copy.kind, copy.loan) == ("sms", "partner", "copy", loan)


def test_where_nothing_sends_the_plan_says_so(house: House, due: date) -> None:
    lend(house, 1, due)
    (one,) = plan(house, Post(MessageConfig(), HOST))
    assert "nothing is set up that sends it" in one.why_not


def test_a_policy_that_cannot_be_is_refused_with_every_reason(house: House) -> None:
    wrong = Policy("device", steps=(), channels=("pigeon",), quiet_from="25:00", per_week=0)
    with house.db.transaction() as tx, pytest.raises(Refused) as caught:
        reminders.change(tx, wrong, house.supervisor, house.now)
    assert {reason.subject for reason in caught.value.reasons} == {"steps", "channels", "quiet_from", "per_week"}
    with house.db.transaction() as tx, pytest.raises(Refused, match="role"):
        reminders.change(tx, Policy("device"), house.desk, house.now)


def test_a_recall_goes_every_safe_way_once_and_not_by_the_weekly_limit(
    house: House, now_post: Post, due: date
) -> None:
    loan = lend(house, 1, due)
    with house.db.transaction() as tx:
        exceptions.stop_reminders(tx, loan, "illness", house.desk, house.now)
        assert len(messages.recall(tx, now_post, loan, "battery", house.desk, house.now)) == 2
        assert messages.recall(tx, now_post, loan, "battery", house.desk, house.now) == []
    assert [row.channel for row in rows(house)] == ["sms", "partner"]


def test_a_note_from_the_desk_is_sent_once_and_names_nobody(house: House, now_post: Post, due: date) -> None:
    loan = lend(house, 1, due)
    with house.db.transaction() as tx:
        for text in ("Dear Nadia, hello", "call 07700900123", "we are near L1 8JQ", "", "x" * 500):
            with pytest.raises(Refused):
                messages.write(tx, now_post, loan, "sms", text, "n0", house.desk, house.now)
        first = messages.write(tx, now_post, loan, "sms", "Your charger is here", "n1", house.desk, house.now)
        again = messages.write(tx, now_post, loan, "sms", "Your charger is here", "n1", house.desk, house.now)
        assert (first is not None, again) == (True, None)
        (shown,) = messages.log(tx, house.desk, loan=loan)
        assert (shown.to, shown.segments) == ("number ending 123", 1)
        with pytest.raises(Refused, match="role"):
            messages.log(tx, house.partner, loan=loan)
        assert messages.forget(tx, loan) == 1
        assert messages.get(tx, house.desk, first or "").body == ""


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("STOP", "stop"), ("stop texting me please", "stop"), ("Stop!", "stop"), ("Cancel", "stop"),
        ("Koniec", "stop"), ("WYPISZ", "stop"), ("Parar", "stop"), ("Oprește", "stop"), ("СТОП", "stop"),
        ("توقف", "stop"), ("إيقاف", "stop"), ("بوەستە", "stop"), ("end", "stop"),
        ("the end of my loan is near", "other"), ("can I cancel the delivery", "other"),
        ("HELP", "help"), ("Pomoc", "help"), ("مساعدة", "help"), ("Допомога", "help"), ("یارمەتی", "help"),
        ("START", "start"), ("Wznów", "start"), ("ابدأ", "start"),
        ("I need it for one more month", "other"), ("", "other"), ("👍", "other"),
    ],
)  # fmt: skip
def test_stop_and_help_are_understood_in_every_language(text: str, what: str) -> None:
    assert inbound.meaning(text) == what


def test_stop_is_obeyed_answered_once_and_taken_back_by_start(house: House, now_post: Post, due: date) -> None:
    lend(house, 1, due)
    with house.db.transaction() as tx:
        reminders.enqueue_day(tx, now_post, house.now)

    def text(words: str, name: str) -> str:
        with house.db.transaction() as tx:
            return inbound.receive(tx, now_post, "+44 7700 900123", words, name, "text", house.tick())

    assert [text("STOP", "a"), text("STOP", "a"), text("stop", "b")] == ["stop", "again", "stop"]
    waiting, answer = rows(house)
    assert (waiting.state, answer.kind, answer.language) == ("cancelled", "stopped", "ar")
    assert "they said STOP" in plan(house, now_post)[0].why_not or plan(house, now_post)[0].way == "partner"
    assert text("START", "c") == "start"
    with house.db.read() as tx:
        assert tx.s.scalars(select(MessageStop)).all() == []


def test_what_they_wrote_is_sealed_and_shown_to_the_desk(house: House, now_post: Post, due: date) -> None:
    loan = lend(house, 1, due)
    with house.db.transaction() as tx:
        reminders.enqueue_day(tx, now_post, house.now)
        inbound.receive(tx, now_post, "07700900123", "I moved to Bootle", "z", "text", house.now)
    with house.db.read() as tx:
        row = tx.s.scalars(select(MessageSaid)).one()
        assert row.sealed is not None
        assert b"Bootle" not in row.sealed
        (said,) = inbound.answers(tx, house.desk)
        assert (said.text, said.loan, said.what) == ("I moved to Bootle", loan, "other")
    with house.db.transaction() as tx:
        inbound.dealt_with(tx, said.id, house.desk, house.now)
        assert inbound.answers(tx, house.desk) == []


def test_cannot_return_it_safely_stops_reminders_until_somebody_looked(
    house: House, now_post: Post, due: date
) -> None:
    loan = lend(house, 1, due)
    with house.db.transaction() as tx:
        inbound.say(tx, loan, "unsafe", house.now)
        inbound.say(tx, loan, "unsafe", house.now)
        (said,) = inbound.answers(tx, house.desk)
        assert recipients.reminders_stopped(tx, loan)
        inbound.dealt_with(tx, said.id, house.desk, house.now)
        assert not recipients.reminders_stopped(tx, loan)


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("07700 900123", "+447700900123"), ("+44 (0)7700 900123", "+447700900123"),
        ("0044 7700 900123", "+447700900123"),
        ("0151 496 0123", ""), ("070 1234 5678", ""), ("+48 512 345 678", "+48512345678"), ("hello", ""), ("", ""),
    ],
)  # fmt: skip
def test_only_numbers_that_get_texts_are_texted(typed: str, number: str) -> None:
    assert mobile(typed) == number


@pytest.mark.parametrize(
    ("written", "found"),
    [("Arabic", "ar"), ("arabic (Sudan)", "ar"), ("Polski", "pl"), ("Kurdish Sorani", "ckb"), ("uk", "uk"),
     ("pt-BR", "pt"), ("Tigrinya", "en"), ("", "en")],
)  # fmt: skip
def test_a_language_is_recognised_however_it_was_written(written: str, found: str) -> None:
    assert language_code(written) == found
