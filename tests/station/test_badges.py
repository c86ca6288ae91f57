"""Signing in at a station: badge and PIN together, throttled across restarts, and nobody is their own second person."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from custody.errors import Refused
from custody.events import World
from custody.journal import Journal
from station import devices
from station.badges import LOCKED_FOR, TRIES, Person, sign_in, who
from station.bench import Bench
from station.config import Config
from station.devices import find_wipe
from station.errors import GuardRefused, UsageError
from station.home import open_journal
from station.wiping import wipe_one
from tests.badges import EVERYBODY, SUE, VERA, VIC, holder, roster, shorter
from tests.custody.simulators import SimulatedServer
from tests.station.benches import bench_of, home, now, order_for, practice_file, wiped_events
from tests.station.staff import bring, join

NOW = now()


@pytest.fixture
def server() -> SimulatedServer:
    return SimulatedServer()


@pytest.fixture
def config(tmp_path: Path, server: SimulatedServer) -> Config:
    made = home(tmp_path)
    join(made, server)
    bring(made, server, roster())
    return made


@pytest.fixture
def journal(config: Config) -> Iterator[Journal]:
    with open_journal(config, readonly=False) as opened:
        yield opened


def refused(journal: Journal, card: str, pin: str, at: datetime = NOW, record: Any = None) -> str:
    with pytest.raises(GuardRefused) as raised:
        sign_in(journal, card, pin, at, record=record)
    assert pin not in str(raised.value) or not pin
    (reason,) = raised.value.reasons
    return reason.code


def test_badge_and_pin_together_sign_somebody_in_with_their_roles(journal: Journal) -> None:
    assert sign_in(journal, VIC.card, VIC.pin, NOW) == Person("S-VIC000", frozenset({"volunteer"}), 1)
    assert sign_in(journal, SUE.card.lower(), SUE.pin, NOW).roles == {"supervisor", "volunteer"}


def test_a_photograph_of_a_badge_without_the_pin_is_worth_five_tries(journal: Journal) -> None:
    for _ in range(TRIES):
        assert refused(journal, VIC.card, "000001") == "pin-wrong"
    assert refused(journal, VIC.card, VIC.pin) == "badge-locked"
    assert refused(journal, VIC.card, VIC.pin, NOW + LOCKED_FOR - timedelta(seconds=1)) == "badge-locked"
    assert sign_in(journal, VIC.card, VIC.pin, NOW + LOCKED_FOR)
    assert sign_in(journal, VERA.card, VERA.pin, NOW)  # nobody else was shut out


def test_a_pin_without_the_badge_is_worth_nothing_and_shuts_nobody_out(journal: Journal) -> None:
    forged = holder("S-VIC000", "volunteer", seed=99)
    for _ in range(TRIES + 2):
        assert refused(journal, forged.card, VIC.pin) == "badge-unknown"
    for text in ("", "S-VIC000", "KB1/S-VIC000/", "7K3QX9MDA4TP"):
        assert refused(journal, text, VIC.pin) == "badge-unreadable"
    assert sign_in(journal, VIC.card, VIC.pin, NOW)


def test_the_right_pin_takes_the_wrong_tries_back(journal: Journal) -> None:
    for _ in range(3):
        for _ in range(TRIES - 1):
            assert refused(journal, VIC.card, "000001") == "pin-wrong"
        assert sign_in(journal, VIC.card, VIC.pin, NOW)


def test_tries_survive_a_restart(config: Config) -> None:
    for _ in range(TRIES):
        with open_journal(config, readonly=False) as opened:
            assert refused(opened, VIC.card, "000001") == "pin-wrong"
    with open_journal(config, readonly=False) as opened:
        assert refused(opened, VIC.card, VIC.pin) == "badge-locked"


def test_a_try_counts_even_when_the_machine_dies_before_it_is_judged(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("station.badges.fits", dies)
        for _ in range(TRIES):
            with pytest.raises(KeyboardInterrupt):
                sign_in(journal, VIC.card, "000001", NOW)
    assert refused(journal, VIC.card, VIC.pin) == "badge-locked"


def test_a_clock_set_back_frees_no_badge_and_a_clock_put_right_shuts_none_out_for_years(journal: Journal) -> None:
    wrong = NOW + timedelta(days=20)
    for _ in range(TRIES):
        refused(journal, VIC.card, "000001", wrong)
    assert refused(journal, VIC.card, VIC.pin, NOW) == "badge-locked"
    assert refused(journal, VIC.card, VIC.pin, NOW + timedelta(minutes=14)) == "badge-locked"
    assert sign_in(journal, VIC.card, VIC.pin, NOW + LOCKED_FOR)


def test_a_clock_set_back_before_the_roster_was_made_signs_nobody_in(journal: Journal) -> None:
    assert refused(journal, VIC.card, VIC.pin, NOW - timedelta(days=300)) == "no-roster"


def test_a_badge_that_was_shut_out_is_recorded_once(config: Config) -> None:
    with bench_of(config) as bench:
        for _ in range(TRIES):
            refused(bench.journal, VIC.card, "000001", record=bench.append)
        for _ in range(3):
            refused(bench.journal, VIC.card, VIC.pin, record=bench.append)
        (row,) = bench.journal.events(kind="badge.refused")
        assert row.event.body == {"ref": "S-VIC000", "tries": TRIES}
        for _ in range(TRIES):  # at a screen that cannot record: the next one that can says it
            refused(bench.journal, VERA.card, "000001")
        assert len(bench.journal.events(kind="badge.refused")) == 1
        refused(bench.journal, VERA.card, VERA.pin, record=bench.append)
        assert [r.event.body["ref"] for r in bench.journal.events(kind="badge.refused")] == ["S-VIC000", "S-VERA00"]


def test_nothing_that_was_typed_is_kept(config: Config) -> None:
    with bench_of(config) as bench:
        sign_in(bench.journal, VIC.card, VIC.pin, NOW, record=bench.append)
        for _ in range(TRIES):
            refused(bench.journal, VIC.card, "550177", record=bench.append)
        folder = bench.journal.path.parent
    kept = b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())
    for text in (VIC.badge.secret, VIC.pin, "550177"):
        assert text.encode() not in kept


def test_an_ended_badge_works_until_the_next_sync_and_no_longer(config: Config, server: SimulatedServer) -> None:
    server.issue(roster([VERA, SUE], 2))
    with open_journal(config, readonly=False) as opened:
        assert sign_in(opened, VIC.card, VIC.pin, NOW)  # the limit that SECURITY.md names
    bring(config, server)
    with open_journal(config, readonly=False) as opened:
        assert refused(opened, VIC.card, VIC.pin) == "badge-unknown"


def test_a_station_that_heard_of_a_newer_roster_uses_none_until_it_has_it(
    config: Config, server: SimulatedServer
) -> None:
    server.issue(roster([VERA, SUE], 2))
    with open_journal(config, readonly=False) as opened:
        opened.take(server.arrivals[opened.position() :], len(server.arrivals))
        assert refused(opened, VERA.card, VERA.pin) == "no-roster"


def test_a_roster_that_ended_signs_nobody_in(config: Config, server: SimulatedServer) -> None:
    bring(config, server, shorter(roster(number=2), 1))
    with open_journal(config, readonly=False) as opened:
        assert sign_in(opened, VIC.card, VIC.pin, NOW)
        assert refused(opened, VIC.card, VIC.pin, NOW + timedelta(days=2)) == "no-roster"
        assert refused(opened, VIC.card, VIC.pin, datetime(2020, 1, 1, tzinfo=UTC)) == "no-roster"


def test_a_badge_of_the_real_world_is_nobody_in_practice(tmp_path: Path) -> None:
    real, practice = SimulatedServer(World.REAL), SimulatedServer()
    real.issue(roster())
    config = home(tmp_path)
    join(config, practice)
    bring(config, practice, roster([holder("S-VIC000", "volunteer", seed=7)]))
    with open_journal(config, readonly=False) as opened:
        assert opened.take(real.arrivals, None).new == 0
        assert refused(opened, VIC.card, VIC.pin) == "badge-unknown"


def test_a_badge_typed_as_a_reference_is_never_recorded() -> None:
    with pytest.raises(UsageError, match="--badge") as raised:
        who(VIC.card)
    assert VIC.badge.secret not in str(raised.value)
    with pytest.raises(UsageError, match="scan the device's label") as raised:
        devices.scanned(VIC.card)
    assert VIC.badge.secret not in str(raised.value)


# -- at the bench ----------------------------------------------------------------------------------------------


PEOPLE = {one.badge.ref: Person(one.badge.ref, frozenset(one.entry.roles), 1) for one in EVERYBODY}
VIC_, VERA_, SUE_ = (PEOPLE[one.badge.ref] for one in EVERYBODY)


def wiped_by(bench: Bench, drive: Path, person: Person = VIC_) -> Any:
    report = wipe_one(bench, drive, order_for(drive, operator=person.ref, person=person))
    return find_wipe(bench, report.event)


def no(do: Any) -> str:
    with pytest.raises(GuardRefused) as raised:
        do()
    return raised.value.reasons[0].code


def test_a_wipe_says_who_signed_in_and_by_which_roster(tmp_path: Path, config: Config) -> None:
    with bench_of(config) as bench:
        wipe = wiped_by(bench, practice_file(tmp_path / "d.img"))
    assert wipe.body["who"] == {"ref": "S-VIC000", "authenticated": True, "roster": 1}
    assert wipe.body["supervisor"] is None


def test_who_may_only_check_cannot_wipe_and_touches_nothing(tmp_path: Path, config: Config) -> None:
    drive = practice_file(tmp_path / "d.img")
    before = drive.read_bytes()
    with bench_of(config) as bench:
        order = order_for(drive, operator=VERA_.ref, person=VERA_)
        assert no(lambda: wipe_one(bench, drive, order)) == "role"
        other = replace(order, operator="S-SOMEBODY", person=VIC_)
        with pytest.raises(UsageError, match="names S-SOMEBODY"):
            wipe_one(bench, drive, other)
    assert drive.read_bytes() == before


@pytest.mark.parametrize("field", ["accept_lower", "despite_health"])
def test_nobody_is_their_own_supervisor_signed_in_or_not(tmp_path: Path, config: Config, field: str) -> None:
    drive = practice_file(tmp_path / "d.img")
    before = drive.read_bytes()
    with bench_of(config) as bench:
        typed = order_for(drive, operator="v-7", **{field: " v-7 "})
        assert no(lambda: wipe_one(bench, drive, typed)) == "own-supervisor"
        signed = order_for(drive, operator=SUE_.ref, person=SUE_, supervisor=SUE_, **{field: SUE_.ref})
        assert no(lambda: wipe_one(bench, drive, signed)) == "own-supervisor"
        other = order_for(drive, operator=VIC_.ref, person=VIC_, supervisor=VERA_, **{field: VERA_.ref})
        assert no(lambda: wipe_one(bench, drive, other)) == "role"
    assert drive.read_bytes() == before
    assert wiped_events(config) == []


def test_a_supervisor_who_signed_in_stands_on_the_record(tmp_path: Path, config: Config) -> None:
    drive = practice_file(tmp_path / "d.img")
    with bench_of(config) as bench:
        order = order_for(drive, operator=VIC_.ref, person=VIC_, supervisor=SUE_, accept_lower=SUE_.ref)
        wipe = find_wipe(bench, wipe_one(bench, drive, order).event)
        elsewhere = replace(order, accept_lower="S-SOMEBODY")
        with pytest.raises(UsageError, match="names somebody else"):
            wipe_one(bench, drive, elsewhere)
    assert (wipe.body["accepted_by"], wipe.body["supervisor"]) == (SUE_.ref, SUE_.who())


def test_another_person_verifies_and_the_wiper_does_not(tmp_path: Path, config: Config) -> None:
    drive = practice_file(tmp_path / "d.img")
    with bench_of(config) as bench:
        wiped_by(bench, drive, SUE_)
        assert no(lambda: devices.verify(bench, str(drive), SUE_)) == "self-check"
        for typed in (SUE_.ref, SUE_.ref.lower(), SUE_.ref + "."):
            assert no(lambda typed=typed: devices.verify(bench, str(drive), typed)) == "self-check"
        assert no(lambda: devices.verify(bench, str(drive), VIC_)) == "role"
        assert devices.verify(bench, str(drive), VERA_).agreed
        (row,) = bench.journal.events(kind="medium.checked")
    assert row.event.body["who"] == {"ref": "S-VERA00", "authenticated": True, "roster": 1}
    assert row.event.body["tool"] == "kitbank"


def test_anybody_may_disagree_and_only_others_may_agree(tmp_path: Path, config: Config) -> None:
    drive = practice_file(tmp_path / "d.img")
    with bench_of(config) as bench:
        wipe = wiped_by(bench, drive, SUE_)
        assert no(lambda: devices.check(bench, wipe, True, "photorec", SUE_)) == "self-check"
        assert no(lambda: devices.check(bench, wipe, True, "photorec", VIC_)) == "role"
        devices.check(bench, wipe, True, "photorec found nothing", VERA_, "photorec")
        devices.check(bench, wipe, False, "photorec found a letter", SUE_)
        devices.check(bench, wipe, True, "looked, without a badge", "v-9")  # as ever: recorded, and counts as nobody
        rows = bench.journal.events(kind="medium.checked")
    assert [row.event.body["agreed"] for row in rows] == [True, False, True]
    assert rows[-1].event.body["who"]["authenticated"] is False


def test_the_journal_is_the_last_to_refuse_a_check_of_ones_own(tmp_path: Path, config: Config) -> None:
    """Also a program that forgets to ask, such as another screen, cannot record it."""
    drive = practice_file(tmp_path / "d.img")
    with bench_of(config) as bench:
        wipe = wiped_by(bench, drive)
        body = {"wipe": wipe.hash, "medium": wipe.subject, "agreed": True, "method": "x", "who": VIC_.who()}
        with pytest.raises(Refused, match="another person"):
            bench.append("medium.checked", wipe.subject, body)
        assert bench.journal.events(kind="medium.checked") == []


def test_a_supervisor_who_did_not_wipe_accepts_and_anybody_turns_down(tmp_path: Path, config: Config) -> None:
    drive = practice_file(tmp_path / "d.img")

    def decides(bench: Bench, wipe: Any, person: Person | str, *, yes: bool, where: str = "reuse") -> Any:
        return devices.accept(bench, wipe, where, person, accepted=yes, note="")

    with bench_of(config) as bench:
        wipe = wiped_by(bench, drive, SUE_)
        assert no(lambda: decides(bench, wipe, SUE_, yes=True)) == "self-check"
        assert no(lambda: decides(bench, wipe, VERA_, yes=True)) == "role"
        decides(bench, wipe, SUE_, yes=False)
        decides(bench, wipe, VERA_, yes=True, where="recycler")
        other = wiped_by(bench, practice_file(tmp_path / "e.img", serial="ANOTHER9876"))
        event = decides(bench, other, SUE_, yes=True)
    assert event.body["who"]["ref"] == "S-SUE000"
    assert (event.kind, event.subject) == ("medium.accepted", other.subject)
