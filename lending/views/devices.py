"""Looking at devices: the list, finding one by its label, its page with every proof, and one signed event."""

from flask import Blueprint, Response, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lending import auth, devices, forms, lists
from lending.views import proofs, refusals

blueprint = Blueprint("devices", __name__)

READERS = ("volunteer", "supervisor", "desk", "administrator", "auditor")


@blueprint.get("/devices")
@auth.roles(*READERS)
def listing() -> ResponseReturnValue:
    """Show devices, searched and filtered by state, page by page."""
    refusals.doing("The list begins anew", url_for("devices.listing"), "Go to the first page of devices")
    q, state = forms.text(request.args, "q"), request.args.get("state", "")
    state = state if state in devices.STATES else ""
    with auth.services().db.read() as tx:
        found = lists.devices(tx, q, state, request.args.get("after", ""))
    return render_template("devices.html", found=found, q=q, state=state, states=devices.STATES)


@blueprint.get("/devices/find")
@auth.roles(*READERS)
def find() -> ResponseReturnValue:
    """Go to the device whose label was scanned or typed; a wrong character comes with the right code to offer."""
    typed = request.args.get("code", "")
    if not typed.strip():
        return render_template("find.html", scan=forms.Scan(""))
    scan = forms.read_scan(typed)
    if scan.problem:
        return render_template("find.html", scan=scan), 422
    refusals.doing("This device is not known here", url_for("devices.find"), "Scan again")
    with auth.services().db.read() as tx:
        code = devices.find(tx, scan.code)
    return redirect(url_for("devices.device", code=code), 303)


@blueprint.get("/devices/<code>")
@auth.roles(*READERS)
def device(code: str) -> ResponseReturnValue:
    """Show one device: the verdict with all reasons, each medium with its proof, and its whole history."""
    found = forms.code_in(code)
    if found is None:
        return redirect(url_for("devices.find", code=code), 303)
    refusals.doing("This device is not known here", url_for("devices.find"), "Scan again")
    with auth.services().db.read() as tx:
        page = devices.page(tx, found, auth.services().now())
        held = lists.held_by(tx, found)
        evidence = {
            wipe.hash: proofs.read(devices.proof(tx, wipe.hash).evidence)
            for medium in page.media or ()
            for wipe in medium.wipes
            if wipe.has_evidence
        }
    return render_template(
        "device.html", device=page, answers=refusals.answers(page.reasons), evidence=evidence, held=held,
        now=auth.services().now(),
    )  # fmt: skip


@blueprint.get("/proof/<event>")
@auth.roles(*READERS)
def proof(event: str) -> ResponseReturnValue:
    """Show one signed event and the evidence it names, fit for printing."""
    refusals.doing("There is no such record here", url_for("devices.listing"), "Go to the devices")
    with auth.services().db.read() as tx:
        found = devices.proof(tx, event)
    sheet = proofs.read(found.evidence) if found.event.get("kind") == "medium.wiped" else None
    return render_template("proof.html", proof=found, sheet=sheet, rows=proofs.rows(found.event.get("body")))


@blueprint.get("/proof/<event>/record.json")
@auth.roles(*READERS)
def record(event: str) -> ResponseReturnValue:
    """Give the event exactly as it was signed, for `kitbank-station verify-record`."""
    with auth.services().db.read() as tx:
        found = devices.envelope(tx, event)
    if found is None:
        abort(404)
    return _file(found, f"record-{event[:12]}.json")


@blueprint.get("/evidence/<digest>")
@auth.roles(*READERS)
def evidence(digest: str) -> ResponseReturnValue:
    """Give a piece of evidence exactly as the station stored it."""
    with auth.services().db.read() as tx:
        found = devices.attachment(tx, digest)
    if found is None:
        abort(404)
    return _file(found, f"evidence-{digest[:12]}.json")


def _file(data: bytes, name: str) -> Response:
    """Offer bytes for download; what a station sent is never shown by the browser as a page of ours."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(data, mimetype="application/octet-stream", headers=headers)
