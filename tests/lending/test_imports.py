"""Reading in other systems' files: what is taken, what is said about each row, and that nothing is added twice."""

import io
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from openpyxl import Workbook
from sqlalchemy import func, select

from custody import rules
from custody.errors import Refused
from labels.codes import pretty
from lending import audit, imports, people, sheets, tables
from lending.db import Database
from lending.office_tables import ImportRow
from lending.record import facts_about
from tests.lending.house import House, code
from tests.lending.screens import Town

SAMPLES = Path(__file__).parents[3] / "shared" / "data" / "import"
SNIPE = (
    "Asset Tag,Manufacturer,Model,Serial,Checked Out To: Username,Checked Out To: Email,Wiped,Company\r\n"
    'A-1,Apple,"MacBook Pro 13""",C02X1,,,yes,Acme\r\n'
    "A-2,Dell,Latitude,D5,gmc,nadia@example.org,,Acme\r\n"
    "A-2,Dell,Latitude,D6,,,,Acme\r\n"
    ",,,,,,,nothing\r\n"
    f"A-4,HP,{'x' * 101},S9,,,,Acme\r\n"
)


def begin(house: House, data: bytes, name: str = "assets.csv", what: str = "devices") -> int:
    with house.db.transaction() as tx:
        return imports.begin(tx, house.administrator, what, name, data, house.tick())


def finish(house: House, number: int) -> dict[str, int]:
    more = True
    while more:
        with house.db.transaction() as tx:
            more = imports.go_on(tx, house.administrator, number, house.tick(), Random(number))
    with house.db.read() as tx:
        return dict(imports.get(tx, house.administrator, number).counts)


def look(house: House, number: int) -> imports.Look:
    with house.db.read() as tx:
        return imports.look(tx, house.administrator, number)


def devices(db: Database) -> int:
    with db.read() as tx:
        return tx.s.scalar(select(func.count()).select_from(tables.DeviceRow)) or 0


def test_every_row_says_what_would_happen_and_what_to_do_and_looking_adds_nothing(house: House) -> None:
    number = begin(house, SNIPE.encode("utf-8-sig"))
    found = look(house, number)
    assert found.counts == {"add": 2, "wrong": 3}
    told = {line.line: [(one.column, one.value, one.text) for one in line.problems] for line in found.lines}
    assert told[4] == [("Asset Tag", "A-2", "stands in row 3 already; keep one of the two")]
    assert [column for column, _, _ in told[5]] == ["Model", "Asset Tag"]
    assert told[6][0][0] == "Model"
    assert "shorten it to 100" in told[6][0][2]
    assert devices(house.db) == 0


def test_the_same_file_twice_adds_nothing_and_an_interrupted_one_goes_on(house: House) -> None:
    rows = "".join(f"T-{n},Dell,Latitude,{f'S{n}' if n % 2 else ''}\r\n" for n in range(imports.BATCH + 3))
    data = ("Asset Tag,Manufacturer,Model,Serial\r\n" + rows).encode()
    number = begin(house, data)
    with house.db.transaction() as tx:
        assert imports.go_on(tx, house.administrator, number, house.tick(), Random(1)) is True
    assert devices(house.db) == imports.BATCH, "stopped here: one batch is whole"
    assert finish(house, number) == {"added": imports.BATCH + 3}
    again = begin(house, data)
    assert look(house, again).counts == {"same": imports.BATCH + 3}
    assert finish(house, again) == {"same": imports.BATCH + 3}
    assert devices(house.db) == imports.BATCH + 3
    with house.db.read() as tx:
        audit.verify(tx)
    with house.db.transaction() as tx, pytest.raises(Refused, match="has ended"):
        imports.go_on(tx, house.administrator, number, house.tick(), Random(1))


def test_a_device_that_is_here_already_is_found_by_its_serial(house: House) -> None:
    house.make_ready(1)
    with house.db.read() as tx:
        row = tx.s.get_one(tables.DeviceRow, code(1))
    number = begin(house, f"Asset Tag,Make,Model,Serial\nX1,{row.make},{row.model},ser1\n".encode())
    found = look(house, number)
    assert [(line.verdict, line.target) for line in found.lines] == [("same", code(1))]
    rows = f"{pretty(code(1))},Acer,Other,Z9\n{code(1)[:-1]}Z,Acer,O,Z8\n"
    label = begin(house, f"Label,Make,Model,Serial\n{rows}".encode())
    texts = [one.text for line in look(house, label).lines for one in line.problems]
    assert any("label of another device" in text for text in texts)
    assert any("no label of ours" in text for text in texts)


def test_whatever_a_file_says_an_imported_device_does_not_count_as_wiped(house: House) -> None:
    header = "Asset Tag,Make,Model,Serial,Wiped,Erasure certificate,Status,Lendable\n"
    number = begin(house, (header + "X1,Dell,L,S1,yes,NIST purge 2026,Ready to deploy,yes\n").encode())
    assert any("not believed" in note for line in look(house, number).lines for note in line.notes)
    finish(house, number)
    with house.db.read() as tx:
        name = tx.s.scalars(select(tables.DeviceRow.code)).one()
        kinds = set(tx.s.scalars(select(tables.EventRow.kind)))
        reasons = {one.code for one in rules.why_not_lendable(facts_about(tx, name), name, tx.policy, house.now)}
    assert "no-inventory" in reasons
    assert not {"medium.wiped", "device.inventoried", "device.tested"} & kinds


def test_columns_that_hold_people_are_never_kept(house: House) -> None:
    number = begin(house, SNIPE.encode())
    with house.db.read() as tx:
        stored = str([row.columns for row in tx.s.scalars(select(ImportRow))])
        run = imports.get(tx, house.administrator, number)
    assert "nadia" not in stored
    assert "gmc" not in stored
    assert run.left_out == ("Checked Out To: Username", "Checked Out To: Email")
    assert any("somebody has it" in note for line in look(house, number).lines for note in line.notes)
    finish(house, number)
    with house.db.transaction() as tx:
        left = {row.line: row.columns for row in tx.s.scalars(select(ImportRow))}
        assert left[2] == {}, "what is done is not kept"
        imports.discard(tx, house.administrator, number, house.tick())
        assert tx.s.scalar(select(func.count()).where(ImportRow.state == "wrong")) == 0
        assert imports.forget(tx, house.now + timedelta(days=31)) > 0


def test_chosen_columns_are_remembered_for_the_same_header(house: House) -> None:
    data = b"Ref,Kind of thing,No\nq1,Dell 5490,777\n"
    first = begin(house, data)
    assert look(house, first).counts == {"wrong": 1}
    with house.db.transaction() as tx:
        imports.choose(tx, house.administrator, first, "lend-engine", {"key": 0, "model": 1, "serial": 2}, house.tick())
        with pytest.raises(Refused, match="choose for at least one"):
            imports.choose(tx, house.administrator, first, "plain", {"model": 17}, house.tick())
    assert look(house, first).counts == {"add": 1}
    assert look(house, begin(house, data)).counts == {"add": 1}


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        (b"\xef\xbb\xbfMake;Model;Serial\nDell;A;1\n", 1),
        (b"Make\tModel\tSerial\rDell\tA\t1\rHP\tB\t2\r", 2),
        ("Make,Model,Serial\nDell,Ä,1\n".encode("cp1252"), 1),
        ("Make,Model,Serial\nDell,A,1\n".encode("utf-16"), 1),
        (b'Make,Type,Type,,Serial\n"De\nll",A,B,C,1\n\n\n', 1),
    ],
)
def test_a_spreadsheet_is_read_in_whatever_dialect_it_comes(data: bytes, rows: int) -> None:
    sheet = sheets.read(data, "x.csv")
    assert len(sheet.rows) == rows
    assert len(set(sheet.header)) == len(sheet.header)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04nonsense", b"only a header\n", b"\n\n\n", b"a,b\n" * 50_010])
def test_what_is_no_spreadsheet_is_refused_with_advice(data: bytes) -> None:
    with pytest.raises(Refused, match="Nothing was saved"):
        sheets.read(data, "x.xlsx")


def test_excel_goes_out_and_in_and_no_cell_is_a_formula() -> None:
    evil = ["=1+1", "+1", "-2", "@SUM(A1)", "\tx", "'=1", "fine", '=HYPERLINK("http://x")']
    out = b"".join(sheets.excel("Devices", ("a", "n"), [(one, 3) for one in evil]))
    again = sheets.read(out, "x.xlsx")
    assert [row[1][0] for row in again.rows] == [" ".join(one.split()) for one in evil]
    assert b"<f>" not in out
    text = b"".join(sheets.csv_lines(("a",), [(one,) for one in evil])).decode("utf-8-sig")
    assert not [line for line in text.splitlines() if line.lstrip('"')[:1] in "=+-@\t" and line]


def test_an_excel_file_with_numbers_and_empty_rows_is_read(house: House) -> None:
    book = Workbook()
    header = ("Asset Tag", "Make", "Model", "Serial")
    for row in (header, (17, "Dell", 5490, 123456.0), (None,) * 4, (18, "HP", "x", None)):
        book.active.append(row)  # type: ignore[union-attr]
    data = io.BytesIO()
    book.save(data)
    number = begin(house, data.getvalue(), "a.xlsx")
    said = [dict(line.said) for line in look(house, number).lines]
    assert said[0]["serial"] == "123456"
    assert [line.verdict for line in look(house, number).lines] == ["add", "add"]


def test_partners_and_accounts_come_in_too_and_only_for_administrators(house: House) -> None:
    number = begin(house, b"Organisation\nSt Bride's\nNew Hub\n", what="partners")
    assert finish(house, number) == {"added": 1, "same": 1}
    rows = b"x@example.org,Xa,partner,New Hub\nada@example.org,Ada,desk,\ny@,Y,desk,\nz@e.org,Z,king,\n"
    data = b"E-mail,Name,Roles,Organisation\n" + rows
    number = begin(house, data, what="accounts")
    assert finish(house, number) == {"added": 1, "same": 1, "wrong": 2}
    with house.db.transaction() as tx:
        assert "Xa" in {one.name for one in people.list_accounts(tx)}
        with pytest.raises(Refused):
            imports.begin(tx, house.supervisor, "accounts", "x", data, house.tick())
        with pytest.raises(Refused):
            imports.begin(tx, house.desk, "devices", "x", SNIPE.encode(), house.tick())


@pytest.mark.parametrize(
    ("name", "source", "counts"),
    [
        ("snipe-it__assets-sample.csv", "snipe-it", {"add": 22}),
        ("ereuse-devicehub__placeholder_test.csv", "devicehub", {"add": 3}),
    ],
)
def test_the_other_systems_own_samples_are_understood(
    house: House, name: str, source: str, counts: dict[str, int]
) -> None:
    if not (SAMPLES / name).exists():
        pytest.skip("the other systems' own sample files are not on this machine")
    number = begin(house, (SAMPLES / name).read_bytes(), name)
    with house.db.read() as tx:
        assert imports.get(tx, house.administrator, number).source == source
    assert look(house, number).counts == counts
    finish(house, number)
    assert devices(house.db) == sum(counts.values())


def test_a_lend_engine_paste_is_understood(house: House) -> None:
    data = b"Code\tName\tSerial\tBrand\tLoan fee\tCondition\n0012\tThinkPad T480\tPF1\tLenovo\t0\tGood\n"
    number = begin(house, data, "paste.txt")
    with house.db.read() as tx:
        assert imports.get(tx, house.administrator, number).source == "lend-engine"
    assert dict(look(house, number).lines[0].said) | {"code": ""} == {
        "key": "0012", "code": "", "make": "Lenovo", "model": "ThinkPad T480", "serial": "PF1"
    }  # fmt: skip


def test_the_screens_lead_from_the_file_to_the_labels(town: Town) -> None:
    ada = town.browser("administrator")
    ada.get("/imports")
    assert ada.post("/imports", what="devices").status_code == 422
    sent = ada.client.post(
        "/imports", data={"form_token": ada.token, "what": "devices", "file": (io.BytesIO(SNIPE.encode()), "old.csv")},
        follow_redirects=True,
    )  # fmt: skip
    text = sent.get_data(as_text=True)
    assert "Add 2" in text
    assert "nadia" not in text
    path = sent.request.path
    ada.post(f"{path}/run")
    assert "not read in" in ada.get(path).get_data(as_text=True)
    assert len(ada.get(f"{path}/added.csv").get_data(as_text=True).splitlines()) == 3
    assert "shorten it" in ada.get(f"{path}/problems.csv").get_data(as_text=True)
    assert ada.get("/imports").status_code == 200
