"""Reading in other systems' files: upload, choose columns, look, begin, go on, and what was wrong as a spreadsheet."""

from random import SystemRandom

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from custody.errors import Refused
from labels.codes import pretty
from lending import auth, forms, import_columns, imports, sheets
from lending.views import refusals

blueprint = Blueprint("imports", __name__)

WHO = ("supervisor", "administrator")
WORDS = {"devices": "Devices", "partners": "Partners", "accounts": "Accounts"}
VERDICTS = {"add": "would be added", "same": "here already", "wrong": "cannot be read in"}
STATES = {"new": "waiting", "added": "added", "same": "here already", "wrong": "not read in"}
SECONDS = 8
"""How long one press of the button works before it shows how far it came."""


@blueprint.get("/imports")
@auth.roles(*WHO)
def listing() -> ResponseReturnValue:
    """Show what was read in, and the form for a file."""
    return _listing([])


@blueprint.post("/imports")
@auth.roles(*WHO)
def upload() -> ResponseReturnValue:
    """Take a file and go on to looking at it."""
    services, file, what = auth.services(), request.files.get("file"), request.form.get("what", "")
    if what not in _allowed():
        return _listing([forms.Problem("what", "Choose what is in the file", "what")]), 422
    if file is None or not file.filename:
        return _listing([forms.Problem("file", "Choose a file", "file")]), 422
    try:
        with services.db.transaction() as tx:
            number = imports.begin(
                tx, auth.actor(), what, file.filename, file.stream.read(sheets.MOST_BYTES + 1), services.now()
            )
    except Refused as no:
        return _listing([forms.Problem("file", one.text, "file") for one in no.reasons]), 422
    return redirect(url_for("imports.show", number=number), 303)


@blueprint.get("/imports/<int:number>")
@auth.roles(*WHO)
def show(number: int) -> ResponseReturnValue:
    """Show what reading the file in would do, or how far it has come."""
    refusals.doing("There is no such import", url_for("imports.listing"), "Go to the imports")
    with auth.services().db.read() as tx:
        run = imports.get(tx, auth.actor(), number)
        look = imports.look(tx, auth.actor(), number) if run.state == "look" else None
        wrong = imports.wrong_rows(tx, auth.actor(), number)[:200]
    return render_template(
        "import.html", run=run, look=look, wrong=wrong, fields=import_columns.FIELDS[run.what],
        sources=import_columns.SOURCES, verdicts=VERDICTS, states=STATES, what=WORDS,
    )  # fmt: skip


@blueprint.post("/imports/<int:number>/columns")
@auth.roles(*WHO)
def columns(number: int) -> ResponseReturnValue:
    """Say which column is what, and look again."""
    services = auth.services()
    refusals.doing("The columns cannot be set so", url_for("imports.show", number=number), "Go back to the import")
    chosen = {
        name.removeprefix("field_"): int(value)
        for name, value in request.form.items()
        if name.startswith("field_") and value.isascii() and value.isdecimal() and len(value) < 4
    }
    with services.db.transaction() as tx:
        source = request.form.get("source", "plain")
        imports.choose(tx, auth.actor(), number, source, chosen, services.now())
    return redirect(url_for("imports.show", number=number), 303)


@blueprint.post("/imports/<int:number>/run")
@auth.roles(*WHO)
def run(number: int) -> ResponseReturnValue:
    """Read in, batch after batch, for some seconds; what is not done then waits for the button again."""
    services = auth.services()
    refusals.doing("This cannot be read in", url_for("imports.show", number=number), "Go back to the import")
    begun, more = services.now(), True
    while more and (services.now() - begun).total_seconds() < SECONDS:
        with services.db.transaction() as tx:
            more = imports.go_on(tx, auth.actor(), number, services.now(), SystemRandom())
    if not more:
        flash("The whole file is read in.")
    return redirect(url_for("imports.show", number=number), 303)


@blueprint.post("/imports/<int:number>/discard")
@auth.roles(*WHO)
def discard(number: int) -> ResponseReturnValue:
    """Throw away what is kept of the file."""
    services = auth.services()
    refusals.doing("There is no such import", url_for("imports.listing"), "Go to the imports")
    with services.db.transaction() as tx:
        imports.discard(tx, auth.actor(), number, services.now())
    flash("What was kept of the file is thrown away. What was added stays.")
    return redirect(url_for("imports.listing"), 303)


@blueprint.get("/imports/<int:number>/problems.csv")
@auth.roles(*WHO)
def problems(number: int) -> ResponseReturnValue:
    """Give every row that was not read in, as a spreadsheet."""
    with auth.services().db.read() as tx:
        rows = imports.wrong_rows(tx, auth.actor(), number)
    return _file(sheets.csv_lines(("Row", "Column", "Value", "What to do"), rows), f"import-{number}-problems.csv")


@blueprint.get("/imports/<int:number>/added.csv")
@auth.roles(*WHO)
def added(number: int) -> ResponseReturnValue:
    """Give what was added, row by row: for devices the codes that labels are printed with."""
    with auth.services().db.read() as tx:
        run = imports.get(tx, auth.actor(), number)
        rows = imports.made(tx, auth.actor(), number)
    shown = [(line, pretty(target) if run.what == "devices" else target) for line, target in rows]
    return _file(sheets.csv_lines(("Row in the file", "Here"), shown), f"import-{number}-added.csv")


def _file(lines: object, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(lines, mimetype="text/csv", headers=headers)  # type: ignore[arg-type]


def _allowed() -> list[str]:
    return [what for what, who in imports.WHO.items() if auth.actor().roles & set(who)]


def _listing(problems: list[forms.Problem]) -> str:
    with auth.services().db.read() as tx:
        found = imports.listing(tx, auth.actor())
    choices = {what: WORDS[what] for what in _allowed()}
    return render_template("imports.html", found=found, choices=choices, problems=problems, what=WORDS, states=STATES)
