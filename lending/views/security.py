"""How I sign in: one's own passkeys, one-time codes, signed-in browsers and e-mail address."""

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from custody.errors import Refused
from lending import (
    accounts,
    audit_log,
    auth,
    factors,
    forms,
    office_mail,
    one_time_codes,
    passkeys,
    sessions,
    sign_in_steps,
    tables,
)
from lending.db import Tx
from lending.people import Actor
from lending.views import passkey_pages, refusals
from lending.views.words import PRODUCT

blueprint = Blueprint("security", __name__)


@blueprint.get("/security")
@auth.roles(*auth.EVERYONE)
@auth.without_factor
def mine() -> ResponseReturnValue:
    """Show how whoever is signed in signs in, and where they are signed in."""
    services, by = auth.services(), auth.actor()
    with services.db.read() as tx:
        keys, codes = passkeys.listing(tx, by), one_time_codes.state(tx, by.account_id)
        lines = sessions.listing(tx, by, auth.token(), services.now())
        email = tx.s.get_one(tables.AccountRow, by.account_id).email
        waiting = accounts.waiting_address(tx, by, services.now())
    return render_template(
        "security.html", keys=keys, codes=codes, lines=lines, email=email, waiting=waiting, now=services.now(),
        possible=passkey_pages.site() is not None, standing=auth.standing(),
    )  # fmt: skip


@blueprint.get("/security/passkeys/new")
@auth.roles(*auth.EVERYONE)
@auth.without_factor
@auth.recent
def new_passkey() -> ResponseReturnValue:
    """Ask for a name and let the browser make a passkey."""
    return _new_passkey([])


@blueprint.post("/security/passkeys/new")
@auth.roles(*auth.EVERYONE)
@auth.without_factor
@auth.recent
def add_passkey() -> ResponseReturnValue:
    """Keep the passkey that the browser made."""
    services, by = auth.services(), auth.actor()
    name = forms.text(request.form, "name")
    try:
        at, challenge, answer = passkey_pages.answered("register")
        with services.db.transaction() as tx:
            first = not factors.has_one(tx, by.account_id)
            made = passkeys.register(tx, by, at, challenge, answer, name, services.now())
            _changed(tx, by, "passkey-added", f"The passkey {made.name} was added to your account.")
            ended = factors.settled(tx, by, auth.token(), services.now()) if first else 0
    except Refused as no:
        return _new_passkey([forms.Problem("name", one.text, "name") for one in no.reasons]), 422
    flash(f"The passkey {made.name} is added. {_ended(ended)}".strip())
    return redirect(url_for("security.mine"), 303)


@blueprint.get("/security/passkeys/<int:number>")
@auth.roles(*auth.EVERYONE)
@auth.without_factor
def passkey(number: int) -> ResponseReturnValue:
    """Show one passkey: to name it otherwise or to remove it."""
    return _passkey(number, [])


@blueprint.post("/security/passkeys/<int:number>/name")
@auth.roles(*auth.EVERYONE)
@auth.without_factor
def name_passkey(number: int) -> ResponseReturnValue:
    """Give a passkey another name."""
    try:
        with auth.services().db.transaction() as tx:
            passkeys.rename(tx, auth.actor(), number, forms.text(request.form, "name"))
    except Refused as no:
        if no.reasons[0].code != "name":
            raise
        return _passkey(number, [forms.Problem("name", no.reasons[0].text, "name")]), 422
    return redirect(url_for("security.mine"), 303)


@blueprint.post("/security/passkeys/<int:number>/remove")
@auth.roles(*auth.EVERYONE)
@auth.without_factor
@auth.recent
def remove_passkey(number: int) -> ResponseReturnValue:
    """Remove a passkey, unless one's role needs it."""
    services, by = auth.services(), auth.actor()
    _here()
    with services.db.transaction() as tx:
        name = passkeys.remove(tx, by, number)
        factors.still_enough(tx, by, services.config.access, asks=not auth.asks_nobody())
        _changed(tx, by, "passkey-removed", f"The passkey {name} was removed from your account.")
    flash(f"The passkey {name} is removed.")
    return redirect(url_for("security.mine"), 303)


@blueprint.post("/security/codes/start")
@auth.roles(*auth.EVERYONE)
@auth.without_factor
@auth.recent
def start_codes() -> ResponseReturnValue:
    """Make a secret for an authenticator app."""
    services = auth.services()
    _here()
    with services.db.transaction() as tx:
        one_time_codes.begin(tx, auth.actor(), PRODUCT, services.now())
    return redirect(url_for("security.codes"), 303)


@blueprint.get("/security/codes")
@auth.roles(*auth.EVERYONE)
@auth.without_factor
@auth.recent
def codes() -> ResponseReturnValue:
    """Show the QR code, and ask for the first code."""
    return _codes([])


@blueprint.get("/security/codes/picture.svg")
@auth.roles(*auth.EVERYONE)
@auth.without_factor
@auth.recent
def codes_picture() -> ResponseReturnValue:
    """Draw the QR code that the app reads; no cache keeps it."""
    with auth.services().db.read() as tx:
        found = one_time_codes.waiting(tx, auth.actor(), PRODUCT)
    if found is None:
        return redirect(url_for("security.mine"), 303)
    return Response(found.picture(), mimetype="image/svg+xml")


@blueprint.post("/security/codes")
@auth.roles(*auth.EVERYONE)
@auth.without_factor
@auth.recent
def confirm_codes() -> ResponseReturnValue:
    """Switch codes on with the first right one, and show the recovery codes once."""
    services, by = auth.services(), auth.actor()
    try:
        with services.db.transaction() as tx:
            first = not factors.has_one(tx, by.account_id)
            spare = one_time_codes.confirm(tx, by, forms.text(request.form, "code"), services.now())
            _changed(tx, by, "codes-on", "One-time codes were switched on for your account.")
            if first:
                factors.settled(tx, by, auth.token(), services.now())
    except Refused as no:
        return _codes([forms.Problem("code", no.reasons[0].text, "code")], 422)
    return render_template("recovery_codes.html", spare=spare, first=True)


@blueprint.post("/security/codes/recovery")
@auth.roles(*auth.EVERYONE)
@auth.recent
def recovery() -> ResponseReturnValue:
    """Make new recovery codes and show them once; older ones stop working."""
    services, by = auth.services(), auth.actor()
    _here()
    with services.db.transaction() as tx:
        spare = one_time_codes.replaced(tx, by)
        _changed(tx, by, "recovery-made", "New recovery codes were made for your account; the old ones are void.")
    return render_template("recovery_codes.html", spare=spare, first=False)


@blueprint.post("/security/codes/off")
@auth.roles(*auth.EVERYONE)
@auth.without_factor
@auth.recent
def codes_off() -> ResponseReturnValue:
    """Switch one-time codes off, unless one's role needs them."""
    services, by = auth.services(), auth.actor()
    _here()
    with services.db.transaction() as tx:
        one_time_codes.switch_off(tx, by.account_id)
        factors.still_enough(tx, by, services.config.access, asks=not auth.asks_nobody())
        _changed(tx, by, "codes-off", "One-time codes were switched off for your account.")
    flash("One-time codes are off.")
    return redirect(url_for("security.mine"), 303)


@blueprint.post("/security/sessions/<handle>/end")
@auth.roles(*auth.EVERYONE)
@auth.without_factor
def end_session(handle: str) -> ResponseReturnValue:
    """Sign out one of one's other browsers."""
    services, by = auth.services(), auth.actor()
    with services.db.transaction() as tx:
        done = sessions.end_one(tx, by, handle, services.now())
        if done:
            audit_log.note(tx, by, "sessions-ended", f"account:{by.ref}", "one", now=services.now())
    flash("That browser is signed out." if done else "That browser was signed out already.")
    return redirect(url_for("security.mine"), 303)


@blueprint.post("/security/sessions/end-others")
@auth.roles(*auth.EVERYONE)
@auth.without_factor
def end_others() -> ResponseReturnValue:
    """Sign out everywhere but here."""
    services, by = auth.services(), auth.actor()
    with services.db.transaction() as tx:
        ended = sessions.end_all(tx, by.account_id, services.now(), but=auth.token())
        audit_log.note(tx, by, "sessions-ended", f"account:{by.ref}", f"{ended} others", now=services.now())
    flash(_ended(ended) or "You were signed in nowhere else.")
    return redirect(url_for("security.mine"), 303)


@blueprint.get("/security/address")
@auth.roles(*auth.EVERYONE)
@auth.recent
def address() -> ResponseReturnValue:
    """Ask for the new e-mail address."""
    return render_template("address.html", problems=[], email="")


@blueprint.post("/security/address")
@auth.roles(*auth.EVERYONE)
@auth.recent
def ask_address() -> ResponseReturnValue:
    """Send a link to the old and to the new mailbox; the change counts when both are followed."""
    services, by, email = auth.services(), auth.actor(), forms.text(request.form, "email")
    shown: list[str] = []
    try:
        with services.db.transaction() as tx:
            asked = accounts.ask_address(tx, by, email, services.now())
            for to, token, old in ((asked.old, asked.old_token, True), (asked.new, asked.new_token, False)):
                link = services.config.host_address + url_for("public.change_address", token=token)
                if old or not accounts.is_taken(tx, to):
                    key, life = sign_in_steps.digest(token), accounts.ADDRESS_LIFE
                    office_mail.address_change(tx, to, link, old, key, services.now(), life)
                shown += [link] if auth.asks_nobody() else []
    except Refused as no:
        return render_template(
            "address.html", problems=[forms.Problem("email", no.reasons[0].text, "email")], email=email
        ), 422
    return render_template("address_asked.html", asked=asked, shown=shown)


def _new_passkey(problems: list[forms.Problem]) -> str:
    with auth.services().db.read() as tx:
        ask = passkey_pages.to_register(tx)
        number = len(passkeys.listing(tx, auth.actor())) + 1
    return render_template(
        "passkey_new.html", problems=problems, ask=ask, name=forms.text(request.form, "name"), number=number
    )


def _passkey(number: int, problems: list[forms.Problem]) -> str:
    _here()
    with auth.services().db.read() as tx:
        found = next((one for one in passkeys.listing(tx, auth.actor()) if one.id == number), None)
    if found is None:
        raise passkeys.unknown(number)
    return render_template("passkey.html", key=found, problems=problems)


def _codes(problems: list[forms.Problem], status: int = 200) -> ResponseReturnValue:
    with auth.services().db.read() as tx:
        found = one_time_codes.waiting(tx, auth.actor(), PRODUCT)
    if found is None:
        return redirect(url_for("security.mine"), 303)
    return render_template("codes.html", secret=found.secret, problems=problems), status


def _changed(tx: Tx, by: Actor, action: str, words: str) -> None:
    """Note a change in the audit and tell the account's mailbox of it."""
    now = auth.services().now()
    audit_log.note(tx, by, action, f"account:{by.ref}", now=now)
    to = tx.s.get_one(tables.AccountRow, by.account_id).email
    office_mail.news(tx, to, words, f"{by.ref}:{action}:{now.isoformat()}", now)


def _ended(number: int) -> str:
    if not number:
        return ""
    return f"You were signed out in {number} other browser{'s' if number > 1 else ''}."


def _here() -> None:
    refusals.doing("How you sign in", url_for("security.mine"), "Go back to how you sign in")
