"""The drafts of the two assessments, made from the table of personal data and a list of risks.

`assessment` is the data protection impact assessment (UK GDPR Article 35) in the Commissioner's seven steps, `balance`
the legitimate interests assessment (Article 6(1)(f)). What only the charity knows is a visible gap.
"""

from collections.abc import Mapping, Sequence

from lending import privacy
from lending.privacy import BASES, CLOCKS, GROUPS
from lending.privacy_papers import MEASURES, TO_FILL, Chapter, Controller, Paper, Table, kept

RISKS: Sequence[tuple[str, str, str, str]] = (
    (
        "Somebody in the home sees a message and a person is harmed",
        "Severe",
        (
            'Safe-contact choices, "only through the '
            'partner", exceptions that stop reminders at once, messages without details'
        ),
        "Low",
    ),
    (
        "A copy of the database or a backup is lost",
        "Severe",
        "Contact data is sealed; the key is kept elsewhere",
        "Low",
    ),
    (
        "Somebody looks at a household out of curiosity",
        "Significant",
        ("A reason is asked, each look is listed, the list is read by the data-protection lead"),
        "Medium",
    ),
    (
        "A partner sees another partner's households",
        "Significant",
        ("Rows are filtered by organisation in one place and tested; duplicates are shown to the desk only"),
        "Low",
    ),
    (
        "Data of the last borrower is on a lent device",
        "Severe",
        ("A device leaves only with a verified wipe of that very return for every drive"),
        "Low",
    ),
    (
        "People are pointed out by figures about small areas",
        "Significant",
        ("Statistics in bands and months; publication only through disclosure control"),
        "Low",
    ),
    (
        "More is written down than is needed",
        "Significant",
        ("No free text about people in a referral; the form says what not to tell"),
        "Medium",
    ),
    (
        "Data is kept too long",
        "Minimal",
        ("A clock for every field and a nightly run; waiting referrals over a year are reported"),
        "Low",
    ),
)
"""Risk, how bad, what is done about it, what is left."""


def assessment(who: Controller) -> Paper:
    """Return the draft of the data protection impact assessment, in the Commissioner's seven steps."""
    return Paper(
        "Data protection impact assessment (draft)",
        f"Controller: {who.shown_name}. Made from the service itself; what only the charity knows is left open.",
        [
            Chapter(
                "1. Why this assessment",
                [
                    (
                        "The service is about households on a low income, with children and sometimes in "
                        "danger, matches "
                        "records, and uses the area in which people live. That asks for an assessment."
                    ),
                ],
            ),
            Chapter(
                "2. What is done",
                [
                    (
                        f"People are referred by partner organisations. {len(privacy.FIELDS)} kinds of data about "
                        f"{len(GROUPS)} groups of people are kept; the record of processing lists every one."
                    ),
                    (
                        "Data flows from a partner's worker to the loan desk; to a company that sends messages, "
                        "as a number "
                        "and a text; to nobody else."
                    ),
                ],
                [kept("household")],
            ),
            Chapter("3. Who was asked", [f"Households, partners and the region's safeguarding leads: {TO_FILL}"]),
            Chapter(
                "4. Is it needed, and no more than needed",
                [
                    (
                        "Each field has a purpose and was kept only because a step of the work fails without "
                        "it. Consent is "
                        "not used: a family that needs a device is not free to refuse."
                    ),
                    *[f"{one.name} ({one.article}): {one.why}" for one in BASES.values()],
                ],
            ),
            Chapter(
                "5 and 6. Risks, and what is done about them",
                list(MEASURES),
                [Table("Risks to people", ("Risk", "How bad", "What is done", "What is left"), RISKS)],
            ),
            Chapter(
                "7. Decision",
                [
                    (
                        f"Measures approved by, remaining risks accepted by, advice of the data-protection "
                        f"lead, date, next review: {TO_FILL}"
                    )
                ],
            ),
        ],
    )


def balance(who: Controller) -> Paper:
    """Return the draft of the legitimate interests assessment: purpose, necessity, balance."""
    rows = [
        (one.what, one.purpose, one.seen_by, CLOCKS[one.clock].words)
        for one in privacy.FIELDS
        if one.basis == "interests" and one.about == "household"
    ]
    return Paper(
        "Legitimate interests assessment (draft)",
        f"Controller: {who.shown_name}. UK GDPR Article 6(1)(f).",
        [
            Chapter(
                "1. Purpose",
                [
                    (
                        "Households without a device or the internet are shut out of school, work, benefits and "
                        "health care. "
                        "The charity lends devices to them, fairly and with proof that nobody's data is on them."
                    ),
                ],
            ),
            Chapter(
                "2. Necessity",
                [
                    (
                        "Without a way to reach an adult nothing can be collected, and nothing returned. "
                        "Without the number of "
                        "people and the need no device can be chosen. Without the area nobody can see whether "
                        "help is fair."
                    ),
                    "A name is not needed to decide, so the decision is made without one.",
                ],
                [Table("What is processed on this basis", ("Data", "Needed for", "Seen by", "Kept"), rows)],
            ),
            Chapter(
                "3. Balance",
                [
                    (
                        "People are told by the worker who refers them, expect to be called about the device, "
                        "and can say "
                        "that only the partner may. They are often vulnerable and have little choice: therefore "
                        "contact data "
                        "is sealed, looks are listed, nothing is asked about health or status, and all is "
                        "erased on time."
                    ),
                    *MEASURES,
                ],
            ),
            Chapter("4. Outcome", [f"Decision, by whom, date, next review: {TO_FILL}"]),
        ],
    )


PAPERS: Mapping[str, str] = {
    "notice": "Privacy notice",
    "record": "Record of processing",
    "assessment": "Impact assessment (DPIA), draft",
    "balance": "Legitimate interests assessment (LIA), draft",
}
