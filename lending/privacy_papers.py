"""The papers that the law asks for, made from the table of personal data, so that they cannot say anything else.

`notice` is for everybody, `record` is the record of processing (UK GDPR Article 30); the drafts of the assessments are
in `lending.privacy_assessments`. What only the charity knows is a visible gap: `TO_FILL`.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field

from lending import privacy
from lending.privacy import BASES, CLOCKS, GROUPS

TO_FILL = "[to be filled in by the charity]"
COMMISSIONER = (
    "Information Commissioner's Office, Wycliffe House, Water Lane, Wilmslow, Cheshire SK9 5AF, telephone 0303 123 1113"
)


@dataclass(frozen=True)
class Controller:
    """Who answers for the data: the charity's name and how to reach whoever leads data protection."""

    name: str = ""
    contact: str = ""

    @property
    def shown_name(self) -> str:
        """Return the name, or the gap."""
        return self.name or TO_FILL

    @property
    def shown_contact(self) -> str:
        """Return the contact, or the gap."""
        return self.contact or TO_FILL


@dataclass(frozen=True)
class Table:
    """A table of a paper."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Chapter:
    """A heading, paragraphs below it, and perhaps tables."""

    title: str
    text: Sequence[str] = ()
    tables: Sequence[Table] = field(default_factory=tuple)


@dataclass(frozen=True)
class Paper:
    """A paper to be shown and printed."""

    title: str
    lead: str
    chapters: Sequence[Chapter]


def notice(who: Controller) -> Paper:
    """Return the privacy notice, in plain English."""
    told = [Chapter(GROUPS[group], tables=(kept(group),)) for group in GROUPS if privacy.about(group)]
    bases = [f"{one.name} ({one.article}): {one.why}" for one in BASES.values()]
    return Paper(
        "What we keep about you, and why",
        "We lend devices to households that need one. We ask for as little as we can, we lock away what could say who "
        "you are, and we erase it when the loan is over.",
        [
            Chapter(
                "Who we are",
                [(f"{who.shown_name}. You reach whoever looks after your data here: {who.shown_contact}.")],
            ),
            Chapter(
                "What we do not ask",
                [
                    (
                        "We never ask for a date of birth, your health, your religion, your immigration status "
                        "or the names of "
                        "your children. Please do not tell us, and ask your worker not to write it down."
                    ),
                ],
            ),
            *told,
            Chapter(
                "Who else gets it",
                [
                    (
                        "The organisation that referred you sees what it told us and what became of it. A "
                        "company that sends "
                        "our text messages gets the number and the text. Nobody else. We sell nothing and we show no "
                        "advertising. No computer decides about you: a person does."
                    ),
                    "If somebody is in danger we may tell the people who can help.",
                ],
            ),
            Chapter("Why we are allowed to", bases),
            Chapter(
                "What is on the device when you give it back",
                [
                    (
                        "Copy what you need before you return it. Everything on it is erased, and it is checked "
                        "that it was, "
                        "before anybody else gets it. We do not look at it."
                    ),
                ],
            ),
            Chapter(
                "What you can ask",
                [
                    (
                        "You can ask what we hold about you, and have it corrected, erased or handed to you. "
                        "You can say that "
                        "you do not want us to use it. It costs nothing and we answer within one month. Ask us, "
                        "or ask the "
                        "organisation that referred you to ask for you."
                    ),
                ],
            ),
            Chapter(
                "If you are not happy",
                [
                    (
                        "Tell us: the form below this notice, or by telephone, letter or through your worker. "
                        "We tell you "
                        "within 30 days that we have it, and what came of it as soon as we can."
                    ),
                    f"You can also complain to the Information Commissioner: {COMMISSIONER}.",
                ],
            ),
        ],
    )


def kept(group: str) -> Table:
    """Return what is kept about one group of people, as a table."""
    rows = [(one.what, one.purpose, one.seen_by, _until(one)) for one in privacy.about(group)]
    return Table(f"What we keep about: {GROUPS[group].lower()}", ("What", "What for", "Who sees it", "How long"), rows)


def _until(one: privacy.Field) -> str:
    return f"{CLOCKS[one.clock].words[0].upper()}{CLOCKS[one.clock].words[1:]}; then: {one.end}"


RECORD_HEAD = (
    "People",
    "Data",
    "Purpose",
    "Lawful basis",
    "Recipients",
    "Source",
    "Kept until",
    "Then",
    "Sealed",
    "Columns",
)


def record_rows() -> list[tuple[str, ...]]:
    """Return the record of processing, one row per field."""
    return [
        (
            GROUPS[one.about],
            one.what,
            one.purpose,
            f"{BASES[one.basis].name}, {BASES[one.basis].article}",
            one.seen_by,
            one.source,
            CLOCKS[one.clock].words,
            one.end,
            "yes" if one.sealed else "no",
            " ".join(one.columns),
        )
        for one in privacy.FIELDS
    ]


def record_csv() -> str:
    """Return the record of processing as CSV (RFC 4180)."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(RECORD_HEAD)
    writer.writerows(record_rows())
    return out.getvalue()


def record(who: Controller) -> Paper:
    """Return the record of processing activities."""
    rows = [row[:-1] for row in record_rows()]
    return Paper(
        "Record of processing",
        f"Article 30 of the UK GDPR. Controller: {who.shown_name}. Contact: {who.shown_contact}.",
        [
            Chapter("What is processed", [], [Table("Every field about people", RECORD_HEAD[:-1], rows)]),
            Chapter("How it is protected", list(MEASURES)),
            Chapter(
                "Transfers to other countries",
                [
                    (
                        "None by this service. Where text messages or e-mails are sent "
                        f"through a company, where it does so: {TO_FILL}."
                    )
                ],
            ),
        ],
    )


MEASURES = (
    (
        "Names, numbers, addresses, full postcodes, messages and complaints are sealed (AES-256-GCM) with a key "
        "that is "
        "not in the database and can be changed at any time."
    ),
    "A screen shows the partner's reference. Who needs the name asks for it with a reason, and that is written down.",
    "Each partner sees only its own households. Each page names the roles that may open it, and a test tries all.",
    "No person appears in the signed history of devices, so a person can be erased without breaking it.",
    "Erasure runs every night and reports what it erased; what remains for statistics names nobody.",
    "No log and no address holds a name, a number or a postcode; the service writes no log of who opened what page.",
)
