"""What the desk does about the things of one loan: add, hand out, take in, exchange, loss, gift, safety, help."""

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from labels.codes import pretty
from lending import (
    agreement_pdf,
    auth,
    child_safety,
    endings,
    exceptions,
    forms,
    help_given,
    loan_items,
    loans,
    preparation,
    sims,
)
from lending.timeline import clock
from lending.views import refusals
from lending.views.words import PRODUCT, day, local

blueprint = Blueprint("loan_work", __name__)

DESK = ("desk", "supervisor")


@blueprint.post("/loans/<ref>/things")
@auth.roles(*DESK)
def add(ref: str) -> ResponseReturnValue:
    """Add something that is to go out with a loan."""
    services, kind, label = auth.services(), request.form.get("kind", ""), forms.text(request.form, "label")
    _doing(ref, "This cannot be added")
    with services.db.transaction() as tx:
        loan_items.want(tx, ref, kind, auth.actor(), services.now(), label)
    flash(f"{label or loan_items.KINDS[kind]} is on the list.")
    return _back(ref, "devices")


@blueprint.get("/loans/<ref>/things/<int:item>")
@auth.roles(*DESK)
def thing(ref: str, item: int) -> ResponseReturnValue:
    """Show one thing with everything that can be done about it."""
    return _thing(ref, item, [])


@blueprint.post("/loans/<ref>/things/<int:item>/out")
@auth.roles(*DESK)
def out(ref: str, item: int) -> ResponseReturnValue:
    """Let a charger, case or router go out."""
    services = auth.services()
    _doing(ref, "This cannot go out")
    with services.db.transaction() as tx:
        loan_items.hand_out(tx, ref, item, auth.actor(), services.now())
    flash("It went out.")
    return _back(ref, "devices")


@blueprint.post("/loans/<ref>/things/<int:item>/back")
@auth.roles(*DESK)
def back(ref: str, item: int) -> ResponseReturnValue:
    """Take a charger, case, router or SIM back."""
    services = auth.services()
    _doing(ref, "This cannot be taken back so")
    with services.db.transaction() as tx:
        loan_items.take_in(tx, ref, item, auth.actor(), services.now())
    flash("It is back.")
    return _back(ref, "devices")


@blueprint.post("/loans/<ref>/things/<int:item>/not-taken")
@auth.roles(*DESK)
def not_taken(ref: str, item: int) -> ResponseReturnValue:
    """Take something off the list."""
    services = auth.services()
    _doing(ref, "This cannot be taken off the list")
    with services.db.transaction() as tx:
        loan_items.not_taken(tx, ref, item, auth.actor(), services.now())
    flash("It is off the list.")
    return _back(ref, "devices")


@blueprint.post("/loans/<ref>/things/<int:item>/clock")
@auth.roles(*DESK)
def set_clock(ref: str, item: int) -> ResponseReturnValue:
    """Give one thing a day of its own, no day, or the loan's day."""
    services, which = auth.services(), request.form.get("which", "")
    until, problem = forms.read_day(request.form, "due")
    if which not in ("own", "open", "loan"):
        problem, anchor = "Choose until when", "which"
    elif which == "own" and until is None:
        problem, anchor = problem or "Enter the day", "due-day"
    else:
        problem, anchor = "", ""
    if problem:
        return _thing(ref, item, [forms.Problem(anchor.split("-")[0], problem, anchor)]), 422
    _doing(ref, "This day cannot be set")
    with services.db.transaction() as tx:
        chosen = until if which == "own" else None
        loan_items.set_clock(tx, ref, item, chosen, auth.actor(), services.now(), open_ended=which == "open")
    flash("The day was changed.")
    return _back(ref, "devices")


@blueprint.post("/loans/<ref>/things/<int:item>/swap")
@auth.roles(*DESK)
def swap(ref: str, item: int) -> ResponseReturnValue:
    """Exchange a device within its loan, or take it in for repair."""
    services, why, here = auth.services(), request.form.get("why", ""), request.form.get("here", "")
    condition = forms.text(request.form, "condition")
    if here not in ("yes", "no"):
        return _thing(ref, item, [forms.Problem("here", "Choose whether the old one is here", "here")]), 422
    if here == "yes" and condition not in forms.CONDITIONS:
        problem = forms.Problem("condition", "Choose what state it is in", "condition")
        return _thing(ref, item, [problem]), 422
    _doing(ref, "This exchange is not possible")
    with services.db.transaction() as tx:
        device = loan_items.own(tx, ref, item).device or ""
        endings.swap(tx, ref, device, here == "yes", why, auth.actor(), services.now(), condition)
    flash("Another device is wanted for this loan: choose it now.")
    return _back(ref, "add")


@blueprint.post("/loans/<ref>/things/<int:item>/end")
@auth.roles(*DESK)
def end(ref: str, item: int) -> ResponseReturnValue:
    """End a thing that does not come back, without blame."""
    services, how = auth.services(), request.form.get("how", "")
    if how not in endings.HOWS:
        return _thing(ref, item, [forms.Problem("how", "Choose what happened", "how")]), 422
    _doing(ref, "This cannot be ended so")
    with services.db.transaction() as tx:
        endings.end(tx, ref, item, how, auth.actor(), services.now())
    flash(f"Noted: {endings.HOWS[how].lower()}.")
    return _back(ref, "devices")


@blueprint.post("/loans/<ref>/things/<int:item>/give")
@auth.roles("supervisor")
def give(ref: str, item: int) -> ResponseReturnValue:
    """Let a device stay with the household for good, where the programme gives."""
    services = auth.services()
    _doing(ref, "This cannot be given")
    with services.db.transaction() as tx:
        device = loan_items.own(tx, ref, item).device or ""
        endings.give(tx, ref, device, auth.actor(), services.now(), gifts=services.config.gifts)
    flash(f"{pretty(device)} is theirs for good. Print the certificate of the gift.")
    return redirect(url_for("loan_work.thing", ref=ref, item=item), 303)


@blueprint.get("/loans/<ref>/gift/<code>.pdf")
@auth.roles(*DESK)
def gift(ref: str, code: str) -> ResponseReturnValue:
    """Print the certificate of a gift; no person is named in it."""
    _doing(ref, "There is no such gift")
    with auth.services().db.read() as tx:
        found = endings.gift(tx, ref, code, auth.actor())
    words = [
        "Certificate of a gift", "", f"This device belongs to the household of loan {found.loan} from now on.", "",
        "It was a loan from us. We ask for nothing, now or later.",
        "If you no longer need it, bring it to us: we erase it and lend it to somebody else.",
    ]  # fmt: skip
    facts = [("Device", found.label or "Device"), ("Code", pretty(found.device)), ("Given on", day(found.given_at))]
    data = agreement_pdf.print_paper(
        agreement_pdf.Paper(f"Gift {found.loan}", [agreement_pdf.Part(words)], facts, footer=PRODUCT)
    )
    return _pdf(data, f"gift-{found.loan}.pdf")


@blueprint.post("/loans/<ref>/hand-over-packed")
@auth.roles(*DESK)
def hand_over_all(ref: str) -> ResponseReturnValue:
    """Let everything that is packed go out."""
    services = auth.services()
    refusals.doing(
        "This must not be handed over", url_for("desk.loan", ref=ref), f"Go back to loan {ref}",
        verdict="Must not be lent",
    )  # fmt: skip
    with services.db.transaction() as tx:
        went = preparation.hand_over_all(tx, ref, auth.actor(), services.now())
    flash(f"Handed over: {', '.join(went)}.")
    return _back(ref, "devices")


@blueprint.get("/loans/<ref>/filter/<code>")
@auth.roles(*DESK)
def filter_form(ref: str, code: str) -> ResponseReturnValue:
    """Ask what filters, how it was tried, and whether it worked."""
    return _filter(ref, code, [])


@blueprint.post("/loans/<ref>/filter/<code>")
@auth.roles(*DESK)
def record_filter(ref: str, code: str) -> ResponseReturnValue:
    """Record who looked at a device's content filter."""
    services, works = auth.services(), request.form.get("works", "")
    way, how = forms.text(request.form, "way"), forms.text(request.form, "how")
    problems = []
    if way not in child_safety.WAYS:
        problems.append(forms.Problem("way", "Choose what filters", "way"))
    if not 3 <= len(how) <= child_safety.LONGEST_HOW:
        problems.append(forms.Problem("how", "Say in a few words how you tried it (no names of people)", "how"))
    if works not in ("yes", "no"):
        problems.append(forms.Problem("works", "Choose whether it worked", "works"))
    if problems:
        return _filter(ref, code, problems), 422
    refusals.doing("This cannot be recorded", url_for("desk.loan", ref=ref), f"Go back to loan {ref}", code)
    with services.db.transaction() as tx:
        child_safety.verify_filter(tx, code, way, how, works == "yes", auth.actor(), services.now())
    words = "works: it may go to a household with a child" if works == "yes" else "does not work: put one on first"
    flash(f"Recorded: the content filter of {pretty(code)} {words}.")
    return _back(ref, "devices")


@blueprint.get("/loans/<ref>/reminders")
@auth.roles(*DESK, "data-protection")
def reminders(ref: str) -> ResponseReturnValue:
    """Show whether reminders are stopped, and the form that stops them."""
    return _reminders(ref, [])


@blueprint.post("/loans/<ref>/reminders")
@auth.roles(*DESK)
def stop_reminders(ref: str) -> ResponseReturnValue:
    """Stop every reminder of a loan at once."""
    services, why = auth.services(), request.form.get("why", "")
    if why not in exceptions.WHYS:
        return _reminders(ref, [forms.Problem("why", "Choose the nearest reason", "why")]), 422
    _doing(ref, "Reminders cannot be stopped")
    with services.db.transaction() as tx:
        exceptions.stop_reminders(tx, ref, why, auth.actor(), services.now())
    flash("No reminder goes out for this loan from now on.")
    return _back(ref)


@blueprint.post("/loans/<ref>/reminders/again")
@auth.roles("supervisor")
def resume_reminders(ref: str) -> ResponseReturnValue:
    """Let reminders go out again."""
    services = auth.services()
    _doing(ref, "Reminders cannot start again")
    with services.db.transaction() as tx:
        exceptions.resume_reminders(tx, ref, auth.actor(), services.now())
    flash("Reminders go out again.")
    return _back(ref)


@blueprint.get("/loans/<ref>/help")
@auth.roles(*DESK)
def help_form(ref: str) -> ResponseReturnValue:
    """Show what help was given, and the forms for more."""
    return _help(ref, [])


@blueprint.post("/loans/<ref>/help")
@auth.roles(*DESK)
def record_help(ref: str) -> ResponseReturnValue:
    """Record help with setting up, a referral for skills, or the four answers."""
    services, part, by = auth.services(), request.form.get("part", ""), auth.actor()
    stage = request.form.get("stage", "")
    taps = {one: forms.whole(request.form, one, 9, 9) for one in help_given.QUESTIONS}
    problems = []
    if part == "setup" and not set(request.form.getlist("what")) & set(help_given.SETUP):
        problems.append(forms.Problem("what", "Choose what was done together", "what"))
    if part == "skills" and not (forms.text(request.form, "where") and request.form.get("agreed") == "yes"):
        problems.append(forms.Problem("where", "Enter where, and tick that they said yes", "where"))
    if part == "answers" and (stage not in help_given.STAGES or any(taps[one] not in (0, 1, 2) for one in taps)):
        problems.append(forms.Problem("answers", "Tap an answer to each of the four questions", f"{stage}-devices"))
    if part not in ("setup", "skills", "answers") or problems:
        return _help(ref, problems), 422
    _doing(ref, "This cannot be recorded")
    with services.db.transaction() as tx:
        if part == "setup":
            help_given.record_setup(tx, ref, request.form.getlist("what"), by, services.now())
        elif part == "skills":
            help_given.record_skills(tx, ref, forms.text(request.form, "where"), True, by, services.now())
        else:
            help_given.record_answers(tx, ref, stage, {k: v or 0 for k, v in taps.items()}, by, services.now())
    flash("Recorded.")
    return redirect(url_for("loan_work.help_form", ref=ref), 303)


def _thing(ref: str, item: int, problems: list[forms.Problem]) -> str:
    services = auth.services()
    _doing(ref, "There is no such thing in this loan")
    today = local(services.now())[0].date()
    with services.db.read() as tx:
        found = loans.get(tx, auth.actor(), ref)
        loan_items.own(tx, ref, item)
        one = next(each for each in loan_items.things(tx, ref) if each.id == item)
        plan = sims.current(tx, item, today) if one.kind == "sim" else None
    began = local(one.out_at)[0].date() if one.out_at else None
    ended = local(one.closed_at)[0].date() if one.closed_at else None
    return render_template(
        "loan_thing.html", loan=found, one=one, clock=clock(began, one.due, today, ended), plan=plan,
        problems=problems, values=request.form, conditions=forms.CONDITIONS, hows=endings.HOWS,
        states=loan_items.STATES, gifts=services.config.gifts, words=loan_items,
    )  # fmt: skip


def _filter(ref: str, code: str, problems: list[forms.Problem]) -> str:
    with auth.services().db.read() as tx:
        found = loans.get(tx, auth.actor(), ref)
    return render_template(
        "loan_filter.html", loan=found, code=code, ways=child_safety.WAYS, problems=problems, values=request.form
    )


def _reminders(ref: str, problems: list[forms.Problem]) -> str:
    with auth.services().db.read() as tx:
        found = loans.get(tx, auth.actor(), ref)
        stops = exceptions.exceptions(tx, ref, auth.actor())
        stopped = exceptions.reminders_stopped(tx, ref)
    return render_template(
        "loan_reminders.html", loan=found, stops=stops, stopped=stopped, whys=exceptions.WHYS, problems=problems
    )


def _help(ref: str, problems: list[forms.Problem]) -> str:
    with auth.services().db.read() as tx:
        found = loans.get(tx, auth.actor(), ref)
        given, answers = help_given.given(tx, ref), help_given.answers_of(tx, ref)
    return render_template(
        "loan_help.html", loan=found, given=given, answers=answers, words=help_given, problems=problems,
        values=request.form,
    )  # fmt: skip


def _pdf(data: bytes, name: str) -> Response:
    return Response(
        data, mimetype="application/pdf", headers={"Content-Disposition": f'inline; filename="{name}"'}
    )


def _doing(ref: str, what: str) -> None:
    refusals.doing(what, url_for("desk.loan", ref=ref), f"Go back to loan {ref}")


def _back(ref: str, anchor: str = "") -> ResponseReturnValue:
    return redirect(url_for("desk.loan", ref=ref, _anchor=anchor or None), 303)
