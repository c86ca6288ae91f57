"""Many referrals from one file: upload, look at what would become of it, take it in; the template and the mistakes."""

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from custody.errors import Refused
from lending import auth, forms, intake, people
from lending.db import Tx
from lending.views import refusals

blueprint = Blueprint("intake", __name__)

WRITERS = ("partner", "desk")
BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"
"""Tells spreadsheets that the text is UTF-8."""


@blueprint.get("/referrals/file")
@auth.roles(*WRITERS)
def upload() -> ResponseReturnValue:
    """Show where to choose a file, and what its columns are."""
    return _upload([])


@blueprint.get("/referrals/file/template.csv")
@auth.roles(*WRITERS)
def template() -> ResponseReturnValue:
    """Give an empty file with the right header."""
    return _file(intake.template(), "referrals-template.csv")


@blueprint.post("/referrals/file")
@auth.roles(*WRITERS)
def receive() -> ResponseReturnValue:
    """Read the file and show what would become of it. Nothing is referred yet."""
    services, sent = auth.services(), request.files.get("file")
    if sent is None or not sent.filename:
        return _upload([forms.Problem("file", "Choose a file", "file")]), 422
    data = sent.stream.read(intake.LARGEST + 1)
    try:
        with services.db.transaction() as tx:
            name = intake.stage(tx, auth.actor(), data, services.config.region, services.now())
    except Refused as no:
        return _upload([forms.Problem("file", one.text, "file") for one in no.reasons]), 422
    return redirect(url_for("intake.preview", draft=name), 303)


@blueprint.get("/referrals/file/<draft>")
@auth.roles(*WRITERS)
def preview(draft: str) -> ResponseReturnValue:
    """Show every row that would be taken in and every mistake."""
    with auth.services().db.read() as tx:
        return _preview(tx, draft, [])


@blueprint.get("/referrals/file/<draft>/mistakes.csv")
@auth.roles(*WRITERS)
def mistakes(draft: str) -> ResponseReturnValue:
    """Give the rows with mistakes as a file that can be put right and uploaded."""
    _doing()
    with auth.services().db.read() as tx:
        staged = intake.get(tx, auth.actor(), draft, auth.services().config.region)
    return _file(intake.error_file(staged.rows), "referrals-mistakes.csv")


@blueprint.post("/referrals/file/<draft>")
@auth.roles(*WRITERS)
def take(draft: str) -> ResponseReturnValue:
    """Take the file in: all of it, or the good rows; or throw it away."""
    services, by, how = auth.services(), auth.actor(), request.form.get("how", "all")
    _doing()
    if how == "none":
        with services.db.transaction() as tx:
            intake.throw_away(tx, by, draft)
        flash("The file is thrown away. Nothing was referred.")
        return redirect(url_for("intake.upload"), 303)
    typed = request.form.get("partner", "")
    partner = int(typed) if typed.isascii() and typed.isdecimal() and len(typed) < 10 else None
    try:
        with services.db.transaction() as tx:
            if partner is not None and partner not in dict(people.partners(tx)):
                partner = None
            refs, left = intake.take(
                tx, by, draft, services.config.region, services.now(), good_only=how == "good", partner=partner
            )
    except Refused as no:
        if no.reasons[0].code == "unknown-file":
            raise
        with services.db.read() as tx:
            return _preview(tx, draft, [forms.Problem("how", one.text, "how") for one in no.reasons]), 409
    return render_template("intake_done.html", refs=refs, left=left)


def _upload(problems: list[forms.Problem]) -> str:
    return render_template(
        "intake_upload.html", problems=problems, columns=intake.explained(), most=intake.MOST_ROWS
    )


def _preview(tx: Tx, draft: str, problems: list[forms.Problem]) -> str:
    _doing()
    staged = intake.get(tx, auth.actor(), draft, auth.services().config.region)
    ours = people.partners(tx) if auth.actor().partner_id is None else []
    return render_template("intake_preview.html", staged=staged, problems=problems, partners=ours)


def _doing() -> None:
    refusals.doing("There is no such file", url_for("intake.upload"), "Choose a file")


def _file(text: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(BOM + text, mimetype="text/csv", headers=headers)
