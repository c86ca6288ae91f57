"""Privacy at the desk: a household's contact data on request and with a reason, and who looked when."""

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lending import access_log, auth, forms, referrals
from lending.views import refusals

blueprint = Blueprint("privacy", __name__)

LEAD = ("data-protection",)


@blueprint.get("/referrals/<ref>/contact")
@auth.roles(*access_log.MAY_REVEAL)
def ask(ref: str) -> ResponseReturnValue:
    """Ask why somebody needs to see who a household is."""
    return _ask(ref, [])


@blueprint.post("/referrals/<ref>/contact")
@auth.roles(*access_log.MAY_REVEAL)
def reveal(ref: str) -> ResponseReturnValue:
    """Show name, number and postcode once, and log it. Only ever the answer to a form: no address shows it."""
    services = auth.services()
    reason, note = forms.text(request.form, "reason"), forms.text(request.form, "note")
    problems = access_log.what_is_wrong(reason, note)
    if problems:
        return _ask(ref, forms.problems_of(problems, {}, {})), 422
    _doing()
    with services.db.transaction() as tx:
        found = access_log.reveal(tx, ref, auth.actor(), reason, note, services.now())
        referral = referrals.get(tx, auth.actor(), ref)
    return render_template("contact.html", referral=referral, contact=found, words=referrals)


@blueprint.get("/privacy/looks")
@auth.roles(*LEAD)
def looks() -> ResponseReturnValue:
    """Show who looked at households' contact data, all or one household's."""
    subject = request.args.get("about", "").strip()[:80]
    wanted = f"referral:{subject.upper()}" if subject.upper().startswith("R-") else subject
    with auth.services().db.read() as tx:
        found = access_log.looks(tx, auth.actor(), wanted)
    return render_template("looks.html", found=found, about=subject)


def _ask(ref: str, problems: list[forms.Problem]) -> str:
    _doing()
    with auth.services().db.read() as tx:
        found = referrals.get(tx, auth.actor(), ref)
    return render_template(
        "contact_ask.html", referral=found, problems=problems, values=request.form, reasons=access_log.REASONS
    )


def _doing() -> None:
    refusals.doing("There is no such referral", url_for("partners.listing"), "Go to the referrals")
