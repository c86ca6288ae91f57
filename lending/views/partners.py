"""Referrals: the list, one of them and its confirmation; approving and declining. Referring: `views/refer.py`."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lending import auth, lists, loans, referral_details, referrals
from lending.views import refusals

blueprint = Blueprint("partners", __name__)

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
    services, by = auth.services(), auth.actor()
    with services.db.read() as tx:
        found = referrals.get(tx, by, ref)
        detail = referral_details.get(tx, ref, services.config.region)
        # For the desk alone: to a partner, that a household asked elsewhere is nobody's business.
        same = referral_details.same_household(tx, by, ref) if by.roles & set(DECIDERS) else []
    return render_template("referral.html", referral=found, detail=detail, same=same, words=referrals)


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
