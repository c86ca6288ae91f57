"""The forms of one certificate: gathered from the journal, then as PDF, JSON or a page that checks itself offline.

Whatever the form, the signed record is what counts; a form is a view, made when somebody asks for it. The full form
carries the record with its evidence; the public one leaves it out, because the record names the drive.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import wipe_profiles
from custody.certificate import Certificate, Person, Sources, Standing, certificate, public
from custody.certificate_gather import attached, gather
from custody.events import PrivateKey, PublicKey, World
from custody.journal import Journal, Row
from custody.statement import state
from labels import codes
from station.certificate import EVIDENCE_IN_PDF, FORMAT, IN_PDF, key_of, record_of
from station.errors import UsageError

if TYPE_CHECKING:
    from labels.certificate import Paper

TONES = {Standing.SHOWN: "good", Standing.NOT_SHOWN: "bad", Standing.PRACTICE: "practice"}


@dataclass(frozen=True)
class Printer:
    """Who prints: the journal, the station's event key, where its document key is (or will be), and the time."""

    journal: Journal
    key: PrivateKey
    document_key: Path
    now: datetime


@dataclass(frozen=True)
class Printed:
    """One certificate ready to be put into a form. `row` is the record it is a view of."""

    row: Row
    certificate: Certificate


def prepare(journal: Journal, row: Row, names: Mapping[str, Person], *, for_anybody: bool) -> Printed:
    """Put a record into words, in full or in the public form; raises UsageError for what no certificate is made of."""
    try:
        return Printed(row, (public if for_anybody else certificate)(sources_of(journal, row, names)))
    except ValueError as error:
        raise UsageError(f"{error}") from error


def sources_of(journal: Journal, row: Row, names: Mapping[str, Person]) -> Sources:
    """Gather what is known here of one record and its subject."""
    event, url = row.event, journal.url()
    return gather(
        event,
        signed_by=key_of(journal, event).keyid,
        world=journal.world,
        about=journal.about,
        attachment=journal.attachment,
        profile_of=_profile,
        refused=tuple(row.refused),
        names=names,
        station=journal.writers()[event.origin].name,
        address=address(url, event.hash) if url else "",
    )


def address(url: str, name: str) -> str:
    """Return what a certificate's QR says: the server's page of that record, in capitals as on labels."""
    return f"{url.rstrip('/')}/V/{name}".upper()


def read_names(path: Path) -> dict[str, Person]:
    """Read a register: JSON, reference -> name, or -> a table of name, title, organisation, location, contact.

    It stays outside the journal, so that a person can be erased from it. Raises UsageError.
    """
    try:
        read = json.loads(path.read_text("utf-8"))
        return {
            str(ref): Person(name=who) if isinstance(who, str) else Person(**{k: str(v) for k, v in who.items()})
            for ref, who in read.items()
        }
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror})") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{path} is no register of names: write JSON, such as "
            '{"v-12": "Ann Example"} or {"v-12": {"name": "Ann Example", "title": "Technician"}} '
            f"({error})"
        ) from error


def as_record(printer: Printer, printed: Printed, document: str = "") -> bytes:
    """Return the JSON form: the signed certificate, and in the full form the record with its evidence."""
    journal, row = printer.journal, printed.row
    statement = state(printed.certificate, journal.origin, printer.key, journal.world, printer.now, document)
    if printed.certificate.form == "full":
        return record_of(journal, row, statement, (printer.key.public,))
    return record_of_statement(statement, printer.key.public)


def as_pdf(printer: Printer, printed: Printed) -> bytes:
    """Return the PDF: pages for people, the JSON form attached, the whole signed by the document key.

    The document key is made when there is none. Raises KeyFileError.
    """
    from custody import pdfsign  # these take longer to load than most verbs to run
    from labels import certificate as paper

    journal = printer.journal
    if not printer.document_key.exists():
        practice = "" if journal.world is World.REAL else " (PRACTICE)"
        pdfsign.make_document_key(printer.document_key, f"Kitbank {journal.origin}{practice}")
    key = pdfsign.read_document_key(printer.document_key)
    files = {IN_PDF: as_record(printer, printed, key.fingerprint)}
    evidence = attached(printed.row.event, "evidence", journal.attachment)
    if evidence is not None and printed.certificate.form == "full":
        files[EVIDENCE_IN_PDF] = evidence
    pages = paper.render(paper_of(printed.certificate, _organisation(journal)))
    return pdfsign.signed(pages, files, key, f"View of the signed record {printed.row.event.hash}")


def as_page(printer: Printer, printed: Printed) -> bytes:
    """Return one HTML file that shows this certificate and checks it, and any other that is dropped on it, offline."""
    from custody.checkpage import page

    journal = printer.journal
    keys = {
        f"{writer.name or writer.id}": span.key.hex
        for writer in journal.writers().values()
        for span in writer.keys[-1:]
        if span.key != printer.key.public and writer.revoked_through is None
    }
    signer = key_of(journal, printed.row.event)  # may have been replaced since; this journal took the record by it
    if signer.hex not in (*keys.values(), printer.key.public.hex):
        keys[f"the key of {printed.row.event.origin} at that time"] = signer.hex
    keys[f"this station ({journal.origin})"] = printer.key.public.hex
    return page(keys, as_record(printer, printed))


def paper_of(shown: Certificate, organisation: str) -> "Paper":
    """Return the certificate as labels draws it."""
    from labels import certificate as paper

    tone = TONES[shown.standing]
    what = {"good": "", "bad": "NOT A CERTIFICATE. ", "practice": "PRACTICE, NOT A CERTIFICATE. "}[tone]
    code = f"{codes.pretty(shown.code)}\n" if shown.code else ""
    return paper.Paper(
        title=shown.title,
        tone=tone,
        organisation=organisation,
        glance=tuple((one.name, one.value) for one in shown.glance),
        summary=shown.summary,
        parts=tuple(
            paper.Part(one.title, tuple((each.name, each.value) for each in one.fields), one.table)
            for one in shown.sections
        ),
        scan=shown.address or shown.event.upper(),
        below_scan=f"{code}{'look the record up' if shown.address else 'name of the record'}: {shown.event[:16]}",
        foot=f"{what}A view of the signed record {shown.event}; only that record counts.",
    )


def _organisation(journal: Journal) -> str:
    server = journal.server()
    return f"{server.name if server else 'Kitbank'}, printed by station {journal.origin}"


def record_of_statement(statement: bytes, key: PublicKey) -> bytes:
    """Return the JSON form of a public certificate: the statement and the key it was signed with, nothing else."""
    return json.dumps({"format": FORMAT, "key": key.hex, "statement": base64.b64encode(statement).decode()}).encode()


def _profile(name: str) -> wipe_profiles.Profile | None:
    """Return this version's profile of that name, None where there is none."""
    try:
        return wipe_profiles.load(name)
    except wipe_profiles.ProfileError:
        return None
