"""Many referrals from one file: every mistake named, all or the good ones, nothing half-done."""

import csv
import io

import pytest
from sqlalchemy import select

from custody.errors import Refused
from lending import intake, quotas, referrals, region
from lending.intake import COLUMNS
from lending.referral_tables import Intake, ReferralDetail
from tests.factories import NOON
from tests.lending.house import House
from tests.lending.screens import Town

REGION = region.default()
GOOD = {
    "client_reference": "F-1", "postcode": "l1 8jq", "adults": "1", "children_5-10": "2", "need": "Laptop",
    "internet": "phone-only", "connection": "Home broadband; mobile-data", "sim_holder": "contact", "purpose": "school",
    "works_with": "touch", "ground": "Low income", "via_partner": "no", "contact_name": "Nadia Rahman",
    "contact_phone": "+44 7700 900123", "safe_contact": "No-Text", "language": "Arabic", "support": "",
    "told_how": "explained",
}  # fmt: skip


def file_of(*rows: dict[str, str], head: list[str] | None = None, delimiter: str = ",") -> bytes:
    made = io.StringIO(newline="")
    table = csv.DictWriter(made, head or list(COLUMNS), delimiter=delimiter, extrasaction="ignore")
    table.writeheader()
    table.writerows(rows)
    return b"\xef\xbb\xbf" + made.getvalue().encode()


def staged(house: House, data: bytes) -> str:
    with house.db.transaction() as tx:
        return intake.stage(tx, house.partner, data, REGION, NOON)


def take(house: House, name: str, *, good_only: bool = False) -> tuple[list[str], intake.Staged | None]:
    with house.db.transaction() as tx:
        return intake.take(tx, house.partner, name, REGION, house.tick(), good_only=good_only)


def count(house: House) -> int:
    with house.db.read() as tx:
        return len(referrals.referrals(tx, house.partner))


def test_a_file_is_taken_in_all_together_with_the_words_of_the_pages(house: House) -> None:
    name = staged(house, file_of(GOOD, {**GOOD, "client_reference": "F-2", "need": "tablet"}))
    assert count(house) == 0, "nothing is referred before the worker has seen it"
    refs, left = take(house, name)
    assert (len(refs), left) == (2, None)
    with house.db.read() as tx:
        found = referrals.get(tx, house.partner, refs[0])
        detail = tx.s.get_one(ReferralDetail, refs[0])
    assert (found.form.need, found.form.safe_contact, found.form.ground) == ("laptop", "no-text", "low-income")
    assert (detail.route, detail.connection) == ("csv", ["home-broadband", "mobile-data"])
    with pytest.raises(Refused, match="taken in"):
        take(house, name)
    assert count(house) == 2, "sending it twice makes nothing new"


def test_every_mistake_is_named_by_row_and_column_and_nothing_is_taken_in(house: House) -> None:
    bad = {**GOOD, "client_reference": "F-2", "postcode": "L1", "adults": "two", "need": "yacht", "via_partner": ""}
    name = staged(house, file_of(GOOD, bad, {**GOOD, "client_reference": "f-1"}, {**GOOD, "borough": "Atlantis"}))
    with house.db.read() as tx:
        found = intake.get(tx, house.partner, name, REGION)
    said = {(one.row, one.column, one.value) for one in found.mistakes}
    assert {(3, "postcode", "L1"), (3, "adults", "two"), (3, "need", "yacht"), (3, "via_partner", "")} <= said
    assert (4, "client_reference", "f-1") in said, "the same reference twice in one file"
    assert (5, "borough", "Atlantis") in said
    assert all(one.text for one in found.mistakes)
    with pytest.raises(Refused, match="3 rows have mistakes"):
        take(house, name)
    assert count(house) == 0


def test_the_good_rows_are_taken_and_the_others_come_back_as_a_file(house: House) -> None:
    bad = {**GOOD, "client_reference": "F-2", "adults": "0", "language": "=HYPERLINK(1)"}
    name = staged(house, file_of(bad, GOOD))
    refs, left = take(house, name, good_only=True)
    assert len(refs) == count(house) == 1
    assert left is not None
    back = list(csv.DictReader(io.StringIO(intake.error_file(left.rows))))
    assert [one["client_reference"] for one in back] == ["F-2"]
    assert "adults: Enter how many adults" in back[0]["what_to_do"]
    assert back[0]["language"] == "'=HYPERLINK(1)", "no spreadsheet runs it"
    assert back[0]["contact_phone"] == "+44 7700 900123"
    again = staged(house, intake.error_file(left.rows).replace(",0,", ",1,").encode())
    assert len(take(house, again)[0]) == 1, "put right, the same file can be uploaded"


def test_a_file_that_was_sent_already_says_so(house: House) -> None:
    take(house, staged(house, file_of(GOOD)))
    with house.db.read() as tx:
        ref = referrals.referrals(tx, house.partner)[0].ref
    name = staged(house, file_of(GOOD))
    with house.db.read() as tx:
        assert f"waits already as {ref}" in intake.get(tx, house.partner, name, REGION).mistakes[0].text
        with pytest.raises(Refused):
            intake.get(tx, house.outsider, name, REGION)


def test_a_quota_that_is_reached_half_way_leaves_nothing(house: House) -> None:
    with house.db.transaction() as tx:
        quotas.set_partner(tx, house.desk, house.partner.partner_id or 0, "", {"": 1}, paused=False)
    name = staged(house, file_of(GOOD, {**GOOD, "client_reference": "F-2"}))
    with pytest.raises(Refused, match=r"Row 3: .*1 open referrals"):
        take(house, name)
    assert count(house) == 0


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "lacks the column"),
        (b"client_reference,postcode\nA,L1 8JQ\n", "lacks the column adults"),
        (file_of(), "no rows"),
        (file_of(GOOD, head=[*COLUMNS, "need"]), "stands twice"),
        (b"PK\x03\x04\x00\x00", "workbook"),
        (file_of(*[GOOD] * 501), "501 rows"),
        (b"x" * (intake.LARGEST + 1), "in parts"),
    ],
    ids=["empty", "columns", "header", "twice", "workbook", "many", "large"],
)
def test_a_file_that_cannot_be_read_says_what_to_do(data: bytes, said: str) -> None:
    with pytest.raises(Refused, match=said):
        intake.read(data, REGION)


def test_files_of_other_spreadsheets_are_read_too() -> None:
    assert not intake.read(file_of(GOOD, delimiter=";"), REGION)[0].mistakes
    assert not intake.read(file_of(GOOD, delimiter="\t"), REGION)[0].mistakes
    western = file_of({**GOOD, "contact_name": "José"})[3:].decode().encode("cp1252")
    assert intake.read(western, REGION)[0].answers["contact_name"] == "José"
    assert intake.read(intake.template().encode() + b"x" + b"," * (len(COLUMNS) + 3), REGION)[0].mistakes


def test_an_uploaded_file_is_sealed_and_forgotten_after_a_day(house: House) -> None:
    name = staged(house, file_of(GOOD))
    with house.db.read() as tx:
        sealed = bytes(tx.s.scalars(select(Intake.sealed).where(Intake.id == name)).one())
    assert b"Nadia" not in sealed
    assert b"900123" not in sealed
    with house.db.transaction() as tx:
        assert intake.forget_old(tx, NOON) == 0
        assert intake.forget_old(tx, NOON + intake.KEPT * 2) == 1


def test_a_worker_uploads_looks_and_sends(town: Town) -> None:
    partner = town.browser("partner")
    partner.get("/referrals/file")
    assert partner.post("/referrals/file").status_code == 422
    data = {"form_token": partner.token, "file": (io.BytesIO(file_of(GOOD, {**GOOD, "adults": "0"})), "r.csv")}
    sent = partner.client.post("/referrals/file", data=data, content_type="multipart/form-data")
    shown = partner.get(sent.location).get_data(as_text=True)
    assert "1 row can be sent" in shown
    assert "Enter how many adults" in shown
    back = partner.get(f"{sent.location}/mistakes.csv")
    assert back.headers["Content-Disposition"].startswith("attachment")
    assert town.browser(name="Ola").get(sent.location).status_code == 404
    partner.get(sent.location)
    assert partner.post(sent.location, how="all").status_code == 409
    done = partner.post(sent.location, how="good").get_data(as_text=True)
    assert "1 referral sent" in done
    empty = partner.client.get("/referrals/file/template.csv").get_data(as_text=True)
    assert empty.startswith("\ufeffclient_reference,postcode")
