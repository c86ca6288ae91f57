"""Armed scanning: each verdict is true, nothing is done twice, and an undo says what really happened."""

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from custody.errors import Refused
from labels.codes import pretty, slip_address
from lending import armed, armed_undo, audit, loans, referrals, tables
from lending.armed_tables import ArmedScan
from lending.mode_cards import MODES, Mode, read_card, sheet
from lending.people import Actor
from tests.lending.house import FORM, House, code
from tests.lending.screens import LENT, READY, RESERVED, UNWIPED, Browser, Town

IDLE = timedelta(minutes=5)
BADGE = "KB1/S-4K7Q2M/" + "0" * 26


@dataclass
class Bench:
    """One person at one desk, with a hand scanner."""

    house: House
    by: Actor
    ref: str

    def scan(self, typed: str) -> armed.Scanned:
        with self.house.db.transaction() as tx:
            armed.scan(tx, self.ref, typed, self.by, self.house.tick(), IDLE)
        return self.newest()

    def newest(self) -> armed.Scanned:
        found = self.desk().newest
        assert found is not None
        return found

    def desk(self) -> armed.Desk:
        with self.house.db.read() as tx:
            found = armed.desk(tx, self.ref, self.by, self.house.now, IDLE)
        assert found is not None
        return found

    def undo(self) -> str:
        with self.house.db.transaction() as tx:
            return armed_undo.undo(tx, self.ref, self.newest().id, self.by, self.house.tick())

    def refuse_undo(self) -> str:
        with pytest.raises(Refused) as caught:
            self.undo()
        return caught.value.reasons[0].code


def arm(house: House, mode: Mode, by: Actor | None = None) -> Bench:
    by = by or house.desk
    with house.db.transaction() as tx:
        return Bench(house, by, armed.arm(tx, mode, by, house.tick()))


def loan_of(house: House) -> str:
    with house.db.transaction() as tx:
        ref = referrals.refer(tx, house.partner, replace(FORM, children={}), house.tick())
        return loans.approve(tx, ref, house.desk, house.tick())


def lent(house: House, number: int) -> tuple[str, str]:
    name, loan = house.make_ready(number), loan_of(house)
    house.hand_over(loan, name)
    return name, loan


def state(house: House, name: str) -> str:
    with house.db.read() as tx:
        return tx.s.get_one(tables.DeviceRow, name).state


def events(house: House) -> int:
    with house.db.read() as tx:
        return tx.s.scalar(select(func.count()).select_from(tables.EventRow)) or 0


def verify(house: House) -> None:
    with house.db.read() as tx:
        audit.verify(tx)


def test_a_scan_receives_a_device_and_says_so_only_when_it_is_so(house: House) -> None:
    name, loan = lent(house, 1)
    desk = arm(house, Mode("RECEIVE"), house.volunteer)
    said = desk.scan(f"HTTPS://KIT.EXAMPLE.ORG/D/{name}")
    assert (said.kind, said.words) == ("yes", "Received")
    assert f"Loan {loan}: returned" in said.detail
    assert state(house, name) == "not-ready"
    with house.db.read() as tx:
        assert loans.get(tx, house.desk, loan).state == "closed"
    assert desk.desk().count == 1


def test_a_return_slip_is_read_and_an_old_one_is_said_to_be_old(house: House) -> None:
    name, _ = lent(house, 1)
    said = arm(house, Mode("RECEIVE")).scan(slip_address("kit.example.org", name, "a" * 64))
    assert said.kind == "yes"
    assert "older loan" in said.detail


def test_the_same_label_within_two_seconds_is_one_scan(house: House) -> None:
    name, _ = lent(house, 1)
    desk = arm(house, Mode("RECEIVE"))
    first = desk.scan(name)
    before = events(house)
    with house.db.transaction() as tx:
        assert armed.scan(tx, desk.ref, name, desk.by, house.now + timedelta(seconds=1), IDLE)
    assert desk.newest() == replace(first, undo_left=desk.newest().undo_left)
    house.now += timedelta(seconds=3)
    assert desk.scan(name).words == "Here already"
    assert events(house) == before


def test_undoing_a_receipt_leaves_both_statements_and_opens_the_loan_again(house: House) -> None:
    name, loan = lent(house, 1)
    desk = arm(house, Mode("RECEIVE"))
    desk.scan(name)
    before = events(house)
    assert "open again" in desk.undo()
    assert events(house) == before + 2  # a dispute of the receipt, one of the closing; nothing is taken away
    assert state(house, name) == "out"
    with house.db.read() as tx:
        found = loans.get(tx, house.desk, loan)
    assert (found.state, found.items[0].state) == ("out", "out")
    assert desk.newest().undone
    assert desk.desk().count == 0
    verify(house)
    assert desk.refuse_undo() == "undone"
    house.now += timedelta(seconds=3)
    assert desk.scan(name).words == "Received"  # and it can be received again, rightly
    verify(house)


def test_an_undo_comes_too_late_after_its_seconds_or_when_somebody_worked_on_it(house: House) -> None:
    name, _ = lent(house, 1)
    other, _ = lent(house, 2)
    desk = arm(house, Mode("RECEIVE"))
    desk.scan(name)
    assert desk.newest().undo_left == 10
    house.now += timedelta(seconds=12)
    assert desk.newest().undo_left == 0
    assert desk.refuse_undo() == "too-late"
    desk.scan(other)
    with house.db.read() as tx:
        left = tx.s.scalar(select(tables.LoanItem.exit).where(tables.LoanItem.device == other))
    house.make_ready(2, after=left)  # type: ignore[arg-type]
    house.now -= timedelta(seconds=5)
    assert desk.refuse_undo() == "worked-on"
    verify(house)


def test_nobody_undoes_a_scan_of_another_desk(house: House) -> None:
    name, _ = lent(house, 1)
    desk, colleague = arm(house, Mode("RECEIVE")), arm(house, Mode("RECEIVE"), house.supervisor)
    desk.scan(name)
    number = desk.newest().id
    with house.db.transaction() as tx, pytest.raises(Refused):
        armed_undo.undo(tx, colleague.ref, number, colleague.by, house.tick())
    with house.db.transaction() as tx, pytest.raises(Refused):
        armed_undo.undo(tx, desk.ref, number, colleague.by, house.tick())
    assert state(house, name) == "not-ready"


def test_a_hand_over_takes_two_scans_and_cannot_be_undone(house: House) -> None:
    name, other, loan = house.make_ready(1), house.make_ready(2), loan_of(house)
    desk = arm(house, Mode("HANDOVER", loan))
    assert desk.scan(name).words == "Not for this loan"
    desk.scan(f"KBM/PREPARE/{loan}")
    assert desk.scan(name).words == "Prepared"
    desk.scan(f"KBM/HANDOVER/{loan}")
    house.now += timedelta(seconds=3)
    assert desk.scan(name).words == "Handed over"
    assert state(house, name) == "out"
    assert desk.refuse_undo() == "no-undo"
    assert desk.scan(other).words == "Not for this loan"
    verify(house)


def test_the_gate_decides_when_scanning_too(house: House) -> None:
    name, loan = house.make_ready(1), loan_of(house)
    left = house.hand_over(loan, name)
    house.take_back(name)
    assert left
    desk = arm(house, Mode("PREPARE", loan_of(house)))
    before = events(house)
    said = desk.scan(name)
    assert (said.kind, said.words) == ("no", "Must not be lent")
    assert "since it last came back" in said.detail
    with house.db.read() as tx:
        assert tx.s.scalar(select(func.count()).where(tables.LoanItem.state == "reserved")) == 0
    assert events(house) == before


def test_a_preparation_is_undone_by_giving_it_up(house: House) -> None:
    name, loan = house.make_ready(1), loan_of(house)
    desk = arm(house, Mode("PREPARE", loan))
    desk.scan(name)
    desk.undo()
    other = arm(house, Mode("PREPARE", loan_of(house)), house.supervisor)
    assert other.scan(name).words == "Prepared"
    assert desk.scan(name).kind == "no"


def test_two_desks_armed_at_once_do_not_disturb_each_other(house: House) -> None:
    name, loan = house.make_ready(1), loan_of(house)
    back, _ = lent(house, 2)
    first, second = arm(house, Mode("RECEIVE")), arm(house, Mode("PREPARE", loan), house.supervisor)
    assert first.scan(back).words == "Received"
    assert second.scan(name).words == "Prepared"
    assert first.scan(name).words == "Here already"
    assert (first.desk().count, second.desk().count) == (1, 1)
    with house.db.read() as tx:
        seen = armed.watch(tx, house.volunteer, "", house.now, IDLE)
    assert {(one.who, one.title) for one in seen} == {("Dee", "Receive"), ("Sue", f"Prepare for loan {loan}")}


def test_a_forgotten_desk_pauses_and_the_scan_that_finds_it_so_does_nothing(house: House) -> None:
    name, _ = lent(house, 1)
    desk = arm(house, Mode("RECEIVE"))
    house.now += timedelta(minutes=6)
    assert desk.desk().state == "paused"
    with house.db.read() as tx:
        assert armed.watch(tx, house.desk, "", house.now, IDLE) == []
    assert desk.scan(name).words == "Paused"
    assert desk.scan(name).words == "Paused"
    assert state(house, name) == "out"
    with house.db.transaction() as tx:
        armed.go_on(tx, desk.ref, desk.by, house.tick())
    assert desk.scan(name).words == "Received"


def test_a_badge_scanned_by_mistake_is_refused_and_kept_nowhere(house: House) -> None:
    desk = arm(house, Mode("RECEIVE"))
    assert desk.scan(BADGE).words == "That is a badge"
    with house.db.read() as tx:
        rows = tx.s.execute(select(*ArmedScan.__table__.columns)).all()
    assert "0" * 26 not in repr(rows)


def test_a_wrong_character_is_said_and_the_right_code_only_offered(house: House) -> None:
    name, _ = lent(house, 1)
    desk = arm(house, Mode("RECEIVE"))
    said = desk.scan(name[:4] + ("Y" if name[4] != "Y" else "Z") + name[5:])
    assert (said.kind, said.words, said.offer) == ("no", "Not read", name)
    assert state(house, name) == "out"


def test_ready_check_and_find_change_nothing(house: House) -> None:
    name = house.make_ready(1)
    away, loan = lent(house, 2)
    before = events(house)
    ready, find = arm(house, Mode("READY"), house.volunteer), arm(house, Mode("FIND"), house.volunteer)
    assert ready.scan(name).words == "Ready"
    assert ready.scan(away).words == "Must not be lent"
    assert find.scan(away).words == "Out on loan"
    assert loan in find.newest().detail
    assert find.scan(code(99)).words == "Not known"
    assert events(house) == before


def test_a_card_may_be_scanned_only_by_whom_its_mode_is_for(house: House) -> None:
    loan = loan_of(house)
    for mode, by, why in (
        (Mode("PREPARE", loan), house.volunteer, "role"), (Mode("RECEIVE"), house.partner, "role"),
        (Mode("PREPARE", "L-NOSUCH"), house.desk, "unknown-loan"),
    ):  # fmt: skip
        with pytest.raises(Refused) as caught:
            arm(house, mode, by)
        assert caught.value.reasons[0].code == why


def test_cards_are_read_as_printed_and_nothing_else_is_one() -> None:
    for key, kind in MODES.items():
        mode = Mode(key, "L-7K3QX9" if kind.for_loan else "")
        assert read_card(mode.text.lower() + "\n") == mode
        assert set(mode.text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/-")
    for wrong in ("KBM/", "KBM/RECEIVE/L-7K3QX9", "KBM/PREPARE", "KBM/ERASE", "KBM/RECEIVE/..", "RECEIVE"):
        assert read_card(wrong) is None
    assert sheet([Mode("RECEIVE"), Mode("FIND")]).startswith(b"%PDF")


def post(browser: Browser, typed: str) -> str:
    return browser.post("/armed/scan", code=typed).get_data(as_text=True)


def test_the_desk_works_without_any_script(town: Town) -> None:
    dee = town.browser("desk")
    assert "Scan a mode card" in dee.get("/armed").get_data(as_text=True)
    assert "Scan a mode card first" in post(dee, READY)
    assert "Each device that is scanned is in our hands" in post(dee, "KBM/RECEIVE")
    page = post(dee, LENT)
    assert "Received" in page
    assert pretty(LENT) in page
    assert "autofocus" in page
    number = page.split('name="scan" value="')[1].split('"')[0]
    assert "open again" in dee.post("/armed/undo", scan=number).get_data(as_text=True)
    assert "Undone" in dee.get("/armed").get_data(as_text=True)
    assert "Paused" in dee.post("/armed/pause").get_data(as_text=True)
    assert "Paused" in post(dee, LENT)
    dee.post("/armed/go-on")
    assert "Sound on" in dee.post("/armed/sound", sound="off").get_data(as_text=True)
    assert "That is a badge" in post(dee, BADGE)
    assert BADGE not in dee.get("/armed").get_data(as_text=True)
    assert "Finished" in dee.post("/armed/end").get_data(as_text=True)
    assert town.browser("volunteer").get("/armed/cards.pdf").mimetype == "application/pdf"
    assert dee.get(f"/armed/cards.pdf?loan={town.loan}").mimetype == "application/pdf"
    assert dee.get("/armed/cards.pdf?loan=nonsense", follow=False).status_code == 303


def test_a_colleague_sees_who_is_armed_and_the_script_gets_only_the_part(town: Town) -> None:
    dee, sue = town.browser("desk"), town.browser("supervisor")
    post(dee, f"KBM/PREPARE/{town.loan}")
    assert "Dee" in sue.get("/armed").get_data(as_text=True).split("Also scanning now")[1]
    data = {"form_token": dee.token, "code": UNWIPED}
    part = dee.client.post("/armed/scan", data=data, headers={"X-Kitbank-Part": "1"}).get_data(as_text=True)
    assert "Must not be lent" in part
    assert "<html" not in part
    assert "Prepared already" in post(dee, RESERVED)
    assert "needs the role" in post(town.browser("volunteer"), f"KBM/PREPARE/{town.loan}")


def test_lists_of_scans_are_forgotten_after_a_month(house: House) -> None:
    arm(house, Mode("FIND")).scan(house.make_ready(1))
    assert scans(house) == 2
    house.now += timedelta(days=31)
    arm(house, Mode("FIND"), house.supervisor)
    assert scans(house) == 1


def scans(house: House) -> int:
    with house.db.read() as tx:
        return tx.s.scalar(select(func.count()).select_from(ArmedScan)) or 0
