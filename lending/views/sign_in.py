"""Every way in but the password itself: the second step, passkeys, links by e-mail, councils, and proving again."""

from flask import Blueprint, abort, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from custody.errors import Refused
from lending import (
    audit_log,
    auth,
    council_sign_in,
    councils,
    factors,
    forms,
    office_mail,
    one_time_codes,
    passkeys,
    people,
    sessions,
    sign_in_links,
    sign_in_steps,
)  # fmt: skip
from lending.db import Tx
from lending.errors import refused
from lending.people import Actor
from lending.views import passkey_pages, refusals

blueprint = Blueprint("signin", __name__)

COUNCIL_TRIES = 30
REFUSED_STATUS = {"throttled": 429}


@blueprint.post("/sign-in/passkey")
@auth.public
def passkey() -> ResponseReturnValue:
    """Sign in with a passkey alone, or as the second step of an account that is known already."""
    services, wanted = auth.services(), request.form.get("next", "")
    key = "address:" + auth.client_address()
    try:
        with services.db.transaction() as tx:
            people.refuse_if_throttled(tx, key, services.now(), people.ADDRESS_TRIES)
        at, challenge, answer = passkey_pages.answered("sign-in")
        with services.db.transaction() as tx:
            found = passkeys.check(tx, at, challenge, answer, services.now())
    except Refused as no:
        with services.db.transaction() as tx:
            people.count_try(tx, key, services.now())
        return sign_in_page(wanted, problem=no)
    session.pop("step", None)
    auth.sign_in(found, "passkey", strong=True)
    return redirect(auth.wanted_page(wanted), 303)


@blueprint.get("/sign-in/second")
@auth.public
def second() -> ResponseReturnValue:
    """Ask for the second factor of whoever showed the first."""
    return _second([])


@blueprint.post("/sign-in/second")
@auth.public
def check_second() -> ResponseReturnValue:
    """Check a one-time code, a recovery code or a passkey, and start the session."""
    services = auth.services()
    step = _step()
    if step is None or step.account_id is None:
        return _too_late()
    try:
        with services.db.transaction() as tx:
            found = people.actor(tx, step.account_id)
            how = _factor(tx, step.account_id, forms.text(request.form, "code")) if found else None
    except Refused as no:
        problem = forms.Problem("code", no.reasons[0].text, "code")
        return _second([problem], REFUSED_STATUS.get(no.reasons[0].code, 422))
    if found is None or how is None:
        problem = forms.Problem("code", "That code is wrong, or was used already. Wait for the next one", "code")
        return _second([problem], 422)
    with services.db.transaction() as tx:
        if sign_in_steps.take(tx, str(session.get("step")), "second", services.now()) is None:
            return _too_late()
        if how == "recovery":
            left = one_time_codes.state(tx, found.account_id).recovery_left
            audit_log.note(tx, found, "recovery-used", f"account:{found.ref}", f"{left} left", now=services.now())
    auth.sign_in(found, f"{step.data['method']}+{how}", strong=True)
    return redirect(auth.wanted_page(str(step.data["next"])), 303)


@blueprint.get("/sign-in/link")
@auth.public
def ask_link() -> ResponseReturnValue:
    """Show the form with which partners ask for a link by e-mail."""
    return render_template("sign_in_link.html", problems=[], email="")


@blueprint.post("/sign-in/link")
@auth.public
def send_link() -> ResponseReturnValue:
    """Send a link if the address may have one, and say the same to everybody."""
    services, email = auth.services(), forms.text(request.form, "email")
    shown = ""
    try:
        people.read_address(email)
        with services.db.transaction() as tx:
            found = sign_in_links.ask(tx, email, auth.client_address(), services.now())
            if found is not None:
                by, to, token = found
                address = services.config.host_address + url_for("signin.open_link", token=token)
                name = sign_in_steps.digest(token)
                office_mail.link(tx, to, by.name, address, name, services.now(), sign_in_links.LIFE)
                shown = address if auth.asks_nobody() else ""
    except Refused as no:
        problems = [forms.Problem("email", no.reasons[0].text, "email")]
        status = REFUSED_STATUS.get(no.reasons[0].code, 422)
        return render_template("sign_in_link.html", problems=problems, email=email), status
    return render_template("sign_in_link_sent.html", email=email, shown=shown)


@blueprint.get("/sign-in/link/<token>")
@auth.public
def open_link(token: str) -> ResponseReturnValue:
    """Show a button: opening a link alone signs nobody in, since mail scanners open links, too."""
    services = auth.services()
    with services.db.read() as tx:
        by = sign_in_links.account(tx, sign_in_links.whose(tx, sign_in_links.ACCOUNTS, token, services.now()))
    if by is None:
        return render_template("sign_in_link_dead.html"), 410
    return render_template("sign_in_link_open.html", token=token, owner=by)


@blueprint.post("/sign-in/link/<token>")
@auth.public
def use_link(token: str) -> ResponseReturnValue:
    """Sign in with a link; it is used up."""
    services = auth.services()
    with services.db.transaction() as tx:
        by = sign_in_links.account(tx, sign_in_links.redeem(tx, sign_in_links.ACCOUNTS, token, services.now()))
    if by is None:
        return render_template("sign_in_link_dead.html"), 410
    return redirect(auth.arrive(by, "link", ""), 303)


@blueprint.get("/sign-in/council/<int:number>")
@auth.public
def council(number: int) -> ResponseReturnValue:
    """Send the browser to its council's own sign-in."""
    services = auth.services()
    _at_a_council()
    key = "council-from:" + auth.client_address()
    with services.db.transaction() as tx:
        found = councils.council(tx, number)
        people.refuse_if_throttled(tx, key, services.now(), COUNCIL_TRIES)
        people.count_try(tx, key, services.now())
    if not found.enabled:
        abort(404)
    provider = council_sign_in.discover(found)
    wanted = request.args.get("next", "")
    with services.db.transaction() as tx:
        address, step = council_sign_in.begin(tx, found, provider, _back(number), wanted, services.now())
    session["council"] = step
    return redirect(address, 303)


@blueprint.get("/sign-in/council/<int:number>/back")
@auth.public
def council_back(number: int) -> ResponseReturnValue:
    """Take what the council says, and sign in the account that belongs to it."""
    services = auth.services()
    _at_a_council()
    with services.db.transaction() as tx:
        found = councils.council(tx, number)
        step = sign_in_steps.take(tx, str(session.pop("council", "")), council_sign_in.KIND, services.now())
        secret = councils.secret(tx, number)
    if step is None or not found.enabled or not council_sign_in.is_answer(step, found, request.args):
        return _too_late()
    try:
        if "code" not in request.args:
            return _too_late()
        who = council_sign_in.identity(found, secret, step, request.args["code"], _back(number), services.now())
        with services.db.transaction() as tx:
            by = council_sign_in.admit(tx, found, who, services.now())
    except Refused as no:
        with services.db.transaction() as tx:
            audit_log.note(tx, None, "sign-in-refused", f"council:{number}", no.reasons[0].text, now=services.now())
        raise
    return redirect(auth.arrive(by, "council", str(step.data["next"])), 303)


@blueprint.get("/prove")
@auth.roles(*auth.EVERYONE)
@auth.without_factor
def prove() -> ResponseReturnValue:
    """Ask whoever is signed in to prove again who they are, before something dangerous."""
    return _prove([])


@blueprint.post("/prove")
@auth.roles(*auth.EVERYONE)
@auth.without_factor
def check_proof() -> ResponseReturnValue:
    """Check the proof and go on."""
    services, by = auth.services(), auth.actor()
    try:
        strong = _proved(by)
    except Refused as no:
        problem = forms.Problem("proof", no.reasons[0].text, "proof")
        return _prove([problem]), REFUSED_STATUS.get(no.reasons[0].code, 422)
    with services.db.transaction() as tx:
        sessions.prove(tx, auth.token(), services.now(), strong=strong)
    return redirect(auth.wanted_page(request.form.get("next", "")), 303)


def sign_in_page(wanted: str, email: str = "", problem: Refused | None = None) -> ResponseReturnValue:
    """Return the sign-in page with every way in, and what went wrong."""
    problems = [forms.Problem("email", one.text, "email") for one in (problem.reasons if problem else ())]
    with auth.services().db.read() as tx:
        known = [one for one in councils.listing(tx) if one.enabled]
        ask = passkey_pages.to_sign_in(tx)
    status = REFUSED_STATUS.get(problem.reasons[0].code, 422) if problem else 200
    return (
        render_template("sign_in.html", wanted=wanted, email=email, problems=problems, councils=known, ask=ask), status
    )


def _factor(tx: Tx, account_id: int, code: str) -> str | None:
    """Return how the second factor was shown (code, recovery, passkey), None when it is wrong."""
    services = auth.services()
    if request.form.get("answer"):
        at, challenge, answer = passkey_pages.answered("sign-in")
        return "passkey" if passkeys.check(tx, at, challenge, answer, services.now()).account_id == account_id else None
    return one_time_codes.check(tx, account_id, code, services.now())


def _proved(by: Actor) -> bool:
    """Tell whether the proof was a second factor. Raises `Refused` when it is none."""
    services = auth.services()
    wrong = refused("proof", "That was not right. Try again")
    with services.db.transaction() as tx:
        known = factors.has_one(tx, by.account_id)
        how = _factor(tx, by.account_id, forms.text(request.form, "code")) if known else None
    if known:
        if how is None:
            raise wrong
        return True
    if not people.proves(services.db, by.account_id, request.form.get("password", ""), services.now()):
        raise wrong
    return False


def _prove(problems: list[forms.Problem]) -> str:
    services, by = auth.services(), auth.actor()
    wanted = request.values.get("next", "")
    with services.db.read() as tx:
        has_passkey, codes = passkeys.has_any(tx, by.account_id), one_time_codes.has_any(tx, by.account_id)
        ask = passkey_pages.to_sign_in(tx, by.account_id) if has_passkey else None
        password = people.has_password(tx, by.account_id)
    return render_template(
        "prove.html", problems=problems, wanted=wanted, ask=ask, has_passkey=has_passkey, codes=codes, password=password
    )


def _second(problems: list[forms.Problem], status: int = 200) -> ResponseReturnValue:
    step = _step()
    if step is None or step.account_id is None:
        return _too_late()
    with auth.services().db.read() as tx:
        has_passkey, codes = passkeys.has_any(tx, step.account_id), one_time_codes.has_any(tx, step.account_id)
        ask = passkey_pages.to_sign_in(tx, step.account_id) if has_passkey else None
    page = render_template("sign_in_second.html", problems=problems, codes=codes, has_passkey=has_passkey, ask=ask)
    return page, status


def _step() -> sign_in_steps.Step | None:
    services = auth.services()
    with services.db.read() as tx:
        return sign_in_steps.look(tx, str(session.get("step", "")), "second", services.now())


def _too_late() -> ResponseReturnValue:
    session.pop("step", None)
    flash("That took too long, or was done already. Please sign in again.")
    return redirect(url_for("public.sign_in"), 303)


def _back(number: int) -> str:
    return auth.services().config.host_address + url_for("signin.council_back", number=number)


def _at_a_council() -> None:
    refusals.doing("Signing in at your council did not work", url_for("public.sign_in"), "Go to the sign-in page")
