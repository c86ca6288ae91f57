"""Donors on the public site: offering devices, and looking up what became of them by a link in an e-mail."""

from collections.abc import Callable

from flask import Blueprint, Response, abort, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from lending import auth, donor_papers, donor_portal, donors, forms, office_mail, sign_in_links
from lending.donors import Contact, Offer
from lending.views import refusals

blueprint = Blueprint("donors", __name__)


@blueprint.get("/donate")
@auth.public
def offer() -> ResponseReturnValue:
    """Show the form by which an organisation offers devices."""
    return _form([])


@blueprint.post("/donate")
@auth.public
def check() -> ResponseReturnValue:
    """Check the answers and show them, or say what is wrong; "change" shows the form again."""
    read = read_offer(request.form)
    if request.form.get("step") == "change":
        return _form([])
    problems = _problems(read)
    if problems:
        return _form(problems), 422
    return render_template(
        "donors_check.html", offer=read, kinds=donors.KINDS, bearing=donors.BEARING, wants=donors.WANTS,
        values=request.form,
    )  # fmt: skip


@blueprint.post("/donate/send")
@auth.public
def send() -> ResponseReturnValue:
    """Store the offer and write to the address it names; the next page shows the reference."""
    services, read = auth.services(), read_offer(request.form)
    if problems := _problems(read):
        return _form(problems), 422
    refusals.doing("Your offer was not stored", url_for("donors.offer"), "Go back to the form")
    with services.db.transaction() as tx:
        ref = donors.pledge(tx, read, auth.client_address(), services.now())
        address = services.config.host_address + url_for("donors.portal")
        body = (
            f"Thank you for your offer. Its reference is {ref}. We will write or call to arrange a day.\n\n"
            f"You can look up what becomes of your devices at any time, with this reference:\n\n{address}\n"
        )
        office_mail.send(tx, read.contact.email.strip(), f"Your offer {ref}", body, f"pledge:{ref}", services.now())
    session["pledged"] = ref
    return redirect(url_for("donors.sent"), 303)


@blueprint.get("/donate/sent")
@auth.public
def sent() -> ResponseReturnValue:
    """Show the reference of what this browser has just offered."""
    ref = session.get("pledged")
    return render_template("donors_sent.html", ref=ref) if ref else redirect(url_for("donors.offer"), 303)


@blueprint.get("/donor")
@auth.public
def portal() -> ResponseReturnValue:
    """Show a donor's devices, or ask where to send a link."""
    services = auth.services()
    with services.db.read() as tx:
        ref = donor_portal.whose(tx, _token(), services.now())
        if ref is None:
            return render_template("donors_ask.html", state="ask", values={})
        lines = donor_portal.devices(tx, ref, services.now())
        pledge = donors.get(tx, ref)
    impact = donor_papers.sentences(donor_portal.impact(lines))
    return render_template(
        "donors_portal.html", pledge=pledge, lines=lines, impact=impact, names=donors.ONE,
        states=donors.STATES,
    )  # fmt: skip


@blueprint.post("/donor")
@auth.public
def ask() -> ResponseReturnValue:
    """Send a link to the address of a pledge; whoever asks is told the same."""
    services = auth.services()
    refusals.doing("No link was sent", url_for("donors.portal"), "Go back")
    ref, email = forms.text(request.form, "ref"), forms.text(request.form, "email")
    with services.db.transaction() as tx:
        found = donor_portal.ask(tx, ref, email, auth.client_address(), services.now())
        if found is not None:
            to, token = found
            address = services.config.host_address + url_for("donors.open_link", token=token)
            office_mail.link(
                tx, to, "and thank you", address, office_key(token), services.now(), sign_in_links.LIFE
            )
    return render_template("donors_ask.html", state="sent", values={})


@blueprint.get("/donor/open/<token>")
@auth.public
def open_link(token: str) -> ResponseReturnValue:
    """Show the button behind a link: opening it changes nothing, since mail scanners open links."""
    services = auth.services()
    with services.db.read() as tx:
        if sign_in_links.whose(tx, donor_portal.AUDIENCE, token, services.now()) is None:
            abort(404)
    return render_template("donors_ask.html", state="open", token=token, values={})


@blueprint.post("/donor/open/<token>")
@auth.public
def use_link(token: str) -> ResponseReturnValue:
    """Use the link up: this browser may look at one pledge for some hours."""
    services = auth.services()
    with services.db.transaction() as tx:
        visit = donor_portal.begin(tx, token, services.now())
    if visit is None:
        abort(404)
    session["donor"] = visit
    return redirect(url_for("donors.portal"), 303)


@blueprint.get("/donor/devices.csv")
@auth.public
def devices_csv() -> ResponseReturnValue:
    """Give the list of devices as CSV."""
    return _paper(lambda _tx, _pledge, lines: b"".join(donor_papers.csv(lines)), "text/csv", "devices")


@blueprint.get("/donor/certificates.pdf")
@auth.public
def certificates() -> ResponseReturnValue:
    """Give every certificate that stands today as one signed PDF; 404 where there is none yet."""
    config = auth.services().config
    return _paper(
        lambda tx, _pledge, lines: donor_papers.certificates(tx, lines, config.organisation, config.home),
        "application/pdf", "certificates",
    )  # fmt: skip


@blueprint.get("/donor/thank-you.pdf")
@auth.public
def thanks() -> ResponseReturnValue:
    """Give the thank-you letter."""
    services = auth.services()
    return _paper(
        lambda _tx, pledge, lines: donor_papers.thanks(
            lines, pledge, donor_portal.impact(lines), services.config.organisation, services.now()
        ),
        "application/pdf", "thank-you",
    )  # fmt: skip


@blueprint.get("/donor/locked/<code>.pdf")
@auth.public
def locked(code: str) -> ResponseReturnValue:
    """Give the letter about a locked device of this donor."""
    services = auth.services()
    config = services.config

    def made(_tx: object, pledge: donors.Pledge, lines: list[donor_portal.Line]) -> bytes | None:
        line = next((one for one in lines if one.code == code), None)
        where = config.privacy_contact
        return donor_papers.locked(line, pledge, config.organisation, where, services.now()) if line else None

    return _paper(made, "application/pdf", f"locked-{code}")


def read_offer(form: forms.Form) -> Offer:
    """Read a filled form, well or badly."""
    counts, bad = {}, []
    for kind in donors.KINDS:
        number = forms.whole(form, f"count-{kind}", 0, donors.MOST_OF_A_KIND)
        if number is None:
            bad.append(kind)
        elif number:
            counts[kind] = number
    contact = Contact(
        forms.text(form, "name"), forms.text(form, "email"), forms.text(form, "phone"), forms.text(form, "postcode"),
        forms.text(form, "address"), form.get("access", "").strip()[: donors.LONGEST_NOTE + 1],
    )  # fmt: skip
    return Offer(
        forms.text(form, "organisation"), contact, counts, form.get("bearing", ""), form.get("wants", ""), tuple(bad)
    )


def office_key(token: str) -> str:
    """Return what names a link without giving it away."""
    return donor_portal.digest(token)[:32]


def _problems(read: Offer) -> list[forms.Problem]:
    return forms.problems_of(donors.what_is_wrong(read), {}, {"counts": "count-laptop"})


def _form(problems: list[forms.Problem]) -> str:
    return render_template(
        "donors_form.html", problems=problems, values=request.form, kinds=donors.KINDS, bearing=donors.BEARING,
        wants=donors.WANTS,
    )  # fmt: skip


def _token() -> str:
    return str(session.get("donor", ""))


def _paper(
    make: Callable[..., bytes | None], mimetype: str, name: str
) -> ResponseReturnValue:
    """Answer with a file about the visitor's own pledge; without a visit, or where there is none, the same 404."""
    services = auth.services()
    with services.db.read() as tx:
        ref = donor_portal.whose(tx, _token(), services.now())
        data = make(tx, donors.get(tx, ref), donor_portal.devices(tx, ref, services.now())) if ref else None
    if data is None or ref is None:
        abort(404)
    ending = "csv" if mimetype == "text/csv" else "pdf"
    headers = {"Content-Disposition": f'attachment; filename="{ref}-{name}.{ending}"'}
    return Response(data, mimetype=mimetype, headers=headers)
