"""The search box and the lists: what finds what, for whom, and along which index."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete, event, func, insert, select, update

from custody.errors import Refused
from labels import codes
from labels.codes import pretty
from lending import lists, paging, referrals, search, tables
from lending.db import Database
from lending.office_tables import DeviceCount, OfficeCount
from tests.factories import NOON
from tests.lending.house import FORM, House, code
from tests.lending.screens import LENT, READY, Town


def where_to(town: Town, role: str, typed: str) -> str:
    found = town.browser(role).client.get("/search", query_string={"q": typed})
    return str(found.location or "")


def test_whatever_is_printed_somewhere_leads_straight_to_its_page(town: Town) -> None:
    for typed in (
        READY, pretty(READY).lower(), f"HTTPS://KIT.EXAMPLE.ORG/D/{READY}", "PF12X131", "pf1-2x131", "s3x01nb0k007919",
    ):  # fmt: skip
        assert where_to(town, "volunteer", typed) == f"/devices/{READY}", typed
    for typed in (town.loan, town.loan.lower(), town.loan.removeprefix("L-"), "l" + town.loan[1:]):
        assert where_to(town, "desk", typed) == f"/loans/{town.loan}", typed
    assert where_to(town, "desk", town.waiting.lower()) == f"/referrals/{town.waiting}"
    assert where_to(town, "desk", "hh211") == f"/referrals/{town.waiting}"


def test_the_beginning_of_a_serial_lists_what_has_it(town: Town) -> None:
    listed = town.browser("desk").get("/search?q=pf").get_data(as_text=True)
    assert "Nothing here has that" in listed, "two characters would find half the stock"
    listed = town.browser("desk").get("/search?q=PF12").get_data(as_text=True)
    assert pretty(READY) in listed
    assert pretty(LENT) not in listed


def test_a_partners_name_leads_to_its_referrals_and_a_wrong_label_is_put_right(town: Town) -> None:
    assert "St Bride" in town.browser("desk").get("/search?q=bride").get_data(as_text=True)
    wrong = READY[:4] + ("Y" if READY[4] != "Y" else "Z") + READY[5:]
    assert f"Yes, open {pretty(READY)}" in town.browser("desk").get(f"/search?q={wrong}").get_data(as_text=True)


def test_a_partner_finds_its_own_and_nothing_else(town: Town) -> None:
    assert where_to(town, "partner", town.loan) == f"/loans/{town.loan}"
    assert where_to(town, "partner", "HH-211") == f"/referrals/{town.waiting}"
    ola = town.browser(name="Ola")
    for typed in (town.loan, town.waiting, "HH-211", "HH", READY, "PF12X131", "St Bride", "Ada"):
        found = ola.get(f"/search?q={typed}")
        assert found.status_code == 200, typed
        assert "Nothing here has that" in found.get_data(as_text=True), typed
    assert "Nothing here has that" in town.browser("partner").get("/search?q=PF12X131").get_data(as_text=True)


def test_a_volunteer_finds_no_household_and_an_auditor_no_referral(town: Town) -> None:
    for role in ("volunteer", "auditor"):
        for typed in ("HH-211", town.loan, town.waiting):
            assert "Nothing" in town.browser(role).get(f"/search?q={typed}").get_data(as_text=True), (role, typed)


def test_a_badge_in_the_search_box_is_not_repeated(town: Town) -> None:
    found = town.browser("desk").get("/search?q=KB1.S-4K7Q2M.0123456789ABCDEF0123456789ABCDEF")
    assert found.status_code in (200, 422)


def test_what_nobody_types_breaks_nothing(house: House) -> None:
    with house.db.read() as tx:
        odd = ("\x00\x00\x00", "\ud7ff" * 3, "é" * 250, "\U0010ffff" * 4)
        for typed in ("", " ", "%", "___", "'; DROP TABLE device", *odd):
            search.search(tx, house.desk, typed)
            lists.devices(tx, typed.replace("\x00", ""))


def crowd(db: Database, devices: int, households: int) -> None:
    """Fill the caches and the office with rows, as a large charity has them; history is not needed for lists."""
    with db.transaction() as tx:
        for number in range(devices):
            tx.s.execute(
                insert(tables.DeviceRow).values(
                    code=code(1000 + number), make=("Dell", "HP", "Lenovo")[number % 3], model=f"Model {number % 7}",
                    serial=f"SN{number:06d}", state=("ready", "not-ready", "out")[number % 3 - 1], reasons=[],
                    loan=None, exit=None, grade="",
                )
            )  # fmt: skip
        for number in range(households):
            at = NOON + timedelta(minutes=number // 3)
            ref = f"R-{number:06d}"
            row = tables.ReferralRow(
                ref=ref, partner_id=1 + number % 2, referred_by=None, client_reference=f"C{number}", postcode="L1",
                adults=1, children={}, need="laptop", internet="none", purpose="school", ground="worker",
                contact_name="", contact_phone="", via_partner=True, safe_contact="partner-only", language="English",
                told_how="read", state="approved" if number % 4 else "waiting", created_at=at, decided_at=None,
                decided_by=None,
            )  # fmt: skip
            tx.s.add(row)
            tx.s.flush()
            tx.s.add(
                tables.LoanRow(
                    ref=f"L-{number:06d}", referral=ref, state="out" if number % 2 else "approved", due=None,
                    created_at=at, closed_at=None,
                )
            )
        tx.s.flush()


def test_turning_the_pages_shows_everything_once_and_in_order(house: House) -> None:
    crowd(house.db, 61, 31)
    with house.db.read() as tx:
        for q, state in (("", ""), ("", "ready"), ("dell", ""), ("model 3", "out"), ("lenovo 3", "")):
            seen, after = [], ""
            while True:
                found = lists.devices(tx, q, state, after, 4)
                seen += [(one.make, one.model, one.code) for one in found.page.lines]
                after = found.page.after
                if not after:
                    break
            assert len(seen) == len(set(seen)) == found.total
            assert seen == sorted(seen)
        for by, number in ((house.desk, 31), (house.partner, 16), (house.outsider, 15)):
            refs, after = [], ""
            while True:
                page = lists.referral_page(tx, by, "", after, 4)
                refs += [(one.created_at, one.ref) for one in page.lines]
                after = page.after
                if not after:
                    break
            assert len(set(refs)) == number
            assert refs == sorted(refs, reverse=True)
            loans, after = [], ""
            while True:
                lines = lists.loan_page(tx, by, "", after, 7)
                loans += [one.ref for one in lines.lines]
                after = lines.after
                if not after:
                    break
            assert len(loans) == len(set(loans)) == number == sum(lists.loan_counts(tx, by).values())


def test_a_cursor_that_no_page_gave_is_refused(house: House) -> None:
    made = (paging.encode("a"), paging.encode("2026", "R-1"), paging.encode("a\x00", "b", "c"))
    bad = ["x", "é", "W10", *made, "A" * 5000]
    with house.db.read() as tx:
        for cursor in bad:
            for ask in (lists.devices, lambda tx, _q, _s, after: lists.loan_page(tx, house.desk, "", after)):
                with pytest.raises(Refused, match="place in the list"):
                    ask(tx, "", "", cursor)


def test_the_counters_say_what_counting_would_say_whoever_writes(house: House) -> None:
    crowd(house.db, 23, 17)
    house.make_ready(1)
    with house.db.transaction() as tx:
        refs = [referrals.refer(tx, house.partner, replace(FORM, client_reference=f"n{n}"), NOON) for n in range(3)]
        referrals.decline(tx, refs[0], house.desk, NOON)
        tx.s.execute(update(tables.DeviceRow).where(tables.DeviceRow.make == "HP").values(state="gone", model="Other"))
        tx.s.execute(delete(tables.DeviceRow).where(tables.DeviceRow.make == "Dell"))
        tx.s.execute(delete(tables.LoanRow).where(tables.LoanRow.ref < "L-000009"))
        tx.s.execute(delete(tables.ReferralRow).where(tables.ReferralRow.ref == "R-000001"))
        tx.s.execute(update(tables.ReferralRow).values(client_reference="same for all"))
        tx.s.execute(update(tables.DeviceRow).where(tables.DeviceRow.serial == "SN000002").values(serial="a-b c"))
    with house.db.read() as tx:
        row = tables.DeviceRow
        keys = (row.make, row.model, row.state)
        counted = tx.s.execute(select(*keys, func.count()).group_by(*keys))
        kept = select(DeviceCount.make, DeviceCount.model, DeviceCount.state, DeviceCount.n).where(DeviceCount.n != 0)
        assert sorted(map(tuple, tx.s.execute(kept))) == sorted(map(tuple, counted))
        for table, what in ((tables.ReferralRow, "referral"), (tables.LoanRow, "loan")):
            real = sorted(map(tuple, tx.s.execute(select(table.state, func.count()).group_by(table.state))))
            said = select(OfficeCount.state, OfficeCount.n).where(OfficeCount.what == what, OfficeCount.n != 0)
            assert sorted(map(tuple, tx.s.execute(said))) == real
        assert search.by_prefix(tx, "device", "ABC") == [code(1002)]
        assert search.by_prefix(tx, "device", "SN000002") == []
        assert len(search.by_prefix(tx, "referral", "same for", 100)) == 19


def test_no_list_and_no_search_reads_a_big_table_through(house: House) -> None:
    if house.db.engine.dialect.name != "sqlite":
        pytest.skip("the plan is read from SQLite; PostgreSQL takes a small table whole whatever its indexes")
    crowd(house.db, 40, 20)
    asked: list[tuple[str, object]] = []
    listen = lambda _c, _cur, statement, given, _ctx, _many: asked.append((statement, given))  # noqa: E731
    event.listen(house.db.engine, "before_cursor_execute", listen)
    with house.db.read() as tx:
        page = lists.devices(tx, "", "", "", 4).page
        for state in ("", "ready"):
            lists.devices(tx, "", state, page.after, 4)
            lists.devices(tx, "dell model", state, page.after, 4)
            for ask, word in ((lists.loan_page, "out"), (lists.referral_page, "waiting")):
                ask(tx, house.desk, state and word, ask(tx, house.desk, "", "", 4).after, 4)
        lists.late_count(tx, house.desk, NOON.date())
        for typed in ("SN0000", code(1001), "L-000003", "R-000003", "C1", "nothing"):
            search.search(tx, house.desk, typed)
            search.search(tx, house.partner, typed)
    event.remove(house.db.engine, "before_cursor_execute", listen)
    with house.db.engine.connect() as connection:
        for statement, given in asked:
            for line in connection.exec_driver_sql("EXPLAIN QUERY PLAN " + statement, given):  # type: ignore[arg-type]
                walked = " USING INDEX ix_" in line[3] and "LIMIT" in statement
                for table in ("device", "medium", "loan", "loan_item", "referral", "event"):
                    assert not line[3].startswith(f"SCAN {table} ") or walked, f"{line[3]}: {statement}"
                    assert line[3] != f"SCAN {table}", statement
                assert "TEMP B-TREE FOR ORDER BY" not in line[3] or "partner_id = ?" in statement or "IN (" in statement


def test_a_device_tells_which_loans_it_was_on_before(house: House) -> None:
    name = house.make_ready(1)
    first = house.new_loan()
    left = house.hand_over(first, name)
    house.take_back(name)
    house.make_ready(1, left.hash)
    second = house.new_loan()
    house.hand_over(second, name)
    with house.db.read() as tx:
        assert [(one.loan, one.state) for one in lists.held_by(tx, name)] == [(second, "out"), (first, "returned")]
        assert lists.held_by(tx, codes.new()) == ()
