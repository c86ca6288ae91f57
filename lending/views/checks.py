"""What waits for another person: second looks that the seed chose, and wipes that a supervisor must accept."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from custody.errors import Refused
from lending import auth, checks, forms
from lending.views import refusals

blueprint = Blueprint("checks", __name__)

READERS = ("volunteer", "supervisor", "administrator", "auditor")


@blueprint.get("/checks")
@auth.roles(*READERS)
def listing() -> ResponseReturnValue:
    """Show what is to be looked at, and what waits for a supervisor."""
    services = auth.services()
    with services.db.read() as tx:
        due, waiting = checks.listing(tx, services.now()), checks.waiting(tx)
    return render_template("checks.html", due=due, waiting=waiting, policy=services.db.policy)


@blueprint.get("/wipes/<event>/accept")
@auth.roles("supervisor")
def decide(event: str) -> ResponseReturnValue:
    """Show the wipe and what may be decided."""
    return _form(event, [])


@blueprint.post("/wipes/<event>/accept")
@auth.roles("supervisor")
def accept(event: str) -> ResponseReturnValue:
    """Record a supervisor's decision."""
    services = auth.services()
    refusals.doing("This wipe was not accepted", url_for("checks.listing"), "Go to the checks")
    decision, note = forms.text(request.form, "decision"), forms.text(request.form, "note")
    try:
        with services.db.transaction() as tx:
            checks.accept(tx, event, decision, note, auth.actor(), services.now())
    except Refused as no:
        if no.reasons[0].subject != "decision":
            raise
        return _form(event, [forms.Problem("decision", no.reasons[0].text, "decision")]), 422
    flash("Your decision is recorded.")
    return redirect(url_for("checks.listing"), 303)


def _form(event: str, problems: list[forms.Problem]) -> str:
    refusals.doing("There is no such wipe here", url_for("checks.listing"), "Go to the checks")
    with auth.services().db.read() as tx:
        line = checks.wipe(tx, event)
    return render_template(
        "accept.html", line=line, problems=problems, decisions=checks.DECISIONS, values=request.form
    )
