"""What a household agrees to, in its own language: the words, how they were agreed, and exactly what was shown.

What this module promises:

- the document is made here as text; those very bytes are shown, read aloud, signed, kept and printed. If the loan has
  changed between showing and signing, nothing is signed: the new words are shown first;
- three ways to agree, all of them equal: a typed name, a drawn mark, or spoken consent before a witness;
- every language file has a version and says whether a person has reviewed it; staff see that before they use it;
- document, name, mark and witness are sealed. The database tells only which words, which way and when.
"""

import hashlib
import re
import secrets
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

from babel.core import UnknownLocaleError
from babel.dates import format_date
from sqlalchemy import select

from custody.errors import Reason, Refused
from labels.codes import pretty
from lending import loan_items, steps
from lending.db import Tx
from lending.errors import LendingError, refused
from lending.loan_items import Thing
from lending.loan_tables import LoanAgreement
from lending.people import Actor, need
from lending.record import storable

PURPOSE = "loan agreement"
FOLDER = Path(__file__).resolve().parent / "agreement_texts"
LANGUAGES = ("en", "ar", "pl", "pt", "ro", "uk", "ckb")
KINDS: Mapping[str, str] = {"loan": "Agreement for borrowing", "return": "Agreement for bringing back"}
HOWS: Mapping[str, str] = {
    "name": "They typed their name",
    "mark": "They drew a signature or a mark",
    "witness": "They said yes, and a second person heard it",
}
MARK = re.compile(r"(?:\d{1,4},\d{1,4})(?:[ |]\d{1,4},\d{1,4})*")
"""Strokes of a mark: points `x,y` from 0,0 to 1000,400, a blank between points, a bar between strokes."""
LONGEST_MARK, FEWEST_POINTS = 12_000, 4


@dataclass(frozen=True)
class Words:
    """One language's words for one kind of agreement."""

    language: str
    name: str
    direction: str
    version: str
    made: str
    title: str
    intro: str
    clauses: tuple[str, ...]
    statement: str
    kinds: Mapping[str, str]
    until: str
    as_needed: str

    @property
    def reviewed(self) -> bool:
        """Tell whether a person wrote or reviewed these words, rather than a machine alone."""
        return self.made == "human"


@dataclass(frozen=True)
class Document:
    """What is shown: the text, its English where it is in another language, and the digest that is signed for."""

    kind: str
    words: Words
    text: str
    english: str

    @property
    def digest(self) -> str:
        """Return the SHA-256 of what is shown, so that a form can say what it was about."""
        return hashlib.sha256(f"{self.text}\0{self.english}".encode()).hexdigest()


@dataclass(frozen=True)
class Signature:
    """How somebody agreed. `mark` is strokes (see `MARK`), `witness` a name; each only where the way needs it."""

    how: str
    name: str
    mark: str = ""
    witness: str = ""
    read_aloud: bool = False


@dataclass(frozen=True)
class Agreed:
    """A signed agreement without what is sealed."""

    ref: str
    loan: str
    kind: str
    language: str
    version: str
    made: str
    how: str
    read_aloud: bool
    signed_at: datetime


@dataclass(frozen=True)
class Opened:
    """A signed agreement with everything that was sealed."""

    agreed: Agreed
    text: str
    english: str
    signature: Signature
    direction: str


@cache
def words(kind: str, language: str) -> Words:
    """Return the words of one kind in one language.

    Raises `Refused` `language` or `kind`, and `LendingError` for a file that is not complete.
    """
    if language not in LANGUAGES:
        raise refused("language", f"there are no words in {language[:20]!r} yet; choose one of {', '.join(LANGUAGES)}")
    if kind not in KINDS:
        raise refused("kind", f"{kind[:20]!r} is no kind of agreement; use loan or return", "kind")
    path = FOLDER / f"{language}.toml"
    try:
        found: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        part = found[kind]
        return Words(
            language, found["name"], found["direction"], found["version"], found["made"], part["title"], part["intro"],
            tuple(part["clauses"]), part["statement"], found["kinds"], found["until"], found["as_needed"],
        )  # fmt: skip
    except (OSError, KeyError, tomllib.TOMLDecodeError) as error:
        raise LendingError(f"the words of the agreement in {path.name} cannot be used ({error})") from error


def language_of(text: str) -> str:
    """Return the language that a referral names in words or by its code, English where we have no such words."""
    wanted = text.strip().casefold()
    known = {
        "arabic": "ar", "polish": "pl", "portuguese": "pt", "romanian": "ro", "ukrainian": "uk", "kurdish": "ckb",
        "sorani": "ckb", "kurdish sorani": "ckb",
    }  # fmt: skip
    names = {words("loan", one).name.casefold(): one for one in LANGUAGES}
    return next((table[wanted] for table in (known, names) if wanted in table), wanted if wanted in LANGUAGES else "en")


def document(tx: Tx, loan: str, kind: str, language: str, organisation: str) -> Document:
    """Make the text of an agreement about what a loan has now. Raises `Refused`: `language`, `kind`, `nothing`."""
    about = _about(loan_items.things(tx, loan), kind)
    if not about:
        text = "there is nothing in this loan to agree about yet; choose the things first"
        raise refused("nothing", text, loan)
    chosen = words(kind, language)
    text = _text(chosen, loan, about, organisation)
    english = "" if language == "en" else _text(words(kind, "en"), loan, about, organisation)
    return Document(kind, chosen, text, english)


def sign(tx: Tx, loan: str, shown: Document, digest: str, signed: Signature, by: Actor, now: datetime) -> str:
    """Keep an agreement as it was shown and agreed; return its reference. Desk, supervisor or volunteer.

    `digest` is that of the document the household saw. Raises `Refused`: `role`, `changed`, `how`, `name`, `mark`,
    `witness`; `VaultError` when the contact keys are not at hand.
    """
    need(by, "desk", "supervisor", "volunteer")
    if digest != shown.digest:
        raise refused("changed", "the loan has changed since these words were shown; show the new ones and agree again")
    if reasons := what_is_wrong(signed):
        raise Refused(reasons)
    ref = "A-" + secrets.token_hex(8)
    values = {
        "text": shown.text, "english": shown.english, "how": signed.how, "name": storable(signed.name, 120),
        "mark": signed.mark if signed.how == "mark" else "", "direction": shown.words.direction,
        "witness": storable(signed.witness, 120) if signed.how == "witness" else "",
    }  # fmt: skip
    about = [one.id for one in _about(loan_items.things(tx, loan), shown.kind)]
    tx.s.add(
        LoanAgreement(
            ref=ref, loan=loan, kind=shown.kind, language=shown.words.language, version=shown.words.version,
            made=shown.words.made, how=signed.how, read_aloud=signed.read_aloud, items=about,
            sealed=tx.vault.seal(PURPOSE, ref, values), signed_at=now, account_id=by.account_id,
        )
    )  # fmt: skip
    what = f"{KINDS[shown.kind]} agreed in {words(shown.kind, shown.words.language).name}"
    steps.note(tx, loan, "agreement", f"{what}: {HOWS[signed.how].lower()}", by, now)
    return ref


def what_is_wrong(signed: Signature) -> list[Reason]:
    """Return what a signature lacks; the subject is the field."""
    reasons = []
    if signed.how not in HOWS:
        reasons.append(Reason("how", "choose how they agree", "how"))
    if not 1 <= len(signed.name.strip()) <= 80:
        reasons.append(Reason("name", "enter the name of the adult who agrees", "name"))
    if signed.how == "mark":
        right = len(signed.mark) <= LONGEST_MARK and MARK.fullmatch(signed.mark) is not None
        if not right or len(points(signed.mark)) < FEWEST_POINTS:
            reasons.append(Reason("mark", "nothing was drawn: draw in the box, or choose another way to agree", "mark"))
    if signed.how == "witness" and not 1 <= len(signed.witness.strip()) <= 80:
        reasons.append(Reason("witness", "enter who heard it: a second person, or the interpreter", "witness"))
    if signed.how == "witness" and signed.witness.strip().casefold() == signed.name.strip().casefold() != "":
        reasons.append(Reason("witness", "a witness is somebody other than who agrees", "witness"))
    return reasons


def points(mark: str) -> list[tuple[int, int]]:
    """Return all points of a mark."""
    return [point for stroke in strokes(mark) for point in stroke]


def strokes(mark: str) -> list[list[tuple[int, int]]]:
    """Return the strokes of a mark, each a list of points."""
    if not MARK.fullmatch(mark):
        return []
    return [
        [(int(x), int(y)) for x, y in (point.split(",") for point in stroke.split(" "))] for stroke in mark.split("|")
    ]


def agreed(tx: Tx, loan: str) -> list[Agreed]:
    """Return the agreements of a loan, newest first, without what is sealed."""
    query = select(LoanAgreement).where(LoanAgreement.loan == loan).order_by(LoanAgreement.signed_at.desc())
    return [_agreed(row) for row in tx.s.scalars(query)]


def open_agreement(tx: Tx, loan: str, ref: str, by: Actor) -> Opened:
    """Return a signed agreement as it was shown, with name and mark. Desk, supervisor or data-protection lead.

    Raises `Refused`: `role`, `unknown-agreement`; `VaultError` when the contact keys are not at hand.
    """
    need(by, "desk", "supervisor", "data-protection")
    row = tx.s.get(LoanAgreement, ref)
    if row is None or row.loan != loan:
        raise refused("unknown-agreement", f"loan {loan[:20]} has no agreement {ref[:20]!r}", ref)
    held = tx.vault.open_(PURPOSE, row.ref, row.sealed)
    signature = Signature(held["how"], held["name"], held["mark"], held["witness"], row.read_aloud)
    return Opened(_agreed(row), held["text"], held["english"], signature, held["direction"])


def _about(things: Sequence[Thing], kind: str) -> list[Thing]:
    """Return what an agreement of this kind is about: what goes or is out; for a return, what comes back."""
    wanted = ("reserved", "out") if kind == "loan" else ("out", "returned")
    return [one for one in things if one.state in wanted and (kind == "loan" or one.kind != "sim")]


def _text(chosen: Words, loan: str, things: Sequence[Thing], organisation: str) -> str:
    lines = [chosen.title, f"{loan} · {chosen.version}", "", chosen.intro.format(organisation=organisation), ""]
    lines += [f"• {_line(chosen, one)}" for one in things]
    lines += ["", *(f"{number}. {clause}" for number, clause in enumerate(chosen.clauses, 1)), "", chosen.statement]
    return "\n".join(lines) + "\n"


def _line(chosen: Words, one: Thing) -> str:
    parts = [chosen.kinds.get(one.kind, one.kind), one.label, pretty(one.device) if one.device else "", one.allowance]
    if one.state in ("reserved", "out"):
        parts.append(chosen.until.format(due=_day(one.due, chosen.language)) if one.due else chosen.as_needed)
    return " – ".join(part for part in parts if part)


def _day(day: date, language: str) -> str:
    try:
        return format_date(day, "long", locale="en_GB" if language == "en" else language)
    except (UnknownLocaleError, ValueError):
        return day.isoformat()


def _agreed(row: LoanAgreement) -> Agreed:
    return Agreed(
        row.ref, row.loan, row.kind, row.language, row.version, row.made, row.how, row.read_aloud, row.signed_at
    )
