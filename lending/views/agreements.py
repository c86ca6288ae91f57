"""Agreements at the desk: shown large in the household's language, agreed in one of three ways, kept and printed."""

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lending import access_log, agreement_pdf, agreements, auth, forms, loans, referrals
from lending.agreements import Opened, Signature
from lending.db import Tx
from lending.views import refusals
from lending.views.words import PRODUCT, when

blueprint = Blueprint("agreements", __name__)

DESK = ("desk", "supervisor")
READERS = (*DESK, "data-protection")


@blueprint.get("/loans/<ref>/agreement/<kind>")
@auth.roles(*DESK)
def show(ref: str, kind: str) -> ResponseReturnValue:
    """Show the words, large, in the household's language or the one that is chosen."""
    return _show(ref, kind, [])


@blueprint.post("/loans/<ref>/agreement/<kind>")
@auth.roles(*DESK)
def sign(ref: str, kind: str) -> ResponseReturnValue:
    """Keep what was shown and how it was agreed."""
    services, form = auth.services(), request.form
    signed = Signature(
        how=form.get("how", ""), name=forms.text(form, "name"), witness=forms.text(form, "witness"),
        mark=form.get("mark", "")[: agreements.LONGEST_MARK + 1], read_aloud=form.get("aloud") == "yes",
    )  # fmt: skip
    if wrong := agreements.what_is_wrong(signed):
        return _show(ref, kind, forms.problems_of(wrong, {}, {"mark": "how"})), 422
    back = url_for("agreements.show", ref=ref, kind=kind, language=form.get("language"))
    refusals.doing("Nothing was signed", back, "Show the words as they are now")
    with services.db.transaction() as tx:
        shown = agreements.document(tx, ref, kind, form.get("language", ""), PRODUCT)
        made = agreements.sign(tx, ref, shown, form.get("digest", ""), signed, auth.actor(), services.now())
    flash("Agreed, and kept as it was shown.")
    return redirect(url_for("agreements.kept", ref=ref, agreement=made), 303)


@blueprint.get("/loans/<ref>/agreements/<agreement>")
@auth.roles(*READERS)
def kept(ref: str, agreement: str) -> ResponseReturnValue:
    """Show a signed agreement as it was shown then; that somebody looked is written down."""
    found = _opened(ref, agreement)
    return render_template(
        "agreement_kept.html", ref=ref, found=found, strokes=agreements.strokes(found.signature.mark),
        hows=agreements.HOWS, kinds=agreements.KINDS,
    )  # fmt: skip


@blueprint.get("/loans/<ref>/agreements/<agreement>.pdf")
@auth.roles(*READERS)
def paper(ref: str, agreement: str) -> ResponseReturnValue:
    """Print a signed agreement in both languages."""
    found = _opened(ref, agreement)
    parts = [agreement_pdf.Part(found.text.splitlines(), found.direction)]
    if found.english:
        parts.append(agreement_pdf.Part(found.english.splitlines()))
    signed, agreed = found.signature, found.agreed
    facts = [("Agreed", agreements.HOWS[signed.how]), ("Name", signed.name)]
    if signed.witness:
        facts.append(("Heard by", signed.witness))
    facts += [("Read aloud", "yes")] if agreed.read_aloud else []
    facts += [("When", when(agreed.signed_at)), ("Reference", f"{agreed.loan} {agreed.ref}")]
    footer = f"{PRODUCT} · words {agreed.version} ({agreed.language})"
    footer += "" if agreed.made == "human" else " · translated by a machine, not reviewed by a person"
    title = f"{agreements.KINDS[agreed.kind]} {agreed.loan}"
    data = agreement_pdf.print_paper(
        agreement_pdf.Paper(title, parts, facts, agreements.strokes(signed.mark), footer)
    )
    return Response(data, mimetype="application/pdf", headers={"Content-Disposition": "inline"})


def _opened(ref: str, agreement: str) -> Opened:
    services, by = auth.services(), auth.actor()
    refusals.doing("There is no such agreement", url_for("home.home"), "Go to the first page")
    with services.db.transaction() as tx:
        found = agreements.open_agreement(tx, ref, agreement, by)
        access_log.log(tx, by, f"loan:{ref}", "agreement", "hand-over", services.now())
    return found


def _show(ref: str, kind: str, problems: list[forms.Problem]) -> str:
    refusals.doing("There is nothing to agree about", url_for("desk.loan", ref=ref), f"Go back to loan {ref}")
    with auth.services().db.read() as tx:
        found = loans.get(tx, auth.actor(), ref)
        language = request.values.get("language", "") or _language(tx, found.referral)
        shown = agreements.document(tx, ref, kind, language, PRODUCT)
    languages = [agreements.words(kind, one) for one in agreements.LANGUAGES]
    return render_template(
        "agreement.html", loan=found, kind=kind, shown=shown, languages=languages, hows=agreements.HOWS,
        problems=problems, values=request.form,
    )  # fmt: skip


def _language(tx: Tx, referral: str | None) -> str:
    if referral is None:
        return "en"
    return agreements.language_of(referrals.get(tx, auth.actor(), referral).form.language)
