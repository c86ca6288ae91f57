"""The office: stations and kiosks, what was kept from them unbelieved, and whether the history still holds."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from custody.errors import Reason, Refused
from lending import audit, auth, forms, history, origins, quarantine
from lending.errors import BrokenPromise
from lending.origins import OriginLine
from lending.views import refusals

blueprint = Blueprint("office", __name__)

READERS = ("administrator", "supervisor", "auditor")
ROLE_WORDS = {"server": "This server", "station": "Station", "kiosk": "Kiosk"}


@blueprint.get("/machines")
@auth.roles(*READERS)
def machines() -> ResponseReturnValue:
    """Show every machine that may write history, and what is in quarantine."""
    return _machines([])


@blueprint.post("/machines/code")
@auth.roles("administrator")
@auth.recent
def make_code() -> ResponseReturnValue:
    """Make a one-time code for enrolling a machine and show it once."""
    services = auth.services()
    role, name = forms.text(request.form, "role"), forms.text(request.form, "name")
    problems = []
    if role not in origins.ROLES:
        problems.append(forms.Problem("role", "Choose whether it is a station or a kiosk", "role"))
    if not name:
        problems.append(forms.Problem("name", "Give the machine a name, for example Bench 2", "name"))
    if problems:
        return _machines(problems), 422
    with services.db.transaction() as tx:
        code = origins.make_code(tx, role, name, auth.actor(), services.now())
        server = origins.server(tx)
    return render_template("machine_code.html", code=code, role=role, name=name, server=server)


@blueprint.get("/machines/<origin>/revoke")
@auth.roles("administrator")
@auth.recent
def confirm_revoke(origin: str) -> ResponseReturnValue:
    """Ask for the reason, and say what revoking means."""
    return render_template("machine_revoke.html", machine=_machine(origin), problems=[])


@blueprint.post("/machines/<origin>/revoke")
@auth.roles("administrator")
@auth.recent
def revoke(origin: str) -> ResponseReturnValue:
    """End a machine: what it wrote so far stands, nothing later counts."""
    services, machine = auth.services(), _machine(origin)
    reason = forms.text(request.form, "reason")
    if not reason:
        problems = [forms.Problem("reason", "Say why it is revoked", "reason")]
        return render_template("machine_revoke.html", machine=machine, problems=problems), 422
    with services.db.transaction() as tx:
        origins.revoke(tx, origin, reason, auth.actor(), services.now())
    flash(f"{machine.name} is revoked.")
    return redirect(url_for("office.machines"), 303)


@blueprint.post("/machines/<origin>/resume")
@auth.roles("administrator")
def resume(origin: str) -> ResponseReturnValue:
    """Let a suspended machine write again; the other branch stays in quarantine."""
    services, machine = auth.services(), _machine(origin)
    with services.db.transaction() as tx:
        origins.resume(tx, origin, auth.actor(), services.now())
    flash(f"{machine.name} may write again.")
    return redirect(url_for("office.machines"), 303)


@blueprint.get("/system")
@auth.roles("administrator", "auditor")
def system() -> ResponseReturnValue:
    """Show the heads of all chains and when they were last witnessed."""
    return _system()


@blueprint.post("/system/verify")
@auth.roles("administrator", "auditor")
def verify() -> ResponseReturnValue:
    """Check the whole history again, now, and show the figures or the first broken promise."""
    services = auth.services()
    broken, figures = None, None
    with services.db.read() as tx:
        try:
            figures = audit.verify(tx)
        except BrokenPromise as found:
            broken = found
    return _system(figures=figures, broken=broken, checked_at=services.now())


@blueprint.post("/system/checkpoint")
@auth.roles("administrator")
def checkpoint() -> ResponseReturnValue:
    """Sign the heads of all chains; every machine takes the statement with its next sync."""
    services = auth.services()
    with services.db.transaction() as tx:
        history.checkpoint(tx, services.now())
    flash("A new checkpoint is signed.")
    return redirect(url_for("office.system"), 303)


def _system(**found: object) -> str:
    services = auth.services()
    with services.db.read() as tx:
        lines = origins.listing(tx)
        newest = quarantine.newest_checkpoint_at(tx)
    return render_template(
        "system.html", lines=lines, newest=newest, now=services.now(), role_words=ROLE_WORDS, **found
    )


def _machines(problems: list[forms.Problem]) -> str:
    services = auth.services()
    with services.db.read() as tx:
        lines, kept = origins.listing(tx), quarantine.listing(tx)
    return render_template(
        "machines.html", lines=lines, kept=kept, problems=problems, values=request.form, now=services.now(),
        role_words=ROLE_WORDS,
    )  # fmt: skip


def _machine(origin: str) -> OriginLine:
    refusals.doing("Stations and kiosks", url_for("office.machines"), "Go to stations and kiosks")
    with auth.services().db.read() as tx:
        found = next((one for one in origins.listing(tx) if one.id == origin and one.role != "server"), None)
    if found is None:
        raise Refused([Reason("unknown-origin", f"{origin[:40]!r} is no machine enrolled here")])
    return found
