"""What anybody may open: signing in, setting a password by link, and the pages behind a label and a return slip."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from custody.errors import Refused
from labels.codes import pretty
from lending import accounts, auth, certificates, forms, people
from lending.errors import refused
from lending.views.sign_in import sign_in_page

blueprint = Blueprint("public", __name__)


@blueprint.get("/sign-in")
@auth.public
def sign_in() -> ResponseReturnValue:
    """Show the sign-in form; who is signed in already goes on."""
    wanted = request.args.get("next", "")
    if auth.visitor():
        return redirect(auth.wanted_page(wanted), 303)
    return sign_in_page(wanted)


@blueprint.post("/sign-in")
@auth.public
def try_sign_in() -> ResponseReturnValue:
    """Check address and password; a wrong one of either is answered the same. Who has a second factor is asked next."""
    services, wanted = auth.services(), request.form.get("next", "")
    email, password = forms.text(request.form, "email"), request.form.get("password", "")
    try:
        found = people.sign_in(services.db, email, password, services.now(), auth.client_address())
        if found is None:
            raise refused("password", "The e-mail address or the password is wrong")
    except Refused as no:
        return sign_in_page(wanted, email, no)
    return redirect(auth.arrive(found, "password", wanted), 303)


@blueprint.post("/sign-out")
@auth.roles(*auth.EVERYONE)
def sign_out() -> ResponseReturnValue:
    """End the session here and in the browser."""
    auth.sign_out()
    flash("You are signed out.")
    return redirect(url_for("public.sign_in"), 303)


@blueprint.get("/set-password/<token>")
@auth.public
def set_password(token: str) -> ResponseReturnValue:
    """Show the form behind a one-time link, or say that the link is dead."""
    services = auth.services()
    with services.db.read() as tx:
        owner = people.link_owner(tx, token, services.now())
    if owner is None:
        return render_template("link_dead.html"), 410
    return render_template("set_password.html", token=token, owner=owner, problems=[])


@blueprint.post("/set-password/<token>")
@auth.public
def store_password(token: str) -> ResponseReturnValue:
    """Set the password that the link stands for, then go to the sign-in form."""
    services = auth.services()
    password, again = request.form.get("password", ""), request.form.get("again", "")
    problems = []
    if password != again:
        problems = [forms.Problem("again", "The two passwords are not the same", "again")]
    with services.db.transaction() as tx:
        owner = people.link_owner(tx, token, services.now())
        if owner is None:
            return render_template("link_dead.html"), 410
        if not problems:
            try:
                people.set_password_by_link(tx, token, password, services.now())
            except Refused as no:
                problems = [forms.Problem("password", no.reasons[0].text, "password")]
    if problems:
        return render_template("set_password.html", token=token, owner=owner, problems=problems), 422
    flash("Your password is set. Sign in with it now.")
    return redirect(url_for("public.sign_in"), 303)


@blueprint.get("/address/<token>")
@auth.public
def change_address(token: str) -> ResponseReturnValue:
    """Show the button that confirms a change of e-mail address from one mailbox."""
    services = auth.services()
    with services.db.read() as tx:
        found = accounts.change(tx, token, services.now())
    if found is None:
        return render_template("link_dead.html"), 410
    return render_template("address_confirm.html", found=found, token=token, done=False)


@blueprint.post("/address/<token>")
@auth.public
def confirm_address(token: str) -> ResponseReturnValue:
    """Confirm a change of e-mail address from one mailbox; with both it is done."""
    services = auth.services()
    with services.db.transaction() as tx:
        found = accounts.confirm_address(tx, token, services.now())
    if found is None:
        return render_template("link_dead.html"), 410
    return render_template("address_confirm.html", found=found, token=token, done=True)


@blueprint.get("/d/<code>")
@blueprint.get("/D/<code>", endpoint="label_capitals")
@auth.public
def label(code: str) -> ResponseReturnValue:
    """Say whose a labelled device is and how to return it; staff go on to the device itself."""
    found = forms.code_in(code)
    if found and auth.may("devices.device"):
        return redirect(url_for("devices.device", code=found), 303)
    return render_template("label.html", pretty=pretty(found) if found else "")


@blueprint.get("/r/<code>")
@blueprint.get("/r/<code>/<answers>")
@blueprint.get("/R/<code>", endpoint="slip_capitals")
@blueprint.get("/R/<code>/<answers>", endpoint="slip_capitals")
@auth.public
def slip(code: str, answers: str = "") -> ResponseReturnValue:
    """Answer a return slip: staff go on to receiving that device, anybody else reads how to return it."""
    found = forms.code_in(code)
    if found and auth.may("desk.receive"):
        return redirect(url_for("desk.receive", code=found), 303)
    if found and auth.may("devices.device"):
        return redirect(url_for("devices.device", code=found), 303)
    return render_template("label.html", pretty=pretty(found) if found else "")


@blueprint.get("/v/<event>")
@blueprint.get("/V/<event>", endpoint="certificate_capitals")
@auth.public
def certificate(event: str) -> ResponseReturnValue:
    """Answer the QR of a certificate: what is known today of that record, without donor, serial number or persons."""
    name = event.lower()
    with auth.services().db.read() as tx:
        shown = certificates.public_form(tx, name)
    staff = shown is not None and auth.may("devices.proof")
    return render_template("certificate.html", shown=shown, name=name[:64], staff=staff), 200 if shown else 404
