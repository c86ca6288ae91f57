"""Donors as staff see them: pledges, the calendar of rounds, and the driver's page on a telephone at the door."""

from datetime import date, timedelta

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from custody.errors import Refused
from lending import auth, collections, donor_rounds, donors, forms
from lending.donors import Contact
from lending.slots import MOST_WEEKS
from lending.views import refusals
from lending.views.words import local

blueprint = Blueprint("collections", __name__)

DESK = ("desk", "supervisor")
DRIVER = ("volunteer", *DESK)
WEEKS_SHOWN = 6


@blueprint.get("/pledges")
@auth.roles(*DESK)
def listing() -> ResponseReturnValue:
    """Show what was offered, newest first, of one state if asked."""
    state = request.args.get("state", "")
    with auth.services().db.read() as tx:
        found = donors.pledges(tx, auth.actor(), state if state in donors.STATES else "")
        counts = donors.states(tx)
    return render_template("donors_pledges.html", found=found, counts=counts, states=donors.STATES, state=state)


@blueprint.get("/pledges/<ref>")
@auth.roles(*DESK)
def pledge(ref: str) -> ResponseReturnValue:
    """Show one pledge, its visits and what can be done."""
    return _pledge(ref, [])


@blueprint.post("/pledges/<ref>/contact")
@auth.roles(*DESK)
def contact(ref: str) -> ResponseReturnValue:
    """Show whom to speak to; that somebody looked is written down first."""
    services, by = auth.services(), auth.actor()
    _doing(ref)
    with services.db.transaction() as tx:
        found = donors.contact(tx, ref, by, "call", services.now())
    return _pledge(ref, [], found)


@blueprint.post("/pledges/<ref>/book")
@auth.roles(*DESK)
def book(ref: str) -> ResponseReturnValue:
    """Give a pledge a place in a slot."""
    services, slot = auth.services(), forms.whole(request.form, "slot", 0, 10**9)
    if not slot:
        return _pledge(ref, [forms.Problem("slot", "Choose a day and time", "slot")]), 422
    _doing(ref)
    with services.db.transaction() as tx:
        collections.book(tx, ref, slot, auth.actor(), services.now())
    flash("Booked.")
    return redirect(url_for("collections.pledge", ref=ref), 303)


@blueprint.post("/pledges/<ref>/adopt")
@auth.roles(*DESK)
def adopt(ref: str) -> ResponseReturnValue:
    """Put a device to the pledge that a bench registered with its reference."""
    services, scan = auth.services(), forms.read_scan(request.form.get("code", ""))
    if scan.problem:
        return _pledge(ref, [forms.Problem("code", scan.problem, "code")]), 422
    _doing(ref)
    with services.db.transaction() as tx:
        collections.adopt(tx, ref, scan.code, request.form.get("kind", ""), auth.actor(), services.now())
    flash("It belongs to this pledge.")
    return redirect(url_for("collections.pledge", ref=ref), 303)


@blueprint.post("/pledges/<ref>/end")
@auth.roles(*DESK)
def end(ref: str) -> ResponseReturnValue:
    """Decline a pledge, close it, end the donor's visits to the portal, or (supervisor) erase the contact."""
    services, by, what = auth.services(), auth.actor(), request.form.get("what", "")
    _doing(ref)
    with services.db.transaction() as tx:
        if what == "decline":
            donors.decline(tx, ref, request.form.get("why", ""), by, services.now())
        elif what == "close":
            donors.close(tx, ref, by, services.now())
        elif what == "erase":
            donors.erase(tx, ref, by, services.now())
        elif what == "visits":
            donors.end_visits(tx, donors.get(tx, ref).ref, services.now())
    flash("Done.")
    return redirect(url_for("collections.pledge", ref=ref), 303)


@blueprint.get("/rounds")
@auth.roles(*DESK)
def rounds() -> ResponseReturnValue:
    """Show the coming rounds, and the form that opens more."""
    return _rounds([])


@blueprint.post("/rounds")
@auth.roles(*DESK)
def open_rounds() -> ResponseReturnValue:
    """Open a slot of a round, perhaps for some weeks."""
    services, form = auth.services(), request.form
    day, problem = forms.read_day(form, "day")
    if problem:
        return _rounds([forms.Problem("day", problem, "day-day")]), 422
    places = forms.whole(form, "places", 0, donor_rounds.MOST_PLACES)
    weeks = forms.whole(form, "weeks", 1, MOST_WEEKS)
    try:
        with services.db.transaction() as tx:
            made = donor_rounds.open_slots(
                tx, forms.text(form, "round"), day, forms.text(form, "starts"), forms.text(form, "ends"), places or 0,
                weeks or 0, auth.actor(), services.now(),
            )  # fmt: skip
    except Refused as refused:
        return _rounds(forms.problems_of(refused.reasons, {}, {"day": "day-day"})), 422
    flash(f"{made} opened." if made else "They were open already; nothing was changed.")
    return redirect(url_for("collections.rounds"), 303)


@blueprint.post("/rounds/<int:slot>/close")
@auth.roles(*DESK)
def close_round(slot: int) -> ResponseReturnValue:
    """Take no more visits in a slot, or take them again."""
    refusals.doing("This slot cannot be changed", url_for("collections.rounds"), "Go back to the rounds")
    with auth.services().db.transaction() as tx:
        donor_rounds.close_slot(tx, slot, request.form.get("closed") != "no", auth.actor())
    return redirect(url_for("collections.rounds"), 303)


@blueprint.get("/van")
@auth.roles(*DRIVER)
def van() -> ResponseReturnValue:
    """Show today's visits (or another day's) to whoever drives."""
    services = auth.services()
    try:
        day = date.fromisoformat(request.args.get("day", ""))
    except ValueError:
        day = local(services.now())[0].date()
    with services.db.read() as tx:
        found = collections.on_day(tx, day)
    return render_template("donors_van.html", day=day, visits=found, kinds=donors.KINDS)


@blueprint.get("/van/<int:number>")
@auth.roles(*DRIVER)
def visit(number: int) -> ResponseReturnValue:
    """Show one visit: count, label, sign."""
    return _visit(number, [])


@blueprint.post("/van/<int:number>/contact")
@auth.roles(*DRIVER)
def where(number: int) -> ResponseReturnValue:
    """Show the address and whom to ask for; that somebody looked is written down first."""
    services = auth.services()
    with services.db.transaction() as tx:
        ref = collections.get(tx, number).pledge.ref
        found = donors.contact(tx, ref, auth.actor(), "hand-over", services.now())
    return _visit(number, [], found)


@blueprint.post("/van/<int:number>/count")
@auth.roles(*DRIVER)
def count(number: int) -> ResponseReturnValue:
    """Write down what was counted at the door."""
    services = auth.services()
    read = {kind: forms.whole(request.form, f"count-{kind}", 0, donors.MOST_OF_A_KIND) for kind in donors.KINDS}
    if wrong := [kind for kind, n in read.items() if n is None]:
        text = "Enter a whole number, or nothing"
        return _visit(number, [forms.Problem(f"count-{kind}", text, f"count-{kind}") for kind in wrong]), 422
    with services.db.transaction() as tx:
        collections.count(tx, number, {k: n or 0 for k, n in read.items()}, auth.actor(), services.now())
    flash("Counted.")
    return redirect(url_for("collections.visit", number=number, _anchor="labels"), 303)


@blueprint.post("/van/<int:number>/scan")
@auth.roles(*DRIVER)
def scan(number: int) -> ResponseReturnValue:
    """Take a label that was stuck on: from now on the device is in our hand."""
    services, read, form = auth.services(), forms.read_scan(request.form.get("code", "")), request.form
    if read.problem:
        return _visit(number, [forms.Problem("code", read.problem, "code")]), 422
    try:
        with services.db.transaction() as tx:
            new = collections.scan(
                tx, number, read.code, form.get("kind", ""), auth.actor(), services.now(),
                forms.text(form, "make"), forms.text(form, "model"),
            )  # fmt: skip
    except Refused as refused:
        return _visit(number, forms.problems_of(refused.reasons, {}, {})), 409
    flash("Labelled: it is in our hands now." if new else "This label was scanned already. Nothing was changed.")
    return redirect(url_for("collections.visit", number=number, kind=form.get("kind"), _anchor="labels"), 303)


@blueprint.post("/van/<int:number>/sign")
@auth.roles(*DRIVER)
def sign(number: int) -> ResponseReturnValue:
    """End the visit with a typed name."""
    services, form = auth.services(), request.form
    try:
        with services.db.transaction() as tx:
            collections.sign(
                tx, number, forms.text(form, "name"), auth.actor(), services.now(), form.get("differs") == "yes"
            )
    except Refused as refused:
        return _visit(number, forms.problems_of(refused.reasons, {}, {"counted": "count-laptop"})), 409
    flash("Signed. The collection is done.")
    return redirect(url_for("collections.van"), 303)


@blueprint.post("/van/<int:number>/failed")
@auth.roles(*DRIVER)
def failed(number: int) -> ResponseReturnValue:
    """Say that nothing was fetched, and why."""
    services = auth.services()
    try:
        with services.db.transaction() as tx:
            collections.failed(tx, number, request.form.get("why", ""), auth.actor(), services.now())
    except Refused as refused:
        return _visit(number, forms.problems_of(refused.reasons, {}, {})), 409
    flash("Noted. The desk books another day.")
    return redirect(url_for("collections.van"), 303)


def _pledge(ref: str, problems: list[forms.Problem], shown: Contact | None = None) -> str:
    services = auth.services()
    today = local(services.now())[0].date()
    refusals.doing("There is no such pledge", url_for("collections.listing"), "Go to the pledges")
    with services.db.read() as tx:
        found = donors.get(tx, ref)
        visits = collections.visits(tx, found.ref)
        free = [one for one in donor_rounds.slots(tx, today, today + timedelta(weeks=WEEKS_SHOWN)) if not one.closed]
    return render_template(
        "donors_pledge.html", pledge=found, visits=visits, slots=free, problems=problems, shown=shown, donors=donors,
        visit_states=collections.STATES, whys=collections.WHY_FAILED, supervisor="supervisor" in auth.actor().roles,
    )  # fmt: skip


def _rounds(problems: list[forms.Problem]) -> str:
    services = auth.services()
    today = local(services.now())[0].date()
    with services.db.read() as tx:
        found = donor_rounds.slots(tx, today, today + timedelta(weeks=WEEKS_SHOWN))
    return render_template(
        "donors_rounds.html", found=found, problems=problems, values=request.form, weeks=WEEKS_SHOWN
    )


def _visit(number: int, problems: list[forms.Problem], shown: Contact | None = None) -> str:
    refusals.doing("There is no such collection", url_for("collections.van"), "Go to today's visits")
    with auth.services().db.read() as tx:
        found = collections.get(tx, number)
    kind = request.values.get("kind", "laptop")
    return render_template(
        "donors_visit.html", visit=found, problems=problems, values=request.form, donors=donors, shown=shown,
        whys=collections.WHY_FAILED, states=collections.STATES, kind=kind if kind in donors.KINDS else "laptop",
    )  # fmt: skip


def _doing(ref: str) -> None:
    refusals.doing("This pledge cannot be changed so", url_for("collections.pledge", ref=ref), "Go back to the pledge")
