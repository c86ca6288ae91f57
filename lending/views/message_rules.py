"""How reminders are sent: the rules per type of loan, what they would say in each language, and who is next."""

import csv
import io
from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from custody.errors import Refused
from lending import auth, forms, message_texts, messages, recipients, reminders
from lending.reminders import ZONE, Planned, Policy
from lending.segments import size
from lending.views.messages import post

blueprint = Blueprint("message_rules", __name__)

READERS = ("desk", "supervisor", "administrator")
CHANGERS = ("supervisor", "administrator")
FURTHEST = 30
"""Days: how far ahead the plan may be looked at."""


@blueprint.get("/messages/tomorrow")
@auth.roles("desk", "supervisor")
def tomorrow() -> ResponseReturnValue:
    """Show who would get what, and who would not and why. Nothing is sent by looking."""
    day, found = _planned()
    return render_template(
        "message_tomorrow.html", found=[one for one in found if not one.why_not], cost_=sum(one.cost for one in found),
        out=[one for one in found if one.why_not], day=day, types=message_texts.LOAN_TYPES, ahead=_ahead(),
        ways=recipients.WAY_WORDS, languages=recipients.LANGUAGES, rtl=recipients.RIGHT_TO_LEFT,
    )  # fmt: skip


@blueprint.get("/messages/tomorrow.csv")
@auth.roles("desk", "supervisor")
def tomorrow_csv() -> ResponseReturnValue:
    """Give the same as a table for a spreadsheet."""
    day, found = _planned()
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(
        ["loan", "type", "agreed", "days", "way", "to", "language", "text", "alphabet", "parts", "pence", "from",
         "not sent because"]
    )  # fmt: skip
    for one in found:
        writer.writerow(_safe([
            one.loan, one.loan_type, one.day.isoformat(), str(one.step), one.way, one.shown_to, one.language, one.body,
            one.size.alphabet, str(one.size.parts), f"{one.cost / 100:.2f}",
            one.at.astimezone(ZONE).isoformat() if one.at else "", one.why_not,
        ]))  # fmt: skip
    headers = {"Content-Disposition": f'attachment; filename="reminders-{day.isoformat()}.csv"'}
    return Response("\ufeff" + out.getvalue(), mimetype="text/csv", headers=headers)


@blueprint.get("/messages/rules")
@auth.roles(*READERS)
def rules() -> ResponseReturnValue:
    """Show the rules of each type of loan, and the short texts of the loan's page."""
    with auth.services().db.read() as tx:
        found, texts = reminders.policies(tx), messages.settings(tx)
    return render_template(
        "message_rules.html", found=found, types=message_texts.LOAN_TYPES, ways=recipients.WAY_WORDS, texts=texts,
        names=messages.SETTINGS, problems=[], sends=post().config.channels,
    )  # fmt: skip


@blueprint.post("/messages/rules")
@auth.roles(*CHANGERS)
def set_page() -> ResponseReturnValue:
    """Change the short texts of the loan's page."""
    values = {name: request.form.get(name, "") for name in messages.SETTINGS}
    try:
        with auth.services().db.transaction() as tx:
            messages.set_settings(tx, values, auth.actor())
    except Refused as no:
        if any(reason.code != "form" for reason in no.reasons):
            raise
        with auth.services().db.read() as tx:
            found = reminders.policies(tx)
        return render_template(
            "message_rules.html", found=found, types=message_texts.LOAN_TYPES, ways=recipients.WAY_WORDS, texts=values,
            names=messages.SETTINGS, problems=forms.problems_of(no.reasons, {}, {}), sends=post().config.channels,
        ), 422  # fmt: skip
    flash("The loan's page says so now.")
    return redirect(url_for("message_rules.rules"), 303)


@blueprint.get("/messages/rules/<loan_type>")
@auth.roles(*READERS)
def rule(loan_type: str) -> ResponseReturnValue:
    """Show one type's rules for changing, with the actual texts in every language and what each costs."""
    with auth.services().db.read() as tx:
        policy = reminders.policies(tx).get(loan_type)
    if policy is None:
        return redirect(url_for("message_rules.rules"), 303)
    return _rule(policy, [])


@blueprint.post("/messages/rules/<loan_type>")
@auth.roles(*CHANGERS)
def set_rule(loan_type: str) -> ResponseReturnValue:
    """Save the rules of one type, or show what they would say."""
    services = auth.services()
    policy, problems = read_policy(request.form, loan_type)
    problems += forms.problems_of(reminders.wrong_with(policy), {}, {"steps": "before", "channels": "way_1"})
    if problems or request.form.get("do") == "look":
        return _rule(policy, problems), 422 if problems else 200
    with services.db.transaction() as tx:
        reminders.change(tx, policy, auth.actor(), services.now())
    flash("The rules are saved. Reminders that wait are judged by them too.")
    return redirect(url_for("message_rules.rule", loan_type=loan_type), 303)


@blueprint.get("/messages/wording/<kind>/<language>")
@auth.roles(*READERS)
def wording(kind: str, language: str) -> ResponseReturnValue:
    """Show one text in one language for changing."""
    if kind not in message_texts.TEXTS or language not in recipients.LANGUAGES:
        return redirect(url_for("message_rules.rules"), 303)
    with auth.services().db.read() as tx:
        found = reminders.wording(tx, kind, language)
    return _wording(kind, language, found.body, [])


@blueprint.post("/messages/wording/<kind>/<language>")
@auth.roles(*CHANGERS)
def set_wording(kind: str, language: str) -> ResponseReturnValue:
    """Save one text; the program's own comes back when the field is empty."""
    services, body = auth.services(), request.form.get("body", "")
    try:
        with services.db.transaction() as tx:
            reviewed = request.form.get("reviewed") == "yes"
            messages.reword(tx, kind, language, body, reviewed, auth.actor(), services.now())
    except Refused as no:
        if any(reason.subject != "body" for reason in no.reasons):
            raise
        return _wording(kind, language, body, forms.problems_of(no.reasons, {}, {})), 422
    flash("The text is saved.")
    back = kind.partition("-")[0]
    if back in message_texts.LOAN_TYPES:
        return redirect(url_for("message_rules.rule", loan_type=back), 303)
    return redirect(url_for("message_rules.rules"), 303)


def read_policy(form: forms.Form, loan_type: str) -> tuple[Policy, list[forms.Problem]]:
    """Read the rules' form; the use case judges what the answers may be."""
    problems, steps = [], [0] if form.get("on_the_day") == "yes" else []
    for name, sign, words in (("before", -1, "before"), ("after", 1, "after")):
        typed = [part.strip() for part in forms.text(form, name).replace(";", ",").split(",") if part.strip()]
        if not all(part.isascii() and part.isdecimal() and 0 < int(part) < 1000 for part in typed):
            text = f"Days {words} must be numbers with a comma between, for example 7, 14"
            problems.append(forms.Problem("steps", text, name))
            continue
        steps += [sign * int(part) for part in typed]
    chosen = [form.get(f"way_{place}", "") for place in range(1, 5)]
    return Policy(
        loan_type, active=form.get("active") == "yes", steps=tuple(sorted(set(steps))),
        channels=tuple(way for way in chosen if way), quiet_from=forms.text(form, "quiet_from"),
        quiet_to=forms.text(form, "quiet_to"), per_week=forms.whole(form, "per_week", 0, 99) or 0,
        copy_partner=form.get("copy_partner") == "yes", plain=form.get("plain") == "yes",
    ), problems  # fmt: skip


def _rule(policy: Policy, problems: list[forms.Problem]) -> str:
    services = auth.services()
    with services.db.read() as tx:
        day = services.now().astimezone(ZONE).date() + timedelta(days=7)
        preview = reminders.preview(tx, post(), policy, day)
    return render_template(
        "message_rule.html", policy=policy, preview=preview, problems=problems, types=message_texts.LOAN_TYPES,
        ways=recipients.WAY_WORDS, languages=recipients.LANGUAGES, rtl=recipients.RIGHT_TO_LEFT, form=request.form,
        kinds=message_texts.KIND_WORDS, status=message_texts.STATUS_WORDS, priced=bool(post().config.prices),
    )  # fmt: skip


def _wording(kind: str, language: str, body: str, problems: list[forms.Problem]) -> str:
    now_post = post()
    with auth.services().db.read() as tx:
        found = reminders.wording(tx, kind, language)
    day = auth.services().now().astimezone(ZONE).date() + timedelta(days=7)
    link = f"{now_post.host}/l/{'x' * 12}"
    shown = message_texts.Wording(kind, language, body, "").filled(sender=now_post.config.sender, link=link, day=day)
    return render_template(
        "message_wording.html", found=found, kind=kind, language=language, body=body, problems=problems, shown=shown,
        fits=size(shown), source=message_texts.shipped(kind, "en").body, languages=recipients.LANGUAGES,
        kinds=message_texts.KIND_WORDS, status=message_texts.STATUS_WORDS, rtl=recipients.RIGHT_TO_LEFT,
        needs=message_texts.PLACEHOLDERS[kind],
    )  # fmt: skip


def _ahead() -> int:
    typed = request.args.get("days", "1")
    return min(int(typed), FURTHEST) if typed.isascii() and typed.isdecimal() else 1


def _planned() -> tuple[datetime, list[Planned]]:
    services = auth.services()
    day = services.now().astimezone(ZONE).date() + timedelta(days=_ahead())
    begins = max(datetime.combine(day, time(0, 1), ZONE).astimezone(UTC), services.now())
    with services.db.read() as tx:
        return datetime.combine(day, time(0), ZONE), reminders.plan(tx, post(), begins)


def _safe(cells: Iterable[str]) -> list[str]:
    """Return cells that a spreadsheet does not take for a formula."""
    return [f"'{cell}" if cell[:1] in "=+@\t\r" or (cell[:1] == "-" and not cell[1:].isdecimal()) else cell
            for cell in cells]  # fmt: skip
