"""SIMs: the drawer, what ends soon, and giving one to an adult."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from custody.errors import Refused
from lending import auth, forms, loans, sims
from lending.loan_items import own
from lending.views import refusals
from lending.views.words import local

blueprint = Blueprint("sims", __name__)

DESK = ("desk", "supervisor")


@blueprint.get("/sims")
@auth.roles(*DESK)
def listing() -> ResponseReturnValue:
    """Show what ends soon and what lies in the drawer."""
    return _listing([])


@blueprint.post("/sims")
@auth.roles(*DESK)
def add() -> ResponseReturnValue:
    """Put SIMs in the drawer by their last digits."""
    services, form = auth.services(), request.form
    use_by, problem = forms.read_day(form, "use_by")
    if problem:
        return _listing([forms.Problem("use_by", problem, "use_by-day")]), 422
    digits = form.get("digits", "")[:4000].replace(",", " ").split()
    months = forms.whole(form, "months", 0, sims.MOST_MONTHS)
    try:
        with services.db.transaction() as tx:
            made = sims.add_stock(
                tx, digits, forms.text(form, "network"), forms.text(form, "allowance"), months or 0, use_by,
                auth.actor(), services.now(),
            )  # fmt: skip
    except Refused as refused:
        return _listing(forms.problems_of(refused.reasons, {}, {"use_by": "use_by-day"})), 422
    flash(f"{made} in the drawer now.")
    return redirect(url_for("sims.listing"), 303)


@blueprint.post("/loans/<ref>/sims")
@auth.roles(*DESK)
def keep(ref: str) -> ResponseReturnValue:
    """Put a SIM from the drawer to a loan."""
    services = auth.services()
    refusals.doing("This SIM cannot be put to the loan", url_for("desk.loan", ref=ref), f"Go back to loan {ref}")
    with services.db.transaction() as tx:
        item = sims.keep(tx, ref, forms.text(request.form, "digits"), auth.actor(), services.now())
    flash("The SIM is kept for this loan. Give it to an adult.")
    return redirect(url_for("sims.give", ref=ref, item=item), 303)


@blueprint.get("/loans/<ref>/things/<int:item>/sim")
@auth.roles(*DESK)
def give(ref: str, item: int) -> ResponseReturnValue:
    """Ask who holds the SIM, and whether they are an adult."""
    return _give(ref, item, [])


@blueprint.post("/loans/<ref>/things/<int:item>/sim")
@auth.roles(*DESK)
def hand_out(ref: str, item: int) -> ResponseReturnValue:
    """Give a SIM to an adult; its months run from today."""
    services, holder = auth.services(), forms.text(request.form, "holder")
    adult = request.form.get("adult") == "yes"
    problems = []
    if not adult:
        problems.append(forms.Problem("adult", "A SIM is only for an adult: tick that they are 18 or over", "adult"))
    if not holder:
        problems.append(forms.Problem("holder", "Enter the name of the adult who holds it", "holder"))
    if problems:
        return _give(ref, item, problems), 422
    refusals.doing("This SIM cannot go out", url_for("desk.loan", ref=ref), f"Go back to loan {ref}")
    with services.db.transaction() as tx:
        plan = sims.hand_out(tx, ref, item, holder, adult, auth.actor(), services.now())
    flash(f"The SIM went out. Its data runs until {plan.expires.day} {plan.expires:%B %Y}.")
    return redirect(url_for("desk.loan", ref=ref), 303)


@blueprint.post("/loans/<ref>/things/<int:item>/renew")
@auth.roles(*DESK)
def renew(ref: str, item: int) -> ResponseReturnValue:
    """Give a SIM more months."""
    services, months = auth.services(), forms.whole(request.form, "months", 0, sims.MOST_MONTHS)
    refusals.doing("This SIM cannot be renewed", url_for("loan_work.thing", ref=ref, item=item), "Go back to the SIM")
    with services.db.transaction() as tx:
        plan = sims.renew(tx, ref, item, months or 0, auth.actor(), services.now())
    flash(f"Renewed until {plan.expires.day} {plan.expires:%B %Y}.")
    return redirect(url_for("loan_work.thing", ref=ref, item=item), 303)


@blueprint.post("/loans/<ref>/things/<int:item>/sim-end")
@auth.roles(*DESK)
def end(ref: str, item: int) -> ResponseReturnValue:
    """End a SIM: its data is used up, it came back, or it was lost."""
    services = auth.services()
    refusals.doing("This SIM cannot be ended", url_for("loan_work.thing", ref=ref, item=item), "Go back to the SIM")
    with services.db.transaction() as tx:
        sims.end(tx, ref, item, request.form.get("how", ""), auth.actor(), services.now())
    flash("The SIM has ended.")
    return redirect(url_for("desk.loan", ref=ref), 303)


def _listing(problems: list[forms.Problem]) -> str:
    services = auth.services()
    today = local(services.now())[0].date()
    with services.db.read() as tx:
        stock, ending, counts = sims.stock(tx, today), sims.ending(tx, today), sims.counts(tx)
    return render_template(
        "sims.html", stock=stock, ending=ending, counts=counts, problems=problems, values=request.form,
        days=sims.WARN_DAYS,
    )  # fmt: skip


def _give(ref: str, item: int, problems: list[forms.Problem]) -> str:
    refusals.doing("There is no such SIM", url_for("desk.loan", ref=ref), f"Go back to loan {ref}")
    with auth.services().db.read() as tx:
        found = loans.get(tx, auth.actor(), ref)
        row = own(tx, ref, item)
    return render_template(
        "sim_give.html", loan=found, item=item, label=row.label, network=row.network, allowance=row.allowance,
        problems=problems, values=request.form,
    )  # fmt: skip
