"""Badges: given, printed and ended by administrators. The secret of a badge is shown once, as a card to print."""

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from custody.badges import ROLES, BadBadge, read_badge
from custody.errors import Reason, Refused
from labels import render
from lending import auth, badges, forms
from lending.badges import Line
from lending.views import refusals

blueprint = Blueprint("badges", __name__)


@blueprint.get("/badges")
@auth.roles("administrator")
def listing() -> ResponseReturnValue:
    """Show who has a badge, for what, and whose a station shut out."""
    with auth.services().db.read() as tx:
        found, roster = badges.listing(tx), badges.newest(tx)
    return render_template("badges.html", found=found, roster=roster, words=badges.ROLE_WORDS)


@blueprint.get("/accounts/<int:number>/badge")
@auth.roles("administrator")
@auth.recent
def new(number: int) -> ResponseReturnValue:
    """Show the form: what the person does at stations, and the PIN that they type themselves."""
    return _form(_line(number), [])


@blueprint.post("/accounts/<int:number>/badge")
@auth.roles("administrator")
@auth.recent
def give(number: int) -> ResponseReturnValue:
    """Give a badge and show, once, the button that prints its card."""
    services, line, form = auth.services(), _line(number), request.form
    pin, again = form.get("pin", "").strip(), form.get("again", "").strip()
    try:
        made = badges.prepare(line.account.ref, form.getlist("roles"), pin, again)
        with services.db.transaction() as tx:
            badges.give(tx, number, made, auth.actor(), services.now())
    except Refused as no:
        problems = [forms.Problem(r.subject, r.text, r.subject) for r in no.reasons if r.subject]
        if len(problems) != len(no.reasons):
            raise
        return _form(line, problems), 422
    return render_template("badge_card.html", account=line.account, badge=made.badge.text, roles=made.entry.roles,
                           words=badges.ROLE_WORDS)  # fmt: skip


@blueprint.post("/accounts/<int:number>/badge/card")
@auth.roles("administrator")
def card(number: int) -> ResponseReturnValue:
    """Print the card of the badge that was just given; the secret comes from the page and is not kept here."""
    line = _line(number)
    try:
        badge = read_badge(request.form.get("badge", ""))
    except BadBadge as error:
        raise Refused([Reason("badge", str(error))]) from error
    with auth.services().db.read() as tx:
        current = badges.is_current(tx, number, badge)
    if not current:
        raise Refused([Reason("badge", "This badge does not count any more; give a new one and print that")])
    headers = {"Content-Disposition": f'attachment; filename="badge-{line.account.ref}.pdf"'}
    return Response(render(badges.card(line.account.name, badge), "pdf:badge"), mimetype="application/pdf",
                    headers=headers)  # fmt: skip


@blueprint.get("/accounts/<int:number>/badge/end")
@auth.roles("administrator")
@auth.recent
def confirm_end(number: int) -> ResponseReturnValue:
    """Ask once more, and whether what was signed in with the badge can be trusted."""
    return render_template("badge_end.html", line=_line(number))


@blueprint.post("/accounts/<int:number>/badge/end")
@auth.roles("administrator")
@auth.recent
def end(number: int) -> ResponseReturnValue:
    """End a badge at once."""
    services, line = auth.services(), _line(number)
    with services.db.transaction() as tx:
        badges.end(tx, number, auth.actor(), services.now(), distrust=request.form.get("distrust") == "yes")
    flash(f"The badge of {line.account.name} has ended. Stations know it after their next sync.")
    return redirect(url_for("badges.listing"), 303)


def _line(number: int) -> Line:
    refusals.doing("Badges", url_for("badges.listing"), "Go to the badges")
    with auth.services().db.read() as tx:
        found = next((one for one in badges.listing(tx) if one.account.id == number), None)
    if found is None:
        raise Refused([Reason("unknown-account", f"there is no account number {number} that may have a badge")])
    return found


def _form(line: Line, problems: list[forms.Problem]) -> str:
    chosen = request.form.getlist("roles") if request.method == "POST" else line.roles
    return render_template(
        "badge_new.html", line=line, problems=problems, chosen=chosen, roles=ROLES, words=badges.ROLE_WORDS
    )
