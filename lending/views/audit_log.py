"""Who read or changed what: the audit, for auditors and the data-protection lead."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flask import Blueprint, Response, render_template, request
from flask.typing import ResponseReturnValue

from lending import audit_log, auth, forms
from lending.audit_log import Filter

blueprint = Blueprint("audit", __name__)


@blueprint.get("/audit")
@auth.roles(*audit_log.READERS)
def listing() -> ResponseReturnValue:
    """Show the audit, newest first, filtered as asked."""
    wanted, problems = _filter()
    number = forms.text(request.args, "page")
    with auth.services().db.read() as tx:
        found = audit_log.page(tx, auth.actor(), wanted, int(number[:9]) if number.isdecimal() else 1)
        actions = audit_log.known_actions(tx)
    kept = {name: text for name, text in request.args.items() if name != "page" and text}
    return render_template(
        "audit.html", found=found, actions=actions, words=audit_log.ACTIONS, problems=problems, kept=kept
    ), 422 if problems else 200


@blueprint.post("/audit.csv")
@auth.roles(*audit_log.READERS)
@auth.recent
def export() -> ResponseReturnValue:
    """Hand out the filtered audit as CSV; that it was handed out is in the audit, too."""
    services, by = auth.services(), auth.actor()
    wanted, _ = _filter()
    with services.db.transaction() as tx:
        text = audit_log.export(tx, by, wanted)
        lines = f"{max(0, text.count(chr(10)) - 1)} lines"
        audit_log.note(tx, by, "audit-exported", "audit", lines, now=services.now())
    name = f"audit-{services.now():%Y-%m-%d}.csv"
    return Response(text, mimetype="text/csv", headers={"Content-Disposition": f'attachment; filename="{name}"'})


def _filter() -> tuple[Filter, list[forms.Problem]]:
    """Return what is wanted, and which day could not be read."""
    asked, problems, days = request.values, [], {}
    for field, what in (("from", "first"), ("to", "last")):
        text = forms.text(asked, field)
        days[field] = _day(text)
        if text and days[field] is None:
            said = f"The {what} day is not a day: {text}. Write it like 25/11/2026"
            problems.append(forms.Problem(field, said, field))
    last = days["to"]
    wanted = Filter(
        by=forms.text(asked, "by"), action=forms.text(asked, "action"), subject=forms.text(asked, "subject"),
        after=days["from"], before=last + timedelta(days=1) if last else None,
    )  # fmt: skip
    return wanted, problems


def _day(text: str) -> datetime | None:
    """Return the midnight, by the clocks here, with which a day begins; None when it is no day."""
    try:
        zone = ZoneInfo("Europe/London")
    except ZoneInfoNotFoundError:
        zone = None
    for pattern in ("%d/%m/%Y", "%Y-%m-%d"):
        try:
            return datetime.strptime(text, pattern).replace(tzinfo=zone or UTC)
        except ValueError:
            continue
    return None
