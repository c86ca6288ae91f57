"""Referrals: the form a partner fills in, its check and its reference; the list; approving and declining."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lending import auth, forms, lists, loans, referrals
from lending.views import refusals

blueprint = Blueprint("partners", __name__)

ANCHORS = {"children": "children_0-4"}
QUESTIONS = (
    "client_reference", "postcode", "adults", "children", "need", "internet", "purpose", "ground", "via_partner",
    "contact_name", "contact_phone", "safe_contact", "language", "told_how",
)  # fmt: skip
"""The fields in the order of the page: problems are listed in the same order."""

UNCHOSEN = {
    "need": "Choose which device would help most",
    "internet": "Choose what internet they have at home",
    "purpose": "Choose what it is mainly for",
    "ground": "Choose why they qualify",
    "safe_contact": "Choose whether it is safe to contact them",
    "told_how": "Choose how they know what we keep about them",
}
DECIDERS = ("desk", "supervisor")


@blueprint.get("/referrals")
@auth.roles(*referrals.READERS)
def listing() -> ResponseReturnValue:
    """Show the referrals that the reader may see: a partner its own organisation's, staff all."""
    refusals.doing("The list begins anew", url_for("partners.listing"), "Go to the first page of referrals")
    state = request.args.get("state", "")
    state = state if state in referrals.STATES else ""
    with auth.services().db.read() as tx:
        page = lists.referral_page(tx, auth.actor(), state, request.args.get("after", ""))
        counts = lists.referral_counts(tx, auth.actor())
    return render_template(
        "referrals.html", found=page.lines, after=page.after, counts=counts, state=state, words=referrals
    )


@blueprint.get("/referrals/new")
@auth.roles("partner", "desk")
def new() -> ResponseReturnValue:
    """Show the empty form."""
    return _form([])


@blueprint.post("/referrals/new")
@auth.roles("partner", "desk")
def send() -> ResponseReturnValue:
    """Go through the form's steps: put right, check the answers, send. Nothing is stored before the last."""
    step = request.form.get("step", "check")
    if step == "edit":
        return _form([])
    answers, problems = forms.read_referral(request.form)
    answers = referrals.tidied(answers)
    problems += forms.problems_of(referrals.what_is_wrong(answers), UNCHOSEN, ANCHORS)
    problems.sort(key=lambda problem: QUESTIONS.index(problem.field))
    if problems:
        return _form(problems), 422
    if step != "send":
        return render_template("referral_check.html", form=answers, values=request.form, words=referrals)
    services = auth.services()
    with services.db.transaction() as tx:
        ref = referrals.refer(tx, auth.actor(), answers, services.now())
    return redirect(url_for("partners.sent", ref=ref), 303)


@blueprint.get("/referrals/<ref>/sent")
@auth.roles("partner", "desk")
def sent(ref: str) -> ResponseReturnValue:
    """Confirm a referral with its reference."""
    with auth.services().db.read() as tx:
        found = referrals.get(tx, auth.actor(), ref)
    return render_template("referral_sent.html", referral=found)


@blueprint.get("/referrals/<ref>")
@auth.roles(*referrals.READERS)
def referral(ref: str) -> ResponseReturnValue:
    """Show one referral and what became of it."""
    refusals.doing("There is no such referral", url_for("partners.listing"), "Go to the referrals")
    with auth.services().db.read() as tx:
        found = referrals.get(tx, auth.actor(), ref)
    return render_template("referral.html", referral=found, words=referrals)


@blueprint.post("/referrals/<ref>/approve")
@auth.roles(*DECIDERS)
def approve(ref: str) -> ResponseReturnValue:
    """Grant a referral and go to the new loan."""
    services = auth.services()
    refusals.doing("This referral cannot be approved", url_for("partners.referral", ref=ref), "Go back to the referral")
    with services.db.transaction() as tx:
        loan = loans.approve(tx, ref, auth.actor(), services.now())
    flash(f"Referral {ref} is approved. Choose a device for loan {loan}.")
    return redirect(url_for("desk.loan", ref=loan), 303)


@blueprint.post("/referrals/<ref>/decline")
@auth.roles(*DECIDERS)
def decline(ref: str) -> ResponseReturnValue:
    """Close a referral without a loan."""
    services = auth.services()
    refusals.doing("This referral cannot be declined", url_for("partners.referral", ref=ref), "Go back to the referral")
    with services.db.transaction() as tx:
        referrals.decline(tx, ref, auth.actor(), services.now())
    flash(f"Referral {ref} is declined.")
    return redirect(url_for("partners.listing", state="waiting"), 303)


def _form(problems: list[forms.Problem]) -> str:
    return render_template("referral_new.html", values=request.form, problems=problems, words=referrals)


