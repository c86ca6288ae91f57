"""The codes on the tiles are the codes in the guide, and each says what to do."""

import re
from pathlib import Path

from station.bays_berth import ASIDE
from station.bays_codes import BY_REASON, TROUBLES, code_for, markdown
from station.bays_state import LOOKS

GUIDE = "docs/station-bays.md"


def test_the_guide_has_the_same_table_as_the_program(repository: Path) -> None:
    text = (repository / GUIDE).read_text("utf-8")
    table = re.search(r"<!-- codes[^>]*-->\n(.*)<!-- end of codes -->", text, re.DOTALL)
    assert table is not None
    assert table.group(1) == markdown(), "write into the guide what station.bays_codes.markdown() gives"


def test_every_code_is_a_letter_and_two_digits_and_says_what_to_do() -> None:
    assert list(TROUBLES) == [f"E{number:02}" for number in range(1, len(TROUBLES) + 1)]
    for code, one in TROUBLES.items():
        assert one.code == code
        assert one.sentence.endswith(".")
        assert "{" not in one.sentence
        assert ("red box" in one.sentence) == (f"write {code}" in one.sentence), "what goes into the box has its code"


def test_every_code_the_program_can_show_exists(repository: Path) -> None:
    used = set(BY_REASON.values())
    for file in sorted((repository / "station").glob("bays*.py")):
        if file.name == "bays_codes.py":
            continue
        used |= set(re.findall(r'"(E\d\d)"', file.read_text("utf-8")))
    assert used <= set(TROUBLES)
    assert set(TROUBLES) - used == set(), "a code that nothing shows misleads whoever reads the table"


def test_reasons_have_their_own_code_where_there_is_a_better_one() -> None:
    assert code_for(("wrong-bytes", "bad-ranges"), "E17") == "E25"
    assert code_for(("canary-survived",), "E17") == "E17"
    assert code_for((), "E17") == "E17"


def test_green_is_for_wiped_alone_and_every_state_is_in_the_guide(repository: Path) -> None:
    assert [state for state, look in LOOKS.items() if look.colour == "green"] == ["done"]
    assert {look.colour for look in LOOKS.values()} == {"grey", "blue", "amber", "green", "red"}
    guide = (repository / GUIDE).read_text("utf-8")
    assert [look.word for look in LOOKS.values() if look.word not in guide] == []
    assert set(ASIDE.values()) <= set(LOOKS)


def test_reasons_in_the_table_are_reasons_that_exist(repository: Path) -> None:
    sources = [*(repository / "station").rglob("*.py"), repository / "custody/claims.py"]
    text = "\n".join(file.read_text("utf-8") for file in sources if file.name != "bays_codes.py")
    assert [reason for reason in BY_REASON if f'"{reason}"' not in text] == []
