"""The roster at a station: taken over network and stick, believed as the server's history names it, never backwards."""

import base64
import hashlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from custody import rosters
from custody.badges import BadRoster, Roster
from custody.events import Role, World
from custody.roads import Road
from custody.sync import HttpRoad, StickRoad, exchange, serve_stick
from tests.badges import SUE, VERA, VIC, roster, shorter
from tests.custody.simulators import NOW, Bench, SimulatedServer, served
from tests.factories import NOON

LATER = NOW + timedelta(hours=1)


@pytest.fixture
def server() -> SimulatedServer:
    return SimulatedServer()


@pytest.fixture
def bench(tmp_path: Path, server: SimulatedServer) -> Iterator[Bench]:
    with Bench(tmp_path / "bench").meet(server) as made:
        yield made


def visit(bench: Bench, server: SimulatedServer, stick: Path) -> tuple[str, ...]:
    """Carry a stick there, back, and there again, as benches without a network do."""
    stick.mkdir(exist_ok=True)
    exchange(bench.journal, StickRoad(stick, bench.origin))
    serve_stick(stick, server)
    return exchange(bench.journal, StickRoad(stick, bench.origin)).messages


def held(bench: Bench) -> Roster:
    return rosters.current(bench.journal, LATER)


def valid(number: int = 1, *people: object) -> Roster:
    return shorter(roster(people or (VIC, VERA, SUE), number), 4000)  # type: ignore[arg-type]


def test_a_roster_comes_by_stick(bench: Bench, server: SimulatedServer, tmp_path: Path) -> None:
    with pytest.raises(BadRoster, match="sync first"):
        held(bench)
    server.issue(valid())
    assert visit(bench, server, tmp_path / "stick") == ()
    assert held(bench) == valid()
    bench.crash()
    assert held(bench) == valid()


def test_a_roster_comes_by_network_and_a_kiosk_is_given_none(
    bench: Bench, server: SimulatedServer, tmp_path: Path
) -> None:
    server.issue(valid())
    with served(server) as site, Bench(tmp_path / "kiosk", Role.KIOSK).meet(server) as kiosk:
        for one in (bench, kiosk):
            exchange(one.journal, HttpRoad(site.url, one.origin, one.transport, lambda: server.now))
        assert held(bench) == valid()
        assert kiosk.journal.note(rosters.NOTE) is None
        stick = tmp_path / "stick"
        visit(kiosk, server, stick)
        assert not list(stick.rglob("roster.kb"))


def test_a_newer_roster_replaces_the_older_and_nothing_of_it_stays(
    bench: Bench, server: SimulatedServer, tmp_path: Path
) -> None:
    server.issue(valid())
    visit(bench, server, tmp_path / "stick")
    server.issue(valid(2, VERA))
    visit(bench, server, tmp_path / "stick")
    assert held(bench).number == 2
    assert held(bench).entry(VIC.entry.ref) is None
    assert VIC.entry.verifier.encode() not in base64.b64decode(bench.journal.note(rosters.NOTE)["document"])


def exchange_feed_only(bench: Bench, server: SimulatedServer) -> None:
    """Let history come, and no roster with it."""
    page = server.feed(bench.journal.position(), 1000)
    bench.journal.take(page.envelopes, page.position)


class Stale:
    """A road that brings the true history and another roster."""

    def __init__(self, road: Road, document: bytes | None) -> None:
        self._road, self._document = road, document

    def __getattr__(self, name: str) -> object:
        return getattr(self._road, name)

    def roster(self) -> bytes | None:
        return self._document


def test_a_replayed_old_roster_is_not_taken_and_the_newest_is_needed(
    bench: Bench, server: SimulatedServer, tmp_path: Path
) -> None:
    server.issue(valid())
    old = server.document
    visit(bench, server, tmp_path / "stick")
    server.issue(valid(2, VERA))
    with served(server) as site:
        road = HttpRoad(site.url, bench.origin, bench.transport, lambda: server.now)
        told = exchange(bench.journal, Stale(road, old)).messages  # type: ignore[arg-type]
        assert any("not the newest" in text for text in told)
        with pytest.raises(BadRoster, match="roster 2 is the newest, and it is not here"):
            held(bench)  # Vic may have been taken off: nobody signs in by the old one any more
        exchange(bench.journal, road)
        assert held(bench).number == 2
        assert rosters.keep(bench.journal, old) == ""
        assert held(bench).number == 2


def test_a_roster_that_no_history_names_is_not_used(bench: Bench, server: SimulatedServer, tmp_path: Path) -> None:
    forged = valid(1, VIC).to_bytes()
    assert rosters.keep(bench.journal, forged) == ""
    with pytest.raises(BadRoster):
        held(bench)
    server.issue(valid())
    visit(bench, server, tmp_path / "stick")
    server.issue(valid(2))
    exchange_feed_only(bench, server)
    assert "not the newest" in rosters.keep(bench.journal, forged)
    visit(bench, server, tmp_path / "stick")
    assert held(bench) == valid(2)
    bench.journal.change_note(rosters.NOTE, lambda held: {**held, "document": "AAAA"})
    with pytest.raises(BadRoster, match="not here"):
        held(bench)


def test_a_roster_of_another_world_or_server_has_no_place_here(
    bench: Bench, server: SimulatedServer, tmp_path: Path
) -> None:
    server.issue(valid())
    visit(bench, server, tmp_path / "stick")
    for stranger in (SimulatedServer(World.REAL), SimulatedServer(World.PRACTICE)):
        stranger.issue(valid(9, VIC))
        taken = bench.journal.take(stranger.arrivals, None)
        assert taken.new == 0
        rosters.keep(bench.journal, stranger.document)
        assert held(bench) == valid()


def test_a_station_cannot_issue_itself_a_roster(bench: Bench, server: SimulatedServer) -> None:
    from custody.errors import Refused

    made = valid(1, VIC)
    body = {"number": 1, "digest": hashlib.sha256(made.to_bytes()).hexdigest(), "not_after": "x", "roles": made.roles}
    with pytest.raises(Refused, match="may not sign"):
        bench.journal.append("roster.issued", "roster:1", body, key=bench.key, at=NOW)


def test_a_roster_ends_and_a_clock_set_back_does_not_help_it(
    bench: Bench, server: SimulatedServer, tmp_path: Path
) -> None:
    server.issue(shorter(roster(), 30))
    visit(bench, server, tmp_path / "stick")
    (event,) = (row.event for row in bench.journal.events(kind="roster.issued"))
    rosters.current(bench.journal, event.at)
    with pytest.raises(BadRoster, match="ended on"):
        rosters.current(bench.journal, NOON + timedelta(days=31))
    with pytest.raises(BadRoster, match="before roster 1 was made"):
        rosters.current(bench.journal, event.at - timedelta(days=1))


def test_a_document_that_says_other_roles_than_the_history_is_not_used(
    bench: Bench, server: SimulatedServer, tmp_path: Path
) -> None:
    made = valid()
    body = {
        "number": 1, "digest": hashlib.sha256(made.to_bytes()).hexdigest(), "not_after": made.not_after.isoformat(),
        "roles": {**made.roles, VIC.entry.ref: ["verifier"]},
    }  # fmt: skip
    server.document = made.to_bytes()
    server.say("roster.issued", "roster:1", body)
    assert any("does not say what" in text for text in visit(bench, server, tmp_path / "stick"))
    with pytest.raises(BadRoster, match="not here"):
        held(bench)


def test_a_torn_roster_on_the_stick_is_said_and_the_old_one_is_not_used(
    bench: Bench, server: SimulatedServer, tmp_path: Path
) -> None:
    server.issue(valid())
    stick = tmp_path / "stick"
    stick.mkdir()
    exchange(bench.journal, StickRoad(stick, bench.origin))
    serve_stick(stick, server)
    (file,) = stick.rglob("roster.kb")
    file.write_bytes(file.read_bytes()[:-7])
    told = exchange(bench.journal, StickRoad(stick, bench.origin)).messages
    assert any("roster.kb" in text for text in told)
    with pytest.raises(BadRoster):
        held(bench)
    serve_stick(stick, server)
    exchange(bench.journal, StickRoad(stick, bench.origin))
    assert held(bench) == valid()
