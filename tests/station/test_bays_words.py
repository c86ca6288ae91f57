"""What a red or amber tile says is what happened: a reader that was ended, a journal that failed, who may decide."""

import os
import signal
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from station.bays_child import _failed
from station.bays_gate import _children
from station.config import Config
from station.errors import OutcomeUnknown
from station.follow import Hear, follow
from station.run import Result
from station.wipe.acting import Means
from station.wiping import wipe_one
from tests.badges import SUE, VIC, roster, shorter
from tests.custody.simulators import SimulatedServer
from tests.station.bays_bench import Stepped, make_home, stepped
from tests.station.benches import MEBIBYTE, bench_of, home, order_for, practice_file, wiped_events
from tests.station.staff import bring, join


def station(folder: Path, size: int = 16 * MEBIBYTE) -> Config:
    drive = practice_file(folder / "d.img", serial="WORDSDRIVE1A17")
    os.truncate(drive, size)
    return make_home(folder, {"Bay 1": f"file:{drive}"})


def test_a_reader_that_was_ended_is_no_drive_that_failed(tmp_path: Path) -> None:
    with stepped(station(tmp_path, 1024 * MEBIBYTE)) as bench:
        bench.start("Bay 1")
        bench.until(lambda: bench.tile("Bay 1").stage == "read back", 90)
        (child,) = bench.daemon.desk.children.values()
        for pid in _children(child.who.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        tile = bench.until_state("Bay 1", "interrupted")
        assert (tile.code, tile.colour) == ("E31", "amber")
        bench.until(lambda: bench.tile("Bay 1").can == ("arm",))
        assert bench.tile("Bay 1").code == "E31"
        assert bench.start("Bay 1").obeyed
        bench.until_state("Bay 1", "done", seconds=90)
    assert [body["outcome"] for body in wiped_events(bench.config)] == ["UNKNOWN", "DONE"]


class JournalFails:
    """A reader that finds nothing wrong, or cannot look, while the journal takes no event any more."""

    def __init__(self, journal: Path, *, looks: bool) -> None:
        self.journal, self.looks = journal, looks

    def __call__(self, argv: Sequence[str], given: bytes, patience: float, hear: Hear) -> Result:
        connection = sqlite3.connect(self.journal, isolation_level=None)
        connection.execute("CREATE TRIGGER no BEFORE INSERT ON event BEGIN SELECT RAISE(ABORT, 'disk full'); END")
        connection.close()
        return follow(argv if self.looks else ("/nonexistent",), given, patience, hear)


@pytest.mark.parametrize(("looks", "code"), [(True, "not-recorded"), (False, "unproved-not-recorded")])
def test_a_journal_that_fails_makes_nothing_wiped_that_was_not(tmp_path: Path, looks: bool, code: str) -> None:
    config, drive = home(tmp_path), practice_file(tmp_path / "d.img")
    trouble = JournalFails(config.journal, looks=looks)
    with bench_of(config, Means(os.urandom, follow=trouble)) as bench, pytest.raises(OutcomeUnknown) as caught:
        wipe_one(bench, drive, order_for(drive))
    assert ("only the proof is repeated" in str(caught.value)) is looks
    assert ("UNKNOWN" in str(caught.value)) is not looks
    assert _failed(caught.value, touched=True)["codes"] == (code,)


def not_known(bench: Stepped, operator: str = "v-7") -> str:
    """Wipe the drive, and have somebody find that it was not wiped; return the drive's id."""
    bench.start("Bay 1")
    tile = bench.until_state("Bay 1", "done")
    medium = bench.daemon.desk.berths[0].medium
    assert medium is not None
    bench.daemon.desk.keep(medium.identity, "Bay 1", "unknown", "E17", ("3 blocks",), event=tile.event)
    bench.until_state("Bay 1", "unknown")
    return medium.identity.id


@pytest.mark.parametrize("same", ["v-7", "V-7", " v7 "])
def test_whoever_wiped_it_is_not_the_supervisor_who_decides(tmp_path: Path, same: str) -> None:
    with stepped(station(tmp_path)) as bench:
        medium = not_known(bench)
        for how in ("again", "destroy"):
            answer = bench.order("resolve", medium=medium, operator=same, how=how)
            assert not answer.obeyed
            assert "somebody else" in answer.sentence
        assert bench.order("resolve", medium=medium, operator="s-3", how="again").obeyed


def test_who_wiped_it_is_known_also_when_nothing_was_recorded(tmp_path: Path) -> None:
    with stepped(station(tmp_path, 1536 * MEBIBYTE)) as bench:
        bench.start("Bay 1", profile="overwrite3")
        bench.until(lambda: bench.tile("Bay 1").stage.startswith("pass"))
        drive = Path(bench.config.stalls[0].place.removeprefix("file:"))
        (child,) = bench.daemon.desk.children.values()
        drive.rename(drive.with_name("out.img"))
        bench.until(lambda: child.pulled is not None)
        os.killpg(child.who.pid, signal.SIGKILL)
        bench.until(lambda: not bench.daemon.desk.children)
        assert wiped_events(bench.config) == []
        (tile,) = bench.state().aside
        assert tile.medium is not None
        assert not bench.order("resolve", medium=tile.medium.id, operator="v-7", how="destroy").obeyed
        assert bench.order("resolve", medium=tile.medium.id, operator="s-3", how="destroy").obeyed


def test_a_station_that_holds_a_roster_wants_a_badge_for_the_decision(tmp_path: Path) -> None:
    config, server = station(tmp_path), SimulatedServer()
    join(config, server)
    bring(config, server, shorter(roster(), 36500))
    with stepped(config) as bench:
        medium = not_known(bench)
        answer = bench.order("resolve", medium=medium, operator="s-3", how="again")
        assert not answer.obeyed
        assert "badge" in answer.sentence
        badge = {"supervisor_badge": VIC.card, "supervisor_pin": VIC.pin}
        assert not bench.order("resolve", medium=medium, how="again", **badge).obeyed
        badge = {"supervisor_badge": SUE.card, "supervisor_pin": SUE.pin}
        assert bench.order("resolve", medium=medium, how="again", **badge).obeyed


def test_a_dispute_by_the_server_takes_the_green_away(tmp_path: Path) -> None:
    config, server = station(tmp_path), SimulatedServer()
    join(config, server)
    with stepped(config) as bench:
        bench.start("Bay 1")
        event = bench.until_state("Bay 1", "done").event
        body = {"event": event, "reason": "the wrong drive", "who": {"ref": "s-9", "authenticated": True}}
        server.say("record.disputed", f"event:{event}", body)
        bring(config, server)
        tile = bench.until_state("Bay 1", "unknown", seconds=5)
        assert tile.code == "E33"
        assert "the wrong drive" in " ".join(tile.reasons)
