"""Councils whose own sign-in is trusted, set up by administrators."""

from dataclasses import replace

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from custody.errors import Refused
from lending import auth, councils, forms
from lending.councils import Council, Wish
from lending.views import refusals

blueprint = Blueprint("councils", __name__)


@blueprint.get("/councils")
@auth.roles("administrator")
def listing() -> ResponseReturnValue:
    """Show every council that is set up."""
    with auth.services().db.read() as tx:
        found = councils.listing(tx)
    return render_template("councils.html", found=found)


@blueprint.get("/councils/new")
@auth.roles("administrator")
@auth.recent
def new() -> ResponseReturnValue:
    """Show the form for a new council."""
    return _form(None, None, [])


@blueprint.post("/councils/new")
@auth.roles("administrator")
@auth.recent
def add() -> ResponseReturnValue:
    """Begin to set a council up: now it has a return address to tell the council; switched on it is later."""
    services, wish = auth.services(), replace(_wish(""), enabled=False)
    try:
        with services.db.transaction() as tx:
            made = councils.add(tx, auth.actor(), wish, services.now())
    except Refused as no:
        return _form(None, wish, _problems(no)), 422
    return redirect(url_for("councils.one", number=made.id), 303)


@blueprint.get("/councils/<int:number>")
@auth.roles("administrator")
@auth.recent
def one(number: int) -> ResponseReturnValue:
    """Show one council, to change it."""
    return _form(_council(number), None, [])


@blueprint.post("/councils/<int:number>")
@auth.roles("administrator")
@auth.recent
def change(number: int) -> ResponseReturnValue:
    """Change a council, or switch it off and on."""
    services, found = auth.services(), _council(number)
    wish = _wish(found.issuer)
    try:
        with services.db.transaction() as tx:
            councils.change(tx, auth.actor(), number, wish, services.now())
    except Refused as no:
        return _form(found, wish, _problems(no)), 422
    flash(f"{wish.name} is changed." if wish.enabled else f"{wish.name} is switched off: nobody signs in through it.")
    return redirect(url_for("councils.listing"), 303)


def _wish(issuer: str) -> Wish:
    form = request.form
    return Wish(
        name=forms.text(form, "name"), issuer=issuer or forms.text(form, "issuer"),
        client_id=forms.text(form, "client_id"), secret=form.get("secret", "").strip()[:forms.LONGEST_TEXT],
        domains=forms.text(form, "domains").replace(",", " ").split(),
        enabled=form.get("enabled") == "yes",
    )  # fmt: skip


def _problems(no: Refused) -> list[forms.Problem]:
    return [forms.Problem(reason.code, reason.text, reason.code) for reason in no.reasons]


def _council(number: int) -> Council:
    refusals.doing("Councils", url_for("councils.listing"), "Go to the councils")
    with auth.services().db.read() as tx:
        return councils.council(tx, number)


def _form(found: Council | None, wish: Wish | None, problems: list[forms.Problem]) -> str:
    shown = wish or found
    values = {
        "name": shown.name, "issuer": shown.issuer, "client_id": shown.client_id, "domains": ", ".join(shown.domains),
    } if shown else {}  # fmt: skip
    back = url_for("signin.council_back", number=found.id) if found else ""
    address = auth.services().config.host_address + back
    enabled = shown.enabled if shown else False
    return render_template(
        "council.html", found=found, values=values, problems=problems, back=address, enabled=enabled
    )
