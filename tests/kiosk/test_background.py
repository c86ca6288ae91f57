"""Syncing behind the screens: a server that is down stops nothing, and one that is back gets everything once."""

from custody.events import Role
from custody.journal import Journal
from kiosk.background import Background, SyncReport, sync
from tests.custody.simulators import SimulatedServer, served
from tests.factories import left, registered
from tests.kiosk.kit import CODE, NOW, OTHER, Kit


def joined(kit: Kit, server: SimulatedServer, url: str) -> None:
    """Let the kiosk belong to this server."""
    with Journal.open(kit.home.journal) as journal:
        server.enrol(journal.origin, Role.KIOSK, kit.key.public, kit.transport.public)
        journal.enrol(server.writer, url)


def test_a_kiosk_that_is_not_enrolled_says_what_to_do_and_keeps_its_returns(kit: Kit) -> None:
    report, done = sync(kit.home.journal, kit.transport, kit.now)
    assert (report.ok, done) == (False, None)
    assert "enrol URL CODE" in report.text


def test_returns_made_while_the_server_is_down_arrive_once_when_it_is_back(kit: Kit) -> None:
    server = SimulatedServer()
    server.now = NOW
    with served(server) as site:
        joined(kit, server, site.url)
        server.say("device.registered", CODE, registered(CODE))
        exit_event = server.say("device.left", CODE, left(CODE))
        site.broken = True
        ann = kit.person()
        ann.bring(OTHER)
        ann.press("/finish")
        assert ann.title() == "Thank you"
        report, _ = sync(kit.home.journal, kit.transport, kit.now)
        assert not report.ok
        assert "1 event of ours wait" in report.text
        site.broken = False
        for _ in range(2):
            report, done = sync(kit.home.journal, kit.transport, kit.now)
            assert report.ok, report.text
            assert done is not None
            assert done.waiting == 0
    assert server.ledger.head(kit.returns()[0].origin).seq == 1

    ben = kit.person()
    ben.bring(CODE)
    ben.press("/finish")
    answer = kit.returns()[-1]
    assert (answer.body["exit"], answer.body["loan"], answer.body["call_staff"]) == (exit_event.hash, "L-1", False)


def test_a_journal_in_trouble_is_told_and_stops_no_thread(kit: Kit) -> None:
    kit.home.journal.unlink()
    report, _ = sync(kit.home.journal, kit.transport, kit.now)
    assert not report.ok
    assert "The journal is in trouble" in report.text


def test_the_thread_sweeps_and_syncs_goes_on_after_a_failure_and_stops() -> None:
    swept: list[int] = []

    def sweep() -> None:
        swept.append(1)
        if len(swept) == 1:
            raise RuntimeError("once")

    background = Background(sweep, lambda: SyncReport(NOW, True, "fine"), every=0.0, pause=0.01)
    background.start()
    while background.last_ok is None:
        background.join(0.01)
    background.stop()
    assert not background.is_alive()
    assert len(swept) > 1
