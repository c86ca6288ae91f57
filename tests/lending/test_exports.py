"""Lists as files: complete, for those who may, noted, and without anybody's contact data."""

import csv
import io

import pytest
from sqlalchemy import select, update

from labels.codes import pretty
from lending import sheets, tables
from lending.access_tables import AuditEntry
from tests.lending.house import PERSONAL
from tests.lending.screens import LENT, READY, Town


def rows(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))


@pytest.mark.parametrize("what", ["devices", "loans", "referrals", "partners"])
def test_a_list_is_the_same_as_csv_and_as_excel(town: Town, what: str) -> None:
    desk = town.browser("desk")
    text = desk.get(f"/export/{what}.csv")
    assert text.mimetype == "text/csv"
    assert f"{what}-2" in text.headers["Content-Disposition"]
    found = rows(text.get_data())
    excel = sheets.read(desk.get(f"/export/{what}.xlsx").get_data(), "x.xlsx")
    assert [list(row) for _, row in excel.rows] == found[1:]
    assert list(excel.header) == found[0]
    assert len(found) > 1
    assert desk.get(f"/export/{what}.pdf").status_code == 404


def test_what_is_shown_is_what_is_taken_away(town: Town) -> None:
    desk = town.browser("desk")
    assert len(rows(desk.get("/export/devices.csv").get_data())) == 1 + 7
    labels = {row[0] for row in rows(desk.get("/export/devices.csv?state=out").get_data())[1:]}
    assert pretty(LENT) in labels
    assert pretty(READY) not in labels
    assert "/export/devices.csv?state=out" in desk.get("/devices?state=out").get_data(as_text=True)


def test_a_partner_takes_away_its_own_and_nobody_a_households_contact(town: Town) -> None:
    pat, ola, desk = town.browser("partner"), town.browser(name="Ola"), town.browser("desk")
    assert town.waiting in pat.get("/export/referrals.csv").get_data(as_text=True)
    for what in ("referrals", "loans"):
        assert len(rows(ola.get(f"/export/{what}.csv").get_data())) == 1
    said = "".join(desk.get(f"/export/{what}.csv").get_data(as_text=True) for what in ("referrals", "loans", "devices"))
    for secret in set(PERSONAL) - {"AB-17"}:
        assert secret not in said


def test_whoever_takes_a_list_away_stands_in_the_audit(town: Town) -> None:
    town.browser("administrator").get("/export/accounts.xlsx")
    town.browser("desk").get("/export/accounts.csv")
    with town.house.db.read() as tx:
        noted = tx.s.scalars(select(AuditEntry).where(AuditEntry.action == "exported"))
        lines = [(one.by, one.subject, one.reason) for one in noted]
    assert lines == [(town.house.administrator.ref, "list:accounts", "all as xlsx")]


def test_a_formula_in_the_data_is_text_in_the_file(town: Town) -> None:
    with town.house.db.transaction() as tx:
        row = tables.ReferralRow
        tx.s.execute(update(row).where(row.ref == town.waiting).values(client_reference="=1+2"))
    desk = town.browser("desk")
    assert "'=1+2" in desk.get("/export/referrals.csv").get_data(as_text=True)
    assert "=1+2" in {row[2] for _, row in sheets.read(desk.get("/export/referrals.xlsx").get_data(), "x").rows}


def test_a_devices_page_says_which_loans_it_was_on(town: Town) -> None:
    text = town.browser("desk").get(f"/devices/{LENT}").get_data(as_text=True)
    assert "Which loans it was on" in text
    assert f'/loans/{town.out}"' in text
