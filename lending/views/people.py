"""Accounts: who may sign in, made and closed by administrators, who never learn a password."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from custody.errors import Reason, Refused
from lending import auth, badges, forms, people
from lending.people import Account
from lending.views import refusals

blueprint = Blueprint("people", __name__)


@blueprint.get("/accounts")
@auth.roles("administrator")
def listing() -> ResponseReturnValue:
    """Show every account."""
    with auth.services().db.read() as tx:
        found = people.list_accounts(tx)
    return render_template("accounts.html", found=found)


@blueprint.get("/accounts/new")
@auth.roles("administrator")
def new() -> ResponseReturnValue:
    """Show the form for a new account."""
    return _form([])


@blueprint.post("/accounts/new")
@auth.roles("administrator")
def create() -> ResponseReturnValue:
    """Make an account and show, once, the link by which its owner sets the password."""
    services, form = auth.services(), request.form
    email, name, partner = (forms.text(form, field) for field in ("email", "name", "partner"))
    roles = form.getlist("roles")
    try:
        with services.db.transaction() as tx:
            number = people.create_partner(tx, partner, services.now()) if partner else None
            account = people.create_account(tx, email, name, roles, number, services.now())
            token = people.create_link(tx, account.id, "first", services.now())
    except Refused as no:
        return _form([forms.Problem(r.code, r.text, r.code) for r in no.reasons]), 422
    return _link(account, token)


@blueprint.post("/accounts/<int:number>/link")
@auth.roles("administrator")
def link(number: int) -> ResponseReturnValue:
    """Make a new one-time link and show it once; older links stop working."""
    services = auth.services()
    account = _account(number)
    with services.db.transaction() as tx:
        token = people.create_link(tx, number, "again", services.now())
    return _link(account, token)


@blueprint.get("/accounts/<int:number>/disable")
@auth.roles("administrator")
def confirm_disable(number: int) -> ResponseReturnValue:
    """Ask once more."""
    return render_template("account_disable.html", account=_account(number))


@blueprint.post("/accounts/<int:number>/disable")
@auth.roles("administrator")
def disable(number: int) -> ResponseReturnValue:
    """Close an account, end every session of it and its badge."""
    services, account = auth.services(), _account(number)
    if number == auth.actor().account_id:
        raise Refused([Reason("own-account", "You cannot close your own account; another administrator can")])
    with services.db.transaction() as tx:
        badges.close_account(tx, number, auth.actor(), services.now())
    flash(f"{account.name} can no longer sign in.")
    return redirect(url_for("people.listing"), 303)


def _account(number: int) -> Account:
    refusals.doing("Accounts", url_for("people.listing"), "Go to the accounts")
    with auth.services().db.read() as tx:
        found = next((one for one in people.list_accounts(tx) if one.id == number), None)
    if found is None:
        raise Refused([Reason("unknown-account", f"there is no account number {number}")])
    return found


def _form(problems: list[forms.Problem]) -> str:
    with auth.services().db.read() as tx:
        known = [name for _, name in people.partners(tx)]
    return render_template(
        "account_new.html", problems=problems, values=request.form, roles=people.ROLES, partners=known
    )


def _link(account: Account, token: str) -> str:
    address = auth.services().config.host_address + url_for("public.set_password", token=token)
    return render_template("account_link.html", account=account, address=address)
