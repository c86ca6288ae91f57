"""The papers of data protection: the privacy notice and the complaint form for everybody, the others for the lead."""

from datetime import timedelta

from flask import Blueprint, abort, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lending import auth, complaints, forms, people
from lending import privacy_assessments as assessments
from lending import privacy_papers as papers
from lending.complaints import Words
from lending.views import refusals

blueprint = Blueprint("papers", __name__)

LEAD = ("data-protection", "administrator", "auditor")
MOST_COMPLAINTS = 10
"""Complaints from one address within the time of a sign-in window: a machine that fills the form is stopped."""
MAKERS = {
    "notice": papers.notice,
    "record": papers.record,
    "assessment": assessments.assessment,
    "balance": assessments.balance,
}


@blueprint.get("/privacy")
@auth.public
def notice() -> ResponseReturnValue:
    """Show the privacy notice to anybody."""
    return render_template("privacy_notice.html", paper=papers.notice(_controller()))


@blueprint.get("/privacy/complain")
@auth.public
def complain() -> ResponseReturnValue:
    """Show the form for complaining about personal data."""
    return _complain([])


@blueprint.post("/privacy/complain")
@auth.public
def send_complaint() -> ResponseReturnValue:
    """Take a complaint and give its reference and the day by which we answer that we have it."""
    services, words = auth.services(), read_words()
    problems = forms.problems_of(complaints.what_is_wrong(words), {}, {})
    if problems:
        return _complain(problems), 422
    refusals.doing("Your complaint was not stored", url_for("papers.complain"), "Go back to the form")
    key, now = f"complaint:{request.remote_addr}", services.now()
    with services.db.transaction() as tx:
        people.refuse_if_throttled(tx, key, now, MOST_COMPLAINTS)
        people.count_try(tx, key, now)
        ref = complaints.receive(tx, words, "page", now)
    by = (now + timedelta(days=complaints.ACKNOWLEDGE_DAYS - 1)).date()
    return render_template("complaint_sent.html", ref=ref, by=by)


@blueprint.get("/privacy/papers")
@auth.roles(*LEAD)
def listing() -> ResponseReturnValue:
    """Show which papers there are."""
    return render_template("privacy_papers.html", papers=assessments.PAPERS, who=_controller())


@blueprint.get("/privacy/papers/<name>")
@auth.roles(*LEAD)
def paper(name: str) -> ResponseReturnValue:
    """Show one paper, made afresh from the table."""
    if name not in MAKERS:
        abort(404)
    return render_template("privacy_paper.html", paper=MAKERS[name](_controller()), name=name)


@blueprint.get("/privacy/record.csv")
@auth.roles(*LEAD)
def record_csv() -> ResponseReturnValue:
    """Give the record of processing as a file."""
    answer = make_response(papers.record_csv())
    answer.headers["Content-Type"] = "text/csv; charset=utf-8"
    answer.headers["Content-Disposition"] = "attachment; filename=record-of-processing.csv"
    return answer


def read_words() -> Words:
    """Return what a complaint form says."""
    text = request.form.get("text", "").strip()
    return Words(forms.text(request.form, "name"), forms.text(request.form, "reply_to"), text)


def _complain(problems: list[forms.Problem]) -> str:
    return render_template("complain.html", problems=problems, values=request.form, who=_controller())


def _controller() -> papers.Controller:
    config = auth.services().config
    return papers.Controller(config.organisation, config.privacy_contact)
