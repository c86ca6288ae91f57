"""Where a postcode lies: four answers kept apart, and what an import promises."""

import csv
import gzip
from collections.abc import Callable, Sequence
from pathlib import Path
from zipfile import ZipFile

import pytest
from sqlalchemy import func, select

from custody.errors import Refused
from lending import place_files, place_import, places, region
from lending.db import Database
from lending.errors import ConfigError, LendingError
from lending.place_tables import Place
from lending.places import Answer
from lending.postcodes import split
from tests.factories import NOON

REGION = region.default()
GEO = Path(__file__).parents[3] / "shared" / "data" / "geo"
ONSPD = ("pcd", "pcd2", "pcds", "dointr", "doterm", "oslaua", "osward", "lsoa11", "imd")
TOWN = ("L1 8JQ", "L1  8JQ", "L1 8JQ", "198001", "", "E08000012", "E05015289", "E01006515", "321")
GONE = ("L1 0AW", "L1  0AW", "L1 0AW", "198001", "200512", "E08000012", "E05015289", "E01006515", "321")
AWAY = ("M1 1AE", "M1  1AE", "M1 1AE", "198001", "", "E08000003", "E05011376", "E01005210", "99")
WIGAN = ("WN4 0AA", "WN4 0AA", "WN4 0AA", "198001", "", "E08000010", "E05000838", "E01006200", "99")
ISLE = ("IM1 1AA", "IM1 1AA", "IM1 1AA", "198001", "", "M99999999", "M99999999", "", "")

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes a CSV file as published."""

    def make(rows: Sequence[Sequence[str]], head: Sequence[str] = ONSPD, name: str = "ONSPD_NOV_2025_UK.csv") -> Path:
        path = tmp_path / name
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([head, *rows] if head else rows)
        return path

    return make


def take(db: Database, path: Path, **options: bool | str) -> place_import.Imported:
    with db.transaction() as tx:
        return place_import.import_file(tx, path, NOON, **options)  # type: ignore[arg-type]


def ask(db: Database, typed: str, where: region.Region = REGION) -> Answer:
    with db.read() as tx:
        return places.find(tx, where, typed)


def count(db: Database) -> int:
    with db.read() as tx:
        return tx.s.scalar(select(func.count()).select_from(Place)) or 0


def test_the_four_answers_are_kept_apart(db: Database, write: Write) -> None:
    take(db, write([TOWN, AWAY, WIGAN]))
    assert ask(db, "l1 8jq").status == ask(db, " L18JQ ").status == "resolved"
    assert ask(db, "M1 1AE").status == "outside"
    assert ask(db, "WN4 0AA").status == "outside", "the area reaches into the region, this postcode does not"
    assert ask(db, "L1 9ZZ").status == "unknown", "a new home: ask, never refuse"
    assert ask(db, "S1 1AA").status == "outside", "no postcode of Sheffield lies in the region"
    for typed in ("", "banana", "L1", "L1 8J", "L1 8JQ1", "Ł1 8JQ", "١1 8JQ"):
        assert ask(db, typed).status == "malformed", typed


def test_without_any_table_a_postcode_is_unknown_and_never_refused(db: Database) -> None:
    assert ask(db, "L1 8JQ").status == "unknown"


def test_a_place_says_ward_lsoa_and_how_deprived_it_is(db: Database, write: Write) -> None:
    take(db, write([TOWN, GONE]))
    take(db, write([("E01006515", "1")], ("lsoa11_code", "imd2019_decile"), "imd.csv"))
    take(db, write([("E05015289", "City Centre South")], ("ward25_code", "ward25_name"), "wards.csv"))
    found = ask(db, "L1 8JQ")
    assert (found.authority, found.authority_name) == ("E08000012", "Liverpool")
    assert (found.ward, found.ward_name, found.lsoa11) == ("E05015289", "City Centre South", "E01006515")
    assert (found.decile, found.decile_index, found.ended) == (1, "IMD2019", False)
    assert ask(db, "L1 0AW").ended


def test_the_newest_index_is_used_with_the_areas_it_is_of(db: Database, write: Write) -> None:
    head = ("pcds", "lad25cd", "lsoa11cd", "lsoa21cd")
    take(db, write([("L1 8JQ", "E08000012", "E01006515", "E01034402")], head, "NSPL_FEB_2026_UK.csv"))
    take(db, write([("E01006515", "1"), ("E01034402", "9")], ("lsoa11_code", "imd2019_decile"), "old.csv"))
    assert ask(db, "L1 8JQ").decile == 1, "deciles of 2019 are of LSOAs of 2011"
    take(db, write([("E01034402", "4"), ("E01006515", "8")], ("LSOA code (2021)", "imd2025_decile"), "new.csv"))
    found = ask(db, "L1 8JQ")
    assert (found.decile, found.decile_index) == (4, "IMD2025")


@pytest.mark.parametrize(
    ("head", "row"),
    [
        (("pcd", "oslaua", "osward"), ("L1  8JQ", "E08000012", "E05015289")),
        (("pcd7", "lad23cd", "wd23cd"), ("L1  8JQ", "E08000012", "E05015289")),
        (("pcd8", "laua", "ward"), ("L1 8JQ", "E08000012", "E05015289")),
        (("PCDS", "LAD25CD", "WD25CD"), ("L1 8JQ", "E08000012", "E05015289")),
        (("postcode", "la_code", "ward25_code"), ("L1 8JQ", "E08000012", "E05015289")),
        ((), ("L18JQ", "10", "334864", "389326", "E92000001", "E19", "E18", "", "E08000012", "E05015289")),
    ],
)
def test_column_names_of_every_edition_are_known(
    db: Database, write: Write, head: Sequence[str], row: Sequence[str]
) -> None:
    take(db, write([row], head, "any.csv"))
    found = ask(db, "L1 8JQ")
    assert (found.status, found.ward) == ("resolved", "E05015289")


def test_zips_are_read_as_published_and_the_edition_is_recorded(db: Database, write: Write, tmp_path: Path) -> None:
    path = tmp_path / "ONSPD_NOV_2025.zip"
    with ZipFile(path, "w") as archive:
        archive.write(write([TOWN, AWAY, ISLE]), "Data/ONSPD_NOV_2025_UK.csv")
        archive.writestr("Data/multi_csv/ONSPD_NOV_2025_UK_L.csv", "never read")
        archive.writestr("Documents/LA names.csv", "never,read")
    done = take(db, path)
    assert (done.product, done.edition, done.rows, done.left_out) == ("ONSPD", "2025-11", 2, 1)
    parts = tmp_path / "codepo_gb.zip"
    with ZipFile(parts, "w") as archive:
        for area, postcode in (("l", "L2 2AA"), ("ch", "CH41 1AA")):
            line = f'"{postcode}",10,1,1,"E92000001","","","","E08000015","E05000961"\r\n'
            archive.writestr(f"Data/CSV/{area}.csv", line * 1)
        archive.writestr("Doc/Code-Point_Open_Column_Headers.csv", "PC,PQ\r\n")
    assert (take(db, parts).product, take(db, parts).already) == ("Code-Point Open", True)
    assert ask(db, "CH41 1AA").status == ask(db, "L2 2AA").status == "resolved"
    with db.read() as tx:
        assert [one.product for one in places.editions(tx)] == ["Code-Point Open", "ONSPD"]


def test_importing_again_changes_nothing_and_a_newer_file_keeps_what_it_lacks(db: Database, write: Write) -> None:
    path = write([TOWN, GONE])
    take(db, path)
    assert take(db, path).already
    assert count(db) == 2
    point = ("L18JQ", "10", "1", "1", "", "", "", "", "E08000012", "E05000999")
    take(db, write([point], (), "l.csv"))
    found = ask(db, "L1 8JQ")
    assert (found.ward, found.lsoa11) == ("E05000999", "E01006515"), "Code-Point Open has no LSOA: the known one stays"
    assert ask(db, "L1 0AW").status == "resolved", "a postcode that a newer file lacks stays"
    moved = ("L18JQ", "10", "1", "1", "", "", "", "", "E08000011", "E05000900")
    take(db, write([moved], (), "m.csv"))
    assert ask(db, "L1 8JQ").lsoa11 == "", "an LSOA of another authority is not kept"


def test_every_wrong_row_is_named_and_nothing_is_imported(db: Database, write: Write) -> None:
    bad = [
        TOWN,
        ("L1 8J", "", "L1 8J", "", "", "E08000012", "", "", ""),
        ("L2 2AA", "", "L2 2AA", "", "", "Liverpool", "", "", ""),
    ]
    with pytest.raises(place_import.BadFile) as caught:
        take(db, write(bad))
    text = str(caught.value)
    assert "row 3, postcode: 'L1 8J'" in text
    assert "row 4, authority: 'Liverpool'" in text
    assert count(db) == 0
    done = take(db, write(bad), skip_errors=True)
    assert (done.rows, done.error_count, count(db)) == (1, 2, 1)


def test_postcodes_that_no_longer_have_the_usual_shape_are_no_mistake(db: Database, write: Write) -> None:
    newport = ("NPT 0BA", "NPT 0BA", "NPT 0BA", "198001", "198401", "W06000022", "W05001024", "W01001590", "9")
    done = take(db, write([TOWN, newport]))
    assert (done.rows, done.left_out, done.error_count) == (1, 1, 0)


def test_an_older_edition_does_not_replace_a_newer_one(db: Database, write: Write) -> None:
    take(db, write([TOWN]))
    older = write([(*TOWN[:5], "E08000011", *TOWN[6:])], name="ONSPD_FEB_2024_UK.csv")
    with pytest.raises(Refused, match="2025-11"):
        take(db, older)
    assert ask(db, "L1 8JQ").authority == "E08000012"


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"\xff\xfe\x00", b"pcds\nL1 8JQ\n"])
def test_a_file_that_is_none_of_these_is_refused_saying_what_was_looked_for(
    db: Database, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(content)
    with pytest.raises(LendingError):
        take(db, path)
    with pytest.raises(LendingError, match="cannot be read"):
        take(db, tmp_path / "absent.csv")
    (tmp_path / "x.zip").write_bytes(b"PK no zip")
    with pytest.raises(LendingError, match="cannot be read"):
        take(db, tmp_path / "x.zip")


def test_the_default_covers_the_region_out_of_the_box(db: Database) -> None:
    with db.transaction() as tx:
        done = place_import.import_default(tx, REGION, NOON)
    assert done.rows > 100_000
    expected = {"L18JQ": "Liverpool", "CH41 1AA": "Wirral", "WA8 6AA": "Halton", "WA10 1AA": "St Helens"}
    assert {typed: ask(db, typed).authority_name for typed in expected} == expected
    assert ask(db, "WN4 0AA").status == ask(db, "CH1 1AA").status == "outside"
    with db.transaction() as tx:
        assert place_import.import_default(tx, REGION, NOON).already


def test_the_default_is_read_without_running_the_packages_code() -> None:
    import sys

    assert place_import.DEFAULT_PACKAGE not in sys.modules, "its reader needs a library that it does not declare"


def test_a_country_is_a_region_too(db: Database, write: Write) -> None:
    england = region.read('name = "England"\ncode = "E92000001"\ncountries = ["E"]\n', "england.toml")
    take(db, write([TOWN, AWAY]))
    assert ask(db, "M1 1AE", england).status == "resolved"
    assert ask(db, "S1 1AA", england).status == "unknown"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = ", "not TOML"),
        ('name = "X"\ncolour = "red"\n', "colour"),
        ('name = "X"\n', "at least one authority"),
        ('name = "X"\n[authorities]\nLiverpool = "E08000012"\n', "Liverpool"),
        ('name = "X"\ncountries = ["England"]\n', "England"),
        ('name = "X"\ncountries = ["E"]\nareas = ["L1"]\n', "L1"),
        ('countries = ["E"]\n', "name must be"),
    ],
)
def test_a_wrong_region_file_is_an_error_that_names_what_is_wrong(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        region.read(text, "region.toml")


def test_the_real_tables_of_the_region_agree_with_one_another(db: Database) -> None:
    if not GEO.exists():
        pytest.skip("the shared tables of places are not on this machine")
    done = take(db, GEO / "lcr_postcodes_live.csv.gz")
    take(db, GEO / "lcr_lsoa21_ward24_la.csv")
    assert done.rows > 37_000
    wrong = []
    with gzip.open(GEO / "lcr_postcodes_live.csv.gz", "rt", encoding="utf-8") as file, db.read() as tx:
        for number, row in enumerate(csv.DictReader(file)):
            if number % 200 == 0:
                found = places.find(tx, REGION, row["postcode"])
                same = (found.authority, found.lsoa21) == (row["la_code"], row["lsoa21_code"])
                tenth = str(found.decile) == row["imd2025_decile"] or not row["imd2025_decile"]
                wrong += [] if found.status == "resolved" and same and tenth else [row["postcode"]]
    assert wrong == []


@pytest.mark.parametrize("typed", ["EC1A 1BB", "W1A 0AX", "M1 1AE", "B33 8TH", "CR2 6XH", "DN55 1PT"])
def test_every_shape_of_a_british_postcode_is_one(typed: str) -> None:
    assert split(typed.lower().replace(" ", "  ")) == tuple(typed.split())
    assert place_files.place_line("f", 2, {"postcode": typed, "authority": "E08000012"}) is not None
