"""What the data-protection lead works with: what is due, complaints, agreements, breaches, erasure, subject access."""

import hashlib
from datetime import UTC, date, datetime, time

from flask import Blueprint, flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from custody.errors import Refused
from lending import (
    auth,
    breaches,
    closed_cases,
    complaints,
    contacts,
    data_agreements,
    forms,
    retention,
    subject_access,
)
from lending.views import refusals
from lending.views.papers import read_words

blueprint = Blueprint("registers", __name__)

LEAD = ("data-protection",)


@blueprint.get("/privacy/due")
@auth.roles(*LEAD)
def overview() -> ResponseReturnValue:
    """Show what is due, and what the last nights erased."""
    services = auth.services()
    by, now = auth.actor(), services.now()
    with services.db.read() as tx:
        waiting = [one for one in complaints.complaints(tx, by) if one.state != "closed"]
        undecided = [one for one in breaches.breaches(tx, by) if one.decision == "open"]
        partners = [one for one in data_agreements.standings(tx, by, now) if one.warning]
        due = retention.run(tx, now, dry=True)
        nights, counted = retention.runs(tx, 7), closed_cases.cases(tx)
    return render_template(
        "privacy_due.html", waiting=waiting, undecided=undecided, partners=partners, due=due, nights=nights,
        counted=counted, now=now, warnings=data_agreements.WARNINGS,
    )  # fmt: skip


@blueprint.get("/privacy/complaints")
@auth.roles(*LEAD)
def complaint_list() -> ResponseReturnValue:
    """Show all complaints, what waits first, and the form for one that came by telephone or letter."""
    return _complaints([])


@blueprint.post("/privacy/complaints")
@auth.roles(*LEAD)
def take_complaint() -> ResponseReturnValue:
    """Take a complaint for somebody."""
    services = auth.services()
    now = services.now()
    received, problem = forms.read_day(request.form, "received")
    problems = [forms.Problem("received", problem, "received-day")] if problem else []
    if problems:
        return _complaints(problems), 422
    try:
        with services.db.transaction() as tx:
            ref = complaints.receive(tx, read_words(), forms.text(request.form, "how"), now, _moment(received, now))
    except Refused as no:
        return _complaints(forms.problems_of(no.reasons, {}, {"received": "received-day"})), 422
    flash(f"Complaint {ref} is stored.")
    return redirect(url_for("registers.complaint", ref=ref), 303)


@blueprint.get("/privacy/complaints/<ref>")
@auth.roles(*LEAD)
def complaint(ref: str) -> ResponseReturnValue:
    """Show one complaint with what can be done next."""
    return _complaint(ref, [])


@blueprint.post("/privacy/complaints/<ref>/acknowledge")
@auth.roles(*LEAD)
def acknowledge(ref: str) -> ResponseReturnValue:
    """Record that the person was told that we have it."""
    services = auth.services()
    refusals.doing("This cannot be recorded", url_for("registers.complaint", ref=ref), "Go back to the complaint")
    with services.db.transaction() as tx:
        complaints.acknowledge(tx, ref, auth.actor(), services.now())
    flash("It is recorded that they were told.")
    return redirect(url_for("registers.complaint", ref=ref), 303)


@blueprint.post("/privacy/complaints/<ref>/answer")
@auth.roles(*LEAD)
def answer(ref: str) -> ResponseReturnValue:
    """Record the outcome."""
    services = auth.services()
    refusals.doing("This cannot be recorded", url_for("registers.complaint_list"), "Go to the complaints")
    done, outcome = request.form.get("done", ""), forms.text(request.form, "outcome")
    try:
        with services.db.transaction() as tx:
            complaints.answer(tx, ref, outcome, done, auth.actor(), services.now())
    except Refused as no:
        if any(reason.code != "form" for reason in no.reasons):
            raise
        return _complaint(ref, forms.problems_of(no.reasons, {}, {})), 422
    flash("The complaint is answered.")
    return redirect(url_for("registers.complaint_list"), 303)


@blueprint.get("/privacy/agreements")
@auth.roles(*LEAD)
def agreements() -> ResponseReturnValue:
    """Show every partner with its agreements, and the form for a new one."""
    return _agreements([])


@blueprint.post("/privacy/agreements")
@auth.roles(*LEAD)
def record_agreement() -> ResponseReturnValue:
    """Record a signed agreement. Of the document only the digest is kept."""
    services = auth.services()
    signed, first = forms.read_day(request.form, "signed")
    review, second = forms.read_day(request.form, "review")
    problems = [forms.Problem(n, t, f"{n}-day") for n, t in (("signed", first), ("review", second)) if t]
    for name, day in (("signed", signed), ("review", review)):
        if day is None and not problems:
            problems.append(forms.Problem(name, "Enter the day", f"{name}-day"))
    number = forms.text(request.form, "partner")
    if problems or signed is None or review is None or not number.isdecimal():
        return _agreements(problems or [forms.Problem("partner", "Choose the partner", "partner")]), 422
    file = request.files.get("document")
    data = file.read() if file else b""
    digest = hashlib.sha256(data).hexdigest() if data else ""
    kind = forms.text(request.form, "kind")
    try:
        with services.db.transaction() as tx:
            data_agreements.record(tx, int(number), kind, signed, review, digest, auth.actor(), services.now())
    except Refused as no:
        anchors = {"signed": "signed-day", "review": "review-day"}
        return _agreements(forms.problems_of(no.reasons, {}, anchors)), 422
    flash("The agreement is recorded.")
    return redirect(url_for("registers.agreements"), 303)


@blueprint.post("/privacy/agreements/<int:number>/end")
@auth.roles(*LEAD)
def end_agreement(number: int) -> ResponseReturnValue:
    """Record that an agreement no longer stands."""
    services = auth.services()
    refusals.doing("This cannot be recorded", url_for("registers.agreements"), "Go back to the agreements")
    with services.db.transaction() as tx:
        data_agreements.end(tx, number, auth.actor(), services.now())
    flash("It is recorded that the agreement has ended.")
    return redirect(url_for("registers.agreements"), 303)


@blueprint.get("/privacy/breaches")
@auth.roles(*LEAD)
def breach_list() -> ResponseReturnValue:
    """Show the register of breaches and the form for a new one."""
    return _breaches([])


@blueprint.post("/privacy/breaches")
@auth.roles(*LEAD)
def record_breach() -> ResponseReturnValue:
    """Put a breach into the register. The clock starts when we knew: now, or on the day given."""
    services = auth.services()
    now = services.now()
    known, problem = forms.read_day(request.form, "known")
    people = forms.text(request.form, "people")
    problems = [forms.Problem("known", problem, "known-day")] if problem else []
    if people and not (people.isascii() and people.isdecimal()):
        problems.append(forms.Problem("people", "Enter a whole number, or leave it empty", "people"))
    if problems:
        return _breaches(problems), 422
    try:
        with services.db.transaction() as tx:
            breaches.record(
                tx, request.form.get("what", ""), _moment(known, now), auth.actor(), now,
                people=int(people) if people else None,
            )  # fmt: skip
    except Refused as no:
        return _breaches(forms.problems_of(no.reasons, {}, {"known": "known-day"})), 422
    flash("The breach is in the register. Its 72 hours run.")
    return redirect(url_for("registers.breach_list"), 303)


@blueprint.post("/privacy/breaches/<ref>/decide")
@auth.roles(*LEAD)
def decide(ref: str) -> ResponseReturnValue:
    """Record what was decided about a breach, and why."""
    services = auth.services()
    refusals.doing("This cannot be recorded", url_for("registers.breach_list"), "Go back to the register")
    with services.db.transaction() as tx:
        why, decision = request.form.get("why", ""), forms.text(request.form, "decision")
        breaches.decide(tx, ref, decision, why, auth.actor(), services.now())
    flash(f"The decision about {ref} is recorded.")
    return redirect(url_for("registers.breach_list"), 303)


@blueprint.get("/privacy/access")
@auth.roles(*LEAD)
def access() -> ResponseReturnValue:
    """Show the form that finds a household by a reference or a telephone number."""
    return render_template("subject_access.html", found=None, problems=[], wanted="")


@blueprint.post("/privacy/access")
@auth.roles(*LEAD)
def find_household() -> ResponseReturnValue:
    """Find a household. The number comes in a form, so that it stands in no address."""
    wanted = forms.text(request.form, "wanted")
    try:
        with auth.services().db.read() as tx:
            found = subject_access.find(tx, auth.actor(), wanted)
    except Refused as no:
        problems = [forms.Problem("wanted", no.reasons[0].text, "wanted")]
        return render_template("subject_access.html", found=None, problems=problems, wanted=wanted), 422
    return render_template("subject_access.html", found=found, problems=[], wanted=wanted)


@blueprint.post("/privacy/access/<ref>")
@auth.roles(*LEAD)
def give(ref: str) -> ResponseReturnValue:
    """Give everything that is held on a household, as one file with JSON and PDF, and log it."""
    services = auth.services()
    refusals.doing("There is no such household", url_for("registers.access"), "Go back to subject access")
    with services.db.transaction() as tx:
        data = subject_access.to_zip(subject_access.held(tx, auth.actor(), ref, services.now()))
    reply = make_response(data)
    reply.headers["Content-Type"] = "application/zip"
    reply.headers["Content-Disposition"] = f"attachment; filename={ref}.zip"
    return reply


@blueprint.post("/privacy/access/<ref>/erase")
@auth.roles(*LEAD)
def erase(ref: str) -> ResponseReturnValue:
    """Erase a household at once, because it asks; only after its loan is over, and confirmed by a tick."""
    services = auth.services()
    refusals.doing("This household cannot be erased now", url_for("registers.access"), "Go back to subject access")
    if request.form.get("sure") != "yes":
        problems = [forms.Problem("sure", f"Tick that {ref} is to be erased for good", f"sure-{ref}")]
        return render_template("subject_access.html", found=[ref], problems=problems, wanted=""), 422
    with services.db.transaction() as tx:
        retention.erase_now(tx, ref, auth.actor(), services.now())
    contacts.forget_log(services.db.engine)
    flash(f"Everything about {ref} is erased. A statistic that names nobody and a line in the log stay.")
    return redirect(url_for("registers.access"), 303)


def _moment(day: date | None, now: datetime) -> datetime:
    """Return the moment for a day that somebody named: its beginning, the strictest reading; now if none."""
    return now if day is None else datetime.combine(day, time(), UTC)


def _complaints(problems: list[forms.Problem]) -> str:
    services = auth.services()
    with services.db.read() as tx:
        found = complaints.complaints(tx, auth.actor())
    return render_template(
        "complaints.html", found=found, problems=problems, values=request.form, now=services.now(), words=complaints
    )


def _complaint(ref: str, problems: list[forms.Problem]) -> str:
    services = auth.services()
    refusals.doing("There is no such complaint", url_for("registers.complaint_list"), "Go to the complaints")
    with services.db.read() as tx:
        found = complaints.get(tx, auth.actor(), ref)
    return render_template(
        "complaint.html", one=found, problems=problems, values=request.form, now=services.now(), words=complaints
    )


def _agreements(problems: list[forms.Problem]) -> str:
    services = auth.services()
    with services.db.read() as tx:
        found = data_agreements.standings(tx, auth.actor(), services.now())
    return render_template(
        "data_agreements.html", found=found, problems=problems, values=request.form, words=data_agreements
    )


def _breaches(problems: list[forms.Problem]) -> str:
    services = auth.services()
    with services.db.read() as tx:
        found = breaches.breaches(tx, auth.actor())
    return render_template(
        "breaches.html", found=found, problems=problems, values=request.form, now=services.now(), words=breaches
    )
