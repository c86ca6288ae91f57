"""Badge and PIN come with an order, are checked by the one who wipes, and are kept nowhere."""

from pathlib import Path

import pytest

from station.config import Config
from tests.badges import SUE, VIC, roster, shorter
from tests.custody.simulators import SimulatedServer
from tests.station.bays_bench import Stepped, make_home, stepped
from tests.station.benches import practice_file, wiped_events
from tests.station.staff import bring, join


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Return a practice station with one bay and a roster."""
    drive = practice_file(tmp_path / "d.img")
    config = make_home(tmp_path, {"Bay 1": f"file:{drive}"})
    server = SimulatedServer()
    join(config, server)
    bring(config, server, shorter(roster(), 36500))
    return config


def start(bench: Stepped, **words: str) -> None:
    """Arm and start the bay with these people."""
    bench.until_state("Bay 1", "ready")
    assert bench.arm("Bay 1").obeyed
    answer = bench.order("start", bay="Bay 1", **words)
    assert answer.obeyed, answer


def nowhere(config: Config, *secrets: str) -> bool:
    """Tell whether none of these is in any file that the bench keeps."""
    kept = [file for file in config.home.rglob("*") if file.is_file()]
    return not [one for one in kept for secret in secrets if secret.encode() in one.read_bytes()]


def test_who_signed_in_stands_in_the_record_and_the_pin_nowhere(config: Config) -> None:
    with stepped(config) as bench:
        start(bench, badge=VIC.card, pin=VIC.pin)
        bench.until_state("Bay 1", "done")
    (body,) = wiped_events(config)
    assert body["who"] == {"ref": "S-VIC000", "authenticated": True, "roster": 1}
    assert nowhere(config, VIC.pin, VIC.card)


def test_a_wrong_pin_touches_nothing_and_is_said_on_the_tile(config: Config) -> None:
    drive = Path(config.stalls[0].place.removeprefix("file:"))
    before = drive.read_bytes()
    with stepped(config) as bench:
        start(bench, badge=VIC.card, pin="000000")
        tile = bench.until_state("Bay 1", "not-run")
        assert tile.code == "E12"
        assert "PIN" in " ".join(tile.reasons)
    assert drive.read_bytes() == before
    assert wiped_events(config) == []


def test_a_badge_that_is_no_supervisors_resolves_nothing(config: Config) -> None:
    with stepped(config) as bench:
        bench.until_state("Bay 1", "ready")
        medium = bench.daemon.desk.berths[0].medium
        assert medium is not None
        bench.daemon.desk.keep(medium.identity, "Bay 1", "unknown", "E17", ("3 blocks",))
        words = {"medium": medium.identity.id, "how": "again"}
        for who, pin in ((VIC, VIC.pin), (SUE, "000000")):
            answer = bench.order("resolve", supervisor_badge=who.card, supervisor_pin=pin, **words)
            assert not answer.obeyed, answer
            assert bench.until_state("Bay 1", "unknown").colour == "red"
        assert bench.order("resolve", supervisor_badge=SUE.card, supervisor_pin=SUE.pin, **words).obeyed
        bench.until_state("Bay 1", "ready")
        assert bench.daemon.desk.memory.unsettled[medium.identity.id].by == "S-SUE000"
    assert nowhere(config, SUE.pin)
