"""The pages of data protection, as the people who use them work with them."""

import io
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from lending import people, privacy, privacy_assessments, referrals
from lending.privacy_papers import TO_FILL
from tests.lending.house import FORM
from tests.lending.screens import Town


def text(answer: object) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", answer.get_data(as_text=True)).split())  # type: ignore[attr-defined]


def day(name: str, shown: str) -> dict[str, str]:
    number, month, year = shown.split()
    return {f"{name}-day": number, f"{name}-month": month, f"{name}-year": year}


def test_a_name_is_shown_only_after_a_reason_and_the_lead_sees_who_looked(town: Town) -> None:
    desk, lead = town.browser("desk"), town.browser("data-protection")
    page = text(desk.get(f"/referrals/{town.waiting}"))
    assert "Nadia" not in page
    assert "900123" not in page
    path = f"/referrals/{town.waiting}/contact"
    asked = desk.get(path)
    assert "Nadia" not in text(asked)
    refused = desk.post(path)
    assert (refused.status_code, "Choose why you need to see it" in text(refused)) == (422, True)
    assert desk.post(path, reason="other").status_code == 422
    assert "Nobody looked" in text(lead.get("/privacy/looks"))
    shown = desk.post(path, reason="other", note="They rang about the charger")
    assert "Nadia Rahman" in text(shown)
    assert "no-store" in shown.headers["Cache-Control"]
    looks = text(lead.get(f"/privacy/looks?about={town.waiting}"))
    assert "Dee" in looks
    assert "They rang about the charger" in looks
    assert "Nadia" not in looks


def test_nobody_but_desk_supervisor_and_lead_is_shown_a_name(town: Town) -> None:
    for role in people.ROLES:
        code = town.browser(role).post(f"/referrals/{town.waiting}/contact", reason="call").status_code
        assert (code == 200) == (role in ("desk", "supervisor", "data-protection")), role


def test_a_contact_that_says_do_not_text_is_shown_with_the_warning_first(town: Town) -> None:
    with town.house.db.transaction() as tx:
        form = replace(FORM, client_reference="HH-400", safe_contact="no-text")
        ref = referrals.refer(tx, town.house.partner, form, town.house.tick())
    page = text(town.browser("desk").post(f"/referrals/{ref}/contact", reason="call"))
    assert page.index("Do not text") < page.index("Nadia")


def test_anybody_can_read_the_notice_and_complain_and_the_lead_answers(town: Town) -> None:
    stranger, lead = town.browser(), town.browser("data-protection")
    assert "What we keep about you" in text(stranger.get("/privacy"))
    stranger.get("/privacy/complain")
    wrong = stranger.post("/privacy/complain", text="no")
    assert (wrong.status_code, "Tell us how to answer" in text(wrong)) == (422, True)
    sent = stranger.post("/privacy/complain", text="You wrote to my old address.", reply_to="St Bride's")
    ref = re.search(r"C-[0-9A-Z]{6}", text(sent))
    assert ref is not None
    assert ref.group() in text(lead.get("/privacy/complaints"))
    page = f"/privacy/complaints/{ref.group()}"
    assert "old address" in text(lead.get(page))
    assert "It is recorded" in text(lead.post(f"{page}/acknowledge"))
    assert lead.post(f"{page}/answer", outcome="").status_code == 422
    assert "answered" in text(lead.post(f"{page}/answer", outcome="upheld", done="We corrected the address."))
    assert "They were right: we put it right" in text(lead.get("/privacy/complaints"))


def test_a_complaint_that_was_not_acknowledged_in_time_is_shouted(town: Town) -> None:
    lead = town.browser("data-protection")
    came = (town.house.now - timedelta(days=40)).strftime("%d %m %Y")
    answers = {"how": "letter", "text": "You keep my number too long.", "reply_to": "Flat 2", **day("received", came)}
    assert "is stored" in text(lead.post("/privacy/complaints", answers))
    assert "overdue" in text(lead.get("/privacy/complaints"))
    assert "1 past the 30 days" in text(lead.get("/privacy/due"))


def test_a_machine_that_fills_the_complaint_form_is_stopped(town: Town) -> None:
    stranger = town.browser()
    stranger.get("/privacy/complain")
    answers = {"text": "Buy my watches, they are cheap.", "reply_to": "spam@example.org"}
    codes = [stranger.post("/privacy/complain", answers).status_code for _ in range(12)]
    assert codes[0] == 200
    assert codes[-1] == 429


def test_an_agreement_is_recorded_by_its_file_and_warned_of_when_missing(town: Town) -> None:
    lead = town.browser("data-protection")
    assert "No agreement" in text(lead.get("/privacy/agreements"))
    partner = str(town.house.partner.partner_id)
    today = town.house.now
    answers = {
        "partner": partner, "kind": "joint", **day("signed", today.strftime("%d %m %Y")),
        **day("review", (today + timedelta(days=400)).strftime("%d %m %Y")), "form_token": lead.token,
    }  # fmt: skip
    refused = lead.client.post("/privacy/agreements", data=answers)
    assert (refused.status_code, "Choose the file" in refused.get_data(as_text=True)) == (422, True)
    file = (io.BytesIO(b"signed"), "agreement.pdf")
    done = lead.client.post("/privacy/agreements", data={**answers, "document": file}, follow_redirects=True)
    shown = text(done)
    assert "Joint controllers" in shown
    number = re.search(r"/privacy/agreements/(\d+)/end", done.get_data(as_text=True))
    assert number is not None
    assert "has ended" in text(lead.post(f"/privacy/agreements/{number.group(1)}/end"))


def test_a_breach_has_its_hours_and_its_decision(town: Town) -> None:
    lead = town.browser("data-protection")
    lead.get("/privacy/breaches")
    assert lead.post("/privacy/breaches", what="x", people="many").status_code == 422
    page = text(lead.post("/privacy/breaches", what="A letter went to the wrong house.", people="1"))
    assert "71 hours left" in page or "72 hours left" in page
    ref = re.search(r"B-[0-9A-Z]{6}", page)
    assert ref is not None
    done = lead.post(f"/privacy/breaches/{ref.group()}/decide", decision="not-told", why="It came back unopened.")
    assert "a risk to people is unlikely" in text(done)


@pytest.mark.parametrize("name", privacy_assessments.PAPERS)
def test_every_paper_is_made_from_the_table_and_shows_its_gaps(town: Town, name: str) -> None:
    page = text(town.browser("auditor").get(f"/privacy/papers/{name}"))
    assert TO_FILL in page
    fields = [one for one in privacy.FIELDS if one.about == "household" and one.basis == "interests"]
    assert all(one.what in page.replace("&#39;", "'") for one in fields), name


def test_the_record_of_processing_is_a_file_with_a_row_for_every_field(town: Town) -> None:
    answer = town.browser("data-protection").get("/privacy/record.csv")
    lines = answer.get_data(as_text=True).splitlines()
    assert len(lines) == len(privacy.FIELDS) + 1
    assert lines[0].startswith("People,Data,Purpose")


def test_a_household_is_erased_only_when_it_is_ticked_and_its_loan_is_over(town: Town) -> None:
    lead = town.browser("data-protection")
    found = lead.post("/privacy/access", wanted="HH-211")
    assert town.waiting in text(found)
    path = f"/privacy/access/{town.waiting}/erase"
    assert lead.post(path).status_code == 422
    assert lead.post(path, sure="yes").status_code == 409
    with town.house.db.transaction() as tx:
        referrals.decline(tx, town.waiting, town.house.desk, town.house.tick())
    assert "is erased" in text(lead.post(path, sure="yes"))
    assert lead.post("/privacy/access", wanted="HH-211").status_code == 422


def test_a_paper_that_does_not_exist_is_not_found(town: Town) -> None:
    assert town.browser("auditor").get("/privacy/papers/secret").status_code == 404
