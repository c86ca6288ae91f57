"""Which tile follows from what is known of a bay: every red has its sentence, and nothing but a proof is green."""


from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from custody.media import MediumIdentity
from station.bays_berth import Armed, Around, Berth, aside, cancel_words, tile_of, type_what
from station.bays_children import Child
from station.bays_config import Bay
from station.bays_memory import Memory, Settled, Unsettled
from station.bays_slot import Said, Slot, Told, Who
from station.bays_state import BenchState, Tile
from station.errors import NotDone
from station.media import Medium

NOW = datetime(2026, 11, 25, 14, 0, tzinfo=UTC)
IDENTITY = MediumIdentity("ata", "WDC WD10EZEX", "WD-WCC6Y7ABCD", "naa.50014ee2", "", 1_000_204_886_016)
MEDIUM = Medium(
    "/dev/sdb", kind="hdd", transport="ata", identity=IDENTITY, size=IDENTITY.size, sector_size=512,
    physical_sector=4096, rotational=True, removable=False, read_only=False, via_bridge=False, practice=False,
    firmware="01.01", bay="pci-1", number="8:16", sequence=9,
)  # fmt: skip
PLAN: dict[str, Any] = {
    "profile": "purge", "method": "sanitize-overwrite", "technique": "sanitize-overwrite", "wants": "purge",
    "reaches": "purge", "needs_supervisor": False, "not_worth_it": [], "lines": ["/dev/sdb: WD-WCC6Y7ABCD"],
    "problems": [], "passes": 0, "by_firmware": True, "stoppable": False, "cancel": "It cannot be stopped.",
    "seconds": 7200.0, "lock": "", "health": "good", "health_words": [],
}  # fmt: skip
LOOK: dict[str, Any] = {"reasons": [], "plan": PLAN, "state": None, "unfinished": None, "last": None}


def berth_of(**changes: Any) -> Berth:
    berth = Berth(Bay("Bay 1", "pci-1"), 1, MEDIUM, "since", look=LOOK)
    for name, value in changes.items():
        setattr(berth, name, value)
    return berth


def around(**changes: Any) -> Around:
    return replace(Around(NOW, 1_000.0, 180.0), **changes)


def child_of(folder: Path, told: Told, **changes: Any) -> Child:
    slot = Slot.make(folder / "x.slot")
    said = Said(Who(1, 1, "b"), IDENTITY.id, "Bay 1", "pci-1", "/dev/sdb", 9, "v-7", "purge", told)
    child = Child(IDENTITY, "/dev/sdb", 9, "Bay 1", said.who, slot, -1, 900.0, said=said)
    for name, value in changes.items():
        setattr(child, name, value)
    return child


@pytest.mark.parametrize(
    ("look", "state", "code"),
    [
        (None, "looking", ""),
        ({"trouble": "it did not answer"}, "refused", "E04"),
        ({**LOOK, "reasons": [{"code": "own-disk", "text": "it holds /"}]}, "refused", "E01"),
        ({**LOOK, "reasons": [{"code": "read-only", "text": "it is read-only"}]}, "refused", "E02"),
        ({**LOOK, "reasons": [{"code": "empty", "text": "no medium"}]}, "refused", "E05"),
        ({**LOOK, "state": {"phase": "working", "words": "42 %", "progress": 0.42}}, "erasing", "E21"),
        ({**LOOK, "plan": {**PLAN, "method": "", "lock": "locked"}}, "blocked", "E07"),
        ({**LOOK, "plan": {**PLAN, "method": "", "lock": "frozen"}}, "blocked", "E08"),
        ({**LOOK, "plan": {**PLAN, "method": ""}}, "blocked", "E09"),
        ({**LOOK, "plan": {**PLAN, "not_worth_it": ["12 sectors are pending"]}}, "failing", "E06"),
        ({**LOOK, "unfinished": {"percent": 43.2, "profile": "purge", "goes_on": True}}, "interrupted", "E16"),
        (LOOK, "ready", ""),
    ],
)
def test_a_look_decides_the_tile_of_a_drive_at_rest(look: Any, state: str, code: str) -> None:
    tile = tile_of(berth_of(look=look), around())
    assert (tile.state, tile.code) == (state, code)
    assert tile.colour != "green"
    assert tile.instruction


def test_an_interrupted_drive_says_how_far_it_was() -> None:
    look = {**LOOK, "unfinished": {"percent": 43.2, "profile": "purge", "goes_on": True}}
    assert "Interrupted at 43 %. Type the last four to go on." in tile_of(berth_of(look=look), around()).instruction
    inside = {**LOOK, "unfinished": {"percent": None, "profile": "purge", "goes_on": True}}
    assert "it is asked what became of that" in tile_of(berth_of(look=inside), around()).instruction
    anew = {**LOOK, "unfinished": {"percent": 43.2, "profile": "purge", "goes_on": False}}
    assert "begin anew" in tile_of(berth_of(look=anew), around()).instruction


def test_what_must_be_typed_is_nowhere_on_a_tile_until_the_drive_is_armed() -> None:
    ready = tile_of(berth_of(), around())
    assert "ABCD" not in str(ready.to_json())
    armed = tile_of(berth_of(armed=Armed(MEDIUM, "ABCD", 1_030.0)), around())
    assert (armed.state, armed.armed_seconds, armed.can) == ("armed", 30.0, ("start", "cancel"))
    assert armed.medium is not None
    assert armed.medium.tail == "ABCD"
    assert tile_of(berth_of(armed=Armed(MEDIUM, "ABCD", 999.0)), around()).state == "ready"


def test_only_a_done_of_this_very_insertion_is_green() -> None:
    done = Told("ended", outcome="DONE", claim="purge", event="e" * 64)
    tile = tile_of(berth_of(result=done), around())
    assert (tile.state, tile.colour, tile.claim) == ("done", "green", "purge")
    for outcome in ("UNKNOWN", "NOT_RUN", "REFUSED", ""):
        assert tile_of(berth_of(result=replace(done, outcome=outcome)), around()).colour != "green"
    settled = Settled("boot", 9, "purge", "e" * 64, "")
    assert tile_of(berth_of(), around(settled=settled)).colour == "green"


@pytest.mark.parametrize(
    ("told", "code"),
    [
        (Told("ended", outcome="REFUSED", codes=("in-use",)), "E12"),
        (Told("ended", outcome="REFUSED", codes=("exit-unknown",)), "E10"),
        (Told("ended", outcome="REFUSED", codes=("lower-claim",)), "E09"),
        (Told("ended", outcome="REFUSED", codes=("not-recordable",)), "E11"),
        (Told("ended", outcome="NOT_RUN", codes=("not-started",)), "E26"),
    ],
)
def test_what_was_not_run_is_amber_with_the_reason(told: Told, code: str) -> None:
    tile = tile_of(berth_of(result=replace(told, sentences=("why",))), around())
    assert (tile.state, tile.colour, tile.code, tile.reasons) == ("not-run", "amber", code, ("why",))


def test_a_red_drive_stays_red_whatever_a_look_says() -> None:
    entry = Unsettled(IDENTITY, "Bay 1", "unknown", "E17", ("3 blocks",), "since", "purge")
    for changes in ({}, {"look": None}, {"armed": Armed(MEDIUM, "ABCD", 1_030.0)}):
        tile = tile_of(berth_of(**changes), around(entry=entry))
        assert (tile.state, tile.colour, tile.code, tile.can) == ("unknown", "red", "E17", ("resolve",))
        assert "write E17" in tile.instruction


def test_a_drive_at_work_says_when_it_will_be_finished_only_when_that_was_measured(tmp_path: Path) -> None:
    told = Told("working", "pass 1: zero", 10, 100, 5.0, 2.0, None, 999.0, touched=True)
    assert tile_of(berth_of(), around(child=child_of(tmp_path, told))).finish_at == ""
    told = replace(told, seconds_left=3600.0)
    tile = tile_of(berth_of(), around(child=child_of(tmp_path, told)))
    assert (tile.finish_at, tile.seconds_left) == ("2026-11-25T15:00:00+00:00", 3600.0)
    stuck = tile_of(berth_of(), around(child=child_of(tmp_path, replace(told, moved=800.0), since=700.0)))
    assert (stuck.state, stuck.code, stuck.finish_at, stuck.rate) == ("stuck", "E14", "", 0.0)


def test_an_erase_inside_the_drive_may_take_as_long_as_the_drive_said(tmp_path: Path) -> None:
    told = Told("working", "", 0, 0, None, 0.0, None, 0.0, touched=True, by_firmware=True, patience=16_200.0)
    silent = child_of(tmp_path, told, since=0.0)
    assert tile_of(berth_of(), around(child=silent, monotonic=16_000.0)).state == "erasing"
    assert tile_of(berth_of(), around(child=silent, monotonic=16_300.0)).state == "stuck"


def test_cancelling_is_described_as_it_is() -> None:
    assert cancel_words(Told()) == "Nothing was touched yet."
    words = "It goes on inside the drive; keep it powered."
    inside = Told(touched=True, by_firmware=True, stoppable=False, cancel=words)
    assert cancel_words(inside) == words
    assert "cannot be stopped" in cancel_words(replace(inside, cancel=""))
    assert "can go on from there" in cancel_words(Told(touched=True, stage="pass 1: zero"))
    assert "checking stops" in cancel_words(Told(touched=True, stage="read back"))


def test_too_hot_inside_a_drive_is_said_and_not_paused(tmp_path: Path) -> None:
    told = Told("working", "", moved=999.0, touched=True, by_firmware=True, hot=True, temperature=71.0)
    tile = tile_of(berth_of(), around(child=child_of(tmp_path, told)))
    assert (tile.state, tile.code) == ("erasing", "E22")
    assert "Keep powered" in tile.instruction


def test_two_drives_of_one_name_and_a_drive_in_use_elsewhere_wait() -> None:
    assert tile_of(berth_of(twin=True), around()).code == "E03"
    assert tile_of(berth_of(busy=True), around()).state == "busy"
    assert tile_of(berth_of(queued={}), around()).state == "waiting"


def test_a_drive_with_nothing_printed_on_it_can_still_be_armed() -> None:
    bare = replace(MEDIUM, identity=replace(IDENTITY, serial="", wwn=""))
    assert bare.confirm in type_what(bare)
    assert MEDIUM.confirm not in type_what(MEDIUM)


def test_every_tile_survives_the_way_through_the_file(tmp_path: Path) -> None:
    entry = Unsettled(IDENTITY, "Bay 1", "pulled", "E13", ("gone",), "since", "purge")
    told = Told("paused", "pass 1: zero", 10, 100, 5.0, 2.0, 4.5, 999.0, touched=True, hot=True, temperature=61.5)
    tiles = (
        tile_of(berth_of(), around()),
        tile_of(Berth(Bay("Bay 2", "x"), 2), around()),
        tile_of(berth_of(), around(child=child_of(tmp_path, told))),
    )
    state = BenchState(1, "s", "real", "at", 1.0, "boot", 1, tiles, (aside(1, entry),), ("/dev/sda",), ())
    assert BenchState.from_json(state.to_json()) == state
    assert Tile.from_json(tiles[0].to_json()) == tiles[0]
    with pytest.raises(ValueError, match="lacks"):
        Tile.from_json({"bay": "Bay 1"})


def test_an_old_state_says_nothing_about_now() -> None:
    state = BenchState(1, "s", "real", "at", 100.0, "boot", 1, (), (), (), ())
    assert state.fresh(101.0, "boot")
    assert not state.fresh(110.0, "boot")
    assert not state.fresh(101.0, "the next start")


def test_what_must_not_be_forgotten_is_not(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "memory.json")
    entry = Unsettled(IDENTITY, "Bay 1", "running", "E16", (), "since", "purge")
    memory.put(entry)
    assert Memory(tmp_path / "memory.json").unsettled == {IDENTITY.id: entry}
    other_way = replace(IDENTITY, transport="scsi", model="WDC WD10EZEX-08W")
    assert Memory(tmp_path / "memory.json").relative(other_way) == entry, "the same drive behind another adapter"
    assert memory.relative(replace(other_way, size=5)) == entry, "nor is it another drive when it shows less"
    assert memory.relative(replace(other_way, serial="X", wwn="")) is None
    memory.wiped(other_way, Settled("b", 3, "purge", "e", "t"))
    assert Memory(tmp_path / "memory.json").unsettled == {}


def test_a_bridge_with_a_serial_of_its_own_settles_no_other_drive(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "memory.json")
    memory.put(Unsettled(IDENTITY, "Bay 1", "unknown", "E17", (), "since", "purge"))
    memory.wiped(replace(IDENTITY, transport="usb"), Settled("b", 3, "clear", "e", "t"))
    assert list(memory.unsettled) == [IDENTITY.id]


def test_a_memory_that_cannot_be_read_or_written_stops_the_bench_before_any_start(tmp_path: Path) -> None:
    (tmp_path / "memory.json").write_text("{")
    with pytest.raises(NotDone, match="nobody knows which drives are unsettled"):
        Memory(tmp_path / "memory.json")
    memory = Memory(tmp_path / "file/memory.json")
    (tmp_path / "file").write_text("")
    with pytest.raises(NotDone, match="nothing may be started"):
        memory.put(Unsettled(IDENTITY, "Bay 1", "running", "E16", (), "since", "purge"))
    assert memory.unsettled == {}
