"""Equality monitoring: anonymous by construction, once per card, and no small count on any screen."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from custody.errors import Refused
from lending import equality
from lending.office_tables import EqualityCard, EqualityCount
from tests.lending.house import House
from tests.lending.screens import Town


def give(house: House, **answers: str) -> None:
    with house.db.transaction() as tx:
        token = equality.make_card(tx, house.desk, house.tick())
        equality.answer(tx, token, answers, house.tick())


def test_a_card_answers_once_and_leaves_nothing_but_counts(house: House) -> None:
    with house.db.transaction() as tx:
        token = equality.make_card(tx, house.desk, house.tick())
        equality.answer(tx, token, {"age": "25-34", "sex": "other", "health": "prefer-not"}, house.tick())
        with pytest.raises(Refused, match="used already"):
            equality.answer(tx, token, {"age": "25-34"}, house.tick())
        kept = sorted((one.question, one.answer, one.n) for one in tx.s.scalars(select(EqualityCount)))
        assert kept == [("age", "25-34", 1), ("health", "prefer-not", 1)]
        assert tx.s.scalars(select(EqualityCard)).all() == []


def test_nothing_that_is_kept_leads_to_a_loan_or_a_moment() -> None:
    columns = {column.name for table in (EqualityCard, EqualityCount) for column in table.__table__.columns}
    assert columns == {"digest", "expires_on", "quarter", "question", "answer", "n"}
    assert not [*EqualityCard.__table__.foreign_keys, *EqualityCount.__table__.foreign_keys]


def test_all_cards_of_a_quarter_carry_the_same_day(house: House) -> None:
    with house.db.transaction() as tx:
        for days in (0, 20):
            equality.make_card(tx, house.desk, house.now + timedelta(days=days))
        assert len(set(tx.s.scalars(select(EqualityCard.expires_on)))) == 1


def test_no_count_under_ten_is_ever_shown_and_the_rest_is_rounded(house: House) -> None:
    for number in range(23):
        give(house, age="25-34", sex="female" if number < 9 else "male")
    later = house.now + timedelta(days=95)
    with house.db.read() as tx:
        assert equality.results(tx, house.supervisor, house.now) == {}, "a quarter that still grows is not shown"
        (questions,) = equality.results(tx, house.supervisor, later).values()
        counts = {line.words: line.count for lines in questions.values() for line in lines}
        with pytest.raises(Refused):
            equality.results(tx, house.partner, later)
    assert counts["25 to 34"] == 25
    assert counts["Male"] == 15
    assert counts["Female"] is None
    assert counts["16 to 24"] is None, "none at all says as much as one"


@pytest.mark.parametrize(("count", "seen"), [(0, None), (9, None), (10, 10), (12, 10), (13, 15), (1000, 1000)])
def test_the_10_5_rule(count: int, seen: int | None) -> None:
    assert equality.shown(count) == seen


def test_a_family_answers_from_the_card_without_an_account(town: Town) -> None:
    desk, family = town.browser("desk"), town.browser()
    desk.get("/equality")
    card = desk.post("/equality/card").get_data(as_text=True)
    assert "<svg" in card
    path = "/equality/answer/" + card.split("/equality/answer/")[1].split("<")[0].strip()
    text = family.get(path).get_data(as_text=True)
    assert "You need not answer any" in text
    assert "Thank you" in family.post(path, age="65", sex="").get_data(as_text=True)
    assert family.get(path).status_code == 404
    assert family.get("/equality/answer/guessed").status_code == 404
    assert "No quarter" in town.browser("auditor").get("/equality").get_data(as_text=True)
