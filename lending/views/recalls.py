"""Recalls: begin one after seeing what it touches, then work through its lines until none is open."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from custody.errors import Refused
from labels.codes import pretty
from lending import auth, forms, origins, recall_work, recalls
from lending.recall_scope import KINDS, Scope
from lending.views import refusals

blueprint = Blueprint("recalls", __name__)

READERS = ("desk", "supervisor", "auditor", "data-protection")
LINES = 50
FIELDS = ("wipe", "medium", "origin", "make", "model", "first", "last")


@blueprint.get("/recalls")
@auth.roles(*READERS)
def listing() -> ResponseReturnValue:
    """Show every recall with its progress, open ones first."""
    with auth.services().db.read() as tx:
        found = recalls.listing(tx, auth.actor())
    return render_template("recalls.html", found=found, kinds=KINDS)


@blueprint.get("/recalls/new")
@auth.roles("supervisor")
def new() -> ResponseReturnValue:
    """Ask what is recalled; with an answer in the address, show what it would touch."""
    return _new(request.args)


@blueprint.post("/recalls/new")
@auth.roles("supervisor")
def start() -> ResponseReturnValue:
    """Begin a recall: from now on nothing that it touches goes out."""
    services, form = auth.services(), request.form
    try:
        with services.db.transaction() as tx:
            ref = recalls.start(tx, _scope(form), forms.text(form, "reason"), auth.actor(), services.now())
    except Refused as refused:
        if any(one.code == "role" for one in refused.reasons):
            raise
        problems = forms.problems_of(refused.reasons, {}, {})
        return _new(form, problems), 422
    flash("The recall has begun. None of these devices can be lent from now on.")
    return redirect(url_for("recalls.recall", ref=ref), 303)


@blueprint.get("/recalls/<ref>")
@auth.roles(*READERS)
def recall(ref: str) -> ResponseReturnValue:
    """Show one recall: how far it is, and its lines."""
    refusals.doing("There is no such recall", url_for("recalls.listing"), "Go to the recalls")
    everything = request.args.get("show") == "all"
    after = request.args.get("after", 0, type=int)
    with auth.services().db.read() as tx:
        found = recalls.get(tx, ref, auth.actor())
        lines = recall_work.lines(tx, ref, auth.actor(), todo=not everything, after=after, limit=LINES + 1)
    more = lines[LINES - 1].id if len(lines) > LINES else None
    return render_template(
        "recall.html", recall=found, lines=lines[:LINES], more=more, everything=everything, kinds=KINDS,
        to_do=recall_work.TO_DO, how=recalls.HOW,
    )  # fmt: skip


@blueprint.post("/recalls/<ref>/look-again")
@auth.roles("desk", "supervisor")
def look_again(ref: str) -> ResponseReturnValue:
    """List what has come under the recall since, look closely at more lines, and finish what is done."""
    services = auth.services()
    refusals.doing("This recall cannot be looked at again", url_for("recalls.listing"), "Go to the recalls")
    with services.db.transaction() as tx:
        recalls.look_again(tx, ref, auth.actor(), services.now())
        done = recall_work.finish_ready(tx, ref, services.now())
    flash(f"Looked again. {done} {'line is' if done == 1 else 'lines are'} finished now.")
    return redirect(url_for("recalls.recall", ref=ref), 303)


@blueprint.post("/recalls/<ref>/close")
@auth.roles("supervisor")
def close(ref: str) -> ResponseReturnValue:
    """Close a recall that has no open line."""
    services = auth.services()
    refusals.doing("This recall cannot be closed", url_for("recalls.recall", ref=ref), "Go back to the recall")
    with services.db.transaction() as tx:
        recalls.close(tx, ref, auth.actor(), services.now())
    flash("The recall is closed. Every line is finished.")
    return redirect(url_for("recalls.listing"), 303)


@blueprint.get("/recalls/<ref>/lines/<int:number>")
@auth.roles(*READERS)
def line(ref: str, number: int) -> ResponseReturnValue:
    """Show one line: what is to do, how to reach the household safely, what was done."""
    return _line(ref, number)


@blueprint.post("/recalls/<ref>/lines/<int:number>/note")
@auth.roles("desk", "supervisor")
def note(ref: str, number: int) -> ResponseReturnValue:
    """Write down what was done about a line."""
    services, form = auth.services(), request.form
    try:
        with services.db.transaction() as tx:
            recall_work.note(tx, number, form.get("kind", ""), forms.text(form, "words"), auth.actor(), services.now())
    except Refused as refused:
        if refused.reasons[0].subject not in ("kind", "words"):
            _doing(ref)
            raise
        return _line(ref, number, forms.problems_of(refused.reasons, {}, {})), 422
    flash("Written down.")
    return redirect(url_for("recalls.line", ref=ref, number=number), 303)


@blueprint.post("/recalls/<ref>/lines/<int:number>/release")
@auth.roles("supervisor")
def release(ref: str, number: int) -> ResponseReturnValue:
    """Release one device, with a reason."""
    services = auth.services()
    try:
        with services.db.transaction() as tx:
            reason = forms.text(request.form, "reason")
            recall_work.release(tx, number, reason, auth.actor(), services.now())
    except Refused as refused:
        if refused.reasons[0].subject != "reason":
            _doing(ref)
            raise
        return _line(ref, number, forms.problems_of(refused.reasons, {}, {})), 422
    flash("Released: this recall no longer holds the device. The rules of custody still apply.")
    return redirect(url_for("recalls.line", ref=ref, number=number), 303)


def _doing(ref: str) -> None:
    refusals.doing("This cannot be done", url_for("recalls.recall", ref=ref), "Go back to the recall")


def _scope(form: Any) -> Scope:
    kind = form.get("kind", "")
    return Scope(kind, **{name: forms.text(form, name) for name in FIELDS})


def _new(form: Any, problems: list[forms.Problem] | None = None) -> str:
    """Show the question, and what the answer would touch once there is one that can be understood."""
    found, problems = None, list(problems or [])
    with auth.services().db.read() as tx:
        stations = [(one.id, one.name) for one in origins.listing(tx) if one.role == "station"]
        if form.get("kind") and not problems:
            try:
                found = recalls.preview(tx, _scope(form), auth.actor())
            except Refused as refused:
                problems = forms.problems_of(refused.reasons, {}, {})
    return render_template(
        "recall_new.html", preview=found, problems=problems, values=form, kinds=KINDS, stations=stations
    )


def _line(ref: str, number: int, problems: list[forms.Problem] | None = None) -> str:
    refusals.doing("There is no such line", url_for("recalls.recall", ref=ref), "Go to the recall")
    with auth.services().db.read() as tx:
        found = recalls.get(tx, ref, auth.actor())
        one = recall_work.line(tx, number, auth.actor())
    return render_template(
        "recall_line.html", recall=found, line=one, problems=problems or [], values=request.form, pretty=pretty,
        steps=recall_work.STEPS, to_do=recall_work.TO_DO, how=recalls.HOW,
    )  # fmt: skip
