"""Messages on the screens, and the page behind a loan's link, which names nobody."""

import csv
import io
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from lending import card_words, cards, loans, messages, reminders
from lending.message_tables import MessageRow, MessageSaid
from tests.lending.post import post
from tests.lending.screens import Browser, Town


@pytest.fixture
def desk(town: Town, tmp_path: Path) -> Browser:
    """Return the desk's browser at an installation whose messages go into a folder; one loan is due in a week."""
    (tmp_path / "messages.toml").write_text(
        'channels = { sms = "out", email = "out" }\nprices = { sms = 2.5 }\n'
        f'[transports.out]\nkind = "file"\nfolder = "{tmp_path / "out"}"\n'
        '[inbound]\nsecret_file = "inbound.key"\nfrom = "msisdn"\n',
        encoding="utf-8",
    )
    (tmp_path / "inbound.key").write_text("a-secret-of-the-house", encoding="utf-8")
    made = town.app.extensions["kitbank"]
    town.app.extensions["kitbank"] = replace(made, config=replace(made.config, messages=tmp_path / "messages.toml"))
    with town.house.db.transaction() as tx:
        day = town.house.now.astimezone(reminders.ZONE).date() + timedelta(days=8)
        loans.extend(tx, town.out, day, town.house.desk, town.house.now)
    return town.browser("desk")


def text_of(browser: Browser, path: str, code: int = 200) -> str:
    found = browser.get(path)
    assert found.status_code == code, path
    return found.get_data(as_text=True)


def token_of(town: Town) -> str:
    with town.house.db.transaction() as tx:
        return cards.keep(tx, town.out, town.house.now)


def test_tomorrow_shows_every_text_word_for_word_and_sends_nothing(town: Town, desk: Browser) -> None:
    shown = text_of(desk, "/messages/tomorrow")
    assert "1 message" in shown
    assert 'dir="rtl"' in shown
    assert "number ending 123" in shown
    assert "0123" not in shown.replace("ending 123", "")
    found = desk.get("/messages/tomorrow.csv")
    rows = list(csv.DictReader(io.StringIO(found.get_data(as_text=True).removeprefix("\ufeff"))))
    assert [(row["loan"], row["days"], row["alphabet"]) for row in rows] == [(town.out, "-7", "UCS-2")]
    with town.house.db.read() as tx:
        assert tx.s.scalars(select(MessageRow)).all() == []


def test_the_desk_writes_sees_it_first_and_sends_it_once(town: Town, desk: Browser) -> None:
    path = f"/messages/loan/{town.out}"
    assert "Write a message" in text_of(desk, path)
    looked = desk.post(path, way="sms", text="Your charger is here", nonce="n1", do="look").get_data(as_text=True)
    assert "Kitbank: Your charger is here" in looked
    assert "1 part" in looked
    for _ in range(2):
        answer = desk.post(path, way="sms", text="Your charger is here", nonce="n1")
        assert "waits in the outbox" in answer.get_data(as_text=True)
    with town.house.db.read() as tx:
        (row,) = tx.s.scalars(select(MessageRow)).all()
    refused = desk.post(path, way="sms", text="Dear Nadia", nonce="n2")
    assert refused.status_code == 422
    assert "Leave out name" in refused.get_data(as_text=True)
    assert row.ref in text_of(desk, f"/messages/{row.ref}")
    assert "Called off" in desk.post(f"/messages/{row.ref}/call-off").get_data(as_text=True)


def test_an_unknown_message_stands_above_the_log_until_a_person_decided(town: Town, desk: Browser) -> None:
    desk.get(f"/messages/loan/{town.out}")
    desk.post(f"/messages/loan/{town.out}", way="sms", text="Hello", nonce="n1")
    with town.house.db.transaction() as tx:
        row = tx.s.scalars(select(MessageRow)).one()
        row.state = "unknown"
    assert "nobody knows whether it left" in text_of(desk, "/messages")
    assert "Nobody knows whether this left" in text_of(desk, f"/messages/{row.ref}")
    assert desk.post(f"/messages/{row.ref}/settle").status_code == 409
    assert "written down" in desk.post(f"/messages/{row.ref}/settle", how="sent").get_data(as_text=True)
    assert "nobody knows" not in text_of(desk, "/messages")


def test_the_rules_are_changed_shown_and_refused_with_what_is_wrong(town: Town, desk: Browser) -> None:
    supervisor = town.browser("supervisor")
    shown = text_of(supervisor, "/messages/rules/device")
    assert shown.count("UCS-2") >= 3
    assert "Made by a machine, read by nobody yet" in shown
    fields = {"active": "yes", "before": "14, 2", "on_the_day": "yes", "after": "", "quiet_from": "20:00",
              "quiet_to": "08:00", "per_week": "3", "way_1": "email", "way_2": "sms"}  # fmt: skip
    wrong = supervisor.post("/messages/rules/device", {**fields, "before": "soon", "quiet_to": "8", "way_2": "email"})
    assert wrong.status_code == 422
    for said in ("numbers with a comma", "Enter a time", "each once"):
        assert said in wrong.get_data(as_text=True)
    assert "are saved" in supervisor.post("/messages/rules/device", fields).get_data(as_text=True)
    with town.house.db.read() as tx:
        policy = reminders.policies(tx)["device"]
    assert (policy.steps, policy.channels, policy.per_week) == ((-14, -2, 0), ("email", "sms"), 3)
    assert desk.post("/messages/rules/device", fields).status_code == 403


def test_a_text_is_reworded_and_marked_as_read_by_a_person(town: Town, desk: Browser) -> None:
    supervisor = town.browser("supervisor")
    path = "/messages/wording/device-before/pl"
    assert "In English" in text_of(supervisor, path)
    lost = supervisor.post(path, body="{sender}: do {day}")
    assert lost.status_code == 422
    assert "{link}" in lost.get_data(as_text=True)
    kept = supervisor.post(path, body="{sender}: oddaj do {day}. {link}", reviewed="yes").get_data(as_text=True)
    assert "oddaj do" in kept
    assert "Read by a person" in kept
    supervisor.post(path, body="")
    assert "oddaj do" not in text_of(supervisor, "/messages/rules/device")


def test_the_loans_page_names_nobody_and_takes_an_answer(town: Town, desk: Browser) -> None:
    token, stranger = token_of(town), town.browser()
    shown = text_of(stranger, f"/L/{token.upper()}")
    main = shown[shown.index("<main") : shown.index("</main>")]
    for private in ("Nadia", "Rahman", "HH-188", town.out, "ThinkPad", "Latitude", "St Bride"):
        assert private not in main
    assert stranger.post(f"/l/{token}").status_code == 422
    assert 'id="thanks"' in stranger.post(f"/l/{token}", what="unsafe").get_data(as_text=True)
    with town.house.db.read() as tx:
        said = tx.s.scalars(select(MessageSaid)).one()
    assert (said.loan, said.what, said.address) == (town.out, "unsafe", None)
    assert "Cannot return it safely" in text_of(desk, "/messages/answers")
    assert "Dealt with" in desk.post(f"/messages/answers/{said.id}/done").get_data(as_text=True)
    assert text_of(stranger, "/l/000000000000", 404)


def test_the_loans_page_is_in_the_households_language_and_in_every_other_when_asked(town: Town, desk: Browser) -> None:
    token, stranger = token_of(town), town.browser()
    shown = text_of(stranger, f"/l/{token}")
    assert "لا أستطيع إعادته بأمان" in shown
    assert '<div class="kb-form kb-loancard" lang="ar" dir="rtl">' in shown
    assert "Nie mogę tego bezpiecznie zwrócić" in text_of(stranger, f"/l/{token}?lang=pl")
    assert "I cannot return it safely" in text_of(stranger, f"/l/{token}?lang=en")


def test_every_sentence_of_the_loans_page_is_there_in_every_language(repository: Path) -> None:
    page = (repository / "lending/templates/card.html").read_text(encoding="utf-8")
    asked = set(re.findall(r'[^\w]_\("([^"]+)"\)', page))
    assert asked == set(card_words.WORDS)
    assert all(all(words) for words in card_words.WORDS.values())


def test_after_a_recall_the_page_says_to_stop_using_it(town: Town, desk: Browser, tmp_path: Path) -> None:
    token = token_of(town)
    with town.house.db.transaction() as tx:
        messages.recall(tx, post(tmp_path), town.out, "battery", town.house.desk, town.house.now)
    assert "stop using" in text_of(town.browser(), f"/l/{token}?lang=en")


def test_a_text_comes_in_with_the_houses_secret_only(town: Town, desk: Browser) -> None:
    client, sent = town.app.test_client(), {"msisdn": "+447700900123", "text": "STOP", "id": "a"}
    assert client.post("/messages/inbound", json=sent).status_code == 401
    wrong = {"Authorization": "Bearer guess"}
    assert client.post("/messages/inbound", json=sent, headers=wrong).status_code == 401
    right = {"Authorization": "Bearer a-secret-of-the-house"}
    assert client.post("/messages/inbound", json=sent, headers=right).json == {"understood": "stop"}
    assert client.post("/messages/inbound", data=sent, headers=right).json == {"understood": "again"}
    assert client.post("/messages/inbound", json={"msisdn": "x"}, headers=right).status_code == 400
    assert client.post("/messages/inbound", json=[1], headers=right).status_code == 400


def test_without_a_configuration_the_screens_say_that_nothing_is_sent(town: Town) -> None:
    assert "Nothing is set up" in text_of(town.browser("desk"), "/messages")
