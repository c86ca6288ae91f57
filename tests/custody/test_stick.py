"""The stick: whole files or none, any order of visits, pulled out at any moment, and nothing is lost."""

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from custody.errors import RoadDown, SyncRefused
from custody.events import Role
from custody.stick import StickRoad, serve_stick
from custody.stickfile import MAGIC, Torn, read_file, write_file
from custody.sync import Exchanged, exchange
from tests.custody.simulators import CODE, Bench, SimulatedServer, locked, small_disk


@pytest.fixture
def server() -> SimulatedServer:
    return SimulatedServer()


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    folder = tmp_path / "stick"
    folder.mkdir()
    return folder


@pytest.fixture
def bench(tmp_path: Path, server: SimulatedServer) -> Iterator[Bench]:
    with Bench(tmp_path / "bench") as made:
        yield made.meet(server)


def visit(bench: Bench, stick: Path) -> Exchanged:
    """Put the stick into the bench."""
    return exchange(bench.journal, StickRoad(stick, bench.origin))


def files(stick: Path, bench: Bench) -> list[str]:
    return sorted(path.name for path in (stick / "kitbank" / bench.origin).iterdir())


def same_history(bench: Bench, server: SimulatedServer) -> bool:
    held = {row.envelope for row in bench.journal.events()}
    return held == set(server.arrivals) and bench.journal.unsent_count() == 0


# --- the files ---


def test_a_file_comes_back_as_it_was(tmp_path: Path) -> None:
    records = [b"", b"one", b"\xff" * 8, os.urandom(100_000)]
    write_file(tmp_path / "sub" / "x.kb", {"kind": "test", "n": 1}, records)
    found = read_file(tmp_path / "sub" / "x.kb", "test")
    assert (found.records, found.about["n"]) == (records, 1)
    with pytest.raises(Torn, match="not a file of kind other"):
        read_file(tmp_path / "sub" / "x.kb", "other")


def test_a_file_cut_off_anywhere_is_torn_and_no_part_of_it_is_used(tmp_path: Path) -> None:
    path = tmp_path / "x.kb"
    write_file(path, {"kind": "test"}, [b"one" * 20, b"two" * 20])
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(Torn):
            read_file(path, "test")


def test_a_file_changed_anywhere_is_torn(tmp_path: Path) -> None:
    path = tmp_path / "x.kb"
    write_file(path, {"kind": "test"}, [b"one" * 20, b"two" * 20])
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(Torn):
            read_file(path, "test")
    path.write_bytes(whole + b"x")
    with pytest.raises(Torn):
        read_file(path, "test")


def test_a_file_that_is_there_already_is_not_written_again(tmp_path: Path) -> None:
    write_file(tmp_path / "x.kb", {"kind": "test"}, [b"one"])
    before = (tmp_path / "x.kb").stat().st_ino
    write_file(tmp_path / "x.kb", {"kind": "test"}, [b"one"])
    assert (tmp_path / "x.kb").stat().st_ino == before
    write_file(tmp_path / "x.kb", {"kind": "test"}, [b"two"])
    assert read_file(tmp_path / "x.kb", "test").records == [b"two"]
    assert list(tmp_path.iterdir()) == [tmp_path / "x.kb"]


# --- to and fro ---


def test_a_stick_carries_events_evidence_and_history_both_ways(
    bench: Bench, server: SimulatedServer, stick: Path, tmp_path: Path
) -> None:
    bench.say("one")
    bench.say("two")
    digest = bench.journal.attach(b"evidence", "text/plain")
    first = visit(bench, stick)
    assert (first.sent, first.acked, first.waiting, first.stuck) == (2, 0, 2, False)
    assert files(stick, bench) == [f"attachment-{digest}.kb", "events-000000000001-000000000002.kb", "wants.kb"]
    server.sign_checkpoint()
    report = serve_stick(stick, server)[0]
    assert (report.origin, report.received, report.through, report.attachments) == (bench.origin, 2, 2, 1)
    assert report.messages == ()
    assert server.attachments[digest] == b"evidence"
    second = visit(bench, stick)
    assert (second.sent, second.acked, second.taken, second.waiting) == (0, 2, 2, 0)
    assert second.messages == ()
    assert same_history(bench, server)
    assert bench.journal.unsent_attachments() == []
    assert "events-000000000001-000000000002.kb" not in files(stick, bench)
    assert f"attachment-{digest}.kb" not in files(stick, bench)
    assert bench.journal.clock_offset() is None


def test_every_visit_may_be_repeated(bench: Bench, server: SimulatedServer, stick: Path) -> None:
    for i in range(3):
        bench.say(f"{i}")
        for _ in range(2):
            visit(bench, stick)
        for _ in range(2):
            report = serve_stick(stick, server)[0]
            assert report.through == i + 1
            assert report.messages == ()
    for _ in range(2):
        assert visit(bench, stick).messages == ()
    assert same_history(bench, server)


def test_only_what_is_new_is_carried(bench: Bench, server: SimulatedServer, stick: Path) -> None:
    for i in range(250):
        bench.say(f"{i}")
    visit(bench, stick)
    assert serve_stick(stick, server)[0].received == 250
    visit(bench, stick)
    serve_stick(stick, server)
    assert visit(bench, stick).taken == 0
    server.say("device.locked", CODE, locked())
    assert serve_stick(stick, server)[0].given == 1
    assert visit(bench, stick).taken == 1
    assert [name for name in files(stick, bench) if name.startswith(("events", "attachment"))] == []


def test_two_benches_share_a_stick_and_learn_of_each_other(
    bench: Bench, server: SimulatedServer, stick: Path, tmp_path: Path
) -> None:
    with Bench(tmp_path / "kiosk", Role.KIOSK) as kiosk:
        kiosk.meet(server)
        kiosk.say()
        bench.say()
        for _ in range(2):
            visit(bench, stick)
            visit(kiosk, stick)
            assert len(serve_stick(stick, server)) == 2
        visit(bench, stick)
        visit(kiosk, stick)
        assert same_history(bench, server)
        assert same_history(kiosk, server)


def test_what_the_server_refused_is_told_even_when_the_stick_was_served_twice(
    bench: Bench, server: SimulatedServer, stick: Path
) -> None:
    bench.say("before")
    visit(bench, stick)
    serve_stick(stick, server)
    server.revoke(bench.origin)
    bench.say("after")
    bench.say("later")
    visit(bench, stick)
    assert serve_stick(stick, server)[0].refused == 2
    assert serve_stick(stick, server)[0].refused == 0
    assert [one.seq for one in visit(bench, stick).refused] == [2, 3]
    assert len(bench.journal.about({CODE})) == 1


def test_a_stranger_on_the_stick_is_told_and_given_nothing(
    server: SimulatedServer, stick: Path, tmp_path: Path
) -> None:
    with Bench(tmp_path / "other") as other:
        other.say()
        with pytest.raises(SyncRefused, match="not enrolled"):
            visit(other, stick)
        other.journal.enrol(server.writer, "https://server.invalid")
        visit(other, stick)
        report = serve_stick(stick, server)[0]
        assert "not enrolled here" in report.messages[0]
        assert report.given == 0
        done = visit(other, stick)
        assert "not enrolled here" in done.messages[0]
        assert done.waiting == 1
        other.meet(server)
        serve_stick(stick, server)
        assert visit(other, stick).waiting == 0


def test_a_fork_on_the_stick_is_told_on_both_sides(
    bench: Bench, server: SimulatedServer, stick: Path, tmp_path: Path
) -> None:
    with Bench(tmp_path / "twin", key=bench.key) as twin:
        twin.journal.enrol(server.writer, "https://server.invalid")
        bench.say("one")
        server.receive(bench.origin, bench.journal.unsent())
        twin.say("another")
        twin.say("and more")
        visit(twin, stick)
        report = serve_stick(stick, server)[0]
        assert "exists twice" in report.messages[0]
        done = visit(twin, stick)
        assert done.stuck
        assert any("exists twice" in message for message in done.messages)


def test_history_of_another_server_is_not_taken(bench: Bench, server: SimulatedServer, stick: Path) -> None:
    visit(bench, stick)
    other = SimulatedServer()
    other.enrol(bench.origin, Role.STATION, bench.key.public)
    serve_stick(stick, other)
    assert "not of our server" in visit(bench, stick).messages[0]
    assert bench.journal.alarms() == []
    assert bench.journal.position() == 0
    serve_stick(stick, server)
    visit(bench, stick)
    assert same_history(bench, server)


def test_an_old_stick_turning_up_late_does_no_harm(
    bench: Bench, server: SimulatedServer, stick: Path, tmp_path: Path
) -> None:
    bench.say("one")
    visit(bench, stick)
    serve_stick(stick, server)
    old = tmp_path / "old"
    shutil.copytree(stick, old)
    for i in range(3):
        bench.say(f"{i}")
        visit(bench, stick)
        serve_stick(stick, server)
    visit(bench, stick)
    done = visit(bench, old)
    assert (done.messages, done.waiting, done.stuck) == ((), 0, False)
    assert bench.journal.acknowledged() == 4
    serve_stick(old, server)
    visit(bench, old)
    assert same_history(bench, server)


# --- pulled out ---


def test_no_stick_and_a_stick_that_vanishes_are_told(bench: Bench, server: SimulatedServer, stick: Path) -> None:
    bench.say()
    with pytest.raises(RoadDown, match="there is no stick at"):
        visit(bench, stick / "nowhere")
    with pytest.raises(RoadDown, match="there is no stick at"):
        serve_stick(stick / "nowhere", server)
    road = StickRoad(stick, bench.origin)
    shutil.rmtree(stick)
    with pytest.raises(RoadDown, match=r"Put it in again and sync again.*1 event of ours wait here, none is lost"):
        exchange(bench.journal, road)


def test_a_full_stick_is_told_and_the_next_one_completes(
    bench: Bench, server: SimulatedServer, tmp_path: Path, stick: Path
) -> None:
    bench.say("y" * 60_000)
    with small_disk(tmp_path / "small", 48) as small, pytest.raises(RoadDown, match="is full; nothing is lost"):
        visit(bench, small)
    visit(bench, stick)
    serve_stick(stick, server)
    visit(bench, stick)
    assert same_history(bench, server)


def test_a_stick_that_cannot_be_written_is_told(bench: Bench, stick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.say()

    def locked_stick(*_: object, **__: object) -> int:
        raise PermissionError(30, os.strerror(30))

    road = StickRoad(stick, bench.origin)
    monkeypatch.setattr(os, "open", locked_stick)
    with pytest.raises(RoadDown, match="cannot be written"):
        road.push(bench.origin, bench.journal.unsent())


@pytest.mark.parametrize("seed", range(12))
def test_torn_files_are_told_ignored_and_written_again(
    bench: Bench, server: SimulatedServer, stick: Path, seed: int
) -> None:
    rng = random.Random(seed)
    for i in range(5):
        bench.say(f"{i}")
    bench.journal.attach(b"evidence", "text/plain")
    server.sign_checkpoint()
    told: list[str] = []
    for turn in range(8):
        told += visit(bench, stick).messages if turn % 2 == 0 else serve_stick(stick, server)[0].messages
        home = stick / "kitbank" / bench.origin
        if turn < 5:
            for path in home.iterdir():
                if rng.random() < 0.5:
                    path.write_bytes(path.read_bytes()[: rng.randrange(path.stat().st_size)])
    assert any("torn" in message or "not a file of ours" in message for message in told)
    for _ in range(2):
        visit(bench, stick)
        serve_stick(stick, server)
    visit(bench, stick)
    assert same_history(bench, server)
    assert bench.journal.unsent_attachments() == []
    assert bench.journal.alarms() == []


def test_evidence_with_the_wrong_bytes_is_told(bench: Bench, server: SimulatedServer, stick: Path) -> None:
    digest = bench.journal.attach(b"evidence", "text/plain")
    visit(bench, stick)
    write_file(
        stick / "kitbank" / bench.origin / f"attachment-{digest}.kb", {"kind": "attachment", "digest": digest}, [b"x"]
    )
    assert "was not taken" in serve_stick(stick, server)[0].messages[0]
    visit(bench, stick)
    serve_stick(stick, server)
    visit(bench, stick)
    assert bench.journal.unsent_attachments() == []


def test_other_things_on_the_stick_are_left_alone(bench: Bench, server: SimulatedServer, stick: Path) -> None:
    (stick / "holiday.jpg").write_bytes(b"x")
    (stick / "kitbank").mkdir()
    (stick / "kitbank" / "notes.txt").write_text("x")
    (stick / "kitbank" / "station-0000000000000000").symlink_to(stick)
    visit(bench, stick)
    home = stick / "kitbank" / bench.origin
    (home / "events-1-2.kb").write_bytes(MAGIC)
    (home / "ack.kb.bak").write_bytes(b"x")
    assert len(serve_stick(stick, server)) == 1
    visit(bench, stick)
    assert same_history(bench, server)
    assert (stick / "holiday.jpg").exists()


@pytest.mark.parametrize("ack", [{"through": "x"}, 5, {"through": 1}, {"through": 1, "hash": "x", "refused": [1]}])
def test_an_answer_that_makes_no_sense_is_told_and_holds_nothing_up(
    bench: Bench, server: SimulatedServer, stick: Path, ack: object
) -> None:
    visit(bench, stick)
    bench.say()
    write_file(stick / "kitbank" / bench.origin / "ack.kb", {"kind": "ack", "ack": ack, "messages": 7}, [])
    done = visit(bench, stick)
    assert "makes no sense" in done.messages[0]
    assert done.sent == 1
    serve_stick(stick, server)
    visit(bench, stick)
    assert same_history(bench, server)


def test_what_is_no_event_cannot_be_put_on_a_stick(bench: Bench, stick: Path) -> None:
    with pytest.raises(SyncRefused, match="not an event"):
        StickRoad(stick, bench.origin).push(bench.origin, [b"rubbish"])
