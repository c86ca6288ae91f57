"""Referring a household page by page: what is kept, what is asked, and what nobody learns."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import event, func, select

from custody.errors import Refused
from lending import drafts, people, place_import, referral_details, referral_pages, referrals
from lending.place_tables import Place, PlaceEdition
from lending.referral_form import BANDS, CHOICES, LISTS, ReferralForm, tidied, what_is_wrong
from lending.referral_tables import ReferralDetail, ReferralDraft, ReferralMark
from tests.factories import NOON
from tests.lending.filling import ANSWERS, begun, filled, sent
from tests.lending.house import FORM, House
from tests.lending.screens import Browser, Town

SECRETS = (b"HH-900", b"Nadia", b"Rahman", b"900123", b"L1 8JQ", b"l1 8jq", b"Arabic")


def text_of(browser: Browser, path: str) -> str:
    return browser.get(path).get_data(as_text=True)


def known_places(town: Town) -> None:
    """Import two postcodes: one in Liverpool, one in Manchester."""
    with town.house.db.transaction() as tx:
        row = PlaceEdition(
            kind="postcodes", product="ONSPD", edition="2025-11", filename="f", digest="d", rows=2, left_out=0,
            imported_at=NOON,
        )  # fmt: skip
        tx.s.add(row)
        tx.s.flush()
        for postcode, authority in (("L18JQ", "E08000012"), ("WN40AA", "E08000010")):
            tx.s.add(
                Place(
                    postcode=postcode, authority=authority, ward="E05015289", lsoa11="E01006515", lsoa21="E01034402",
                    ended=False, edition=row.id,
                )
            )  # fmt: skip


def refer(house: House, form: ReferralForm, by: people.Actor | None = None) -> str:
    with house.db.transaction() as tx:
        return referrals.refer(tx, by or house.partner, form, house.tick())


def same(house: House, ref: str) -> list[referral_details.Same]:
    with house.db.read() as tx:
        return referral_details.same_household(tx, house.desk, ref)


def test_a_referral_goes_through_its_pages_to_a_confirmation(town: Town) -> None:
    known_places(town)
    partner = town.browser("partner")
    name = filled(partner)
    checked = text_of(partner, f"/referrals/drafts/{name}/check")
    for words in ("HH-900", "L1 8JQ, Liverpool", "2 aged 5 to 10", "Touch instead of a keyboard", "Nadia Rahman"):
        assert words in checked
    with town.house.db.read() as tx:
        assert "HH-900" not in {one.form.client_reference for one in referrals.referrals(tx, town.house.partner)}
    done = partner.post(f"/referrals/drafts/{name}/send").get_data(as_text=True)
    assert "Referral sent" in done
    assert "HH-900" in text_of(partner, "/referrals?state=waiting")
    assert partner.get(f"/referrals/drafts/{name}/check").status_code == 404, "a sent draft is gone"
    with town.house.db.read() as tx:
        ref = next(r.ref for r in referrals.referrals(tx, town.house.partner) if r.form.client_reference == "HH-900")
        detail = tx.s.get_one(ReferralDetail, ref)
    assert (detail.place, detail.authority, detail.ward) == ("resolved", "E08000012", "E05015289")
    assert (detail.connection, detail.sim_holder) == (["mobile-data"], "contact")
    assert detail.works_with == ["google", "touch"]
    assert (detail.route, detail.support) == ("worker", ["set-up"])
    assert "Touch instead of a keyboard" in text_of(town.browser("desk"), f"/referrals/{ref}")


def test_what_is_wrong_is_said_on_its_page_leads_to_the_field_and_keeps_what_was_typed(town: Town) -> None:
    partner = town.browser("partner")
    name = begun(partner)
    wrong = {
        "reference": ({"client_reference": "07700 900123"}, "client_reference"),
        "postcode": ({"postcode": "L1"}, "postcode"),
        "household": ({"adults": "0"}, "adults"), "device": ({}, "need"), "internet": ({"internet": ""}, "internet"),
        "purpose": ({}, "purpose"), "ground": ({}, "ground"), "contact": ({}, "via_partner"),
        "safe": ({}, "safe_contact"), "language": ({"language": "x" * 41}, "language"), "told": ({}, "told_how"),
    }  # fmt: skip
    for page, (given, anchor) in wrong.items():
        found = partner.post(f"/referrals/drafts/{name}/{page}", given)
        text = found.get_data(as_text=True)
        assert found.status_code == 422, page
        assert f'href="#{anchor}"' in text, page
        assert f'id="{anchor}"' in text, page
        assert all(typed in text for typed in given.values()), page
    many = partner.post(f"/referrals/drafts/{name}/household", {"adults": "1", "children_0-4": "many"})
    assert 'href="#children_0-4"' in many.get_data(as_text=True)
    contact = partner.post(f"/referrals/drafts/{name}/contact", {"via_partner": "no", "contact_name": "N"})
    assert 'href="#contact_phone"' in contact.get_data(as_text=True)
    assert 'value="L1"' in text_of(partner, f"/referrals/drafts/{name}/postcode"), "wrong answers are kept too"


def test_a_worker_saves_comes_back_and_goes_on_where_it_stopped(town: Town) -> None:
    partner = town.browser("partner")
    name = begun(partner)
    partner.post(f"/referrals/drafts/{name}/reference", {"client_reference": "HH-900"})
    later = partner.post(f"/referrals/drafts/{name}/postcode", {"postcode": "L1 8JQ"}, to="later")
    listed = later.get_data(as_text=True)
    assert "HH-900" in listed
    assert re.search(r"\d+ questions left", listed)
    again = town.browser("partner")
    assert "referrals begun" in text_of(again, "/")
    assert f"/referrals/drafts/{name}/place" in text_of(again, "/referrals/new"), "the first open question"
    assert 'value="L1 8JQ"' in text_of(again, f"/referrals/drafts/{name}/postcode")


def test_changing_an_answer_comes_back_to_the_check(town: Town) -> None:
    known_places(town)
    partner = town.browser("partner")
    name = filled(partner)
    answer = partner.post(f"/referrals/drafts/{name}/language", {"language": "Polish"}, to="check", follow=False)
    assert answer.location.endswith("/check")
    moved = partner.post(f"/referrals/drafts/{name}/postcode", {"postcode": "WN4 0AA"}, to="check", follow=False)
    assert moved.location.endswith("/place"), "a new place brings a new question"
    unsent = partner.post(f"/referrals/drafts/{name}/send", follow=False)
    assert unsent.location.endswith("/place"), "and it cannot be jumped over"


@pytest.mark.parametrize(
    ("typed", "said", "kept"),
    [("WN4 0AA", "outside our", "outside"), ("L1 9ZZ", "do not know", "unknown"), ("S1 1AA", "outside", "outside")],
)
def test_a_postcode_elsewhere_or_unknown_is_asked_about_and_never_refused(
    town: Town, typed: str, said: str, kept: str
) -> None:
    known_places(town)
    partner = town.browser("partner")
    name = begun(partner)
    answer = partner.post(f"/referrals/drafts/{name}/postcode", {"postcode": typed})
    assert said in answer.get_data(as_text=True)
    assert partner.post(f"/referrals/drafts/{name}/place", {}).status_code == 422
    ref = sent(partner, {"postcode": {"postcode": typed}, "place": {"borough": "anyway"}})
    with town.house.db.read() as tx:
        assert tx.s.get_one(ReferralDetail, ref).place == kept


def test_a_new_home_keeps_the_borough_that_the_worker_named(town: Town) -> None:
    ref = sent(town.browser("partner"), {"postcode": {"postcode": "L1 9ZZ"}, "place": {"borough": "E08000014"}})
    with town.house.db.read() as tx:
        detail = tx.s.get_one(ReferralDetail, ref)
    assert (detail.place, detail.authority, detail.ward) == ("unknown", "E08000014", None)
    assert "Sefton, as the partner said" in text_of(town.browser("desk"), f"/referrals/{ref}")


def test_progress_counts_the_pages_that_are_really_asked(town: Town) -> None:
    known_places(town)
    partner = town.browser("partner")
    name = begun(partner)
    assert "Question 1 of 13" in text_of(partner, f"/referrals/drafts/{name}/reference")
    partner.post(f"/referrals/drafts/{name}/contact", {"via_partner": "yes"})
    assert "Question 12 of 12" in text_of(partner, f"/referrals/drafts/{name}/told"), "safe contact is not asked"
    desk = town.browser("desk")
    assert "Question 1 of 14" in text_of(desk, f"/referrals/drafts/{begun(desk)}/who")


def test_a_draft_is_sealed_and_only_its_workers(town: Town) -> None:
    partner, ola = town.browser("partner"), town.browser(name="Ola")
    name = filled(partner)
    with town.house.db.read() as tx:
        row = tx.s.get_one(ReferralDraft, name)
        assert not any(secret in bytes(row.sealed) for secret in SECRETS)
        assert not any(secret.decode() in name for secret in SECRETS)
    for path in (f"/referrals/drafts/{name}/check", f"/referrals/drafts/{name}/contact"):
        assert ola.get(path).status_code == 404
    assert ola.post(f"/referrals/drafts/{name}/send").status_code == 404
    assert ola.post(f"/referrals/drafts/{name}/delete").status_code == 404
    assert "HH-900" not in text_of(ola, "/referrals/new")
    assert "HH-900" in text_of(partner, "/referrals/new")
    partner.post(f"/referrals/drafts/{name}/delete")
    assert partner.get(f"/referrals/drafts/{name}/check").status_code == 404


def test_a_draft_that_nobody_touches_is_deleted_after_thirty_days(house: House) -> None:
    with house.db.transaction() as tx:
        old = drafts.begin(tx, house.partner, {"language": "Arabic"}, NOON)
        drafts.save(tx, house.partner, old, {"adults": "1"}, NOON + timedelta(days=20))
        assert drafts.get(tx, house.partner, old).answers == {"language": "Arabic", "adults": "1"}
        assert drafts.forget_old(tx, NOON + timedelta(days=49)) == 0
        assert drafts.forget_old(tx, NOON + timedelta(days=51)) == 1
        with pytest.raises(Refused):
            drafts.get(tx, house.partner, old)
    with house.db.transaction() as tx:
        for _ in range(drafts.MOST):
            drafts.begin(tx, house.partner, {}, NOON)
        with pytest.raises(Refused, match="send or delete"):
            drafts.begin(tx, house.partner, {}, NOON)


def test_nobody_leaves_without_a_way_out(town: Town) -> None:
    partner = town.browser("partner")
    name = filled(partner)
    for path in ("/referrals/new", *(f"/referrals/drafts/{name}/{page}" for page in ("postcode", "contact", "check"))):
        answer = partner.get(path)
        link = re.search(r'<a [^>]*class="[^"]*govuk-exit-this-page__button[^>]*>', answer.get_data(as_text=True))
        assert link is not None, path
        site = town.app.extensions["kitbank"].config.exit_site
        assert f'href="{site}"' in link.group(), "a plain link without scripts"
        assert answer.headers["Cache-Control"] == "no-store", "going back shows nothing"


def test_the_desk_fills_in_the_same_pages_for_a_partner_or_for_the_household(town: Town) -> None:
    desk = town.browser("desk")
    with town.house.db.read() as tx:
        partner = {name: number for number, name in people.partners(tx)}["St Bride's"]
    ref = sent(desk, {"who": {"route": "telephone", "partner": str(partner)}})
    own = sent(desk, {"who": {"route": "worker", "partner": ""}, "reference": {"client_reference": "SELF-1"}})
    with town.house.db.read() as tx:
        assert tx.s.get_one(ReferralDetail, ref).route == "telephone"
        assert tx.s.get_one(ReferralDetail, own).route == "self"
        seen = {one.ref for one in referrals.referrals(tx, town.house.partner)}
    assert ref in seen
    assert own not in seen
    name = begun(desk)
    assert desk.post(f"/referrals/drafts/{name}/who", {"route": "fax", "partner": "9999"}).status_code == 422
    assert town.browser("partner").get(f"/referrals/drafts/{name}/who").status_code == 404


def test_the_paper_form_has_every_question_and_every_word_of_the_pages(town: Town) -> None:
    text = text_of(town.browser("partner"), "/referrals/paper").replace("&#39;", "'")
    for page in referral_pages.PAGES:
        assert page.title in text or page.key in ("who", "place"), page.key
    for words in (*CHOICES.values(), *LISTS.values()):
        for word in words.values():
            assert word in text or word == "Only through the partner", word
    for band in BANDS.values():
        assert band in text


def test_the_record_asks_nothing_that_it_must_not(town: Town) -> None:
    partner = town.browser("partner")
    name = filled(partner)
    asked = set()
    for page in referral_pages.PAGES:
        if page.key != "who":
            text = text_of(partner, f"/referrals/drafts/{name}/{page.key}")
            asked |= set(re.findall(r'<(?:input|textarea|select)[^>]* name="([^"]+)"', text))
    allowed = {field for page in referral_pages.PAGES for field in page.fields} | {f"children_{band}" for band in BANDS}
    assert asked - {"form_token", "to", "q"} <= allowed
    forbidden = ("birth", "dob", "health", "immigration", "child_name", "note")
    assert not any(word in " ".join(allowed) for word in forbidden)


# -- the same household ----------------------------------------------------------------------------------------


def test_the_desk_sees_the_same_household_however_it_was_typed(house: House) -> None:
    first = refer(house, FORM)
    phone = replace(FORM, contact_name="N Rahman", contact_phone="+44 7700 900-123", postcode="L2 2AA")
    name = replace(FORM, contact_name="RÁHMAN, Nadia", contact_phone="07700 900999", postcode=" l18jq")
    other = replace(FORM, contact_name="Someone Else", contact_phone="07700 900555")
    second, third, fourth = (refer(house, one, house.outsider) for one in (phone, name, other))
    assert {one.ref: one.by for one in same(house, first)} == {second: ("phone",), third: ("name-postcode",)}
    assert same(house, fourth) == []
    assert same(house, second)[0].partner == "St Bride's"


def test_a_mark_is_no_plain_hash_and_holds_nothing_readable(house: House) -> None:
    ref = refer(house, FORM)
    with house.db.read() as tx:
        marks = {row.kind: row.mark for row in tx.s.scalars(select(ReferralMark).where(ReferralMark.ref == ref))}
    assert set(marks) == {"phone", "name-postcode"}
    assert all(re.fullmatch("[0-9a-f]{64}", mark) for mark in marks.values())
    assert hashlib.sha256(b"07700900123").hexdigest() not in marks.values()
    through = refer(house, replace(FORM, via_partner=True))
    with house.db.read() as tx:
        assert tx.s.scalar(select(func.count()).where(ReferralMark.ref == through)) == 0


def test_a_partner_sees_nothing_of_the_same_household_elsewhere(town: Town) -> None:
    """Ola refers a household that Pat referred, and one that nobody did: the answers are the same, byte for byte."""
    known_places(town)
    ola = town.browser(name="Ola")
    fresh = {"via_partner": "no", "contact_name": "Mara Quill", "contact_phone": "07700 900777"}
    # Pat's waiting referral is of the household of ANSWERS: the same name, postcode and number.
    both: dict[str, Mapping[str, str | list[str]]] = {
        "fresh": {**fresh}, "taken": ANSWERS["contact"],
    }  # fmt: skip
    answers, statements = {}, {}
    for kind, contact in both.items():
        name = filled(ola, {"contact": contact})
        with Statements(town) as said:
            answer = ola.post(f"/referrals/drafts/{name}/send", follow=False)
        ref = re.search(r"R-[0-9A-Z]{6}", answer.location)
        assert ref is not None
        pages = [ola.get(f"/referrals/{ref.group()}/sent"), ola.get(f"/referrals/{ref.group()}")]
        texts = [page.get_data(as_text=True).replace(ref.group(), "REF") for page in pages]
        answers[kind] = (answer.status_code, answer.get_data(as_text=True).replace(ref.group(), "REF"), *texts)
        statements[kind] = said
    plain = [re.sub(r"\d\d:\d\d|value=\"[^\"]+\"", "", "".join(map(str, one))) for one in answers.values()]
    assert plain[0] == plain[1]
    assert statements["fresh"] == statements["taken"], "the same statements in the same order: nothing to time"
    assert not any("referral_mark" in one and "SELECT" in one.upper().split("FROM")[0] for one in statements["taken"])
    desk = town.browser("desk")
    with town.house.db.read() as tx:
        newest = [one for one in referrals.referrals(tx, town.house.desk) if one.form.client_reference == "HH-900"]
    assert any("Perhaps the same household" in text_of(desk, f"/referrals/{one.ref}") for one in newest)
    assert "Perhaps the same household" not in "".join(map(str, answers["taken"]))
    with pytest.raises(Refused), town.house.db.read() as tx:
        referral_details.same_household(tx, town.house.outsider, newest[0].ref)


class Statements:
    """Collects the statements that the database gets, without their values."""

    def __init__(self, town: Town) -> None:
        self.engine = town.house.db.engine
        self.said: list[str] = []

    def __enter__(self) -> list[str]:
        event.listen(self.engine, "before_cursor_execute", self._note)
        return self.said

    def __exit__(self, *_: object) -> None:
        event.remove(self.engine, "before_cursor_execute", self._note)

    def _note(self, _connection: object, _cursor: object, statement: str, *_: object) -> None:
        self.said.append(statement)


# -- the form --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("works_with", ("a-diagnosis",)), ("connection", ("fax",)), ("support", ("money",)), ("sim_holder", "child"),
        ("client_reference", "nadia@example.org"), ("client_reference", "+44 7700 900123"),
    ],
)  # fmt: skip
def test_words_that_are_not_in_the_lists_are_refused(field: str, value: object) -> None:
    sim = replace(FORM, connection=("mobile-data",), sim_holder="contact")
    form = replace(sim, **{field: value})  # type: ignore[arg-type]
    assert [one.subject for one in what_is_wrong(tidied(form))] == [field]


def test_a_case_number_is_a_fine_reference() -> None:
    for reference in ("20261125", "AB-17", "CASE 004412", "12345678901"):
        assert what_is_wrong(tidied(replace(FORM, client_reference=reference))) == []


def test_nothing_at_all_is_not_asked_for() -> None:
    form = tidied(replace(FORM, need="internet-only", connection=()))
    assert [one.subject for one in what_is_wrong(form)] == ["connection"]
    assert what_is_wrong(tidied(replace(form, connection=("home-broadband",)))) == []


def test_a_sim_has_an_adult_to_hold_it_or_says_that_none_is_chosen_yet() -> None:
    assert tidied(replace(FORM, connection=("mobile-data",))).sim_holder == "not-sure"
    assert tidied(replace(FORM, sim_holder="contact")).sim_holder == ""


def test_the_default_table_names_the_borough_on_the_check_page(town: Town) -> None:
    with town.house.db.transaction() as tx:
        place_import.import_default(tx, town.app.extensions["kitbank"].config.region, NOON)
    partner = town.browser("partner")
    name = filled(partner, {"postcode": {"postcode": "CH41 1AA"}})
    assert "CH41 1AA, Wirral" in text_of(partner, f"/referrals/drafts/{name}/check")
