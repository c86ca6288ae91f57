"""A drive that shows less than it once did is the same drive, is never wiped as it is, and never ends up green."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from custody.media import MediumIdentity
from station.bays_memory import Memory, Unsettled
from station.config import Config
from station.errors import GuardRefused
from station.media import medium_at
from station.sizes import largest, same_drive
from station.wiping import wipe_one
from tests.station.bays_bench import make_home, stepped
from tests.station.benches import MEBIBYTE, bench_of, home, order_for, practice_file, wipe, wiped_events
from tests.station.loops import blank, loop_at, losetup

FULL, LESS = 64 * MEBIBYTE, 48 * MEBIBYTE
SLOW = 1536 * MEBIBYTE
NODE = 240 + os.getpid() % 15  # a loop device that nobody else is likely to use

ATA = MediumIdentity("ata", "WDC WD10EZEX", "WD-WCC6Y7ABCD", "naa.50014ee2", "", FULL)


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"size": LESS}, True),
        ({"size": LESS, "transport": "usb", "model": "Dock", "wwn": ""}, True),  # once seen without an adapter
        ({"size": LESS, "serial": ""}, True),  # the WWN alone
        ({"size": LESS, "serial": "", "wwn": ""}, False),
        ({"size": LESS, "serial": "WD-OTHER", "wwn": "naa.5"}, False),
        ({"size": LESS, "namespace": "2", "wwn": ""}, False),
    ],
)
def test_a_drive_is_known_by_its_names_whatever_it_shows(changes: dict[str, object], same: bool) -> None:
    assert same_drive(ATA, replace(ATA, **changes)) is same  # type: ignore[arg-type]


def test_the_serial_of_an_adapter_makes_two_drives_one_only_when_the_model_is_the_same() -> None:
    dock = replace(ATA, transport="usb", wwn="")
    assert same_drive(dock, replace(dock, size=LESS))
    assert not same_drive(dock, replace(dock, size=LESS, model="Another"))


def refused(config: Config, drive: Path) -> str:
    with pytest.raises(GuardRefused) as caught, bench_of(config) as bench:
        wipe_one(bench, drive, order_for(drive))
    (reason,) = caught.value.reasons
    assert reason.code == "shrunk"
    return reason.text


def test_a_drive_that_was_wiped_here_and_shows_less_is_refused_before_anything_is_touched(tmp_path: Path) -> None:
    config, drive = home(tmp_path), practice_file(tmp_path / "d.img", FULL)
    wipe(config, drive)
    for log in config.worklogs.iterdir():
        log.unlink()  # the journal alone
    os.truncate(drive, LESS)
    before = drive.read_bytes()
    text = refused(config, drive)
    assert f"{FULL:,}" in text
    assert "destroy it" in text
    assert drive.read_bytes() == before
    assert len(wiped_events(config)) == 1


def test_a_work_log_alone_is_enough_and_the_full_size_or_more_may_be_wiped(tmp_path: Path) -> None:
    config, drive = home(tmp_path), practice_file(tmp_path / "d.img", FULL)
    (tmp_path / "b").mkdir()
    other = home(tmp_path / "b")
    wipe(other, drive)
    for log in other.worklogs.iterdir():  # a wipe whose result the journal never had
        (config.worklogs / log.name).write_bytes(log.read_bytes())
    os.truncate(drive, LESS)
    refused(config, drive)
    os.truncate(drive, FULL)
    assert wipe(config, drive).verdict.outcome == "DONE"
    os.truncate(drive, FULL + MEBIBYTE)  # hidden areas that were given back
    assert wipe(config, drive).verdict.outcome == "DONE"


def test_an_inventory_that_listed_it_larger_counts(tmp_path: Path) -> None:
    config, drive = home(tmp_path), practice_file(tmp_path / "d.img", LESS)
    listed = replace(medium_at(drive).identity, size=FULL)
    with bench_of(config) as bench:
        body: dict[str, Any] = {"device": "K1", "after": None, "media": [listed.to_json()]}
        body |= {"hardware": {}, "snapshot": "0" * 64}
        bench.append("device.inventoried", "K1", body)
        assert largest(bench.journal, bench.worklogs, medium_at(drive).identity) == FULL
    refused(config, drive)


def test_a_drive_that_shrinks_while_it_is_wiped_is_one_red_tile_with_its_own_code(tmp_path: Path) -> None:
    drive = practice_file(tmp_path / "d.img", serial="SHRINKING1A17")
    os.truncate(drive, SLOW)
    config = make_home(tmp_path, {"Bay 1": f"file:{drive}"})
    with stepped(config) as bench:
        bench.start("Bay 1", profile="overwrite3")
        bench.until(lambda: bench.tile("Bay 1").stage.startswith("pass"))
        os.truncate(drive, SLOW // 2)
        tile = bench.until_state("Bay 1", "unknown", seconds=30)
        assert (tile.code, tile.colour) == ("E19", "red")
        bench.until(lambda: not bench.daemon.desk.children)
        tile = bench.until_state("Bay 1", "unknown")
        assert (tile.code, tile.can) == ("E19", ("resolve",))
        assert f"{SLOW:,}" in " ".join(tile.reasons)
        assert bench.state().aside == (), "one drive, one tile"
        assert tile.medium is not None
        words = {"medium": tile.medium.id, "operator": "s-3"}
        answer = bench.order("resolve", how="again", **words)
        assert not answer.obeyed, "not as long as part of it may be hidden"
        assert "bytes" in answer.sentence
        os.truncate(drive, SLOW)
        bench.until(lambda: bench.tile("Bay 1").medium.size == SLOW)  # type: ignore[union-attr]
        tile = bench.until_state("Bay 1", "unknown")
        assert tile.code == "E19", "that it is whole again settles nothing by itself"
        assert bench.order("resolve", how="again", medium=tile.medium.id, operator="s-3").obeyed  # type: ignore[union-attr]
        bench.until(lambda: "arm" in bench.tile("Bay 1").can)
    assert not any(body["outcome"] == "DONE" for body in wiped_events(config))


def test_a_drive_that_comes_back_smaller_is_no_new_drive_and_can_only_be_destroyed(tmp_path: Path) -> None:
    drive = practice_file(tmp_path / "d.img", serial="SHRINKING1A17")
    os.truncate(drive, SLOW)
    config = make_home(tmp_path, {"Bay 1": f"file:{drive}"})
    with stepped(config) as bench:
        bench.start("Bay 1", profile="overwrite3")
        bench.until(lambda: bench.tile("Bay 1").stage.startswith("pass"))
        drive.rename(tmp_path / "out.img")
        bench.until_state("Bay 1", "empty")
        bench.until(lambda: not bench.daemon.desk.children)
        os.truncate(tmp_path / "out.img", LESS)
        (tmp_path / "out.img").rename(drive)
        tile = bench.until_state("Bay 1", "unknown")
        assert (tile.code, bench.state().aside) == ("E19", ())
        assert tile.medium is not None
        assert not bench.order("resolve", how="again", medium=tile.medium.id, operator="s-3").obeyed
        assert bench.order("resolve", how="destroy", medium=tile.medium.id, operator="s-3").obeyed
        assert bench.until_state("Bay 1", "destroy").code == "E29"
    assert [one.code for one in Memory(config.bays_folder / "memory.json").unsettled.values()] == ["E29"]


def test_a_drive_that_showed_more_before_is_not_offered(tmp_path: Path) -> None:
    drive = practice_file(tmp_path / "d.img", FULL, serial="SHRINKING1A17")
    config = make_home(tmp_path, {"Bay 1": f"file:{drive}"})
    wipe(config, drive)
    os.truncate(drive, LESS)
    with stepped(config) as bench:
        tile = bench.until_state("Bay 1", "refused")
        assert (tile.code, tile.can) == ("E30", ())


def test_hidden_areas_that_the_wipe_gives_back_are_neither_pulled_nor_killed(tmp_path: Path) -> None:
    drive = practice_file(tmp_path / "d.img", serial="GROWING1A17")
    os.truncate(drive, SLOW)
    config = make_home(tmp_path, {"Bay 1": f"file:{drive}"})
    with stepped(config) as bench:
        bench.start("Bay 1", profile="overwrite3")
        bench.until(lambda: bench.tile("Bay 1").stage.startswith("pass"))
        (child,) = bench.daemon.desk.children.values()
        os.truncate(drive, SLOW + MEBIBYTE)
        bench.until(lambda: bench.tile("Bay 1").medium.size > SLOW, 5)  # type: ignore[union-attr]
        assert bench.daemon.desk.child(bench.daemon.desk.berths[0]) is child
        assert (child.pulled, child.shrunk, child.cancelled) == (None, "", None)
        bench.until(lambda: not bench.daemon.desk.children, 120)
        assert bench.tile("Bay 1").colour != "green", "the wipe itself found that it changed"


@pytest.mark.root
def test_a_bay_comes_right_again_after_its_drive_shrank_while_it_was_checked(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can attach loop devices")
    config = make_home(tmp_path, {"Bay 1": f"/dev/loop{NODE}"})
    file = blank(tmp_path / "d.img", 768 * MEBIBYTE)
    with loop_at(NODE, file) as node, stepped(config) as bench:
        bench.start("Bay 1")
        bench.until(lambda: bench.tile("Bay 1").stage == "read back", 90)
        os.truncate(file, 384 * MEBIBYTE)
        losetup("--set-capacity", node)
        bench.until(lambda: not bench.daemon.desk.children, 90)
        tile = bench.until_state("Bay 1", "unknown", seconds=20)
        assert tile.code == "E19", bench.told()


@pytest.mark.root
def test_a_drive_that_is_let_go_of_is_looked_at_again_by_itself(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can attach loop devices")
    config = make_home(tmp_path, {"Bay 1": f"/dev/loop{NODE}"})
    with loop_at(NODE, blank(tmp_path / "d.img")) as node, stepped(config) as bench:
        held = os.open(node, os.O_RDWR | os.O_EXCL)
        try:
            bench.daemon.desk.look(bench.daemon.desk.berths[0])
            tile = bench.until_state("Bay 1", "refused", seconds=30)
            assert "in use" in " ".join(tile.reasons)
        finally:
            os.close(held)
        bench.until_state("Bay 1", "ready", seconds=15)


def test_memory_of_an_earlier_version_is_still_read(tmp_path: Path) -> None:
    file = tmp_path / "memory.json"
    Memory(file).put(Unsettled(ATA, "Bay 1", "unknown", "E17", (), "since", "purge"))
    kept = json.loads(file.read_text())
    del kept["unsettled"][0]["operator"]
    file.write_text(json.dumps(kept))
    assert Memory(file).unsettled[ATA.id].operator == ""
