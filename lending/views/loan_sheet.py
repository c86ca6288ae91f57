"""Everything that the page of one loan shows besides the loan itself: clocks, what comes next, history in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from lending import agreements, child_safety, exceptions, help_given, loan_items, sims, slots, steps
from lending.db import Tx
from lending.loan_items import Thing
from lending.loans import Loan
from lending.people import Actor
from lending.record import facts_about
from lending.timeline import Clock, clock
from lending.views.words import local

DESK = frozenset({"desk", "supervisor"})


@dataclass(frozen=True)
class Line:
    """One item with its drawn clock and, for a SIM, its plan."""

    thing: Thing
    clock: Clock
    plan: sims.Plan | None
    unsafe: bool


@dataclass(frozen=True)
class Task:
    """One thing to do before the household can go home with its things. `state`: done, now or later."""

    name: str
    words: str
    state: str
    endpoint: str
    values: Mapping[str, str]


@dataclass(frozen=True)
class Sheet:
    """What the page shows. For a partner only the clocks."""

    lines: Sequence[Line]
    tasks: Sequence[Task]
    booking: slots.Booked | None
    agreed: Sequence[agreements.Agreed]
    stopped: bool
    children: bool
    helps: Sequence[help_given.Given]
    answers: Mapping[str, Mapping[str, int]]
    steps: Sequence[steps.Step]

    @property
    def packed(self) -> bool:
        """Tell whether anything waits to go out that could."""
        return any(one.thing.state == "reserved" and (one.thing.prepared or one.thing.device) for one in self.lines)


def read(tx: Tx, loan: Loan, by: Actor, now: datetime) -> Sheet:
    """Gather the sheet of a loan that `by` may see."""
    desk = bool(by.roles & DESK)
    children = desk and child_safety.has_children(tx, loan.ref)
    lines = [_line(tx, one, now, children) for one in loan_items.things(tx, loan.ref)]
    if not desk:
        return Sheet(lines, (), None, (), False, False, (), {}, ())
    booked, signed = slots.booking(tx, loan.ref), agreements.agreed(tx, loan.ref)
    return Sheet(
        lines, _tasks(loan, lines, booked, signed, children), booked, signed,
        exceptions.reminders_stopped(tx, loan.ref), children, help_given.given(tx, loan.ref),
        help_given.answers_of(tx, loan.ref), steps.steps(tx, loan.ref),
    )  # fmt: skip


def _line(tx: Tx, one: Thing, now: datetime, children: bool) -> Line:
    today = local(now)[0].date()
    began = local(one.out_at)[0].date() if one.out_at else None
    ended = local(one.closed_at)[0].date() if one.closed_at else None
    plan = sims.current(tx, one.id, today) if one.kind == "sim" and one.out_at else None
    asked = children and one.device is not None and one.state == "reserved"
    unsafe = bool(asked and child_safety.why_not_safe(facts_about(tx, one.device or ""), one.device or ""))
    return Line(one, clock(began, one.due, today, ended), plan, unsafe)


def _tasks(
    loan: Loan, lines: Sequence[Line], booked: slots.Booked | None, signed: Sequence[agreements.Agreed], children: bool
) -> list[Task]:
    waiting = [one.thing for one in lines if one.thing.state == "reserved"]
    if loan.state == "closed" or (loan.state == "out" and not waiting):
        return []
    ref = {"ref": loan.ref}
    packed = sum(one.prepared for one in waiting)
    found = [
        _things(ref, waiting),
        _booking(ref, booked),
        Task(
            "Pack", f"{packed} of {len(waiting)} packed", "done" if waiting and packed == len(waiting) else "now",
            "preparation.parcel", ref,
        ),
    ]  # fmt: skip
    unsafe = [one.thing for one in lines if one.unsafe]
    if children:
        device = next((one for one in unsafe if one.device), None)
        words = "A child lives there: not checked yet" if unsafe else "Checked, or asked for when a device is chosen"
        values = {**ref, "code": device.device or ""} if device else ref
        where = "loan_work.filter_form" if device else ""
        state = "now" if unsafe else ("done" if any(one.device for one in waiting) else "later")
        found.append(Task("Content filter", words, state, where, values))
    agreed = next((one for one in signed if one.kind == "loan"), None)
    words = f"Signed in {agreements.words('loan', agreed.language).name}" if agreed else "Not signed yet"
    state = "done" if agreed else ("now" if waiting else "later")
    found.append(Task("Agreement", words, state, "agreements.show", {**ref, "kind": "loan"}))
    return found


def _things(ref: Mapping[str, str], waiting: Sequence[Thing]) -> Task:
    names = ", ".join(one.name for one in waiting)
    return Task("Things to hand over", names or "Nothing chosen yet", "done" if waiting else "now", "", ref)


def _booking(ref: Mapping[str, str], booked: slots.Booked | None) -> Task:
    if booked is None or booked.state in ("cancelled", "moved"):
        return Task("Day and place", "Not booked; not needed if they are here", "later", "slots.choose", ref)
    if booked.state == "failed":
        words = f"Did not happen: {slots.WHY_FAILED[booked.why].lower()}. Book another day"
        return Task("Day and place", words, "now", "slots.choose", ref)
    place = booked.slot
    words = f"{place.where}, {place.day.day} {place.day:%B}, {place.starts} to {place.ends}"
    return Task("Day and place", words, "done", "slots.choose", ref)
