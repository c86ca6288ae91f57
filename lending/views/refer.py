"""Referring a household, question by question: what there is now, one thing per page, check, send.

A draft is kept after every page, so that the way back, a closed lid or "Exit this page" loses nothing. Addresses hold
the draft's random name only. The desk fills in the same pages for a partner or for a household that asks for itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from custody.errors import Reason, Refused
from lending import auth, drafts, forms, people, places, quotas, referral_pages, referrals
from lending.db import Tx
from lending.drafts import Draft
from lending.places import Answer
from lending.quotas import Offer
from lending.referral_form import BANDS, LISTS, NEEDS
from lending.referral_pages import ANCHORS, BY_KEY, PAGES, QuestionPage
from lending.views import referral_rows, refusals

blueprint = Blueprint("refer", __name__)

WRITERS = ("partner", "desk")


@dataclass(frozen=True)
class Begun:
    """One draft in the list of things to do: its title, how many questions are left, and where to go on."""

    title: str
    href: str
    left: int
    saved_at: datetime
    until: datetime


@blueprint.get("/referrals/new")
@auth.roles(*WRITERS)
def start() -> ResponseReturnValue:
    """Show what there is now, and what was begun."""
    services, by = auth.services(), auth.actor()
    with services.db.read() as tx:
        standing = None if by.partner_id is None else quotas.standing(tx, by.partner_id)
        offers = quotas.offers(tx, standing.borough if standing else "", services.now())
        begun = [_begun(tx, one) for one in drafts.mine(tx, by)]
    return render_template("referral_start.html", offers=offers, standing=standing, drafts=begun)


@blueprint.post("/referrals/new")
@auth.roles(*WRITERS)
def begin() -> ResponseReturnValue:
    """Start a draft and ask the first question."""
    services, by = auth.services(), auth.actor()
    refusals.doing("No more can be begun", url_for("refer.start"), "Go to what was begun")
    with services.db.transaction() as tx:
        name = drafts.begin(tx, by, {}, services.now())
    first = referral_pages.pages_for({}, "", desk=_desk())[0]
    return redirect(url_for("refer.question", draft=name, page=first.key), 303)


@blueprint.get("/referrals/drafts/<draft>/<page>")
@auth.roles(*WRITERS)
def question(draft: str, page: str) -> ResponseReturnValue:
    """Show one question with what was answered before."""
    with auth.services().db.read() as tx:
        found = _draft(tx, draft)
        place = _place(tx, found.answers)
        return _page(tx, draft, _known(page), found.answers, place, [])


@blueprint.post("/referrals/drafts/<draft>/<page>")
@auth.roles(*WRITERS)
def answer(draft: str, page: str) -> ResponseReturnValue:
    """Keep the answers of one page and go on; what is wrong is said on the same page, and kept all the same."""
    services, by, asked = auth.services(), auth.actor(), _known(page)
    given = _given(asked)
    with services.db.transaction() as tx:
        found = _draft(tx, draft)
        answers = {**found.answers, **given}
        if asked.key == "postcode" and given["postcode"] != found.answers.get("postcode"):
            given |= {"borough": "", "anyway": ""}
        place = _place(tx, {**answers, **given})
        problems = _problems(tx, asked, {**answers, **given}, place)
        drafts.save(tx, by, draft, given, services.now())
    answers |= given
    if request.form.get("to") == "later":
        flash("Saved. Go on whenever you like.")
        return redirect(url_for("refer.start"), 303)
    if problems:
        with services.db.read() as tx:
            return _page(tx, draft, asked, answers, place, problems), 422
    pages = referral_pages.pages_for(answers, place.status, desk=_desk())
    following = referral_pages.next_after(asked.key, pages)
    if request.form.get("to") == "check" and not _must_place(answers, place):
        following = referral_pages.first_open(answers, pages)
    if following is None:
        return redirect(url_for("refer.check", draft=draft), 303)
    return redirect(url_for("refer.question", draft=draft, page=following.key), 303)


@blueprint.get("/referrals/drafts/<draft>/check")
@auth.roles(*WRITERS)
def check(draft: str) -> ResponseReturnValue:
    """Show all answers before they are sent; a question that is still open comes first."""
    with auth.services().db.read() as tx:
        found = _draft(tx, draft)
        place = _place(tx, found.answers)
        missing = _missing(found.answers, place)
        if missing is not None:
            return redirect(url_for("refer.question", draft=draft, page=missing.key), 303)
        return _check(tx, draft, found.answers, place, [])


@blueprint.post("/referrals/drafts/<draft>/send")
@auth.roles(*WRITERS)
def send(draft: str) -> ResponseReturnValue:
    """Send the referral and delete the draft, both or neither."""
    services, by = auth.services(), auth.actor()
    with services.db.transaction() as tx:
        found = _draft(tx, draft)
        place = _place(tx, found.answers)
        missing = _missing(found.answers, place)
        if missing is None:
            form, _ = referral_pages.form_of(found.answers)
            try:
                with tx.s.begin_nested():
                    ref = referrals.refer(
                        tx, by, form, services.now(), route=_route(found.answers), within=services.config.region,
                        partner=_number(found.answers.get("partner", "")),
                    )  # fmt: skip
            except Refused as no:
                problems = [forms.Problem(one.subject, one.text, f"change-{one.subject}") for one in no.reasons]
                return _check(tx, draft, found.answers, place, problems), 409
            drafts.remove(tx, by, draft)
    if missing is not None:
        return redirect(url_for("refer.question", draft=draft, page=missing.key), 303)
    return redirect(url_for("partners.sent", ref=ref), 303)


@blueprint.get("/referrals/drafts/<draft>/delete")
@auth.roles(*WRITERS)
def confirm_remove(draft: str) -> ResponseReturnValue:
    """Ask once more."""
    with auth.services().db.read() as tx:
        _draft(tx, draft)
    return render_template("referral_remove.html", draft=draft)


@blueprint.post("/referrals/drafts/<draft>/delete")
@auth.roles(*WRITERS)
def remove(draft: str) -> ResponseReturnValue:
    """Delete a draft."""
    with auth.services().db.transaction() as tx:
        _draft(tx, draft)
        drafts.remove(tx, auth.actor(), draft)
    flash("The referral is deleted. Nothing was sent.")
    return redirect(url_for("refer.start"), 303)


@blueprint.get("/referrals/paper")
@auth.roles("supervisor", *WRITERS)
def paper() -> ResponseReturnValue:
    """Show the same questions on paper."""
    return render_template("referral_paper.html", pages=PAGES, words=referrals)


def _desk() -> bool:
    """Tell whether whoever asks fills in for others."""
    return auth.actor().partner_id is None


def _draft(tx: Tx, name: str) -> Draft:
    refusals.doing("There is no such draft", url_for("refer.start"), "Go to what was begun")
    return drafts.get(tx, auth.actor(), name)


def _known(page: str) -> QuestionPage:
    if page not in BY_KEY or (page == "who" and not _desk()):
        abort(404)
    return BY_KEY[page]


def _given(asked: QuestionPage) -> dict[str, str]:
    """Return what the form says about the page's fields: lists with commas between, an empty text for nothing."""
    given: dict[str, str] = {}
    for field in asked.fields:
        if field == "children":
            given |= {f"children_{band}": forms.text(request.form, f"children_{band}") for band in BANDS}
        elif field in LISTS:
            given[field] = ",".join(word for word in request.form.getlist(field) if word in LISTS[field])
        elif field != "anyway":
            given[field] = forms.text(request.form, field)
    if asked.key == "place":
        given["anyway"] = "yes" if given["borough"] == "anyway" else ""
        given["borough"] = "" if given["anyway"] else given["borough"]
    return given


def _place(tx: Tx, answers: Mapping[str, str]) -> Answer:
    return places.find(tx, auth.services().config.region, answers.get("postcode", ""))


def _must_place(answers: Mapping[str, str], place: Answer) -> bool:
    """Tell whether it must still be said where this is."""
    said = answers.get("anyway") or answers.get("borough") in auth.services().config.region.authorities
    return place.status in ("outside", "unknown") and not said


def _missing(answers: Mapping[str, str], place: Answer) -> QuestionPage | None:
    """Return the first question that is still open."""
    pages = referral_pages.pages_for(answers, place.status, desk=_desk())
    found = referral_pages.first_open(answers, pages)
    needed = [page for page in (found, BY_KEY["place"] if _must_place(answers, place) else None) if page]
    if _desk() and not answers.get("route"):
        needed.append(BY_KEY["who"])
    return min(needed, key=PAGES.index, default=None)


def _problems(tx: Tx, asked: QuestionPage, answers: Mapping[str, str], place: Answer) -> list[forms.Problem]:
    """Return what is wrong with one page, what its postcode and the stock say included."""
    reasons = referral_pages.wrong_on(asked, answers)
    if asked.key == "place" and _must_place(answers, place):
        reasons.append(Reason("form", "Choose where it is, or that you do not know", "borough"))
    if asked.key == "who":
        known = {str(number) for number, _ in people.partners(tx)} | {""}
        if answers.get("route") not in ("telephone", "paper", "worker"):
            reasons.append(Reason("form", "Choose how it reached you", "route"))
        if answers.get("partner", "") not in known:
            reasons.append(Reason("form", "Choose an organisation of the list, or nobody", "partner"))
    if asked.key == "device" and not reasons:
        closed = {one.need for one in _offers(tx, place) if not one.open}
        if answers.get("need") in closed and not _desk():
            text = f"{NEEDS[answers['need']]}: there is none to give at the moment. Choose another device"
            reasons.append(Reason("form", text, "need"))
    return [forms.Problem(_field(one.subject), one.text, ANCHORS.get(one.subject, one.subject)) for one in reasons]


def _field(subject: str) -> str:
    return "children" if subject.startswith("children") else subject


def _offers(tx: Tx, place: Answer) -> list[Offer]:
    """Return what there is for the partner's borough, for the desk that of the household's."""
    by, services = auth.actor(), auth.services()
    borough = place.authority if by.partner_id is None else quotas.standing(tx, by.partner_id).borough
    return quotas.offers(tx, borough, services.now())


def _page(
    tx: Tx, draft: str, page: QuestionPage, answers: Mapping[str, str], place: Answer, problems: list[forms.Problem]
) -> str:
    pages = referral_pages.pages_for(answers, place.status, desk=_desk())
    behind = referral_pages.before(page.key, pages)
    changing = request.values.get("to") == "check"
    back = url_for("refer.question", draft=draft, page=behind.key) if behind else url_for("refer.start")
    return render_template(
        "referral_page.html", page=page, draft=draft, values=answers, problems=problems, place=place,
        region=auth.services().config.region, words=referrals, desk=_desk(),
        offers=_offers(tx, place) if page.key == "device" else [],
        partners=people.partners(tx) if page.key == "who" else [],
        number=pages.index(page) + 1 if page in pages else len(pages), total=len(pages), changing=changing,
        back=url_for("refer.check", draft=draft) if changing else back,
    )  # fmt: skip


def _check(
    tx: Tx, draft: str, answers: Mapping[str, str], place: Answer, problems: list[forms.Problem]
) -> str:
    region = auth.services().config.region
    rows = referral_rows.rows(answers, place, region, dict(people.partners(tx)), desk=_desk())
    return render_template("referral_check.html", draft=draft, rows=rows, problems=problems)


def _begun(tx: Tx, draft: Draft) -> Begun:
    place = _place(tx, draft.answers)
    pages = referral_pages.pages_for(draft.answers, place.status, desk=_desk())
    bad = {referral_pages.page_of(one.subject).key for one in referral_pages.wrong(draft.answers)}
    bad |= {"place"} if _must_place(draft.answers, place) else set()
    left, missing = sum(page.key in bad for page in pages), _missing(draft.answers, place)
    here = url_for("refer.question", draft=draft.id, page=missing.key) if missing else ""
    title = draft.answers.get("client_reference", "") or "Without a reference yet"
    until = draft.saved_at + drafts.KEPT
    return Begun(title, here or url_for("refer.check", draft=draft.id), left, draft.saved_at, until)


def _route(answers: Mapping[str, str]) -> str:
    if not _desk():
        return "worker"
    route = answers.get("route", "worker")
    return "self" if route == "worker" and not answers.get("partner") else route


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None
