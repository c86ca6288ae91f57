"""Tokens of programmes: administrators make one for an account, see it once, and end it."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from custody.errors import Refused
from lending import api_tokens, auth, forms, people
from lending.views import refusals

blueprint = Blueprint("tokens", __name__)

LIVES = {30: "30 days", 90: "90 days", 365: "A year"}


@blueprint.get("/tokens")
@auth.roles("administrator")
def listing() -> ResponseReturnValue:
    """Show every token and the form for a new one."""
    return _listing([])


@blueprint.post("/tokens")
@auth.roles("administrator")
@auth.recent
def make() -> ResponseReturnValue:
    """Make a token and show it, once."""
    services, form = auth.services(), request.form
    days, account = forms.whole(form, "days", 0, 400), forms.whole(form, "account", 0, 10**9)
    name = forms.text(form, "name")
    try:
        with services.db.transaction() as tx:
            token = api_tokens.create(
                tx, auth.actor(), account or 0, name, form.getlist("scopes"), days or 0, services.now()
            )
    except Refused as no:
        return _listing([forms.Problem(r.subject or r.code, r.text, r.subject or r.code) for r in no.reasons]), 422
    return render_template("token_made.html", token=token, name=name)


@blueprint.post("/tokens/<int:number>/revoke")
@auth.roles("administrator")
def revoke(number: int) -> ResponseReturnValue:
    """End a token now."""
    services = auth.services()
    refusals.doing("Tokens", url_for("tokens.listing"), "Go to the tokens")
    with services.db.transaction() as tx:
        api_tokens.revoke(tx, auth.actor(), number, services.now())
    flash("The token is ended. Whatever used it is refused from now on.")
    return redirect(url_for("tokens.listing"), 303)


def _listing(problems: list[forms.Problem]) -> str:
    services = auth.services()
    with services.db.read() as tx:
        found = api_tokens.listing(tx, auth.actor(), services.now())
        accounts = [one for one in people.list_accounts(tx) if not one.disabled]
    return render_template(
        "tokens.html", found=found, accounts=accounts, scopes=api_tokens.SCOPES, lives=LIVES, problems=problems,
        values=request.form, now=services.now(),
    )  # fmt: skip
