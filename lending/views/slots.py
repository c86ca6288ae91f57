"""Collections and deliveries: the calendar of slots, and one loan's place in it."""

from datetime import date, timedelta

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from custody.errors import Refused
from lending import access_log, auth, forms, loans, slots
from lending.views import refusals
from lending.views.words import local

blueprint = Blueprint("slots", __name__)

DESK = ("desk", "supervisor")
WEEKS_SHOWN = 6


@blueprint.get("/slots")
@auth.roles(*DESK)
def listing() -> ResponseReturnValue:
    """Show the coming weeks' slots, and the form that opens more."""
    return _listing([])


@blueprint.post("/slots")
@auth.roles(*DESK)
def open_slots() -> ResponseReturnValue:
    """Open a slot, perhaps for some weeks."""
    services, form = auth.services(), request.form
    day, problem = forms.read_day(form, "day")
    if problem:
        return _listing([forms.Problem("day", problem, "day-day")]), 422
    places, weeks = forms.whole(form, "places", 0, slots.MOST_PLACES), forms.whole(form, "weeks", 1, slots.MOST_WEEKS)
    try:
        with services.db.transaction() as tx:
            made = slots.open_slots(
                tx, form.get("kind", ""), forms.text(form, "place"), day, forms.text(form, "starts"),
                forms.text(form, "ends"), places or 0, weeks or 0, auth.actor(), services.now(),
            )  # fmt: skip
    except Refused as refused:
        return _listing(forms.problems_of(refused.reasons, {}, {"day": "day-day"})), 422
    flash(f"{made} opened." if made else "They were open already; nothing was changed.")
    return redirect(url_for("slots.listing"), 303)


@blueprint.post("/slots/<int:slot>/close")
@auth.roles(*DESK)
def close(slot: int) -> ResponseReturnValue:
    """Take no more bookings in a slot, or take them again."""
    closed = request.form.get("closed") != "no"
    refusals.doing("This slot cannot be changed", url_for("slots.listing"), "Go back to the calendar")
    with auth.services().db.transaction() as tx:
        slots.close_slot(tx, slot, closed, auth.actor())
    flash("It takes no more bookings." if closed else "It takes bookings again.")
    return redirect(url_for("slots.listing"), 303)


@blueprint.get("/loans/<ref>/booking")
@auth.roles(*DESK)
def choose(ref: str) -> ResponseReturnValue:
    """Show the slots with places left, and what can be done about the booking that stands."""
    return _choose(ref, [])


@blueprint.post("/loans/<ref>/booking")
@auth.roles(*DESK)
def book(ref: str) -> ResponseReturnValue:
    """Give a loan a place in a slot."""
    services = auth.services()
    slot = forms.whole(request.form, "slot", 0, 10**9)
    if not slot:
        return _choose(ref, [forms.Problem("slot", "Choose a day and time", "slot")]), 422
    try:
        with services.db.transaction() as tx:
            slots.book(tx, ref, slot, auth.actor(), services.now(), request.form.get("address", "")[:400])
    except Refused as refused:
        if {reason.subject for reason in refused.reasons} <= {"slot", "address"}:
            return _choose(ref, forms.problems_of(refused.reasons, {}, {})), 409
        refusals.doing("This cannot be booked", url_for("desk.loan", ref=ref), f"Go back to loan {ref}")
        raise
    flash("Booked.")
    return redirect(url_for("desk.loan", ref=ref), 303)


@blueprint.post("/loans/<ref>/booking/cancel")
@auth.roles(*DESK)
def cancel(ref: str) -> ResponseReturnValue:
    """Give the place up."""
    services = auth.services()
    _doing(ref)
    with services.db.transaction() as tx:
        slots.cancel(tx, ref, auth.actor(), services.now())
    flash("The booking is cancelled.")
    return redirect(url_for("desk.loan", ref=ref), 303)


@blueprint.post("/loans/<ref>/booking/done")
@auth.roles(*DESK)
def done(ref: str) -> ResponseReturnValue:
    """Say that they came, or were delivered to."""
    services = auth.services()
    _doing(ref)
    with services.db.transaction() as tx:
        slots.done(tx, ref, auth.actor(), services.now())
    flash("Done.")
    return redirect(url_for("desk.loan", ref=ref), 303)


@blueprint.post("/loans/<ref>/booking/failed")
@auth.roles(*DESK)
def failed(ref: str) -> ResponseReturnValue:
    """Say that it did not happen and why, then offer other slots."""
    services, why = auth.services(), request.form.get("why", "")
    if why not in slots.WHY_FAILED:
        return _choose(ref, [forms.Problem("why", "Choose what happened", "why")]), 422
    _doing(ref)
    with services.db.transaction() as tx:
        slots.failed(tx, ref, why, auth.actor(), services.now())
    flash("Noted. Book another day when they are ready.")
    return redirect(url_for("slots.choose", ref=ref), 303)


@blueprint.post("/loans/<ref>/booking/address")
@auth.roles(*DESK)
def address(ref: str) -> ResponseReturnValue:
    """Show where a delivery goes; that somebody looked is written down first."""
    services, by = auth.services(), auth.actor()
    _doing(ref)
    with services.db.transaction() as tx:
        found = slots.address(tx, ref)
        access_log.log(tx, by, f"loan:{ref}", "delivery address", "hand-over", services.now())
    return _choose(ref, [], found)


def _listing(problems: list[forms.Problem]) -> str:
    services = auth.services()
    today = local(services.now())[0].date()
    with services.db.read() as tx:
        found = slots.slots(tx, today, today + timedelta(weeks=WEEKS_SHOWN))
    return render_template(
        "slots.html", days=_by_day(found), problems=problems, values=request.form, kinds=slots.KINDS, weeks=WEEKS_SHOWN
    )


def _choose(ref: str, problems: list[forms.Problem], shown: str = "") -> str:
    services = auth.services()
    refusals.doing("There is no such loan", url_for("desk.listing"), "Go to the loans")
    today = local(services.now())[0].date()
    with services.db.read() as tx:
        found = loans.get(tx, auth.actor(), ref)
        free = [one for one in slots.slots(tx, today, today + timedelta(weeks=WEEKS_SHOWN)) if not one.closed]
        standing = slots.booking(tx, ref)
    return render_template(
        "booking.html", loan=found, days=_by_day(free), booked=standing, problems=problems, values=request.form,
        whys=slots.WHY_FAILED, kinds=slots.KINDS, states=slots.STATES, shown=shown,
        deliveries=any(one.kind == "delivery" for one in free),
    )  # fmt: skip


def _by_day(found: list[slots.Place]) -> dict[date, list[slots.Place]]:
    days: dict[date, list[slots.Place]] = {}
    for one in found:
        days.setdefault(one.day, []).append(one)
    return days


def _doing(ref: str) -> None:
    refusals.doing("This booking cannot be changed", url_for("slots.choose", ref=ref), "Go back to the booking")
