"""Changing many records at once: choose, look, do, take back."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from custody.errors import Refused
from lending import auth, bulk, forms, people
from lending.views import refusals

blueprint = Blueprint("bulk", __name__)

DESK = ("desk", "supervisor")


@blueprint.get("/change-many")
@auth.roles(*DESK)
def listing() -> ResponseReturnValue:
    """Show the forms, and the last changes with their way back."""
    return _listing([])


@blueprint.post("/change-many")
@auth.roles(*DESK)
def look() -> ResponseReturnValue:
    """Show what would happen to each record, or do it when it was seen."""
    services, kind, text = auth.services(), request.form.get("kind", ""), request.form.get("refs", "")
    value, problem = _value(kind)
    if problem:
        return _listing([forms.Problem("value", problem, "due-day")]), 422
    if request.form.get("step") == "do":
        refusals.doing("This was not done", url_for("bulk.listing"), "Choose again")
        with services.db.transaction() as tx:
            bulk.make(tx, auth.actor(), kind, value, text, request.form.get("seal", ""), services.now())
        flash("Done. It can be taken back below.")
        return redirect(url_for("bulk.listing", _anchor="made"), 303)
    try:
        with services.db.read() as tx:
            found = bulk.preview(tx, auth.actor(), kind, value, text, services.now())
    except Refused as no:
        return _listing([forms.Problem(r.subject or r.code, r.text, _anchor(kind, r.subject)) for r in no.reasons]), 422
    return render_template("bulk_look.html", found=found, words=bulk.KINDS[kind].words, refs=text, value=value)


@blueprint.post("/change-many/<int:number>/undo")
@auth.roles(*DESK)
def undo(number: int) -> ResponseReturnValue:
    """Take a change back, where the records are still as it left them."""
    services = auth.services()
    refusals.doing("This cannot be taken back", url_for("bulk.listing"), "Go back")
    with services.db.transaction() as tx:
        count, left = bulk.undo(tx, auth.actor(), number, services.now())
    rest = f" {len(left)} were left as they are: {', '.join(left[:20])}." if left else ""
    flash(f"{count} put back.{rest}")
    return redirect(url_for("bulk.listing"), 303)


def _value(kind: str) -> tuple[str, str]:
    """Return the chosen value; of a day its ISO form. The second says what is wrong with it."""
    if kind != "loan-due" or request.form.get("value"):
        return forms.text(request.form, "value"), ""
    day, problem = forms.read_day(request.form, "due")
    return (day.isoformat() if day else ""), problem


def _anchor(kind: str, subject: str) -> str:
    return f"{subject or 'refs'}-{kind}"


def _listing(problems: list[forms.Problem]) -> str:
    by = auth.actor()
    with auth.services().db.read() as tx:
        made, partners = bulk.listing(tx, by), people.partners(tx)
    kinds = {name: one for name, one in bulk.KINDS.items() if by.roles & set(one.roles)}
    return render_template(
        "bulk.html", made=made, partners=partners, kinds=kinds, problems=problems, values=request.form
    )
