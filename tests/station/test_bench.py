"""One medium through the bench: everything that can say no says it before the first byte is written."""

import json
import os
import random
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from custody.claims import Evidence, Outcome, judge
from custody.errors import JournalError, JournalFull
from custody.events import Digest, EventHash, World
from custody.journal import Journal
from labels import codes
from station import bench as bench_module
from station.bench import Bench, Order, look_at
from station.errors import GuardRefused, OutcomeUnknown, StationError, UsageError
from station.follow import Hear, follow
from station.media import medium_at
from station.run import Result
from station.wipe.acting import Means
from station.wiping import wipe_one
from station.worklog import read
from tests.station import loops
from tests.station.benches import (
    MEBIBYTE,
    bench_of,
    home,
    order_for,
    practice_file,
    wipe,
    wiped_events,
)
from wipe_profiles import ProfileError, load

CODE = codes.new(random.Random(9))


def refused(bench: Bench, drive: Path | str, order: Order) -> list[str]:
    with pytest.raises(GuardRefused) as raised:
        wipe_one(bench, drive, order)
    return [reason.code for reason in raised.value.reasons]


def test_a_wipe_is_recorded_with_its_evidence_and_the_record_is_what_the_evidence_supports(tmp_path: Path) -> None:
    config, drive = home(tmp_path), practice_file(tmp_path / "d.img")
    with bench_of(config) as bench:
        report = wipe_one(bench, drive, order_for(drive))
        (row,) = bench.journal.events(kind="medium.wiped")
        evidence = bench.journal.attachment(Digest(row.event.body["evidence"]))
    assert evidence is not None
    assert row.event.hash == report.event
    assert row.event.subject == medium_at(drive).identity.id
    body = row.event.body
    assert (body["outcome"], body["claim"], body["after"]) == ("DONE", "clear", None)
    assert body["who"] == {"ref": "v-7", "authenticated": False}
    assert judge(Evidence.from_json(json.loads(evidence)), load("clear")) == report.verdict


@pytest.mark.parametrize(
    ("changes", "error", "word"),
    [
        ({"confirm": "0000"}, UsageError, "serial number"),
        ({"confirm": ""}, UsageError, "serial number"),
        ({"operator": " "}, UsageError, "--operator"),
        ({"profile": "nosuch"}, ProfileError, "allowed: clear, destroy"),
        ({"profile": "purge"}, UsageError, "says nothing about file media"),
        ({"profile": "verify"}, UsageError, "writes nothing"),
    ],
)
def test_a_wrong_order_touches_nothing_and_records_nothing(
    tmp_path: Path, changes: dict[str, str], error: type[Exception], word: str
) -> None:
    config, drive = home(tmp_path), practice_file(tmp_path / "d.img")
    before = drive.read_bytes()
    with bench_of(config) as bench, pytest.raises(error, match=word):
        wipe_one(bench, drive, replace(order_for(drive), **changes))  # type: ignore[arg-type]
    assert drive.read_bytes() == before
    assert wiped_events(config) == []
    assert read(config.worklogs, medium_at(drive).identity.id) == []


def test_a_practice_drive_is_refused_by_a_real_station(tmp_path: Path) -> None:
    drive = practice_file(tmp_path / "d.img")
    with bench_of(home(tmp_path, world=World.REAL)) as bench:
        assert refused(bench, drive, order_for(drive)) == ["world"]


def test_a_real_drive_is_refused_by_a_practice_station(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drive = practice_file(tmp_path / "d.img")
    real = replace(medium_at(drive), practice=False)
    monkeypatch.setattr(bench_module, "medium_at", lambda path: real)
    with bench_of(home(tmp_path)) as bench:
        assert refused(bench, drive, order_for(drive)) == ["world"]


@pytest.mark.root
def test_a_loop_device_is_offered_only_where_that_was_configured(tmp_path: Path, needs_root: None) -> None:
    backing = loops.blank(tmp_path / "backing", 16 * MEBIBYTE)
    with loops.loop_device(backing) as node, bench_of(home(tmp_path)) as bench:
        assert refused(bench, node, order_for(node))


@pytest.mark.root
def test_a_lower_claim_needs_a_supervisor_and_is_named_on_the_record(tmp_path: Path, needs_root: None) -> None:
    backing = loops.blank(tmp_path / "backing", 16 * MEBIBYTE)
    config = home(tmp_path, allow_loop=True)
    with loops.loop_device(backing) as node, bench_of(config) as bench:
        order = order_for(node, "purge")
        assert refused(bench, node, order) == ["lower-claim"]
        report = wipe_one(bench, node, replace(order, accept_lower="s-2"))
    assert (report.verdict.outcome, report.verdict.claim) == (Outcome.DONE, "clear")
    (body,) = wiped_events(config)
    assert body["exceptions"] == ["clear instead of purge was accepted by supervisor s-2."]


def test_a_full_disk_beside_the_journal_is_said_before_anything_is_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, drive = home(tmp_path), practice_file(tmp_path / "d.img")
    before = drive.read_bytes()
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_bavail=10, f_frsize=4096))
    with bench_of(config) as bench, pytest.raises(JournalFull, match="make room"):
        wipe_one(bench, drive, order_for(drive))
    assert drive.read_bytes() == before


def test_a_journal_that_cannot_be_written_is_found_out_before_anything_is_touched(tmp_path: Path) -> None:
    config, drive = home(tmp_path), practice_file(tmp_path / "d.img")
    before = drive.read_bytes()
    with bench_of(config) as bench:
        readonly = replace(bench, journal=Journal.open(config.journal, readonly=True))
        with pytest.raises(JournalError, match="nothing was recorded"):
            wipe_one(readonly, drive, order_for(drive))
        readonly.journal.close()
    assert drive.read_bytes() == before


class LockDuringProof:
    """Another program locks the journal's file for good while the drive is read back."""

    def __init__(self, journal: Path) -> None:
        self.journal, self.held = journal, list[sqlite3.Connection]()

    def __call__(self, argv: Sequence[str], given: bytes, patience: float, hear: Hear) -> Result:
        connection = sqlite3.connect(self.journal, isolation_level=None)
        connection.execute("CREATE TRIGGER no BEFORE INSERT ON event BEGIN SELECT RAISE(ABORT, 'disk full'); END")
        self.held.append(connection)
        return follow(argv, given, patience, hear)

    def release(self) -> None:
        for connection in self.held:
            connection.execute("DROP TRIGGER no")
            connection.close()


def test_when_the_journal_fails_after_the_wipe_nothing_is_called_wiped_until_it_is_proved_again(
    tmp_path: Path,
) -> None:
    config, drive = home(tmp_path), practice_file(tmp_path / "d.img")
    trouble = LockDuringProof(config.journal)
    with bench_of(config, Means(os.urandom, follow=trouble)) as bench:
        with pytest.raises(OutcomeUnknown, match="does not count as wiped"):
            wipe_one(bench, drive, order_for(drive))
        trouble.release()
    assert wiped_events(config) == []
    report = wipe(config, drive)
    assert report.verdict.outcome is Outcome.DONE
    assert report.resumed_at == 16 * MEBIBYTE
    assert len(wiped_events(config)) == 1


def test_an_unknown_outcome_is_recorded_too_and_counts_for_nothing(tmp_path: Path) -> None:
    config, drive = home(tmp_path), practice_file(tmp_path / "d.img")

    def nobody(argv: Sequence[str], given: bytes, patience: float, hear: Hear) -> Result:
        return follow(("/nonexistent",), given, patience, hear)

    report = wipe(config, drive, Means(os.urandom, follow=nobody))
    assert bench_module.exit_code(report.verdict) == 5
    (body,) = wiped_events(config)
    assert (body["outcome"], body["claim"]) == ("UNKNOWN", "none")


def test_a_labelled_device_unknown_here_needs_a_sync_or_its_slip_before_hours_are_spent(tmp_path: Path) -> None:
    config, drive = home(tmp_path), practice_file(tmp_path / "d.img")
    before = drive.read_bytes()
    with bench_of(config) as bench:
        order = order_for(drive, device=CODE)
        assert refused(bench, drive, order) == ["exit-unknown"]
        assert drive.read_bytes() == before
        report = wipe_one(bench, drive, replace(order, answers=EventHash("e" * 64)))
    assert report.after == "e" * 64
    assert wiped_events(config)[0]["after"] == "e" * 64


def test_a_device_registered_here_and_never_out_is_answered_with_null(tmp_path: Path) -> None:
    config, drive = home(tmp_path), practice_file(tmp_path / "d.img")
    with bench_of(config) as bench:
        body = {"code": CODE, "make": "", "model": "", "serial": None, "donor": None, "donor_wants": None}
        bench.append("device.registered", CODE, body)
        report = wipe_one(bench, drive, order_for(drive, device=CODE))
    assert report.after is None


def test_a_drive_that_is_not_there_or_is_anybodys_file_is_refused_in_a_sentence(tmp_path: Path) -> None:
    somebody = tmp_path / "letter.txt"
    somebody.write_text("Dear Anna")
    with bench_of(home(tmp_path)) as bench:
        for path, word in ((tmp_path / "none", "plugged in"), (somebody, "anybody's file"), (tmp_path, "folder")):
            with pytest.raises(StationError, match=word):
                look_at(bench, path)
    assert somebody.read_text() == "Dear Anna"
