"""The control socket does what its verbs say, and answers mistakes instead of dying of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drives.bay import Bay
from tests.drives.clock import SimulatedClock
from tests.drives.control import VERBS, Control, ask
from tests.drives.host import identify, password_block, read, sanitize, security, write
from tests.drives.lies import Lie
from tests.drives.shop import SimulatedDrive, order
from tests.drives.tcmu import main


class Shelf(Bay):
    """A bay that no kernel looks into."""

    def __init__(self, drive: SimulatedDrive) -> None:
        super().__init__(0, drive, lambda line: None)
        self.plugged = True

    def plug(self) -> None:
        self.plugged = True

    def pull(self) -> None:
        self.plugged = False

    def device(self) -> str:
        return "/dev/sdz" if self.plugged else ""

    def generic(self) -> str:
        return ""


@pytest.fixture
def bays(tmp_path: Path) -> dict[str, Shelf]:
    clock = SimulatedClock()
    wishes = (
        {"kind": "ata", "serial": "A1", "image": tmp_path / "a.img", "sectors": 20_480, "wwn": "5000c500a00000aa"},
        {"kind": "scsi", "serial": "S1", "image": tmp_path / "s.img", "sectors": 20_480, "seconds": {"format": 3}},
    )
    return {str(wish["serial"]): Shelf(order(wish, clock)) for wish in wishes}


@pytest.fixture
def control(tmp_path: Path, bays: dict[str, Shelf]) -> Iterator[Path]:
    served = Control(tmp_path / "c.sock", bays)
    yield tmp_path / "c.sock"
    served.close()


def test_a_lie_is_told_and_taken_back_over_the_socket(control: Path, bays: dict[str, Shelf]) -> None:
    facts = ask(control, "tell", drive="A1", lie="shrinks", argument="5000")
    assert facts["lies"] == {"shrinks": "5000"} and facts["device"] == "/dev/sdz"
    assert Lie.SHRINKS in bays["A1"].drive.lies and Lie.SHRINKS not in bays["S1"].drive.lies
    assert ask(control, "stop", drive="A1", lie="shrinks")["lies"] == {}


def test_power_goes_and_comes_and_the_drive_locks(control: Path, bays: dict[str, Shelf]) -> None:
    drive = bays["A1"].drive
    security(drive, 0xF1, password_block("ours"))
    assert ask(control, "cut-power", drive="A1") | {"device": "", "powered": False} == ask(control, "facts", drive="A1")
    assert ask(control, "power-on", drive="A1")["device"] == "/dev/sdz"
    assert identify(drive)[128] & 4
    ask(control, "tell", drive="A1", lie="frozen")
    ask(control, "power-cycle", drive="A1")
    assert identify(drive)[128] & 8
    ask(control, "resume", drive="A1")
    assert not identify(drive)[128] & 8


def test_health_and_bad_sectors_are_set_over_the_socket(control: Path, bays: dict[str, Shelf]) -> None:
    ask(control, "bad", drive="A1", first=100, count=2)
    assert read(bays["A1"].drive, 101, 1).status == 2
    ask(control, "attribute", drive="A1", number=5, raw=77, value=3)
    assert bays["A1"].drive.drive.smart.failing  # type: ignore[union-attr]
    ask(control, "attribute", drive="S1", name="grown", value=9)
    ask(control, "temperature", drive="S1", celsius=70)
    health = bays["S1"].drive.health  # type: ignore[union-attr]
    assert (health.grown, health.temperature) == (9, 70)
    assert ask(control, "log", drive="A1")["log"][-1][0] == 0x25


def test_mistakes_are_answered(control: Path) -> None:
    for words in ({"do": "facts"}, {"do": "dance", "drive": "A1"}, {"do": "tell", "drive": "A1", "lie": "jokes"}):
        with pytest.raises(ValueError, match="Error"):
            ask(control, **words)
    assert set(VERBS) >= {"facts", "tell", "stop", "cut-power", "power-on", "power-cycle", "resume", "reset"}


def test_the_command_line_asks_a_running_server(control: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", str(control), "tell", "drive=S1", "lie=progress-stuck", "argument=9"]) == 0
    assert '"progress-stuck": "9"' in capsys.readouterr().out


def test_an_order_for_a_drive_that_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="colour"):
        order({"image": tmp_path / "x", "sectors": 9, "colour": "red"}, SimulatedClock())
    with pytest.raises(ValueError, match="floppy"):
        order({"kind": "floppy", "image": tmp_path / "x"}, SimulatedClock())
    with pytest.raises(ValueError, match="how many sectors"):
        order({"image": tmp_path / "x"}, SimulatedClock())


def test_what_is_due_is_done_before_facts_are_given(control: Path, bays: dict[str, Shelf]) -> None:
    drive = bays["A1"].drive
    write(drive, 8, b"x" * 4096)
    sanitize(drive, "crypto")
    clock = drive.drive.clock  # type: ignore[union-attr]
    assert isinstance(clock, SimulatedClock)
    clock.pass_time(5)
    facts = ask(control, "settle", drive="A1")
    assert facts["sanitize_completed"] and facts["sanitizing"] is None and facts["sanitizes_begun"] == 1
