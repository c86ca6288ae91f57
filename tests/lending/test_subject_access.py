"""Everything on a household in one action: nothing missing, nothing left sealed, and it is known who took it."""

import io
import json
import zipfile

import pytest
from pypdf import PdfReader
from sqlalchemy import insert, select

from custody.errors import Refused
from lending import people, referrals, schema, subject_access, tables
from lending.people import Actor
from lending.privacy_tables import AccessLogRow
from tests.factories import NOON
from tests.lending.house import FORM, House


@pytest.fixture
def lead(house: House) -> Actor:
    with house.db.transaction() as tx:
        made = people.create_account(tx, "lead@example.org", "Lea", ["data-protection"], None, NOON)
        found = people.actor(tx, made.id)
    assert found is not None
    return found


def household(house: House) -> tuple[str, str]:
    """Refer, approve, and let things hang on the loan; return the referral's and the loan's references."""
    loan = house.new_loan()
    t = schema.metadata().tables
    with house.db.transaction() as tx:
        ref = tx.s.scalars(select(tables.ReferralRow.ref)).one()
        values = {"loan": loan, "kind": "set-up", "what": "first-start", "where": "desk", "at": house.tick(),
                  "account_id": None}  # fmt: skip
        tx.s.execute(insert(t["loan_help"]).values({k: v for k, v in values.items() if k in t["loan_help"].c}))
        said = tx.vault.seal("message", "M-1", {"to": "07700 900123", "text": "Your laptop is ready"})
        tx.s.execute(insert(t["message"]).values(
            ref="M-1", cause="c", loan=loan, kind="ready", channel="sms", language="en", sealed=said, address="f" * 64,
            segments=1, cost=0, state="sent", due_at=NOON, queued_at=NOON, attempt=1, asked=0, fence=0, error="",
        ))  # fmt: skip
    return ref, loan


def test_one_file_has_everything_opened_as_data_and_to_read(house: House, lead: Actor) -> None:
    ref, loan = household(house)
    with house.db.transaction() as tx:
        data = subject_access.to_zip(subject_access.held(tx, lead, ref, house.now))
    with zipfile.ZipFile(io.BytesIO(data)) as both:
        assert sorted(both.namelist()) == [f"{ref}.json", f"{ref}.pdf"]
        found = json.loads(both.read(f"{ref}.json"))
        paper = " ".join(page.extract_text() for page in PdfReader(io.BytesIO(both.read(f"{ref}.pdf"))).pages)
    held = found["held"]
    assert held["referral"][0]["contact"] == {"name": "Nadia Rahman", "phone": "07700 900123", "postcode": "L1 8JQ"}
    assert held["loan"][0]["ref"] == loan
    assert held["message"][0]["sealed"]["text"] == "Your laptop is ready"
    assert held["loan_help"]
    assert held["access_log"][0]["what"] == "everything"
    assert found["about"]["referral.contact"]["kept"].startswith("90 days")
    for word in ("Nadia Rahman", "07700 900123", "Your laptop is ready", "AB-17", "Legitimate interests"):
        assert word in " ".join(paper.split()), word


def test_taking_it_is_written_down_and_only_the_lead_may(house: House, lead: Actor) -> None:
    ref, _ = household(house)
    with house.db.transaction() as tx:
        for other in (house.desk, house.administrator, house.partner):
            with pytest.raises(Refused):
                subject_access.held(tx, other, ref, house.now)
        subject_access.held(tx, lead, ref, house.now)
        row = tx.s.scalars(select(AccessLogRow)).one()
    assert (row.subject, row.what, row.account_id) == (f"referral:{ref}", "everything", lead.account_id)


def test_a_household_is_found_by_every_name_it_has_with_us(house: House, lead: Actor) -> None:
    ref, loan = household(house)
    with house.db.transaction() as tx:
        other = referrals.refer(tx, house.outsider, FORM, house.tick())
    with house.db.read() as tx:
        assert subject_access.find(tx, lead, ref.lower()) == [ref]
        assert subject_access.find(tx, lead, loan) == [ref]
        assert subject_access.find(tx, lead, FORM.client_reference) == sorted([ref, other])
        with pytest.raises(Refused, match="no household"):
            subject_access.find(tx, lead, "07700 900999")


def test_every_table_that_hangs_on_a_referral_is_followed() -> None:
    """Walks the keys by itself, another way round than the code, and compares what both reach."""
    reached, all_tables = {"referral"}, schema.metadata().sorted_tables
    for _ in all_tables:
        reached |= {
            table.name for table in all_tables
            if table.name not in subject_access.AROUND
            and any(key.column.table.name in reached for key in table.foreign_keys)
        }  # fmt: skip
    assert {"loan", "loan_item", "message", "loan_agreement", "referral_mark", "booking"} <= reached
    by_name = {table.name for table in all_tables if "loan" in table.c} - reached - set(subject_access.MORE)
    assert by_name <= {"device", "armed", "armed_scan"}, "these name a loan without a key: add them to MORE"
