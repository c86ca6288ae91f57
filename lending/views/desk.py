"""The loan desk: loans, reserving and handing over by scan, and receiving what comes back."""

from datetime import datetime

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from labels.codes import pretty
from lending import auth, devices, forms, lists, loan_items, loans
from lending.lists import LoanLine
from lending.loans import Loan
from lending.views import loan_sheet, refusals

blueprint = Blueprint("desk", __name__)

DESK = ("desk", "supervisor")
HOW = {"lost": "Lost", "written-off": "Written off"}


def overdue(found: Loan | LoanLine, now: datetime) -> bool:
    """Tell whether a loan that is out is past the day agreed."""
    return found.state == "out" and found.due is not None and found.due < now.date()


@blueprint.get("/loans")
@auth.roles("partner", *DESK)
def listing() -> ResponseReturnValue:
    """Show the loans that the reader may see."""
    refusals.doing("The list begins anew", url_for("desk.listing"), "Go to the first page of loans")
    services, state = auth.services(), request.args.get("state", "")
    state = state if state in loans.LOAN_STATES else ""
    with services.db.read() as tx:
        page = lists.loan_page(tx, auth.actor(), state, request.args.get("after", ""))
        counts = lists.loan_counts(tx, auth.actor())
    late = {one.ref for one in page.lines if overdue(one, services.now())}
    return render_template(
        "loans.html", found=page.lines, after=page.after, counts=counts, state=state, late=late, words=loans
    )


@blueprint.get("/loans/<ref>")
@auth.roles("partner", *DESK)
def loan(ref: str) -> ResponseReturnValue:
    """Show one loan, with everything the desk can do about it."""
    return _loan(ref)


@blueprint.post("/loans/<ref>/reserve")
@auth.roles(*DESK)
def reserve(ref: str) -> ResponseReturnValue:
    """Keep the scanned device for this loan, if it can be lent now."""
    services = auth.services()
    scan = forms.read_scan(request.form.get("code", ""))
    if scan.problem:
        return _loan(ref, scan), 422
    _doing(ref, scan.code, "reserved")
    with services.db.transaction() as tx:
        code = devices.find(tx, scan.code)
        loans.reserve(tx, ref, code, auth.actor(), services.now())
    flash(f"{pretty(scan.code)} can be lent and is kept for this loan.")
    return redirect(url_for("desk.loan", ref=ref, _anchor="devices"), 303)


@blueprint.post("/loans/<ref>/hand-over")
@auth.roles(*DESK)
def hand_over(ref: str) -> ResponseReturnValue:
    """Let a device leave on this loan. The rules are asked again at this moment."""
    services = auth.services()
    scan = forms.read_scan(request.form.get("code", ""))
    if scan.problem:
        return _loan(ref, scan), 422
    _doing(ref, scan.code, "handed over")
    with services.db.transaction() as tx:
        loans.hand_over(tx, ref, scan.code, auth.actor(), services.now())
    flash(f"{pretty(scan.code)} is handed over.")
    return redirect(url_for("desk.loan", ref=ref, _anchor="devices"), 303)


@blueprint.post("/loans/<ref>/release")
@auth.roles(*DESK)
def release(ref: str) -> ResponseReturnValue:
    """Give up a reservation."""
    services, code = auth.services(), request.form.get("code", "")
    _doing(ref, code, "released")
    with services.db.transaction() as tx:
        loans.release(tx, ref, code, auth.actor(), services.now())
    flash(f"{pretty(code)} is free again.")
    return redirect(url_for("desk.loan", ref=ref), 303)


@blueprint.post("/loans/<ref>/extend")
@auth.roles(*DESK)
def extend(ref: str) -> ResponseReturnValue:
    """Set the day a loan is due, or take it away."""
    services = auth.services()
    until, problem = forms.read_day(request.form, "due")
    if problem:
        return _loan(ref, problems=[forms.Problem("due", problem, "due-day")]), 422
    refusals.doing("This day cannot be set", url_for("desk.loan", ref=ref), "Go back to the loan")
    with services.db.transaction() as tx:
        loans.extend(tx, ref, until, auth.actor(), services.now())
    flash("The day agreed was changed.")
    return redirect(url_for("desk.loan", ref=ref), 303)


@blueprint.get("/loans/<ref>/close/<code>")
@auth.roles("supervisor")
def confirm_close(ref: str, code: str) -> ResponseReturnValue:
    """Ask how a device's loan ends when the device does not come back."""
    with auth.services().db.read() as tx:
        found = loans.get(tx, auth.actor(), ref)
    return render_template("loan_close.html", loan=found, code=code, how=HOW, problems=[])


@blueprint.post("/loans/<ref>/close/<code>")
@auth.roles("supervisor")
def close(ref: str, code: str) -> ResponseReturnValue:
    """End a device's loan without the device."""
    services, how = auth.services(), request.form.get("how", "")
    if how not in HOW:
        with services.db.read() as tx:
            found = loans.get(tx, auth.actor(), ref)
        problems = [forms.Problem("how", "Choose how the loan ends", "how")]
        return render_template("loan_close.html", loan=found, code=code, how=HOW, problems=problems), 422
    refusals.doing("This loan cannot be closed so", url_for("desk.loan", ref=ref), "Go back to the loan")
    with services.db.transaction() as tx:
        loans.close(tx, ref, code, how, auth.actor(), services.now())
    flash(f"The loan of {pretty(code)} is closed: {HOW[how].lower()}.")
    return redirect(url_for("desk.loan", ref=ref), 303)


@blueprint.get("/receive")
@auth.roles("volunteer", *DESK)
def receive() -> ResponseReturnValue:
    """Show what was reported returned, and the form for taking a device in hand."""
    typed = request.args.get("code", "")
    return _receive(forms.read_scan(typed) if typed else forms.Scan(""))


@blueprint.post("/receive")
@auth.roles("volunteer", *DESK)
def take() -> ResponseReturnValue:
    """Say that a device is in our hands: this alone closes a loan as returned."""
    services = auth.services()
    scan = forms.read_scan(request.form.get("code", ""))
    items, problems = forms.read_items(request.form)
    condition = forms.text(request.form, "condition")
    if condition not in forms.CONDITIONS:
        problems.insert(0, forms.Problem("condition", "Choose what state the device is in", "condition"))
    if scan.problem:
        problems.insert(0, forms.Problem("code", scan.problem, "code"))
    if problems:
        return _receive(scan, problems), 422
    shown = pretty(scan.code)
    refusals.doing(f"{shown} cannot be received", url_for("desk.receive"), "Go back to receiving", scan.code)
    with services.db.transaction() as tx:
        loans.take_back(tx, scan.code, auth.actor(), services.now(), condition, items)
    flash(f"{shown} is received. It must be wiped before it can be lent again: take it to the bench.")
    return redirect(url_for("desk.receive"), 303)


@blueprint.get("/receive/set-aside/<event>")
@auth.roles(*DESK)
def confirm_dismiss(event: str) -> ResponseReturnValue:
    """Ask why a report is set aside."""
    return render_template("dismiss.html", event=event, problems=[])


@blueprint.post("/receive/set-aside/<event>")
@auth.roles(*DESK)
def dismiss(event: str) -> ResponseReturnValue:
    """Set aside a mistaken report of a return; both stay in the history."""
    services, reason = auth.services(), forms.text(request.form, "reason")
    if not reason:
        problems = [forms.Problem("reason", "Say why the report is set aside", "reason")]
        return render_template("dismiss.html", event=event, problems=problems), 422
    refusals.doing("This report cannot be set aside", url_for("desk.receive"), "Go back to receiving")
    with services.db.transaction() as tx:
        loans.dismiss(tx, event, reason, auth.actor(), services.now())
    flash("The report is set aside.")
    return redirect(url_for("desk.receive"), 303)


def _loan(ref: str, scan: forms.Scan | None = None, problems: list[forms.Problem] | None = None) -> str:
    services = auth.services()
    refusals.doing("There is no such loan", url_for("desk.listing"), "Go to the loans")
    with services.db.read() as tx:
        found = loans.get(tx, auth.actor(), ref)
        sheet = loan_sheet.read(tx, found, auth.actor(), services.now())
    scan, problems = scan or forms.Scan(""), list(problems or [])
    if scan.problem:
        problems.append(forms.Problem("code", scan.problem, "code"))
    return render_template(
        "loan.html", loan=found, scan=scan, problems=problems, words=loans, values=request.form,
        late=overdue(found, services.now()), sheet=sheet, kinds=loan_items.KINDS, states=loan_items.STATES,
    )  # fmt: skip


def _receive(scan: forms.Scan, problems: list[forms.Problem] | None = None) -> str:
    with auth.services().db.read() as tx:
        waiting = loans.awaiting_receipt(tx)
    return render_template(
        "receive.html", waiting=waiting, scan=scan, problems=problems or [], values=request.form,
        accessories=forms.ITEMS, conditions=forms.CONDITIONS,
    )  # fmt: skip


def _doing(ref: str, code: str, what: str) -> None:
    """Prepare the page that says no."""
    refusals.doing(
        f"{pretty(code)} must not be {what}", url_for("desk.loan", ref=ref), f"Go back to loan {ref}", code,
        verdict="Must not be lent",
    )  # fmt: skip
