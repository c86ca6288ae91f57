"""Webhooks: which addresses are told what, their log, sending again, and ending them."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from custody.errors import Refused
from lending import auth, forms, webhooks
from lending.views import refusals

blueprint = Blueprint("webhooks", __name__)

WORDS = {"waiting": "Waiting", "delivered": "Delivered", "failed": "Given up"}


@blueprint.get("/webhooks")
@auth.roles("administrator")
def listing() -> ResponseReturnValue:
    """Show every address and the form for a new one."""
    return _listing([])


@blueprint.post("/webhooks")
@auth.roles("administrator")
@auth.recent
def register() -> ResponseReturnValue:
    """Register an address and show its secret, once."""
    services, url = auth.services(), forms.text(request.form, "url")
    private, kinds = services.config.webhooks_private, request.form.getlist("kinds")
    try:
        with services.db.transaction() as tx:
            number, secret = webhooks.register(tx, auth.actor(), url, kinds, services.now(), private=private)
    except Refused as no:
        return _listing([forms.Problem(r.subject or r.code, r.text, r.subject or r.code) for r in no.reasons]), 422
    return render_template("webhook_made.html", secret=secret, url=url, number=number)


@blueprint.get("/webhooks/<int:number>")
@auth.roles("administrator")
def log(number: int) -> ResponseReturnValue:
    """Show the newest messages to an address."""
    services = auth.services()
    refusals.doing("There is no such webhook", url_for("webhooks.listing"), "Go to the webhooks")
    with services.db.read() as tx:
        found = webhooks.log(tx, auth.actor(), number)
        endpoint = next(one for one in webhooks.listing(tx, auth.actor()) if one.id == number)
    return render_template("webhook.html", endpoint=endpoint, found=found, words=WORDS, now=services.now())


@blueprint.post("/webhooks/<int:number>/again")
@auth.roles("administrator")
def again(number: int) -> ResponseReturnValue:
    """Send one message again, with its id."""
    services, delivery = auth.services(), forms.whole(request.form, "delivery", 0, 10**12)
    refusals.doing("This cannot be sent again", url_for("webhooks.listing"), "Go to the webhooks")
    with services.db.transaction() as tx:
        webhooks.redeliver(tx, auth.actor(), number, delivery or 0, services.now())
    flash("It is sent again with the next round.")
    return redirect(url_for("webhooks.log", number=number), 303)


@blueprint.post("/webhooks/<int:number>/switch")
@auth.roles("administrator")
def switch(number: int) -> ResponseReturnValue:
    """Switch an address on or off."""
    services, on = auth.services(), request.form.get("on") == "yes"
    refusals.doing("There is no such webhook", url_for("webhooks.listing"), "Go to the webhooks")
    with services.db.transaction() as tx:
        webhooks.switch(tx, auth.actor(), number, on, services.now())
    flash("Switched on: what waited is sent now." if on else "Switched off: what happens meanwhile waits.")
    return redirect(url_for("webhooks.log", number=number), 303)


@blueprint.post("/webhooks/<int:number>/remove")
@auth.roles("administrator")
def remove(number: int) -> ResponseReturnValue:
    """Take an address away."""
    services = auth.services()
    refusals.doing("There is no such webhook", url_for("webhooks.listing"), "Go to the webhooks")
    with services.db.transaction() as tx:
        webhooks.remove(tx, auth.actor(), number, services.now())
    flash("The address is told nothing any more.")
    return redirect(url_for("webhooks.listing"), 303)


def _listing(problems: list[forms.Problem]) -> str:
    with auth.services().db.read() as tx:
        found = webhooks.listing(tx, auth.actor())
    return render_template(
        "webhooks.html", found=found, kinds=webhooks.KINDS, problems=problems, values=request.form, words=WORDS
    )
