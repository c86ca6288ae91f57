"""What must lie on the table: the list of a day, to be printed, and packing one loan with a scanner."""

from datetime import date, timedelta

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lending import auth, child_safety, devices, forms, loan_items, preparation, sims
from lending.views import refusals
from lending.views.words import local

blueprint = Blueprint("preparation", __name__)

DESK = ("desk", "supervisor")
PACKERS = ("volunteer", *DESK)


@blueprint.get("/prepare")
@auth.roles(*PACKERS)
def day() -> ResponseReturnValue:
    """Show what must be packed for a day: the day asked for, else tomorrow."""
    services = auth.services()
    today = local(services.now())[0].date()
    try:
        wanted = date.fromisoformat(request.args.get("day", ""))
    except ValueError:
        wanted = today + timedelta(days=1)
    with services.db.read() as tx:
        found = preparation.day(tx, wanted, auth.actor())
    near = [today + timedelta(days=number) for number in range(7)]
    return render_template("prepare_day.html", day=wanted, near=near, today=today, parcels=found, words=loan_items)


@blueprint.get("/prepare/<ref>")
@auth.roles(*PACKERS)
def parcel(ref: str) -> ResponseReturnValue:
    """Pack one loan: what is wanted, what lies there, and a field for the scanner."""
    return _parcel(ref, forms.Scan(""))


@blueprint.post("/prepare/<ref>/scan")
@auth.roles(*DESK)
def scan(ref: str) -> ResponseReturnValue:
    """Put a scanned device, or a SIM by its last digits, to the loan."""
    services, typed = auth.services(), request.form.get("code", "").strip()
    is_sim = sims.DIGITS.fullmatch(typed) is not None
    found = forms.Scan(typed, code=typed) if is_sim else forms.read_scan(typed)
    if found.problem:
        return _parcel(ref, found), 422
    refusals.doing(
        "Not for this parcel", url_for("preparation.parcel", ref=ref), "Go on packing", "" if is_sim else found.code,
        verdict="Put it aside",
    )  # fmt: skip
    with services.db.transaction() as tx:
        if is_sim:
            packed = preparation.pack_sim(tx, ref, typed, auth.actor(), services.now())
        else:
            code = devices.find(tx, found.code)
            packed = preparation.pack_device(tx, ref, code, auth.actor(), services.now())
    flash(f"Packed: {packed.what}")
    return redirect(url_for("preparation.parcel", ref=ref), 303)


@blueprint.post("/prepare/<ref>/tick")
@auth.roles(*PACKERS)
def tick(ref: str) -> ResponseReturnValue:
    """Tick a charger, case or bag as packed, or take the tick away."""
    services = auth.services()
    item, ready = forms.whole(request.form, "item", 0, 10**9) or 0, request.form.get("ready") != "no"
    refusals.doing("This cannot be ticked", url_for("preparation.parcel", ref=ref), "Go on packing")
    with services.db.transaction() as tx:
        loan_items.prepare(tx, ref, item, ready, auth.actor(), services.now())
    return redirect(url_for("preparation.parcel", ref=ref), 303)


def _parcel(ref: str, scan: forms.Scan) -> str:
    refusals.doing("There is no such loan", url_for("preparation.day"), "Go to the list")
    with auth.services().db.read() as tx:
        found = preparation.parcel(tx, ref, auth.actor())
    problems = [forms.Problem("code", scan.problem, "code")] if scan.problem else []
    return render_template(
        "prepare.html", parcel=found, scan=scan, problems=problems, words=loan_items, ways=child_safety.WAYS
    )
