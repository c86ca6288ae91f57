"""Placeholders become unknown; real texts stay."""

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.said import clean, said


@pytest.mark.parametrize(
    "text",
    [
        "To Be Filled By O.E.M.", "Default string", "Not Specified", "System Serial Number", "None", "N/A", "0", "--",
        "0000000000000", "XXXXXXXXXX", "0123456789ABCDEF", "123456789", "Serial number xxxxxx", "[Empty]", "...",
        "\ufffd\ufffd", "Chassis Serial Number", "NO DIMM", "INVALID", "OEM", "",
    ],
)  # fmt: skip
def test_a_placeholder_is_unknown(text: str) -> None:
    assert said(text) == ""


@pytest.mark.parametrize(
    "text", ["MJ00YQXU", "CND52270FW", "Latitude E7240", "S4EWNX0N", "00FC1234", "HP 255 G3", "SN12X"]
)
def test_a_real_text_stays(text: str) -> None:
    assert said(text) == text


def test_blanks_and_odd_bytes_are_cleaned() -> None:
    assert said(b"  WDC  WD10\x00\xff ") == "WDC WD10 \ufffd"
    assert clean(None) == ""


@given(st.text(st.characters()) | st.binary())
def test_whatever_comes_can_be_stored_and_cleaning_twice_changes_nothing(text: str | bytes) -> None:
    assert said(clean(text)) == said(text)
    assert clean(clean(text)) == clean(text)
    assert clean(text).encode("utf-8").decode() == clean(text)
    assert "\0" not in clean(text)


def test_nearly_all_placeholders_that_refurbishers_collected_are_known(shared_data: Path) -> None:
    place = shared_data / "dmidecode/freegeek_generics.csv"
    if not place.exists():
        pytest.skip("freegeek_generics.csv is not there")
    with place.open(encoding="utf-8", errors="replace", newline="") as lines:
        values = [row["value"] for row in csv.DictReader(lines) if row["usable"] == "t"]
    missed = [value for value in values if said(value)]
    assert len(missed) <= 0.2 * len(values), missed
