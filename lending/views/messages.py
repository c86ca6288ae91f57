"""Messages at the desk: the log, what nobody knows the end of, what households answered, and writing one."""

import secrets

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from custody.errors import Refused
from lending import auth, forms, inbound, message_config, message_texts, messages, outbox, recipients
from lending.reminders import Post
from lending.segments import size
from lending.views import refusals

blueprint = Blueprint("messages", __name__)

DESK = ("desk", "supervisor")
TABS = (("", "All"), ("unknown", "Unknown"), ("open", "Waiting"), ("sent", "Sent"), ("failed", "Not sent"),
        ("cancelled", "Called off"))  # fmt: skip
HOW = {
    "sent": "It arrived",
    "failed": "It did not arrive, and need not",
    "queued": "It did not arrive: send it again",
}


def post() -> Post:
    """Return how messages leave this installation."""
    services = auth.services()
    config = message_config.load(services.config.messages, services.db.world, services.config.home)
    return Post(config, services.config.host_address)


@blueprint.get("/messages")
@auth.roles("data-protection", *DESK)
def listing() -> ResponseReturnValue:
    """Show the log, and above it what a person has to look at."""
    state, loan = request.args.get("state", ""), request.args.get("loan", "").strip()[:20]
    state = state if state in {key for key, _ in TABS} else ""
    before = forms.whole(request.args, "before", 0, 1 << 40) or 0
    with auth.services().db.read() as tx:
        found = messages.log(tx, auth.actor(), state=state, loan=loan, before=before)
        numbers = messages.counts(tx)
    more = found[-1].id if len(found) == messages.PAGE else 0
    return render_template(
        "messages.html", found=found, state_=state, loan=loan, numbers=numbers, more=more, tabs=TABS,
        words=message_texts.KIND_WORDS, ways=recipients.WAY_WORDS, states=outbox.STATES, sends=post().config.channels,
    )  # fmt: skip


@blueprint.get("/messages/<ref>")
@auth.roles("data-protection", *DESK)
def message(ref: str) -> ResponseReturnValue:
    """Show one message with everything that is known of it."""
    with auth.services().db.read() as tx:
        found = messages.get(tx, auth.actor(), ref)
    return render_template(
        "message.html", one=found, words=message_texts.KIND_WORDS, ways=recipients.WAY_WORDS, states=outbox.STATES,
        languages=recipients.LANGUAGES, how=HOW, rtl=recipients.RIGHT_TO_LEFT,
    )  # fmt: skip


@blueprint.post("/messages/<ref>/settle")
@auth.roles(*DESK)
def settle(ref: str) -> ResponseReturnValue:
    """Decide about a message of which nobody knows whether it left."""
    services = auth.services()
    refusals.doing("This was not changed", url_for("messages.message", ref=ref), "Go back to the message")
    with services.db.transaction() as tx:
        messages.settle(tx, ref, request.form.get("how", ""), auth.actor(), services.now())
    flash("It is written down.")
    return redirect(url_for("messages.message", ref=ref), 303)


@blueprint.post("/messages/<ref>/call-off")
@auth.roles(*DESK)
def call_off(ref: str) -> ResponseReturnValue:
    """Call a waiting message off."""
    services = auth.services()
    refusals.doing("It cannot be called off", url_for("messages.message", ref=ref), "Go back to the message")
    with services.db.transaction() as tx:
        messages.call_off(tx, ref, auth.actor(), services.now())
    flash("The message is called off.")
    return redirect(url_for("messages.message", ref=ref), 303)


@blueprint.get("/messages/answers")
@auth.roles(*DESK)
def answers() -> ResponseReturnValue:
    """Show what households answered and nobody has dealt with yet."""
    done = request.args.get("done") == "yes"
    with auth.services().db.read() as tx:
        found = inbound.answers(tx, auth.actor(), done=done)
    return render_template("message_answers.html", found=found, done=done, words=inbound.WHAT_WORDS)


@blueprint.post("/messages/answers/<int:number>/done")
@auth.roles(*DESK)
def answer_done(number: int) -> ResponseReturnValue:
    """Note that an answer was dealt with."""
    services = auth.services()
    with services.db.transaction() as tx:
        inbound.dealt_with(tx, number, auth.actor(), services.now())
    flash("Dealt with.")
    return redirect(url_for("messages.answers"), 303)


@blueprint.get("/messages/loan/<ref>")
@auth.roles(*DESK)
def about(ref: str) -> ResponseReturnValue:
    """Show a loan's messages and answers, and the form for writing one."""
    return _about(ref)


@blueprint.post("/messages/loan/<ref>")
@auth.roles(*DESK)
def write(ref: str) -> ResponseReturnValue:
    """Put what the desk wrote into the outbox, once, however often the button is pressed."""
    services, form = auth.services(), request.form
    nonce = form.get("nonce", "")[:40]
    if form.get("do") == "look" or not nonce:
        return _about(ref)
    try:
        with services.db.transaction() as tx:
            messages.write(
                tx, post(), ref, form.get("way", ""), form.get("text", ""), nonce, auth.actor(), services.now()
            )
    except Refused as no:
        if any(reason.subject not in ("text", "way") for reason in no.reasons):
            raise
        return _about(ref, forms.problems_of(no.reasons, {}, {})), 422
    flash("The message waits in the outbox.")
    return redirect(url_for("messages.about", ref=ref), 303)


def _about(ref: str, problems: list[forms.Problem] | None = None) -> str:
    by, now_post, form = auth.actor(), post(), request.form
    with auth.services().db.read() as tx:
        open_, shut = messages.ways(tx, now_post, ref, by)
        stopped = recipients.reminders_stopped(tx, ref)
        found, said = messages.log(tx, by, loan=ref), inbound.answers(tx, by, loan=ref)
    text = " ".join(form.get("text", "").split())[: messages.LONGEST_TEXT]
    shown = f"{now_post.config.sender}: {text} {now_post.host}/l/{'x' * 12}" if text else ""
    fits = size(shown) if shown else None
    return render_template(
        "message_write.html", ref=ref, open=open_, shut=shut, stopped=stopped, found=found, said=said, text=text,
        shown=shown, fits=fits, cost_=now_post.config.cost("sms", fits.parts) if fits else 0, way=form.get("way", ""),
        nonce=form.get("nonce") or secrets.token_hex(12), problems=problems or [], longest=messages.LONGEST_TEXT,
        words=message_texts.KIND_WORDS, ways=recipients.WAY_WORDS, states=outbox.STATES, whats=inbound.WHAT_WORDS,
    )  # fmt: skip
