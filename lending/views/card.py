"""The page behind a loan's link: for whoever holds the link, in the household's language, and about nobody by name.

It says where things can be returned and takes one of a few answers. It shows no device, no name, no date and no
partner: whoever finds the link or reads another's telephone learns only that something was borrowed.
"""

import hmac

from flask import Blueprint, abort, jsonify, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from custody.errors import Refused
from lending import auth, card_words, cards, inbound, messages, recipients, tables
from lending.db import Tx
from lending.message_tables import MessageRow
from lending.views.messages import post

blueprint = Blueprint("card", __name__)


@blueprint.get("/l/<token>")
@blueprint.get("/L/<token>", endpoint="page_capitals")
@auth.public
def page(token: str) -> ResponseReturnValue:
    """Show the loan's page, or that the link is not one of ours."""
    with auth.services().db.read() as tx:
        return _page(tx, cards.loan_of(tx, token), token)


@blueprint.post("/l/<token>")
@auth.public
def say(token: str) -> ResponseReturnValue:
    """Keep what was chosen and thank for it."""
    services = auth.services()
    with services.db.transaction() as tx:
        loan = cards.loan_of(tx, token)
        what = request.form.get("what", "")
        if loan is None:
            return _page(tx, None, token)
        if what not in inbound.ON_THE_PAGE:
            return _page(tx, loan, token, wrong=True)
        inbound.say(tx, loan, what, services.now())
        return _page(tx, loan, token, done=what)


@blueprint.post("/messages/inbound")
@auth.machines
def receive() -> ResponseReturnValue:
    """Take a text from the message house: `Authorization: Bearer SECRET`, JSON or form, fields as configured."""
    services, now_post = auth.services(), post()
    config = now_post.config
    given = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
    if not config.inbound_secret or not hmac.compare_digest(given.encode(), config.inbound_secret.encode()):
        abort(401 if config.inbound_secret else 404)
    sent = request.get_json(silent=True) if request.is_json else request.form.to_dict()
    if not isinstance(sent, dict):
        return jsonify(error="the text must be a JSON object or a form"), 400
    values = {name: str(sent.get(theirs) or "")[:2000] for name, theirs in config.inbound_fields.items()}
    try:
        with services.db.transaction() as tx:
            what = inbound.receive(
                tx, now_post, values["from"], values["text"], values["id"][:120], "text", services.now()
            )
    except Refused as no:
        return jsonify(error=no.reasons[0].text), 400
    return jsonify(understood=what)


def _page(
    tx: Tx, loan: str | None, token: str, done: str = "", *, wrong: bool = False
) -> tuple[str, int]:
    recall = loan is not None and tx.s.scalar(
        select(MessageRow.id).where(MessageRow.loan == loan, MessageRow.kind == "recall").limit(1)
    ) is not None  # fmt: skip
    wanted = request.args.get("lang", "")
    code = wanted if wanted in card_words.AUTONYMS else language_of(tx, loan)
    shown = render_template(
        "card.html", code=code, _=card_words.speaker(code), names=card_words.AUTONYMS,
        rtl=recipients.RIGHT_TO_LEFT, known=loan is not None, token=token, done=done, wrong=wrong, recall=recall,
        texts=messages.settings(tx), sender=post().config.sender,
    )  # fmt: skip
    return shown, 404 if loan is None else 422 if wrong else 200


def language_of(tx: Tx, loan: str | None) -> str:
    """Return the code of the language in which a loan's household reads, English where that is not known."""
    query = (
        select(tables.ReferralRow.language)
        .join(tables.LoanRow, tables.LoanRow.referral == tables.ReferralRow.ref)
        .where(tables.LoanRow.ref == loan)
    )
    return recipients.language_code(tx.s.scalar(query) or "")
