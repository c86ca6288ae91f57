"""Accounts: who may sign in, made, changed and closed by administrators, who never learn a password."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from custody.errors import Reason, Refused
from lending import accounts, auth, badges, factors, forms, office_mail, people
from lending.db import Tx
from lending.people import Account
from lending.views import refusals

blueprint = Blueprint("people", __name__)


@blueprint.get("/accounts")
@auth.roles("administrator")
def listing() -> ResponseReturnValue:
    """Show every account."""
    services = auth.services()
    with services.db.read() as tx:
        found = people.list_accounts(tx)
        held = factors.held(tx)
    return render_template("accounts.html", found=found, held=held, asked=services.config.access.factor_roles)


@blueprint.get("/accounts/new")
@auth.roles("administrator")
@auth.recent
def new() -> ResponseReturnValue:
    """Show the form for a new account."""
    return _form([])


@blueprint.post("/accounts/new")
@auth.roles("administrator")
@auth.recent
def create() -> ResponseReturnValue:
    """Make an account and show, once, the link by which its owner sets the password."""
    services, form = auth.services(), request.form
    email, name, partner = (forms.text(form, field) for field in ("email", "name", "partner"))
    roles = form.getlist("roles")
    try:
        with services.db.transaction() as tx:
            number = people.create_partner(tx, partner, services.now()) if partner else None
            account, token = accounts.make(tx, auth.actor(), email, name, roles, number, services.now())
    except Refused as no:
        return _form([forms.Problem(r.code, r.text, r.code) for r in no.reasons]), 422
    return _link(account, token)


@blueprint.post("/accounts/<int:number>/link")
@auth.roles("administrator")
@auth.recent
def link(number: int) -> ResponseReturnValue:
    """Make a new one-time link and show it once; older links stop working."""
    services = auth.services()
    account = _account(number)
    with services.db.transaction() as tx:
        token = accounts.new_link(tx, auth.actor(), account, services.now())
        _tell(tx, account, "An administrator made a one-time link that sets a new password for your account.")
    return _link(account, token)


@blueprint.get("/accounts/<int:number>/disable")
@auth.roles("administrator")
@auth.recent
def confirm_disable(number: int) -> ResponseReturnValue:
    """Ask once more."""
    return render_template("account_disable.html", account=_account(number))


@blueprint.post("/accounts/<int:number>/disable")
@auth.roles("administrator")
@auth.recent
def disable(number: int) -> ResponseReturnValue:
    """Close an account, end every session of it and its badge."""
    services, account = auth.services(), _account(number)
    with services.db.transaction() as tx:
        accounts.close(tx, auth.actor(), number, services.now())
    flash(f"{account.name} can no longer sign in.")
    return redirect(url_for("people.listing"), 303)


@blueprint.get("/accounts/<int:number>/roles")
@auth.roles("administrator")
@auth.recent
def roles(number: int) -> ResponseReturnValue:
    """Show what an account may do, to change it."""
    account = _account(number)
    return _roles(account, list(account.roles), account.partner, [])


@blueprint.post("/accounts/<int:number>/roles")
@auth.roles("administrator")
@auth.recent
def change_roles(number: int) -> ResponseReturnValue:
    """Give an account other roles; its owner is signed out."""
    services, account = auth.services(), _account(number)
    wanted, partner = request.form.getlist("roles"), forms.text(request.form, "partner")
    try:
        with services.db.transaction() as tx:
            belongs = people.create_partner(tx, partner, services.now()) if partner else None
            config = services.config.access
            accounts.change_roles(tx, auth.actor(), number, wanted, belongs, config, services.now())
            _tell(tx, account, "An administrator changed what your account may do.")
    except Refused as no:
        if no.reasons[0].code not in ("roles", "partner"):
            raise
        return _roles(account, wanted, partner, [forms.Problem(r.code, r.text, r.code) for r in no.reasons]), 422
    flash(f"{account.name} has other roles now, and signs in again.")
    return redirect(url_for("people.listing"), 303)


@blueprint.get("/accounts/<int:number>/factors")
@auth.roles("administrator")
@auth.recent
def confirm_factors(number: int) -> ResponseReturnValue:
    """Ask for the reason before passkeys and codes of somebody who lost them are taken away."""
    return render_template("account_factors.html", account=_account(number), problems=[])


@blueprint.post("/accounts/<int:number>/factors")
@auth.roles("administrator")
@auth.recent
def take_factors(number: int) -> ResponseReturnValue:
    """Take away passkeys and codes; their owner signs in with the password and sets up new ones."""
    services, account = auth.services(), _account(number)
    try:
        with services.db.transaction() as tx:
            factors.take_away(tx, number, auth.actor(), forms.text(request.form, "reason"), services.now())
            _tell(tx, account, "An administrator took away the passkeys and one-time codes of your account.")
    except Refused as no:
        if no.reasons[0].code != "reason":
            raise
        problems = [forms.Problem("reason", no.reasons[0].text, "reason")]
        return render_template("account_factors.html", account=account, problems=problems), 422
    flash(f"Passkeys and codes of {account.name} are taken away.")
    return redirect(url_for("people.listing"), 303)


def _roles(account: Account, wanted: list[str], partner: str, problems: list[forms.Problem]) -> str:
    with auth.services().db.read() as tx:
        known = [name for _, name in people.partners(tx)]
        held = (one for one in badges.listing(tx) if one.account.id == account.id and one.state == "active")
        badge = next(held, None)
    return render_template(
        "account_roles.html", account=account, wanted=wanted, partner=partner, problems=problems, roles=people.ROLES,
        partners=known, badge=badge,
    )  # fmt: skip


def _tell(tx: Tx, account: Account, words: str) -> None:
    """Tell an account's mailbox what an administrator did, so that nobody does it behind its owner's back."""
    now = auth.services().now()
    office_mail.news(tx, account.email, words, f"{account.ref}:{now.isoformat()}", now)


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
