"""Papers for donors: all certificates as one signed PDF, the list as CSV, a letter about a lock, a thank-you letter.

The certificates are views of signed records in their public form, made afresh; what no longer shows a success is left
out. The whole PDF is signed by this server's document key (PAdES), as a station signs a certificate.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from custody import pdfsign
from custody.certificate import Certificate, Standing
from custody.events import World
from labels import certificate as paper
from labels import codes
from lending import donor_portal, donors, sheets
from lending.agreement_pdf import Paper, Part, print_paper
from lending.db import Tx
from lending.donor_impact import Impact
from lending.donor_portal import Line

HEADER = ("Label", "Kind", "Make", "Model", "Serial", "State", "Level", "Recorded", "Record (SHA-256)", "Owner's lock")
LOCKS: Mapping[str, str] = {
    "activation": "sign in to the account that the device is locked to (iCloud, Google or Samsung), choose the device "
    "and remove it from the account",
    "mdm": "remove the device from your device management (for example Apple School or Business Manager, Intune, "
    "Google Admin) and release it from your organisation",
    "firmware": "send us the firmware (BIOS or EFI) password, or come and take it off, since only your IT department "
    "knows it",
}
"""What the donor can do about a kind of lock."""
SIGNED_BY = "Kitbank, certificates for donors"


def csv(lines: Sequence[Line]) -> Iterator[bytes]:
    """Return the devices as CSV, one line for every record, one without a record for devices that have none."""
    return sheets.csv_lines(HEADER, _rows(lines))


def certificates(tx: Tx, lines: Sequence[Line], organisation: str, home: Path) -> bytes | None:
    """Return one signed PDF of every record that stands today; None when there is none yet.

    The document key is made in `home` when there is none. Raises KeyFileError when it cannot be read or written.
    """
    found = [donor_portal.shown(tx, proof.event) for line in lines for proof in line.proofs]
    papers = [_paper(one, organisation) for one in found if one is not None]
    if not papers:
        return None
    pages = paper.render_all(papers, "Certificates", "Views of signed records; only those records count.")
    return pdfsign.signed(pages, {}, _key(home, tx.world), "View of signed records")


def locked(line: Line, pledge: donors.Pledge, organisation: str, contact: str, now: datetime) -> bytes | None:
    """Return the letter to the donor about an owner's lock, None when the device has none."""
    if not line.locks:
        return None
    asks = [LOCKS.get(_kind(lock), "take the lock off, or tell us who can") for lock in line.locks]
    name = " ".join(filter(None, (line.make, line.model))) or donors.ONE.get(line.kind, "device")
    words = [
        "A device from you is locked", f"To whoever looks after IT at {pledge.organisation}", "",
        (f"Thank you for your donation {pledge.ref}. One device in it is still locked to your organisation or to "
        "somebody in it. Nobody but you can take this lock off, and we do not try. Until it is off we cannot wipe the "
        "device with proof, and nobody can use it."), "",
        *(f"Please {one}." for one in asks), "",
        ("Do not send a password to an account of a person by e-mail. If you would rather have the device back, or "
        "have it recycled, tell us."), "",
    ]  # fmt: skip
    facts = (
        ("Device", name), ("Serial number", line.serial or "not readable while it is locked"),
        ("Our label", codes.pretty(line.code)), ("Lock", ", ".join(line.locks)), ("Your donation", pledge.ref),
        ("Answer to", contact or organisation), ("Date", f"{now.day} {now:%B %Y}"),
    )  # fmt: skip
    return print_paper(Paper("A locked device", [Part(words)], facts, footer=organisation))


def thanks(lines: Sequence[Line], pledge: donors.Pledge, impact: Impact, organisation: str, now: datetime) -> bytes:
    """Return the thank-you letter: what came, what became of it so far, and the range of what it avoided."""
    states = [line.state for line in lines]
    proofs = sum(bool(line.proofs) for line in lines)
    words = [
        "Thank you", f"To {pledge.organisation}", "",
        (f"{_count(len(lines))} of your donation {pledge.ref} came to us. For {_count(proofs)} there is a record of a "
        "wipe or destruction that stands today."), "",
        f"Lent to households at this moment: {states.count('lent')}. Given for good: {states.count('given')}.", "",
        *sentences(impact),
    ]  # fmt: skip
    return print_paper(Paper("Thank you", [Part(words)], (("Date", f"{now.day} {now:%B %Y}"),), footer=organisation))


def sentences(impact: Impact) -> list[str]:
    """Return the impact in words: always a range, always with the factors it was worked out by."""
    if not impact.devices:
        return ["None of the devices for which there are factors was lent yet, so there is nothing to work out."]
    more = f" {_count(impact.without)} of other kinds, without factors, are left out." if impact.without else ""
    return [
        (f"Between {impact.low} and {impact.high} kg CO2e (middle {impact.central}) were avoided so far by lending "
        f"{_count(impact.devices)}.{more}"),
        (f"Factors: {impact.factor_set}; every second reused device replaces a new one (displacement "
        f"{impact.displacement}); a full extra life is 48 months of lending. What refurbishing and driving cost is not "
        "measured yet and not taken off."),
    ]  # fmt: skip


def _rows(lines: Sequence[Line]) -> Iterator[Sequence[sheets.Cell]]:
    for line in lines:
        device = (codes.pretty(line.code), donors.ONE.get(line.kind, line.kind), line.make, line.model, line.serial,
                  line.words)  # fmt: skip
        locks = ", ".join(line.locks)
        for proof in line.proofs:
            yield (*device, proof.level, proof.at, proof.event, locks)
        if not line.proofs:
            yield (*device, "", None, "", locks)


def _paper(shown: Certificate, organisation: str) -> paper.Paper:
    tone = "practice" if shown.standing is Standing.PRACTICE else "good"
    what = "PRACTICE, NOT A CERTIFICATE. " if tone == "practice" else ""
    code = f"{codes.pretty(shown.code)}\n" if shown.code else ""
    return paper.Paper(
        title=shown.title, tone=tone, organisation=organisation or "Kitbank",
        glance=tuple((one.name, one.value) for one in shown.glance), summary=shown.summary,
        parts=tuple(
            paper.Part(one.title, tuple((each.name, each.value) for each in one.fields), one.table)
            for one in shown.sections
        ),
        scan=shown.address or shown.event.upper(),
        below_scan=f"{code}name of the record: {shown.event[:16]}",
        foot=f"{what}A view of the signed record {shown.event}; only that record counts.",
    )  # fmt: skip


def _key(home: Path, world: World) -> pdfsign.DocumentKey:
    path = home / "document-key.pem"
    if not path.exists():
        pdfsign.make_document_key(path, SIGNED_BY + ("" if world is World.REAL else " (PRACTICE)"))
    return pdfsign.read_document_key(path)


def _kind(lock: str) -> str:
    low = lock.casefold()
    marks = {
        "mdm": ("mdm", "enrol", "managed", "dep", "autopilot"), "firmware": ("bios", "firmware", "efi", "uefi"),
        "activation": ("activation", "icloud", "find my", "frp", "google", "samsung", "account"),
    }  # fmt: skip
    return next((kind for kind, words in marks.items() if any(word in low for word in words)), "")


def _count(number: int) -> str:
    return f"{number} device" if number == 1 else f"{number} devices"
