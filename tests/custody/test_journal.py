"""The journal: on the disk before it says so, never changed, never believed unchecked, usable after a full disk."""

import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

from custody.chain import START
from custody.errors import (
    BadEvent,
    BadSignature,
    JournalDamaged,
    JournalError,
    JournalFull,
    Reason,
    Refused,
    UnknownKey,
)
from custody.events import Event, OriginId, PrivateKey, Role, World
from custody.journal import Journal, salvage
from custody.roads import RefusedEvent
from custody.salvage import what_is_left
from tests.custody.simulators import CODE, NOW, Bench, SimulatedServer, locked, returned, small_disk


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path / "bench") as made:
        yield made


@pytest.fixture
def server() -> SimulatedServer:
    return SimulatedServer()


def fetch(bench: Bench, server: SimulatedServer) -> list[str]:
    """Take all of the server's history."""
    page = server.feed(bench.journal.position(), 10_000)
    return list(bench.journal.take(page.envelopes, page.position).messages)


# --- our own history ---


def test_a_new_journal_knows_whose_it_is_and_holds_nothing(bench: Bench) -> None:
    with Journal.open(bench.path, readonly=True) as journal:
        assert (journal.origin, journal.role, journal.world) == (bench.origin, Role.STATION, World.PRACTICE)
        assert journal.head() == START
        assert journal.events() == []
        assert journal.server() is None
        assert not journal.clock_trusted()


def test_a_journal_is_never_overwritten(bench: Bench) -> None:
    bench.say()
    with pytest.raises(JournalError, match="never overwritten"):
        Journal.create(bench.path, role=Role.KIOSK, world=World.REAL, key=PrivateKey.generate())
    assert bench.journal.head().seq == 1


def test_a_journal_that_is_not_there_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="make one with the program's 'init'"):
        Journal.open(tmp_path / "journal.sqlite")
    with pytest.raises(JournalError, match="no journal can be made"):
        Journal.create(tmp_path / "no" / "journal.sqlite", role=Role.KIOSK, world=World.REAL, key=PrivateKey.generate())


def test_events_form_a_chain_and_come_back_as_they_were(bench: Bench) -> None:
    said = [bench.say(f"{i}") for i in range(5)]
    bench.crash()
    assert [row.event for row in bench.journal.events()] == said
    assert [e.prev for e in said[1:]] == [e.hash for e in said[:-1]]
    assert [row.event.seq for row in bench.journal.events(after=2, limit=2)] == [3, 4]
    assert bench.journal.events(about="nothing") == []
    assert len(bench.journal.events(about=CODE, kind="device.locked")) == 5
    assert bench.journal.verify().events == 5


def test_what_does_not_fit_is_not_recorded(bench: Bench) -> None:
    with pytest.raises(BadEvent, match="missing"):
        bench.journal.append("device.locked", CODE, {"device": CODE}, key=bench.key, at=NOW)
    with pytest.raises(Refused, match=r"a station may not sign device\.returned"):
        bench.journal.append("device.returned", CODE, returned(), key=bench.key, at=NOW)
    with pytest.raises(UnknownKey):
        bench.journal.append("device.locked", CODE, locked(), key=PrivateKey.generate(), at=NOW)
    assert bench.journal.head() == START
    assert bench.journal.events() == []


def test_the_servers_key_cannot_write_in_our_name(bench: Bench, server: SimulatedServer) -> None:
    bench.meet(server)
    with pytest.raises(BadSignature, match="signed an event that says it is by"):
        bench.journal.append("device.locked", CODE, locked(), key=server.key, at=NOW)


def test_attachments_are_kept_once_under_their_digest(bench: Bench) -> None:
    digest = bench.journal.attach(b"evidence", "application/json")
    assert bench.journal.attach(b"evidence", "application/json") == digest
    assert bench.journal.attachment(digest) == b"evidence"
    assert bench.journal.unsent_attachments() == [digest]
    bench.journal.attachment_sent(digest)
    assert bench.journal.unsent_attachments() == []
    bench.journal.send_attachments_again()
    assert bench.journal.unsent_attachments() == [digest]


# --- append-only ---


@pytest.mark.parametrize("table", ["event", "mention", "attachment", "quarantine", "identity"])
@pytest.mark.parametrize("recursive", ["on", "off"])
def test_the_database_refuses_every_way_of_changing_history(
    bench: Bench, server: SimulatedServer, table: str, recursive: str
) -> None:
    bench.meet(server)
    bench.say()
    bench.journal.attach(b"x", "text/plain")
    bench.journal.take([b"rubbish"], 0)
    with sqlite3.connect(bench.path) as other:
        other.execute(f"PRAGMA recursive_triggers={recursive}")
        column = other.execute(f"SELECT name FROM pragma_table_info('{table}') LIMIT 1").fetchone()[0]
        before = other.execute(f"SELECT * FROM {table}").fetchall()
        assert before
        for sql in (
            f"UPDATE {table} SET {column} = {column}",
            f"DELETE FROM {table}",
            f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}",
            f"REPLACE INTO {table} SELECT * FROM {table} LIMIT 1",
            f"INSERT INTO {table} SELECT * FROM {table} WHERE 1 ON CONFLICT DO UPDATE SET {column} = {column}",
        ):
            with pytest.raises(sqlite3.DatabaseError):
                other.execute(sql)
            assert other.execute(f"SELECT * FROM {table}").fetchall() == before
    other.close()


def test_replacing_an_event_under_its_number_by_another_is_refused_too(bench: Bench) -> None:
    bench.say()
    other = sqlite3.connect(bench.path)
    with other, pytest.raises(sqlite3.DatabaseError, match="append-only"):
        other.execute(
            "INSERT OR REPLACE INTO event (hash, origin, seq, kind, subject, at, envelope, refused)"
            " SELECT 'other', origin, seq, kind, subject, at, envelope, refused FROM event"
        )
    other.close()


def test_the_file_is_set_so_that_a_commit_is_on_the_disk(bench: Bench) -> None:
    db = bench.journal._db
    assert next(db.query("PRAGMA journal_mode"))["journal_mode"] == "wal"
    assert next(db.query("PRAGMA synchronous"))["synchronous"] == 2
    assert next(db.query("PRAGMA recursive_triggers"))["recursive_triggers"] == 1


# --- the server's history ---


def test_the_servers_feed_is_admitted_and_our_own_events_come_back_as_known(
    bench: Bench, server: SimulatedServer
) -> None:
    bench.say()
    bench.meet(server)
    server.receive(bench.origin, bench.journal.unsent())
    assert bench.journal.unsent_count() == 1
    assert fetch(bench, server) == []
    assert bench.journal.unsent_count() == 0, "the server showed it to us, so it has it"
    assert bench.journal.head(server.origin).seq == 1
    assert fetch(bench, server) == []
    assert bench.journal.verify().events == 2


def test_a_refused_event_is_kept_with_its_reason_and_never_folded(
    bench: Bench, server: SimulatedServer, tmp_path: Path
) -> None:
    bench.meet(server)
    with Bench(tmp_path / "kiosk", Role.KIOSK) as kiosk:
        kiosk.meet(server)
        kiosk.say("before")
        server.receive(kiosk.origin, kiosk.journal.unsent())
        server.revoke(kiosk.origin)
        kiosk.say("after")
        kiosk.say("again")
        server.receive(kiosk.origin, kiosk.journal.unsent(after=1))
    assert fetch(bench, server) == []
    rows = bench.journal.events(kind="device.returned")
    assert [[r.code for r in row.refused] for row in rows] == [[], ["revoked"], ["revoked"]]
    assert [event.body["visit"] for event in bench.journal.about({CODE})] == ["before"]
    assert bench.journal.verify().refused == 2


def test_a_revoked_machine_still_records_and_says_so(bench: Bench, server: SimulatedServer) -> None:
    bench.meet(server)
    bench.say("offline, before we heard of it")
    server.revoke(bench.origin)
    fetch(bench, server)
    bench.say("after")
    assert bench.journal.about({CODE}) == [], "what was said beyond the revocation does not count here either"
    assert [r.code for r in bench.journal.events()[-1].refused] == ["revoked"]
    assert bench.journal.verify().events == 4


def test_what_the_server_refused_does_not_count_here(bench: Bench, server: SimulatedServer) -> None:
    bench.meet(server)
    first, second = bench.say("one"), bench.say("two")
    why = (Reason("role", "no"),)
    bench.journal.acknowledge(2, [RefusedEvent(1, first.hash, why), RefusedEvent(2, first.hash, why)])
    assert [e.hash for e in bench.journal.about({CODE})] == [second.hash]
    assert [row.refused for row in bench.journal.events()] == [why, ()]
    assert bench.journal.unsent_count() == 0


def test_a_forked_origin_is_suspended_and_the_rest_gets_through(
    bench: Bench, server: SimulatedServer, tmp_path: Path
) -> None:
    bench.meet(server)
    with Bench(tmp_path / "a") as one, Bench(tmp_path / "b", key=one.key) as twin, Bench(tmp_path / "c") as other:
        one.meet(server)
        other.meet(server)
        one.say("one")
        fetch(bench, server)
        bench.journal.take(one.journal.unsent(), bench.journal.position())
        twin.say("twin")
        twin.say("twin again")
        other.say("honest")
        taken = bench.journal.take([*twin.journal.unsent(), *other.journal.unsent()], bench.journal.position())
        assert (taken.new, taken.quarantined) == (1, 2)
        assert "exists twice" in taken.messages[0]
        assert bench.journal.writers()[one.origin].suspended
        assert [alarm.origin for alarm in bench.journal.alarms()] == [one.origin, one.origin]
        one.say("waits")
        taken = bench.journal.take(one.journal.unsent(after=1), bench.journal.position())
        assert "an administrator decides" in taken.messages[0]
        bench.journal.trust_again(one.origin)
        assert bench.journal.position() == 0
        assert bench.journal.take(one.journal.unsent(after=1), 0).new == 1
    bench.journal.verify()


def test_a_damaged_event_stops_only_its_own_chain_and_a_second_fetch_heals_it(
    bench: Bench, server: SimulatedServer, tmp_path: Path
) -> None:
    bench.meet(server)
    with Bench(tmp_path / "a") as one, Bench(tmp_path / "b") as two:
        for other in (one, two):
            other.meet(server)
        for i in range(3):
            one.say(f"{i}")
        two.say()
        server.receive(one.origin, one.journal.unsent())
        server.receive(two.origin, two.journal.unsent())
    good = list(server.arrivals)
    server.arrivals[3] = good[3].replace(b'"sig":"', b'"sig":"AAAA', 1)
    messages = fetch(bench, server)
    assert bench.journal.head(one.origin).seq == 0
    assert bench.journal.head(two.origin).seq == 1
    assert "signature does not fit" in messages[0]
    assert "event 2 came, but 1 is the next one" in messages[1]
    assert len(bench.journal.alarms()) == 3
    server.arrivals = good
    bench.journal.trust_again(one.origin)
    assert fetch(bench, server) == []
    assert bench.journal.head(one.origin).seq == 3
    bench.journal.verify()


@pytest.mark.parametrize("rubbish", [b"", b"{", b"\x00" * 100, b'{"payload": "AA=="}', b"[" * 50_000])
def test_rubbish_from_the_server_is_put_aside(bench: Bench, server: SimulatedServer, rubbish: bytes) -> None:
    bench.meet(server)
    taken = bench.journal.take([rubbish, *server.arrivals], 2)
    assert (taken.new, taken.quarantined, taken.position) == (1, 1, 2)


def test_events_of_the_other_world_are_put_aside(bench: Bench) -> None:
    real = SimulatedServer(World.REAL)
    bench.journal.enrol(real.writer, "https://server.invalid")
    real.enrol(bench.origin, Role.STATION, bench.key.public)
    assert "practice and real never mix" in fetch(bench, real)[0]


def test_a_journal_does_not_change_its_server(bench: Bench, server: SimulatedServer) -> None:
    bench.meet(server)
    bench.journal.enrol(server.writer, "https://moved.invalid")
    assert bench.journal.url() == "https://moved.invalid"
    with pytest.raises(Refused, match="belongs to the server"):
        bench.journal.enrol(SimulatedServer().writer, "https://other.invalid")


def test_our_own_lost_events_come_back_from_the_server(bench: Bench, server: SimulatedServer, tmp_path: Path) -> None:
    bench.meet(server)
    for i in range(3):
        bench.say(f"{i}")
    server.receive(bench.origin, bench.journal.unsent())
    with Bench(tmp_path / "new", key=bench.key) as anew:
        anew.journal.enrol(server.writer, "https://server.invalid")
        fetch(anew, server)
        assert anew.journal.head() == bench.journal.head()
        assert anew.journal.unsent_count() == 0
        assert anew.say("goes on").seq == 4


# --- checkpoints ---


def test_a_checkpoint_that_fits_raises_no_alarm(bench: Bench, server: SimulatedServer) -> None:
    bench.meet(server)
    bench.say("unsent")
    server.sign_checkpoint()
    assert fetch(bench, server) == []
    newest = server.checkpoint()
    assert newest is not None
    assert bench.journal.witness(newest) == []


def test_a_server_that_cut_the_tail_of_its_history_is_noticed(bench: Bench, server: SimulatedServer) -> None:
    bench.meet(server)
    for i in range(4):
        bench.say(f"{i}")
    server.receive(bench.origin, bench.journal.unsent())
    server.sign_checkpoint()
    fetch(bench, server)
    server.restore(server.arrivals[:3])
    server.sign_checkpoint()
    newest = server.checkpoint()
    assert newest is not None
    assert "exists twice" in bench.journal.witness(newest)[0].text
    assert bench.journal.alarms()


def test_a_server_whose_later_checkpoint_forgets_what_it_sent_is_noticed(bench: Bench, server: SimulatedServer) -> None:
    bench.meet(server)
    bench.say("one")
    bench.say("two")
    server.receive(bench.origin, bench.journal.unsent())
    fetch(bench, server)
    own = [envelope for envelope in server.arrivals if envelope in server.arrivals[:1]]
    server.restore([*own, bench.journal.unsent(after=0)[0]])
    server.sign_checkpoint()
    messages = [*bench.journal.take(server.arrivals[2:], 4).messages]
    assert any("history was cut" in message for message in messages)


def test_a_checkpoint_that_the_feed_does_not_reach_is_noticed(bench: Bench, server: SimulatedServer) -> None:
    bench.meet(server)
    fetch(bench, server)
    server.sign_checkpoint()
    newest = server.checkpoint()
    assert newest is not None
    assert bench.journal.witness(newest)[0].code == "history-cut"
    assert bench.journal.witness(b"rubbish")[0].code == "no-checkpoint"
    assert bench.journal.witness(server.arrivals[0])[0].code == "no-checkpoint"


# --- full disks ---


def talk_until_it_fails(bench: Bench, said: list[Event], size: int) -> None:
    """Append events of this size, remembering each that was reported as recorded."""
    for i in range(500):
        said.append(bench.say(f"{i} " + "x" * size))  # noqa: PERF401 - the failing one must not be in it


def fill(path: Path) -> None:
    """Use up the disk."""
    with path.open("wb", buffering=0) as filler:
        try:
            while True:
                filler.write(b"\0" * 4096)
        except OSError:
            return


def test_a_full_disk_records_nothing_and_the_journal_goes_on_after_room_is_made(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1024) as disk, Bench(disk) as bench:
        said = [bench.say("before")]
        fill(disk / "filler")
        with pytest.raises(JournalFull, match=r"nothing was recorded\. Make room"):
            talk_until_it_fails(bench, said, 500)
        with pytest.raises(JournalFull):
            bench.journal.attach(b"x" * 100_000, "text/plain")
        assert [row.event for row in bench.journal.events()] == said
        (disk / "filler").unlink()
        said.append(bench.say("after"))
        assert bench.journal.verify().events == len(said)
        bench.crash()
        assert [row.event for row in bench.journal.events()] == said


def test_a_file_size_limit_is_told_as_a_full_disk_too(bench: Bench) -> None:
    said = [bench.say("before")]
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, old[1]))
    try:
        with pytest.raises(JournalFull):
            talk_until_it_fails(bench, said, 3000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    said.append(bench.say("after"))
    assert [row.event for row in bench.journal.events()] == said
    bench.journal.verify()


# --- damage ---


def scribble(path: Path, at: int, length: int) -> None:
    """Overwrite bytes of the file."""
    with path.open("r+b") as file:
        file.seek(at)
        file.write(random.Random(at).randbytes(length))


def test_a_corrupted_page_is_told_with_what_to_do_and_the_rest_is_salvaged(
    bench: Bench, server: SimulatedServer
) -> None:
    bench.meet(server)
    said = [bench.say(f"{i} " + "x" * 700) for i in range(200)]
    bench.journal.close()
    size = bench.path.stat().st_size
    scribble(bench.path, size // 2 // 4096 * 4096, 4096)
    with Journal.open(bench.path) as journal:
        with pytest.raises(JournalDamaged) as told:
            journal.verify()
        assert "do not delete it" in str(told.value)
        assert "already acknowledged is safe" in str(told.value)
        assert "can still be read and proven" in str(told.value)
        with pytest.raises(JournalDamaged):
            journal.events()
    left = salvage(bench.path)
    assert len(said) - 12 <= len(left) < len(said)
    envelopes = set(left)
    with Bench(bench.folder / "new", key=bench.key) as anew:
        anew.meet(server)
        server.receive(bench.origin, left[:1])
        anew.journal.take(left, None)
        assert anew.journal.events()[0].envelope in envelopes


@pytest.mark.parametrize("seed", range(40))
def test_damage_anywhere_is_noticed_or_harmless_and_never_believed(bench: Bench, seed: int) -> None:
    rng = random.Random(seed)
    said = {bench.say(f"{i} " + "x" * 300).hash for i in range(40)}
    bench.journal.close()
    size = bench.path.stat().st_size
    for _ in range(rng.randint(1, 4)):
        scribble(bench.path, rng.randrange(size), rng.choice([1, 16, 300]))
    try:
        with Journal.open(bench.path) as journal:
            assert {row.event.hash for row in journal.events()} <= said
            journal.verify()
            assert {row.event.hash for row in journal.events()} == said
    except JournalError as error:
        assert isinstance(error, JournalDamaged)  # noqa: PT017 - either outcome is right, a third is not
    assert len(salvage(bench.path, [bench.key.public])) <= len(said)
    assert what_is_left(bench.path)


def test_salvage_reads_what_is_still_in_the_write_ahead_log(bench: Bench) -> None:
    for i in range(20):
        bench.say(f"{i}")
    assert bench.path.with_name("journal.sqlite-wal").stat().st_size > 0
    assert len(salvage(bench.path)) == 20


def test_salvage_follows_long_rows(bench: Bench) -> None:
    for i in range(5):
        bench.say("y" * (20_000 + i))
    bench.journal.close()
    assert len(salvage(bench.path)) == 5


def test_a_file_that_is_no_journal_is_told(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").write_bytes(b"not a database" * 1000)
    with pytest.raises(JournalDamaged, match="No event in it can be proven"):
        Journal.open(tmp_path / "journal.sqlite")
    assert salvage(tmp_path / "journal.sqlite") == []


def test_an_edited_row_is_never_believed(bench: Bench) -> None:
    bench.say("one")
    bench.journal.close()
    other = sqlite3.connect(bench.path)
    with other:
        other.execute("DROP TRIGGER event_no_update")
        other.execute("UPDATE event SET kind = 'device.unlocked'")
    other.close()
    with Journal.open(bench.path) as journal:
        for look in (journal.events, journal.verify, lambda: journal.about({CODE})):
            with pytest.raises(JournalDamaged, match="columns"):
                look()
        with pytest.raises(JournalDamaged):
            journal.append("device.locked", CODE, locked(), key=bench.key, at=NOW)


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM event WHERE n = 2",
        "DELETE FROM mention WHERE n = 2",
        "UPDATE mention SET subject = 'elsewhere' WHERE n = 1",
        "UPDATE event SET refused = '[]' WHERE n = 4",
        "UPDATE attachment SET data = x'00'",
        "DELETE FROM event WHERE n = 3; UPDATE event SET n = 3 WHERE n = 4",
    ],
)
def test_verify_notices_what_somebody_with_the_file_could_do(bench: Bench, server: SimulatedServer, sql: str) -> None:
    bench.meet(server)
    bench.say("one")
    server.revoke(bench.origin)
    bench.journal.take(server.arrivals, 2)
    bench.say("refused, for we are revoked")
    bench.journal.attach(b"evidence", "text/plain")
    assert bench.journal.verify().refused == 1
    bench.journal.close()
    other = sqlite3.connect(bench.path)
    for table in ("event", "mention", "attachment"):
        for verb in ("update", "delete"):
            other.execute(f"DROP TRIGGER {table}_no_{verb}")
    other.executescript(sql)
    other.close()
    bench.journal = Journal.open(bench.path)
    with pytest.raises(JournalDamaged):
        bench.journal.verify()


# --- several processes, and being killed ---

CHILD = """
import sys
from pathlib import Path
from custody.events import PrivateKey
from custody.journal import Journal
from tests.custody.simulators import CODE, NOW, locked
key = PrivateKey(bytes.fromhex(sys.argv[2]))
with Journal.open(Path(sys.argv[1])) as journal:
    for i in range(int(sys.argv[3])):
        event = journal.append("device.locked", CODE, locked(str(i)), key=key, at=NOW)
        print(event.seq, event.hash, flush=True)
"""


def writer(bench: Bench, count: int) -> "subprocess.Popen[str]":
    """Start another process that appends and says each number after it was recorded."""
    argv = [sys.executable, "-c", CHILD, str(bench.path), bench.key.raw.hex(), str(count)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])


def test_several_processes_append_to_one_chain(bench: Bench) -> None:
    children = [writer(bench, 15) for _ in range(3)]
    for i in range(15):
        bench.say(f"here {i}")
    for child in children:
        out, _ = child.communicate(timeout=60)
        assert child.returncode == 0
        assert len(out.splitlines()) == 15
    assert bench.journal.verify().heads[bench.origin].seq == 60


def append_for_ever(bench: Bench) -> tuple[int, TextIO]:
    """Fork a process that appends and says each number and hash after `append` returned; the journal is closed here."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child:
        os.close(theirs)
        return child, os.fdopen(ours)
    try:
        journal = Journal.open(bench.path)
        while True:
            event = journal.append("device.locked", CODE, locked(), key=bench.key, at=NOW)
            os.write(theirs, f"{event.seq} {event.hash}\n".encode())
    finally:
        os._exit(1)


def test_after_kill_9_every_event_that_was_reported_is_there(bench: Bench) -> None:
    rng = random.Random(2)
    for _ in range(30):
        before = bench.journal.head().seq
        bench.journal.close()
        child, said = append_for_ever(bench)
        first = said.readline()
        time.sleep(rng.random() * 0.03)
        os.kill(child, signal.SIGKILL)
        reported = [first, *said.readlines()]
        said.close()
        os.waitpid(child, 0)
        bench.journal = Journal.open(bench.path)
        held = {row.event.seq: row.event.hash for row in bench.journal.events()}
        whole = [line.split() for line in reported if line.endswith("\n")]
        assert whole
        assert [held[int(seq)] for seq, _ in whole] == [name for _, name in whole]
        assert before + len(whole) <= bench.journal.head().seq <= before + len(whole) + 1
    assert bench.journal.verify().events == bench.journal.head().seq


def test_a_journal_that_another_holds_is_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("custody.journalfile.PATIENCE", 0.1)
    with Journal.open(bench.path) as other, other._writing(), Journal.open(bench.path) as journal:
        with pytest.raises(JournalError, match="another program has held the journal"):
            journal.append("device.locked", CODE, locked(), key=bench.key, at=NOW)
        assert journal.events() == [], "reading goes on"


def test_the_clock_is_trusted_only_when_the_server_confirmed_it(bench: Bench) -> None:
    bench.journal.note_clock(3600.0)
    assert bench.journal.clock_offset() == 3600.0
    assert not bench.journal.clock_trusted()
    bench.journal.note_clock(-2.0)
    assert bench.journal.clock_trusted()


def test_what_a_device_is_known_for_can_be_folded_here(bench: Bench) -> None:
    bench.say()
    assert bench.journal.facts_about(CODE) is not None
    with pytest.raises(Refused, match="not known here"):
        bench.journal.trust_again(OriginId("station-0000000000000000"))
