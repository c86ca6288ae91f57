"""Looking at a whole machine: real reports, recorded machines, missing tools."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custody.events import MediumIdentity
from station.media import Medium
from station.probe import SecondOpinion, Snapshot, Unknown, second_opinion, snapshot
from station.probe_dmi import Machine, MemoryModule
from station.probe_parts import Battery, Cpu, Display
from station.probe_smart import Smart
from station.run import Replay, Result, Run
from station.system import System
from tests.station.machine import RecordedMachine, ordinary
from tests.station.recorded import from_udevadm

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def answer(argv: list[str], text: str, status: int = 0) -> Result:
    return Result(tuple(argv), status, text.encode(), b"", 0.1)


def smartctl(path: str, **says: object) -> Result:
    return answer(["smartctl", "-x", "-j", path], json.dumps(says))


def test_this_very_machine_gives_a_snapshot_that_survives_json() -> None:
    looked = snapshot(Run(), now=NOW)
    assert looked.taken == "2026-01-02T03:04:05+00:00"
    assert looked.memory > 1 << 26
    assert looked.cpu.threads >= 1
    assert Snapshot.from_json(json.loads(json.dumps(looked.to_json()))) == looked


def test_without_any_tool_the_snapshot_says_what_is_unknown_and_why(tmp_path: Path) -> None:
    looked = snapshot(Replay([]), now=NOW, system=ordinary(tmp_path).system)
    assert [medium.path for medium in looked.media] == ["/dev/sda", "/dev/sdb"]
    about = {entry.what for entry in looked.unknown}
    assert {"machine", "processor", "memory", "batteries"} <= about
    for path in ("/dev/sda", "/dev/sdb"):
        assert {f"health of {path}", f"second opinion on {path}", f"identity of {path}"} <= about
    assert any("smartctl is not installed" in entry.why for entry in looked.unknown)


def test_an_empty_folder_of_a_machine_gives_a_snapshot_too(tmp_path: Path) -> None:
    looked = snapshot(Replay([]), now=NOW, system=System(tmp_path))
    assert looked.media == ()
    assert "drives" in {entry.what for entry in looked.unknown}


def test_a_raid_controller_is_named_because_it_hides_drives(tmp_path: Path) -> None:
    machine = ordinary(tmp_path)
    folder = machine.root / "sys/bus/pci/devices/0000:00:17.0"
    folder.mkdir(parents=True)
    (folder / "class").write_text("0x010400\n")
    looked = snapshot(Replay([]), now=NOW, system=machine.system)
    assert any("0000:00:17.0" in entry.why and "AHCI" in entry.why for entry in looked.unknown)


def test_an_empty_card_reader_is_said_and_not_listed(tmp_path: Path) -> None:
    machine = ordinary(tmp_path)
    (machine.disk("sdc") / "size").write_text("0\n")
    looked = snapshot(Replay([]), now=NOW, system=machine.system)
    assert "/dev/sdc" not in {medium.path for medium in looked.media}
    assert "medium in /dev/sdc" in {entry.what for entry in looked.unknown}


def test_a_bridge_that_shows_another_serial_or_size_is_caught(tmp_path: Path) -> None:
    machine = RecordedMachine(tmp_path)
    disk = machine.disk("sdb", "pci0000:00/usb2/2-1/host6/target6:0:0/6:0:0:0/block")
    machine.udev(disk, ID_BUS="usb", ID_SERIAL_SHORT="DD56419884A2")
    report = smartctl(
        "/dev/sdb", serial_number="WX11A1234567", user_capacity={"bytes": 500}, smart_status={"passed": True}
    )
    looked = snapshot(Replay([report]), now=NOW, system=machine.system, second=False)
    why = {entry.what: entry.why for entry in looked.unknown if "the drive itself" in entry.why}
    assert "WX11A1234567" in why["identity of /dev/sdb"]
    assert "500" in why["size of /dev/sdb"]
    assert looked.media[0].identity.serial == "DD56419884A2"  # never mixed: a certificate needs the same identity


def test_an_unknown_usb_bridge_is_asked_again_as_sata(tmp_path: Path) -> None:
    machine = RecordedMachine(tmp_path)
    machine.disk("sdb", "pci0000:00/usb2/2-1/host6/target6:0:0/6:0:0:0/block")
    unknown = {"smartctl": {"exit_status": 1, "messages": [{"string": "/dev/sdb: Unknown USB bridge [0x1234:0x5678]"}]}}
    run = Replay(
        [
            smartctl("/dev/sdb", **unknown),
            answer(
                ["smartctl", "-x", "-j", "-d", "sat", "/dev/sdb"], '{"serial_number": "WX11A", "model_name": "WDC"}'
            ),
        ]
    )
    looked = snapshot(run, now=NOW, system=machine.system, second=False)
    assert looked.smart_of(looked.media[0]) == looked.smart[0]
    assert looked.smart[0].serial == "WX11A"


def test_pysmart_is_asked_in_a_child_and_its_silence_is_said() -> None:
    run = Run()
    opinion, why = second_opinion(run, "/dev/kitbank-no-such-drive")
    assert len(run.transcript) == 1
    assert run.transcript[0].argv[-2].endswith("probe_pysmart.py")
    assert not run.transcript[0].timed_out
    assert why
    assert opinion is None or not opinion.serial


@pytest.mark.parametrize("text", ["", "[]", "null", '{"model": 1}', '{"model": {}, "messages": 3}', '"x"'])
def test_nonsense_from_the_second_opinion_is_said(text: str) -> None:
    class Nonsense:
        def __call__(self, argv: object, deadline: float, *, watch: object = None) -> Result:
            return Result(("python",), 0, text.encode(), b"", 0.0)

    opinion, why = second_opinion(Nonsense(), "/dev/sda")
    assert opinion is None
    assert "cannot be read" in why


def test_a_second_opinion_that_hangs_is_stopped() -> None:
    class Hanging:
        def __call__(self, argv: object, deadline: float, *, watch: object = None) -> Result:
            return Result(("python",), -9, b"", b"", deadline, timed_out=True)

    opinion, why = second_opinion(Hanging(), "/dev/sda")
    assert opinion is None
    assert "deadline" in why


def test_every_recorded_machine_gives_a_snapshot(shared_data: Path, tmp_path: Path) -> None:
    count = 0
    for place in sorted((shared_data / "block-tools/udevadm").glob("*.txt")):
        machine = from_udevadm(tmp_path / place.stem, place.read_text("utf-8", "replace"))
        looked = snapshot(Replay([]), now=NOW, system=machine.system)
        assert Snapshot.from_json(json.loads(json.dumps(looked.to_json()))) == looked
        count += len(looked.media)
    assert count > 30


def test_a_snapshot_with_a_wrong_type_is_refused(tmp_path: Path) -> None:
    data = snapshot(Replay([]), now=NOW, system=System(tmp_path)).to_json()
    with pytest.raises(ValueError, match=r"Snapshot\.memory must be int"):
        Snapshot.from_json({**data, "memory": "much"})
    with pytest.raises(ValueError, match="lacks media"):
        Snapshot.from_json({key: value for key, value in data.items() if key != "media"})


words = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)
lists = st.lists(words, max_size=2).map(tuple)
numbers = st.integers(0, 1 << 50)
identity = st.builds(MediumIdentity, words, words, words, words, words, numbers)
media = st.builds(Medium, identity=identity, notes=lists, path=words)
figures = st.lists(st.tuples(words, numbers), max_size=3).map(tuple)


@settings(max_examples=40)
@given(
    st.builds(
        Snapshot,
        taken=words,
        kernel=words,
        machine=st.builds(Machine, make=words, serial=words),
        cpu=st.builds(Cpu, words, numbers, numbers),
        memory=numbers,
        modules=st.lists(st.builds(MemoryModule), max_size=2).map(tuple),
        batteries=st.lists(st.builds(Battery, notes=lists), max_size=2).map(tuple),
        displays=st.lists(st.builds(Display), max_size=2).map(tuple),
        media=st.lists(media, max_size=2).map(tuple),
        smart=st.lists(st.builds(Smart, figures=figures, failing=lists), max_size=2).map(tuple),
        opinions=st.lists(st.builds(SecondOpinion, messages=lists), max_size=2).map(tuple),
        unknown=st.lists(st.builds(Unknown, words, words), max_size=2).map(tuple),
    )
)
def test_any_snapshot_survives_json(looked: Snapshot) -> None:
    assert Snapshot.from_json(json.loads(json.dumps(looked.to_json()))) == looked
