"""The question pages of a referral, in order: one thing per page. Pure.

Answers are texts by field (`children_0-4` and so on for the bands; several words of one list with commas between), as
a draft keeps them, a form sends them and a row of CSV says them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from custody.errors import Reason
from lending.referral_form import (
    BANDS,
    MOST_OF_A_BAND,
    ReferralForm,
    tidied,
    what_is_wrong,
)

Answers = Mapping[str, str]


def _always(_answers: Answers, _status: str, _desk: bool) -> bool:
    return True


def _for_desk(_answers: Answers, _status: str, desk: bool) -> bool:
    return desk


def _if_elsewhere(_answers: Answers, status: str, _desk: bool) -> bool:
    return status in ("outside", "unknown")


def _if_reached(answers: Answers, _status: str, _desk: bool) -> bool:
    return answers.get("via_partner") != "yes"


@dataclass(frozen=True)
class QuestionPage:
    """One page: its name in the address, its question, the fields it asks, and whether this referral needs it."""

    key: str
    title: str
    fields: tuple[str, ...]
    wanted: Callable[[Answers, str, bool], bool] = _always


PAGES: Sequence[QuestionPage] = (
    QuestionPage("who", "Who is this referral from?", ("route", "partner"), _for_desk),
    QuestionPage("reference", "What do you call this household?", ("client_reference",)),
    QuestionPage("postcode", "What is their postcode?", ("postcode",)),
    QuestionPage("place", "Where is that?", ("borough", "anyway"), _if_elsewhere),
    QuestionPage("household", "Who lives there?", ("adults", "children")),
    QuestionPage("device", "Which device would help most?", ("need",)),
    QuestionPage("internet", "What internet do they have at home?", ("internet", "connection", "sim_holder")),
    QuestionPage("purpose", "What is it mainly for?", ("purpose",)),
    QuestionPage("fit", "What must the device work with?", ("works_with",)),
    QuestionPage("ground", "Why do they qualify?", ("ground",)),
    QuestionPage("contact", "Who should we contact?", ("via_partner", "contact_name", "contact_phone")),
    QuestionPage("safe", "Is it safe to contact them?", ("safe_contact",), _if_reached),
    QuestionPage("language", "Which language do they prefer?", ("language",)),
    QuestionPage("support", "What help would they like?", ("support",)),
    QuestionPage("told", "How do they know what we keep about them?", ("told_how",)),
)
BY_KEY: Mapping[str, QuestionPage] = {page.key: page for page in PAGES}
UNCHOSEN: Mapping[str, str] = {
    "need": "Choose which device would help most",
    "internet": "Choose what internet they have at home",
    "purpose": "Choose what it is mainly for",
    "ground": "Choose why they qualify",
    "safe_contact": "Choose whether it is safe to contact them",
    "told_how": "Choose how they know what we keep about them",
    "via_partner": "Choose who we should contact",
}
ANCHORS: Mapping[str, str] = {"children": "children_0-4"}


def pages_for(answers: Answers, status: str, *, desk: bool) -> list[QuestionPage]:
    """Return the pages that this referral needs, as far as is known. `status` is that of its postcode (`places`)."""
    return [page for page in PAGES if page.wanted(answers, status, desk)]


def form_of(answers: Answers) -> tuple[ReferralForm, list[Reason]]:
    """Read answers into a tidied form, with a reason for everything that is no number where one is wanted."""
    reasons: list[Reason] = []
    children = {}
    for band, words in BANDS.items():
        number = _whole(answers.get(f"children_{band}", ""))
        if number is None or number > MOST_OF_A_BAND:
            text = f"Children aged {words} must be a number from 0 to {MOST_OF_A_BAND}"
            reasons.append(Reason("form", text, f"children_{band}"))
        else:
            children[band] = number
    through = answers.get("via_partner", "")
    form = ReferralForm(
        client_reference=answers.get("client_reference", ""), postcode=answers.get("postcode", ""),
        adults=_whole(answers.get("adults", "")) or 0, children=children, need=answers.get("need", ""),
        internet=answers.get("internet", ""), purpose=answers.get("purpose", ""), ground=answers.get("ground", ""),
        contact_name=answers.get("contact_name", ""), contact_phone=answers.get("contact_phone", ""),
        via_partner=through == "yes",
        safe_contact="partner-only" if through == "yes" else answers.get("safe_contact", ""),
        language=answers.get("language", ""), told_how=answers.get("told_how", ""),
        sim_holder=answers.get("sim_holder", ""), borough=answers.get("borough", ""),
        connection=words_of(answers.get("connection", "")), works_with=words_of(answers.get("works_with", "")),
        support=words_of(answers.get("support", "")),
    )  # fmt: skip
    return tidied(form), reasons


def wrong(answers: Answers) -> list[Reason]:
    """Return everything that is wrong with the answers; each reason's `subject` is a field, or a band of children."""
    form, reasons = form_of(answers)
    bands = {reason.subject for reason in reasons}
    found = [one for one in what_is_wrong(form) if not (one.subject == "children" and bands)]
    through = answers.get("via_partner", "")
    if through not in ("yes", "no"):
        # Without an answer to who is contacted, a missing name or number is nothing to complain of yet.
        found = [one for one in found if one.subject not in ("contact_name", "contact_phone")]
        found.append(Reason("form", UNCHOSEN["via_partner"], "via_partner"))
    said = [Reason(one.code, _asked(one, answers), one.subject) for one in found]
    return reasons + said


def wrong_on(page: QuestionPage, answers: Answers) -> list[Reason]:
    """Return what is wrong with the answers of one page."""
    return [one for one in wrong(answers) if page_of(one.subject) is page]


def page_of(subject: str) -> QuestionPage:
    """Return the page that asks a field. Raises `KeyError` for a field of no page."""
    field = "children" if subject.startswith("children") else subject
    for page in PAGES:
        if field in page.fields:
            return page
    raise KeyError(subject)


def words_of(text: str) -> tuple[str, ...]:
    """Return the words of a list as it is written in one text: commas or semicolons between."""
    return tuple(word.strip() for word in text.replace(";", ",").split(",") if word.strip())


def next_after(key: str, pages: Sequence[QuestionPage]) -> QuestionPage | None:
    """Return the page after this one, None after the last. A page that is no longer needed counts where it stood."""
    order = [page.key for page in PAGES]
    return next((page for page in pages if order.index(page.key) > order.index(key)), None)


def before(key: str, pages: Sequence[QuestionPage]) -> QuestionPage | None:
    """Return the page before this one, None before the first."""
    order = [page.key for page in PAGES]
    return next((page for page in reversed(pages) if order.index(page.key) < order.index(key)), None)


def first_open(answers: Answers, pages: Sequence[QuestionPage]) -> QuestionPage | None:
    """Return the first page whose answers are missing or wrong; None when all can be checked and sent."""
    bad = {page_of(one.subject).key for one in wrong(answers)}
    return next((page for page in pages if page.key in bad), None)


def _asked(reason: Reason, answers: Answers) -> str:
    """Say what to do in the words of the question where nothing was chosen."""
    empty = not answers.get(reason.subject, "").strip()
    return UNCHOSEN.get(reason.subject, reason.text) if empty else reason.text


def _whole(text: str) -> int | None:
    """Return a whole number, 0 for an empty answer, None for anything else."""
    text = text.strip()
    if not text:
        return 0
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else None
