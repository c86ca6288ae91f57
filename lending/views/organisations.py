"""Partner organisations: what each may ask for, the pools of devices, and each partner's own people."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from custody.errors import Reason, Refused
from lending import auth, forms, people, quotas, teams
from lending.db import Tx
from lending.people import Account
from lending.referral_form import NEEDS
from lending.views import refusals

blueprint = Blueprint("organisations", __name__)

SETTERS = ("desk", "supervisor")


@blueprint.get("/partners")
@auth.roles(*SETTERS)
def listing() -> ResponseReturnValue:
    """Show every partner and how it stands."""
    with auth.services().db.read() as tx:
        found = [(number, name, quotas.standing(tx, number)) for number, name in people.partners(tx)]
    return render_template("partners.html", found=found, region=auth.services().config.region)


@blueprint.get("/partners/<int:number>")
@auth.roles(*SETTERS)
def partner(number: int) -> ResponseReturnValue:
    """Show what one partner may ask for, and its people."""
    with auth.services().db.read() as tx:
        return _partner(tx, number, [])


@blueprint.post("/partners/<int:number>")
@auth.roles(*SETTERS)
def change(number: int) -> ResponseReturnValue:
    """Set a partner's borough, pause and quotas."""
    services, form = auth.services(), request.form
    most, problems = {}, []
    for kind in ("", *NEEDS):
        typed = forms.text(form, f"most_{kind}")
        most[kind] = forms.whole(form, f"most_{kind}", 0, quotas.LARGEST) if typed else None
        if typed and most[kind] is None:
            text = f"{NEEDS.get(kind, 'All together')}: write a number from 0 to {quotas.LARGEST}, or nothing"
            problems.append(forms.Problem(f"most_{kind}", text, f"most_{kind}"))
    borough = form.get("borough", "")
    if borough and borough not in services.config.region.authorities:
        problems.append(forms.Problem("borough", "Choose a borough of the list, or none", "borough"))
    if problems:
        with services.db.read() as tx:
            return _partner(tx, number, problems), 422
    _doing()
    with services.db.transaction() as tx:
        quotas.set_partner(tx, auth.actor(), number, borough, most, paused=form.get("paused") == "yes")
    flash("Saved.")
    return redirect(url_for("organisations.partner", number=number), 303)


@blueprint.post("/partners/<int:number>/leads")
@auth.roles(*SETTERS)
def lead(number: int) -> ResponseReturnValue:
    """Say whether a worker leads at a partner."""
    services = auth.services()
    _doing()
    with services.db.transaction() as tx:
        teams.set_lead(tx, auth.actor(), _account(), services.now(), lead=request.form.get("lead") == "yes")
    flash("Saved.")
    return redirect(url_for("organisations.partner", number=number), 303)


@blueprint.get("/pools")
@auth.roles(*SETTERS)
def pools() -> ResponseReturnValue:
    """Show what each borough may have of each kind of device."""
    return _pools([])


@blueprint.post("/pools")
@auth.roles(*SETTERS)
def set_pools() -> ResponseReturnValue:
    """Set one borough's pools."""
    services, form, problems = auth.services(), request.form, []
    borough = form.get("borough", "")
    if borough and borough not in services.config.region.authorities:
        problems.append(forms.Problem("borough", "Choose a borough of the list", "borough"))
    wanted = {}
    for kind in NEEDS:
        kept = forms.whole(form, f"kept_{kind}", 0, quotas.LARGEST)
        mode = form.get(f"mode_{kind}", "ON")
        if kept is None or mode not in quotas.MODES:
            text = f"{NEEDS[kind]}: keep a number from 0 to {quotas.LARGEST}"
            problems.append(forms.Problem(f"kept_{kind}", text, f"kept_{kind}"))
        else:
            wanted[kind] = (mode, kept)
    if problems:
        return _pools(problems), 422
    with services.db.transaction() as tx:
        for kind, (mode, kept) in wanted.items():
            quotas.set_pool(tx, auth.actor(), borough, kind, mode, kept)
    flash("Saved.")
    return redirect(url_for("organisations.pools", borough=borough), 303)


@blueprint.get("/team")
@auth.roles("partner")
def team() -> ResponseReturnValue:
    """Show a partner's own people to whoever leads there, to others who that is."""
    return _team([])


@blueprint.post("/team")
@auth.roles("partner")
def invite() -> ResponseReturnValue:
    """Invite a worker and show, once, the link to pass on."""
    services, by = auth.services(), auth.actor()
    email, name = forms.text(request.form, "email"), forms.text(request.form, "name")
    try:
        with services.db.transaction() as tx:
            account, token = teams.invite(tx, by, by.partner_id or 0, email, name, services.now())
    except Refused as no:
        if no.reasons[0].code not in ("email", "name"):
            raise
        return _team([forms.Problem(one.code, one.text, one.code) for one in no.reasons]), 422
    return _link(account, token)


@blueprint.post("/team/close")
@auth.roles("partner")
def close() -> ResponseReturnValue:
    """Close the account of a worker."""
    services, by = auth.services(), auth.actor()
    refusals.doing("This account stays open", url_for("organisations.team"), "Go back to your people")
    with services.db.transaction() as tx:
        teams.close(tx, by, by.partner_id or 0, _account(), services.now())
    flash("The account is closed.")
    return redirect(url_for("organisations.team"), 303)


def _account() -> int:
    typed = request.form.get("account", "")
    if not (typed.isascii() and typed.isdecimal() and len(typed) < 10):
        raise Refused([Reason("unknown-account", "choose a worker of the list")])
    return int(typed)


def _doing() -> None:
    refusals.doing("There is no such partner", url_for("organisations.listing"), "Go to the partners")


def _partner(tx: Tx, number: int, problems: list[forms.Problem]) -> str:
    _doing()
    found = teams.workers(tx, auth.actor(), number)
    name = dict(people.partners(tx))[number]
    standing = quotas.standing(tx, number)
    values = dict(request.form) or {
        "borough": standing.borough, "paused": "yes" if standing.paused else "",
        **{f"most_{kind}": str(count) for kind, count in standing.most.items()},
    }  # fmt: skip
    return render_template(
        "partner.html", number=number, name=name, standing=standing, workers=found, values=values, problems=problems,
        region=auth.services().config.region, needs=NEEDS,
    )  # fmt: skip


def _pools(problems: list[forms.Problem]) -> str:
    services, borough = auth.services(), request.values.get("borough", "")
    with services.db.read() as tx:
        held, offers = quotas.pools(tx), quotas.offers(tx, borough, services.now())
    return render_template(
        "pools.html", borough=borough, held=held, offers=offers, problems=problems, modes=quotas.MODES,
        region=services.config.region, values=request.form,
    )  # fmt: skip


def _team(problems: list[forms.Problem]) -> str:
    by = auth.actor()
    with auth.services().db.read() as tx:
        leading = teams.is_lead(tx, by)
        found = teams.workers(tx, by, by.partner_id or 0) if leading else []
        leads = teams.leads(tx, by)
    return render_template(
        "team.html", workers=found, leading=leading, leads=leads, problems=problems, values=request.form
    )


def _link(account: Account, token: str) -> str:
    address = auth.services().config.host_address + url_for("public.set_password", token=token)
    return render_template("team_link.html", account=account, address=address)
