"""One exchange over either road: repeatable, never losing, telling in sentences what a person must know."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from custody.chain import root_statement
from custody.errors import Refused, RoadDown, SyncRefused
from custody.events import OriginId, PrivateKey, PublicKey, Role, World
from custody.journal import Journal
from custody.sync import Exchanged, HttpRoad, UnknownOrigin, enrol, exchange
from tests.custody.simulators import CODE, NOW, Bench, SimulatedServer, Site, locked, served


@pytest.fixture
def server() -> SimulatedServer:
    return SimulatedServer()


@pytest.fixture
def site(server: SimulatedServer) -> Iterator[Site]:
    with served(server) as running:
        yield running


@pytest.fixture
def bench(tmp_path: Path, server: SimulatedServer, site: Site) -> Iterator[Bench]:
    with Bench(tmp_path / "bench") as made:
        yield made.meet(server, site.url)


def road(bench: Bench, now: datetime = NOW) -> HttpRoad:
    return HttpRoad(bench.journal.url() or "", bench.origin, bench.transport, lambda: now)


def sync(bench: Bench) -> Exchanged:
    return exchange(bench.journal, road(bench))


def same_history(bench: Bench, server: SimulatedServer) -> bool:
    """Tell whether both hold the same events."""
    held = {row.envelope for row in bench.journal.events()}
    return held == set(server.arrivals) and bench.journal.unsent_count() == 0


def test_an_exchange_brings_both_to_the_same_history(bench: Bench, server: SimulatedServer) -> None:
    for i in range(3):
        bench.say(f"{i}")
    done = sync(bench)
    assert (done.sent, done.acked, done.taken, done.waiting, done.stuck) == (3, 3, 1, 0, False)
    assert done.messages == ()
    assert done.clock_offset_seconds == 0.0
    assert bench.journal.clock_trusted()
    assert same_history(bench, server)


def test_doing_it_again_changes_nothing(bench: Bench, server: SimulatedServer) -> None:
    bench.say()
    sync(bench)
    arrivals = list(server.arrivals)
    done = sync(bench)
    assert (done.sent, done.acked, done.taken, done.messages) == (0, 0, 0, ())
    assert server.arrivals == arrivals


def test_an_origin_that_is_not_enrolled_keeps_its_events(tmp_path: Path, site: Site, server: SimulatedServer) -> None:
    with Bench(tmp_path / "other") as other:
        other.say()
        with pytest.raises(SyncRefused, match="not enrolled with a server yet"):
            exchange(other.journal, HttpRoad(site.url, other.origin, other.transport, lambda: NOW))
        other.journal.enrol(server.writer, site.url)
        with pytest.raises(UnknownOrigin, match=r"does not know this machine.*enrol it.*1 event of ours wait here"):
            sync(other)
        assert other.journal.unsent_count() == 1
        other.meet(server, site.url)
        assert sync(other).acked == 1


def test_many_events_go_in_batches_and_partial_acknowledgements_are_enough(
    bench: Bench, server: SimulatedServer, site: Site
) -> None:
    for i in range(450):
        bench.say(f"{i}")
    server.takes_at_most = 70
    done = sync(bench)
    assert done.acked == 450
    assert same_history(bench, server)
    assert site.asked.count("POST /api/events") == 1 + 7


def test_a_batch_is_limited_in_bytes(bench: Bench, server: SimulatedServer, site: Site) -> None:
    for i in range(60):
        bench.say(f"{i}" + "x" * 90_000)
    sync(bench)
    assert site.asked.count("POST /api/events") == 1 + 2
    assert same_history(bench, server)


def test_a_refused_event_in_the_middle_holds_nothing_up(bench: Bench, server: SimulatedServer) -> None:
    bench.say("before")
    sync(bench)
    server.revoke(bench.origin)
    bench.say("after")
    bench.say("later")
    done = sync(bench)
    assert (done.acked, done.waiting, done.stuck) == (2, 0, False)
    assert [[r.code for r in one.reasons] for one in done.refused] == [["revoked"], ["revoked"]]
    assert [e.body["seen"] for e in bench.journal.about({CODE})] == ["before"]


def test_a_server_put_back_to_an_earlier_state_gets_everything_again(bench: Bench, server: SimulatedServer) -> None:
    for i in range(5):
        bench.say(f"{i}")
    digest = bench.journal.attach(b"evidence", "text/plain")
    sync(bench)
    server.restore(server.arrivals[:3])
    server.attachments.clear()
    done = sync(bench)
    assert server.ledger.head(bench.origin) == bench.journal.head()
    assert digest in server.attachments
    assert (done.waiting, done.stuck) == (0, False)
    assert "put back to an earlier state" in done.messages[0]


def test_a_gap_that_shows_only_when_sending_is_filled(bench: Bench, server: SimulatedServer) -> None:
    for i in range(4):
        bench.say(f"{i}")
    bench.journal.acknowledge(2)

    class Silent(HttpRoad):
        def acknowledged(self, origin: object) -> None:
            return None

    done = exchange(bench.journal, Silent(bench.journal.url() or "", bench.origin, bench.transport, lambda: NOW))
    assert "asked for our events from 1 on again" in done.messages[0]
    assert done.waiting == 0
    assert same_history(bench, server)


def test_a_fork_is_told_and_the_servers_history_still_comes(
    bench: Bench, server: SimulatedServer, tmp_path: Path, site: Site
) -> None:
    bench.say("first")
    sync(bench)
    with Bench(tmp_path / "twin", key=bench.key) as twin:
        twin.journal.enrol(server.writer, site.url)
        twin.transport = bench.transport
        twin.say("another first")
        twin.say("another second")
        server.sign_checkpoint()
        done = sync(twin)
        assert done.stuck
        assert "exists twice" in done.messages[0]
        assert any("its key is used on two machines" in message for message in done.messages)
        assert twin.journal.head(server.origin).seq == 2
        assert [row.event.body["seen"] for row in twin.journal.events(kind="device.locked")][:2] == [
            "another first", "another second"
        ]  # fmt: skip
        assert twin.say("nothing is refused here").seq == 3


def test_an_old_copy_of_a_journal_gets_its_lost_events_back(bench: Bench, server: SimulatedServer) -> None:
    bench.say("in the copy")
    bench.journal.close()
    copy = bench.path.read_bytes()
    bench.journal = Journal.open(bench.path)
    bench.say("lost")
    sync(bench)
    bench.journal.close()
    bench.path.write_bytes(copy)
    bench.journal = Journal.open(bench.path)
    done = sync(bench)
    assert "this journal is an older copy" in done.messages[0]
    assert done.stuck is False
    assert same_history(bench, server)
    bench.say("goes on")
    assert sync(bench).acked == 1


@pytest.mark.parametrize("hours", [1, -1, 24 * 400])
def test_a_wrong_clock_is_corrected_for_told_and_remembered(bench: Bench, server: SimulatedServer, hours: int) -> None:
    bench.say()
    done = exchange(bench.journal, road(bench, NOW - timedelta(hours=hours)))
    assert done.waiting == 0
    assert done.clock_offset_seconds == hours * 3600
    assert "clock is" in done.messages[-1]
    assert ("behind" if hours > 0 else "ahead of") in done.messages[-1]
    assert not bench.journal.clock_trusted()
    assert bench.journal.clock_offset() == hours * 3600
    sync(bench)
    assert bench.journal.clock_trusted()
    assert same_history(bench, server)


def test_a_server_whose_clock_jumps_about_is_a_refusal_and_no_endless_loop(bench: Bench, site: Site) -> None:
    bench.say()

    site.jumps = timedelta(hours=2)
    with pytest.raises(SyncRefused, match="differ by"):
        sync(bench)
    assert site.asked == ["POST /api/events"] * 2
    assert bench.journal.unsent_count() == 1


def test_evidence_goes_before_the_events_that_name_it(bench: Bench, server: SimulatedServer, site: Site) -> None:
    digest = bench.journal.attach(b"evidence" * 100_000, "application/json")
    bench.say()
    sync(bench)
    assert server.attachments[digest] == b"evidence" * 100_000
    put = site.asked.index(f"PUT /api/attachments/{digest}")
    assert site.asked.index("POST /api/events", 1) > put
    sync(bench)
    assert site.asked.count(f"PUT /api/attachments/{digest}") == 1
    bench.journal.send_attachments_again()
    sync(bench)
    assert server.log == [f"attachment {digest[:8]}"], "the server said that it had it"


def test_evidence_that_is_refused_holds_no_event_up(
    bench: Bench, server: SimulatedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.journal.attach(b"too big", "application/json")
    bench.say()

    def refuse(*_: object) -> None:
        raise SyncRefused("too big for us")

    monkeypatch.setattr(server, "put_attachment", refuse)
    done = sync(bench)
    assert done.acked == 1
    assert "too big for us" in done.messages[0]
    assert bench.journal.unsent_attachments()


@pytest.mark.parametrize("answers", range(9))
def test_a_network_that_dies_at_any_request_loses_nothing(
    bench: Bench, server: SimulatedServer, site: Site, answers: int
) -> None:
    for i in range(250):
        bench.say(f"{i}")
    bench.journal.attach(b"evidence", "text/plain")
    site.hang_up_after = answers
    try:
        sync(bench)
    except RoadDown as error:
        told = str(error)
        assert re.search("cannot be reached.*none is lost", told)
    site.hang_up_after = None
    server.sign_checkpoint()
    assert sync(bench).messages == ()
    assert same_history(bench, server)


def test_a_server_that_is_down_broken_or_no_kitbank_is_told(bench: Bench, site: Site) -> None:
    bench.say()
    site.broken = True
    with pytest.raises(RoadDown, match="status 502"):
        sync(bench)
    with pytest.raises(RoadDown, match="cannot be reached"):
        exchange(bench.journal, HttpRoad("http://127.0.0.1:9", bench.origin, bench.transport, lambda: NOW))
    assert bench.journal.unsent_count() == 1


def test_a_captive_portal_is_told(bench: Bench, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def portal(*_: object) -> tuple[int, object]:
        return 200, "please sign in"

    monkeypatch.setattr(site, "handle", portal)
    with pytest.raises(SyncRefused, match="does not speak as a Kitbank server"):
        sync(bench)


def test_a_long_history_is_fetched_in_pages(bench: Bench, server: SimulatedServer) -> None:
    for i in range(450):
        server.say("device.locked", CODE, locked(f"{i}"))
    server.sign_checkpoint()
    done = sync(bench)
    assert done.taken == 452
    assert done.messages == ()
    assert same_history(bench, server)


def test_a_server_that_cut_its_history_is_told(bench: Bench, server: SimulatedServer) -> None:
    for i in range(3):
        server.say("device.locked", CODE, locked(f"{i}"))
    sync(bench)
    server.restore(server.arrivals[:2])
    server.sign_checkpoint()
    messages = sync(bench).messages
    assert any("exists twice: its checkpoint is not what it had sent before" in message for message in messages)


def test_a_server_that_keeps_its_newest_events_back_is_told(bench: Bench, server: SimulatedServer) -> None:
    sync(bench)
    server.sign_checkpoint()
    server.arrivals.pop()
    assert any("kept something back" in message for message in sync(bench).messages)


# --- enrolment ---


def test_a_code_enrols_and_the_server_is_trusted_from_then_on(
    tmp_path: Path, site: Site, server: SimulatedServer
) -> None:
    site.codes["ABCD"] = "kiosk"
    with Bench(tmp_path / "kiosk", Role.KIOSK) as kiosk:
        kiosk.say("before anybody knew us")
        done = enrol(
            kiosk.journal, site.url, "ABCD", key=kiosk.key, transport_key=kiosk.transport.public, now=NOW,
            fingerprint=server.key.public.fingerprint.lower(),
        )  # fmt: skip
        assert (done.origin, done.server.id) == (kiosk.origin, server.origin)
        assert done.fingerprint == server.key.public.fingerprint
        assert kiosk.journal.url() == site.url
        assert sync(kiosk).acked == 1
        assert same_history(kiosk, server)


def test_a_wrong_code_another_world_and_a_false_server_are_refused(
    tmp_path: Path, site: Site, server: SimulatedServer
) -> None:
    site.codes["ABCD"] = "station"
    with Bench(tmp_path / "a") as one:
        with pytest.raises(SyncRefused, match="wrong, used or for another role"):
            enrol(one.journal, site.url, "WRONG", key=one.key, transport_key=one.transport, now=NOW)
        with pytest.raises(SyncRefused, match="do not go on"):
            enrol(one.journal, site.url, "ABCD", key=one.key, transport_key=one.transport, now=NOW, fingerprint="1234")
        with pytest.raises(SyncRefused, match="tell an administrator"):
            enrol(one.journal, site.url, "ABCD", key=PrivateKey.generate(), transport_key=one.transport, now=NOW)
        assert one.journal.server() is None
        with pytest.raises(RoadDown):
            enrol(one.journal, "http://127.0.0.1:9", "ABCD", key=one.key, transport_key=one.transport, now=NOW)
    key = PrivateKey.generate()
    real = Journal.create(tmp_path / "real.sqlite", role=Role.STATION, world=World.REAL, key=key)
    with real, pytest.raises(SyncRefused, match="this server is practice"):
        enrol(real, site.url, "ABCD", key=key, transport_key=key, now=NOW)


def test_a_server_that_is_not_what_its_key_says_is_not_trusted(
    tmp_path: Path, site: Site, server: SimulatedServer
) -> None:
    site.codes["ABCD"] = "station"
    server.writer = replace(server.writer, id=OriginId("server-0000000000000000"))
    with Bench(tmp_path / "a") as one, pytest.raises(SyncRefused, match="not trusted"):
        enrol(one.journal, site.url, "ABCD", key=one.key, transport_key=one.transport, now=NOW)


def test_a_root_keys_word_for_the_server_is_checked(tmp_path: Path, site: Site, server: SimulatedServer) -> None:
    root = PrivateKey.generate()
    word = root.sign(root_statement(World.PRACTICE, server.writer.keys[0].key)).hex()
    key = PrivateKey.generate()
    with Journal.create(tmp_path / "j.sqlite", role=Role.STATION, world=World.PRACTICE, key=key) as journal:

        def join(wanted: PublicKey | None) -> str:
            site.codes["ABCD"] = "station"
            return enrol(journal, site.url, "ABCD", key=key, transport_key=key, now=NOW, root=wanted).root

        with pytest.raises(SyncRefused, match="no root key vouches"):
            join(root.public)
        site.root = {"key": root.public.hex, "signature": "00" * 64}
        with pytest.raises(SyncRefused, match="is false"):
            join(None)
        site.root = {"key": root.public.hex, "signature": word}
        with pytest.raises(SyncRefused, match="another root key"):
            join(key.public)
        assert journal.server() is None
        assert join(root.public) == root.public.fingerprint


def test_an_enrolled_machine_does_not_go_over_to_another_server(bench: Bench) -> None:
    with served(SimulatedServer()) as elsewhere:
        elsewhere.codes["ABCD"] = "station"
        with pytest.raises(Refused, match="belongs to the server"):
            enrol(bench.journal, elsewhere.url, "ABCD", key=bench.key, transport_key=bench.transport, now=NOW)
