"""The verb `certificate`: one record in words, as a PDF, a JSON file or a page that checks itself."""

import argparse
from pathlib import Path

from custody.certificate import Certificate, Standing
from custody.keyfile import read_key
from station import forms
from station.certificate import find
from station.cli_words import AddVerb, Session
from station.errors import NotDone


def add_verbs(verb: AddVerb) -> None:
    """Add the verb."""
    new = verb(
        "certificate", certificate, "put one wipe or destruction into words: PDF, JSON, or a page that checks it"
    )
    new.add_argument("wipe", metavar="HASH", help="the record, or its first 8 characters or more")
    new.add_argument("--public", action="store_true", help="for anybody: neither donor nor serial number nor persons")
    new.add_argument("--names", type=Path, metavar="FILE", help="register of names (JSON), for printing only")
    new.add_argument("--pdf", type=Path, metavar="FILE", help="write a signed PDF")
    new.add_argument("--html", type=Path, metavar="FILE", help="write a page that shows and checks it offline")
    new.add_argument("--record", type=Path, metavar="FILE", help="write the JSON form (what --json prints)")


def certificate(session: Session, arguments: argparse.Namespace) -> int:
    """Print a certificate, or write it in the forms asked for; a record that is none says so."""
    config = session.config()
    with session.journal() as journal:
        row = find(journal, arguments.wipe)
        names = forms.read_names(arguments.names) if arguments.names else {}
        printed = forms.prepare(journal, row, names, for_anybody=arguments.public)
        key = read_key(config.event_key).key
        printer = forms.Printer(journal, key, config.home / "document.pem", session.now())
        if arguments.pdf:
            _write(arguments.pdf, forms.as_pdf(printer, printed))
        if arguments.html:
            _write(arguments.html, forms.as_page(printer, printed))
        if arguments.record:
            _write(arguments.record, forms.as_record(printer, printed))
        if session.json:
            print(forms.as_record(printer, printed).decode(), file=session.out)
    shown = printed.certificate
    if not (session.json or arguments.pdf or arguments.html or arguments.record):
        session.answer({}, _lines(shown))
    if shown.standing is Standing.NOT_SHOWN:
        session.say(f"This is NOT a certificate: {' '.join(shown.summary)}")
    return 0


def _lines(shown: Certificate) -> list[str]:
    """Return the certificate as lines for a terminal."""
    lines = [shown.title, *shown.summary]
    for part in shown.sections:
        lines += ["", part.title, *(f"  {one.name}: {one.value}" for one in part.fields)]
        lines += [f"  {' | '.join(row)}" for row in part.table]
    return lines


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise NotDone(f"{path} cannot be written: {error.strerror}") from error
