"""Help with a loan: setting up, a referral for digital skills, and four taps that tell whether it changed anything.

The four questions are the pillars of the Minimum Digital Living Standard (University of Liverpool and others, 2024):
devices, home broadband, mobile data, and the confidence to use them. Asked once when the loan begins and once at its
end; the last answer of a stage stands. They are about the household, in three steps, and never in free text.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from custody.errors import Reason, Refused
from lending import loan_items, steps
from lending.db import Tx
from lending.errors import refused
from lending.loan_tables import LoanHelp, StandardAnswer
from lending.people import Actor, need
from lending.record import storable

SETUP: Mapping[str, str] = {
    "switch-on": "Switched it on together",
    "wifi": "Connected to the internet",
    "email": "E-mail or account set up",
    "school": "School platform",
    "language": "Language and keyboard",
    "access": "Screen reader, size, contrast",
    "filter": "Content filter explained",
    "scams": "Passwords and scams explained",
}
STAGES: Mapping[str, str] = {"before": "Before the loan", "after": "After the loan"}
QUESTIONS: Mapping[str, str] = {
    "devices": "Enough devices for everybody at home?",
    "broadband": "Internet at home that is good enough?",
    "mobile_data": "Enough mobile data?",
    "confidence": "Confident to do what they need online?",
}
ANSWERS: Mapping[int, str] = {0: "No", 1: "Partly", 2: "Yes"}


@dataclass(frozen=True)
class Given:
    """One time that help was given, or somebody was sent on for skills."""

    kind: str
    what: tuple[str, ...]
    where: str
    at: datetime


def record_setup(tx: Tx, loan: str, what: Collection[str], by: Actor, now: datetime) -> None:
    """Note what was set up together. Desk, supervisor or volunteer.

    Raises `Refused`: `role`, `unknown-loan`, `loan-closed`, `what`.
    """
    need(by, "desk", "supervisor", "volunteer")
    loan_items.open_loan(tx, loan)
    chosen = [one for one in SETUP if one in what]
    if not chosen or len(chosen) != len(set(what)):
        raise refused("what", "choose at least one thing that was done together", "what")
    _add(tx, loan, "setup", chosen, "", by, now)
    steps.note(tx, loan, "help", "Set up together: " + ", ".join(SETUP[one].lower() for one in chosen), by, now)


def record_skills(tx: Tx, loan: str, where: str, agreed: bool, by: Actor, now: datetime) -> None:
    """Note that a household was sent on for digital skills, and where. They must have said yes.

    Desk, supervisor or volunteer. Raises `Refused`: `role`, `unknown-loan`, `where`, `agreed`.
    """
    need(by, "desk", "supervisor", "volunteer")
    loan_items.open_loan(tx, loan)
    reasons = []
    if not 2 <= len(where.strip()) <= 80:
        text = "enter the organisation or course, up to 80 characters (no names of people)"
        reasons.append(Reason("where", text, "where"))
    if not agreed:
        reasons.append(Reason("agreed", "only where they want it: tick that they said yes", "agreed"))
    if reasons:
        raise Refused(reasons)
    _add(tx, loan, "skills", [], storable(" ".join(where.split())), by, now)
    steps.note(tx, loan, "help", f"Sent on for digital skills: {where.strip()}", by, now)


def record_answers(tx: Tx, loan: str, stage: str, answers: Mapping[str, int], by: Actor, now: datetime) -> None:
    """Keep the four taps of one stage; a second time replaces the first. Desk, supervisor or volunteer.

    Raises `Refused`: `role`, `stage`, and one reason per question without an answer.
    """
    need(by, "desk", "supervisor", "volunteer")
    if stage not in STAGES:
        raise refused("stage", "choose before or after the loan", "stage")
    missing = [one for one in QUESTIONS if answers.get(one) not in ANSWERS]
    if missing:
        raise Refused([Reason("form", f"Tap an answer: {QUESTIONS[one]}", one) for one in missing])
    row = tx.s.scalar(select(StandardAnswer).where(StandardAnswer.loan == loan, StandardAnswer.stage == stage))
    if row is None:
        row = StandardAnswer(loan=loan, stage=stage, devices=0, broadband=0, mobile_data=0, confidence=0, at=now)
        tx.s.add(row)
    for one in QUESTIONS:
        setattr(row, one, answers[one])
    row.at = now
    steps.note(tx, loan, "help", f"{STAGES[stage]}: the four questions were answered", by, now)


def answers_of(tx: Tx, loan: str) -> dict[str, dict[str, int]]:
    """Return the taps of each stage that was answered."""
    rows = tx.s.scalars(select(StandardAnswer).where(StandardAnswer.loan == loan))
    return {row.stage: {one: getattr(row, one) for one in QUESTIONS} for row in rows}


def given(tx: Tx, loan: str) -> list[Given]:
    """Return what help was given, newest first."""
    query = select(LoanHelp).where(LoanHelp.loan == loan).order_by(LoanHelp.at.desc(), LoanHelp.id.desc())
    return [Given(row.kind, tuple(row.what), row.where, row.at) for row in tx.s.scalars(query)]


def _add(tx: Tx, loan: str, kind: str, what: list[str], where: str, by: Actor, now: datetime) -> None:
    tx.s.add(LoanHelp(loan=loan, kind=kind, what=what, where=where, at=now, account_id=by.account_id))
