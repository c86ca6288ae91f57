"""Equality monitoring after collection: optional, anonymous by construction, and only ever counted.

- a card answers once; nothing says to whom it was given, its only date is the end of a later quarter, and answering
  deletes it;
- an answer is added to a counter per quarter, question and answer: there is no record of a person, so no two answers
  can ever be put together;
- a screen shows no count under ten and rounds the rest to five (the 10-5 rule of the Office for National Statistics),
  and no totals, from which a hidden one could be worked out.

The questions follow the GOV.UK pattern "Equality information"; every one can be left out.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import delete, select

from lending.db import Tx
from lending.errors import refused
from lending.office_tables import EqualityCard, EqualityCount
from lending.people import Actor, need

READERS = ("supervisor", "administrator", "auditor", "data-protection")
LEAST = 10
ROUNDED = 5
PREFER_NOT = "prefer-not"

QUESTIONS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "age": ("How old are you?", {
        "16-24": "16 to 24", "25-34": "25 to 34", "35-49": "35 to 49", "50-64": "50 to 64", "65": "65 or over",
    }),
    "sex": ("What is your sex?", {"female": "Female", "male": "Male"}),
    "ethnic-group": ("What is your ethnic group?", {
        "asian": "Asian or Asian British", "black": "Black, African, Black British or Caribbean",
        "mixed": "Mixed or multiple ethnic groups", "white": "White", "other": "Another ethnic group",
    }),
    "health": (
        "Do you have a physical or mental health condition or illness lasting or expected to last 12 months or more?",
        {"yes": "Yes", "no": "No"},
    ),
}  # fmt: skip
"""Question: its words, and the answers that may be given; each may also be left out or answered "prefer not to say"."""


@dataclass(frozen=True)
class Shown:
    """One answer in a quarter, as a screen may show it: None where it is fewer than ten."""

    words: str
    count: int | None


def make_card(tx: Tx, by: Actor, now: datetime) -> str:
    """Return the secret of a new card. Desk or supervisor. Nothing about it is kept but its digest and a quarter."""
    need(by, "desk", "supervisor")
    tx.s.execute(delete(EqualityCard).where(EqualityCard.expires_on < now.date()))
    token = secrets.token_urlsafe(18)
    tx.s.add(EqualityCard(digest=_digest(token), expires_on=_end_of_quarter(now.date() + timedelta(days=92))))
    tx.s.flush()
    return token


def open_card(tx: Tx, token: str, now: datetime) -> None:
    """Check that a card can still answer. Raises `Refused` `unknown-card`."""
    row = tx.s.get(EqualityCard, _digest(token))
    if row is None or row.expires_on < now.date():
        raise refused("unknown-card", "this card was used already, or is too old")


def answer(tx: Tx, token: str, answers: Mapping[str, str], now: datetime) -> None:
    """Count a card's answers and let go of the card. What is left out or unknown is not counted.

    Raises `Refused` `unknown-card`.
    """
    open_card(tx, token, now)
    tx.s.execute(delete(EqualityCard).where(EqualityCard.digest == _digest(token)))
    for question, (_, allowed) in QUESTIONS.items():
        given = answers.get(question, "")
        if given not in (*allowed, PREFER_NOT):
            continue
        row = tx.s.get(EqualityCount, (quarter(now.date()), question, given))
        if row is None:
            row = EqualityCount(quarter=quarter(now.date()), question=question, answer=given, n=0)
            tx.s.add(row)
        row.n += 1
    tx.s.flush()


def results(tx: Tx, by: Actor, now: datetime) -> dict[str, dict[str, list[Shown]]]:
    """Return each quarter's counts by question, as far as they may be shown; the running quarter is left out.

    A quarter that still grows would show who was added between two looks.
    """
    need(by, *READERS)
    row = EqualityCount
    rows = tx.s.scalars(select(row).where(row.quarter < quarter(now.date())).order_by(row.quarter.desc())).all()
    found: dict[str, dict[str, list[Shown]]] = {}
    for name in dict.fromkeys(one.quarter for one in rows):
        counts = {(one.question, one.answer): one.n for one in rows if one.quarter == name}
        found[name] = {
            words: [
                Shown(said, shown(counts.get((question, key), 0)))
                for key, said in {**allowed, PREFER_NOT: "Prefer not to say"}.items()
            ]
            for question, (words, allowed) in QUESTIONS.items()
        }
    return found


def shown(count: int) -> int | None:
    """Return a count as it may be shown: None under ten (none at all included), else to the nearest five."""
    return None if count < LEAST else ROUNDED * round(count / ROUNDED)


def quarter(day: date) -> str:
    """Return the quarter of a day: `2026-Q4`."""
    return f"{day.year}-Q{(day.month + 2) // 3}"


def _end_of_quarter(day: date) -> date:
    month = 3 * ((day.month + 2) // 3)
    first = date(day.year + month // 12, month % 12 + 1, 1)
    return first - timedelta(days=1)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
