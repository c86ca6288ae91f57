"""What the ATA engine says of a drive, and what it does when it is asked first, left locked, or broken off."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from custody.claims import Claim, Outcome
from station.errors import NotDone
from station.guard import claim
from station.media import medium_at
from station.run import Result
from station.wipe import ata, ata_security
from station.wipe.ata_ask import descriptor, registers
from station.wipe.ata_sanitize import COMMANDS, argv, decode
from station.wipe.methods import Act
from tests.drives.ata_bench import MINUTES, SECTORS, AtaBench
from tests.drives.ataspec import AtaSpec
from tests.drives.lies import OUR_PASSWORD, STRANGERS_PASSWORD, Lie
from tests.drives.security import padded


def status(count: int, lba: int = 0xFFFF, *, error: int = 0) -> str:
    """Return the phase that these registers mean."""
    raw = bytes([9, 12, 1, 4 if error else 0, count >> 8, count & 255, 0, lba & 255, 0, lba >> 8, 0, 0, 0x40])
    made = descriptor(raw + bytes([0x51 if error else 0x50]))
    assert made is not None
    return decode(made).phase


def test_an_idle_status_is_not_success_and_65535_is_no_progress() -> None:
    assert status(0) == "idle"
    assert status(0x4000, 0x8000) == "working"
    assert status(0x8000) == "succeeded"
    assert status(0x1000) == "idle"  # antifreeze alone
    assert status(0x2000) == status(0xA000) == "frozen"
    assert status(0xC000) == "unknown"  # in progress and completed at once
    assert status(0, 1, error=1) == "failed"
    assert status(0x8000, 2, error=1) == "unknown"


def test_progress_never_reads_as_finished_while_the_drive_is_at_work() -> None:
    raw = bytes([9, 12, 1, 0, 0x40, 0, 0, 0xFF, 0, 0xFF, 0, 0, 0x40, 0x50])
    made = descriptor(raw)
    assert made is not None
    state = decode(made)
    assert state.phase == "working" and state.progress is not None and state.progress < 1


def test_registers_in_the_short_fixed_format_tell_nothing() -> None:
    sent = "outgoing cdb:  85 07 20 00 00 00 00 00 00 00 00 00 00 40 b4 00\n"
    fixed = "SG_IO: sb[]:  f0 00 01 00 50 40 ff 0a 80 00 ff ff 00 1d 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00\n"
    good = "SG_IO: sb[]:  72 01 00 1d 00 00 00 0e 09 0c 01 00 80 00 00 ff 00 ff 00 00 40 50 00 00\n"
    assert registers(sent + fixed, 0xB4) is None
    found = registers(sent + good, 0xB4)
    assert found is not None and found.count == 0x8000
    assert registers(sent.replace("b4", "ec") + good, 0xB4) is None
    assert registers(sent + good + sent, 0xB4) is None  # the last one was not answered


def test_an_overwrite_says_its_pattern_and_one_pass_and_everything_says_that_it_is_meant() -> None:
    for method in COMMANDS:
        words = argv(method, "/dev/sdz")
        assert "--yes-i-know-what-i-am-doing" in words and words[-1] == "/dev/sdz"
    overwrite = argv("sanitize-overwrite", "/dev/sdz")
    assert overwrite[overwrite.index("--sanitize-overwrite-passes") + 1] == "1"
    assert overwrite[overwrite.index("--sanitize-overwrite") + 1] == "hex:00000000"


def test_an_ssd_offers_everything_with_its_own_estimates(tmp_path: Path) -> None:
    can = AtaBench(tmp_path).read()
    assert set(can.methods) == set(ata.METHODS) and not can.refused
    assert can.seconds == {"secure-erase": 120, "secure-erase-enhanced": 120}
    assert (can.hidden_areas, can.lock, can.notes) == ("none", "", ())
    assert can.facts["security"] == "0021" and len(can.facts["identify"]) == 1024
    for method in can.methods.values():
        assert not method.stoppable and "cannot be stopped" in method.cancel and "not wiped" in method.cancel


@pytest.mark.parametrize(
    ("spec", "refused"),
    [
        ({"sanitize": frozenset()}, {"sanitize-crypto", "sanitize-block", "sanitize-overwrite"}),
        ({"sanitize": frozenset({"block"})}, {"sanitize-crypto", "sanitize-overwrite"}),
        ({"security": False}, {"secure-erase", "secure-erase-enhanced"}),
        ({"enhanced": False}, {"secure-erase-enhanced"}),
    ],
)
def test_what_a_drive_does_not_offer_has_a_sentence(
    tmp_path: Path, spec: dict[str, object], refused: set[str]
) -> None:
    can = AtaBench(tmp_path, spec=AtaSpec(SECTORS, seconds=MINUTES, **spec)).read()  # type: ignore[arg-type]
    assert set(can.refused) == refused == set(ata.METHODS) - set(can.methods)
    assert all(len(text) > 15 for text in can.refused.values())


@pytest.mark.parametrize(
    ("lie", "refused", "words"),
    [
        (Lie.FROZEN, {"secure-erase", "secure-erase-enhanced"}, "dock"),
        (Lie.SANITIZE_FROZEN, {"sanitize-crypto", "sanitize-block", "sanitize-overwrite"}, "dock"),
        (Lie.NO_PASS_THROUGH, set(ata.METHODS), "could not be asked"),
    ],
)
def test_frozen_and_silent_drives_are_told_plainly(tmp_path: Path, lie: Lie, refused: set[str], words: str) -> None:
    can = AtaBench(tmp_path, [lie]).read()
    assert set(can.refused) == refused
    assert all(words in text for text in can.refused.values())
    assert can.lock == ("frozen" if lie is Lie.FROZEN else "")


def test_without_hdparm_nothing_is_offered_and_without_smartctl_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    none = AtaBench(tmp_path / "a", missing=["hdparm"]).read()
    assert not none.methods and all("hdparm is not installed" in text for text in none.refused.values())
    assert none.hidden_areas == "unknown"
    (tmp_path / "b").mkdir()
    one = AtaBench(tmp_path / "b", missing=["smartctl"]).read()
    assert set(one.methods) == set(ata.METHODS) and "smartctl is not installed" in " ".join(one.notes)


def test_two_voices_that_disagree_about_passwords_are_both_unsure(tmp_path: Path) -> None:
    bench = AtaBench(tmp_path)
    tools = bench.tools

    def run(argv: tuple[str, ...], deadline: float) -> Result:
        result = tools(argv, deadline)
        moved = result.stdout.replace(b'"state": 33', b'"state": 41')
        return replace(result, stdout=moved)

    can = ata.read(run, bench.medium())  # type: ignore[arg-type]
    assert {"secure-erase", "secure-erase-enhanced"} == set(can.refused)
    assert all("unsure" in text for text in can.refused.values())


def test_another_serial_or_another_kind_than_the_kernel_knows_is_not_used(tmp_path: Path) -> None:
    bench = AtaBench(tmp_path)
    bench.drive.drive.serial = "SOMEONEELSE"
    medium = bench.medium()
    can = ata.read(bench.tools, replace(medium, identity=replace(medium.identity, serial="FALSE01")))
    assert not can.methods and all("unsure" in text for text in can.refused.values())
    (tmp_path / "b").mkdir()
    turning = AtaBench(tmp_path / "b", kind="hdd").read()  # the drive says that it is flash
    assert not turning.methods and all("unsure" in text for text in turning.refused.values())


def test_a_disk_that_does_not_say_whether_it_turns_is_promised_no_more_than_flash(tmp_path: Path) -> None:
    bench = AtaBench(tmp_path, kind="hdd", spec=AtaSpec(SECTORS, seconds=MINUTES, rotation=0))
    assert "sanitize-overwrite" in bench.read().refused
    _, verdict = bench.wipe("secure-erase-enhanced", forced=False)
    assert (verdict.outcome, verdict.claim) == (Outcome.DONE, Claim.CLEAR)
    (tmp_path / "b").mkdir()
    known = AtaBench(tmp_path / "b", kind="hdd", spec=AtaSpec(SECTORS, seconds=MINUTES, rotation=7200))
    _, verdict = known.wipe("secure-erase-enhanced", forced=False)
    assert (verdict.outcome, verdict.claim) == (Outcome.DONE, Claim.PURGE)


def test_the_password_is_published_logged_before_it_is_set_and_gone_afterwards(tmp_path: Path) -> None:
    assert ata_security.PASSWORD == OUR_PASSWORD
    bench = AtaBench(tmp_path)
    evidence, _ = bench.wipe("secure-erase-enhanced")
    kinds = bench.kinds()
    assert kinds.index("password") < kinds.index("command")
    line = next(entry for entry in bench.entries() if entry["kind"] == "password")
    assert line["password"] == ata_security.PASSWORD
    sent = [result.argv for result in bench.tools.transcript]
    assert [words[3] for words in sent if "--user-master" in words] == [
        "--security-set-pass",
        "--security-erase-enhanced",
    ]
    assert bench.drive.drive.security.user is None
    assert evidence.firmware is not None
    assert (evidence.firmware.raw_before, evidence.firmware.raw_after) == ("0023", "0021")


@pytest.mark.parametrize("lie", [Lie.REFUSES_ERASE, Lie.PASSWORD_STICKS])
def test_an_erase_that_failed_does_not_leave_a_password_behind(tmp_path: Path, lie: Lie) -> None:
    bench = AtaBench(tmp_path, [lie])
    evidence, _ = bench.wipe("secure-erase")
    assert bench.drive.drive.security.user is None
    assert evidence.firmware is not None and "was taken off" in evidence.firmware.status


@pytest.mark.parametrize("method", ["sanitize-block", "secure-erase"])
def test_a_drive_that_calls_itself_another_after_the_erase_is_not_believed_though_the_kernel_did_not_notice(
    tmp_path: Path, method: str
) -> None:
    bench = AtaBench(tmp_path, [Lie.IDENTITY_AFTER_ERASE])
    bench.tools.kernel_looks_again = False
    evidence, verdict = bench.wipe(method)
    assert verdict.outcome is Outcome.UNKNOWN
    assert evidence.firmware is not None and "now says serial" in evidence.firmware.status
    assert "not-succeeded" in {reason.code for reason in verdict.reasons}


def test_another_wwn_or_size_after_the_erase_is_another_drive(tmp_path: Path) -> None:
    bench = AtaBench(tmp_path)
    medium = bench.medium()
    for odd in (
        replace(medium, size=medium.size - 512),
        replace(medium, identity=replace(medium.identity, wwn="0x5000c500a0000002")),
    ):
        firmware = ata.act(replace(act(bench), medium=odd, target=Held()))  # type: ignore[arg-type]
        assert not firmware.succeeded and "now says" in firmware.status
    same = replace(medium, identity=replace(medium.identity, wwn="naa.5000c500a0000001"))
    assert ata.act(replace(act(bench), medium=same, target=Held())).succeeded  # type: ignore[arg-type]


class Held:
    """A claimed drive that is always still the same, as the kernel sees it."""

    def still_same(self) -> None:
        """See nothing."""


def unheard(kind: str, /, **fields: Any) -> None:
    """Be a work log that keeps nothing."""


def act(bench: AtaBench, method: str = "sanitize-block") -> Act:
    """Return what `ready` needs; the target is let go of at once, which the tools do not mind."""
    with claim(medium_at(bench.path)) as target:
        return Act(
            ata.METHODS[method], bench.medium(), target, bench.tools, unheard,
            clock=bench.clock.now, sleep=bench.clock.pass_time,
        )  # fmt: skip


def test_a_strangers_lock_is_tried_once_with_our_password_and_with_no_other(tmp_path: Path) -> None:
    bench = AtaBench(tmp_path, [Lie.LOCKED_STRANGER])
    with pytest.raises(NotDone, match="not Kitbank's"):
        ata.ready(act(bench))
    assert bench.drive.drive.security.attempts == 4
    tried = {word for result in bench.tools.transcript for word in result.argv if "--user-master" in result.argv}
    assert STRANGERS_PASSWORD not in tried and "NULL" not in tried and "" not in tried


def test_a_drive_that_counted_too_many_wrong_passwords_is_sent_off_and_on(tmp_path: Path) -> None:
    bench = AtaBench(tmp_path, [Lie.LOCKED_STRANGER])
    bench.drive.drive.security.attempts = 0
    assert bench.read().lock == "attempts-exceeded"
    with pytest.raises(NotDone, match="off and on"):
        ata.ready(act(bench))
    assert not [result for result in bench.tools.transcript if "--user-master" in result.argv]


def test_a_strangers_password_that_is_open_forbids_the_erase_and_is_noted_for_the_rest(tmp_path: Path) -> None:
    bench = AtaBench(tmp_path)
    bench.drive.drive.security.user = padded("somebody else")
    with pytest.raises(NotDone, match="not Kitbank's"):
        ata.ready(act(bench, "secure-erase"))
    assert "Somebody's password" in " ".join(ata.ready(act(bench)))
    assert ata.state(bench.tools, bench.medium()).phase == "idle"


def test_a_drive_at_work_for_somebody_else_is_left_alone(tmp_path: Path) -> None:
    bench = AtaBench(tmp_path)
    bench.tools(argv("sanitize-block", str(bench.path)), 10)
    assert ata.state(bench.tools, bench.medium()).phase == "working"
    assert "sanitize-block" in ata.read(bench.tools, bench.medium()).methods
    with pytest.raises(NotDone, match="keep it powered"):
        ata.ready(act(bench))


class Stop(Exception):
    """The bench loses its power."""


def broken_off(bench: AtaBench, method: str, after: float, *, drive_too: bool) -> None:
    """Begin a wipe and lose the station's power, and where so the drive's, that many seconds after it began."""

    def stop() -> None:
        if drive_too:
            bench.drive.cut_power()
        raise Stop

    bench.clock.at(bench.clock.now() + after, stop)
    with pytest.raises(Stop):
        bench.wipe(method)
    if drive_too:
        bench.drive.drive.power_on()


@pytest.mark.parametrize("after", [0.01, 30.0])
@pytest.mark.parametrize("drive_too", [False, True])
def test_a_sanitize_that_was_broken_off_is_asked_after_and_not_sent_twice(
    tmp_path: Path, after: float, drive_too: bool
) -> None:
    bench = AtaBench(tmp_path)
    broken_off(bench, "sanitize-block", after, drive_too=drive_too)
    evidence, verdict = bench.wipe("sanitize-block")
    assert verdict.outcome is Outcome.DONE, verdict.reasons
    assert bench.drive.drive.sanitize.began == 1
    assert bench.kinds().count("canaries") == 1
    assert evidence.firmware is not None and evidence.firmware.transition_observed


def test_a_sanitize_that_ended_while_the_station_was_off_counts_as_ours(tmp_path: Path) -> None:
    bench = AtaBench(tmp_path)
    broken_off(bench, "sanitize-block", 5.0, drive_too=False)
    bench.clock.pass_time(1000)
    _, verdict = bench.wipe("sanitize-block")
    assert verdict.outcome is Outcome.DONE, verdict.reasons


def test_after_a_break_an_older_success_with_other_registers_is_not_taken_for_ours(tmp_path: Path) -> None:
    bench = AtaBench(tmp_path)
    bench.drive.drive.sanitize.completed = bench.drive.drive.sanitize.antifreeze = True
    raw = ata.state(bench.tools, bench.medium()).raw
    bench.drive.drive.sanitize.antifreeze = False  # as after a power cut; the command never reached the drive
    made = act(bench)
    with claim(medium_at(bench.path)) as target:
        broken = replace(made, target=target, issued={"argv": [], "raw_before": raw})
        firmware = ata.act(broken)
    assert firmware.raw_before != firmware.raw_after
    assert firmware.succeeded and not firmware.transition_observed and firmware.observed == ""


def test_an_erase_that_was_broken_off_leaves_the_drive_locked_and_is_done_again(tmp_path: Path) -> None:
    bench = AtaBench(tmp_path)
    planned = bench.planned("secure-erase-enhanced", forced=False)
    broken_off(bench, "secure-erase-enhanced", 1000.0, drive_too=True)
    assert bench.read().lock == "locked"
    assert ata.state(bench.tools, bench.medium()).phase == "locked"
    _, verdict = bench.wipe("secure-erase-enhanced", planned=planned)
    assert verdict.outcome is Outcome.DONE, verdict.reasons
    assert bench.drive.drive.security.user is None
    assert bench.kinds().count("command") == 2
    assert any("published password" in text for text in verdict.exceptions)


def test_a_drive_somebody_freed_meanwhile_is_not_believed_to_be_erased(tmp_path: Path) -> None:
    bench = AtaBench(tmp_path)
    planned = bench.planned("secure-erase-enhanced", forced=False)
    broken_off(bench, "secure-erase-enhanced", 1000.0, drive_too=True)
    bench.drive.drive.security.user, bench.drive.drive.security.locked = None, False  # another station did that
    bench.wipe("secure-erase-enhanced", planned=planned)
    assert bench.kinds().count("command") == 2
    assert b"Kowalska" not in bench.drive.chip_off()


def test_an_hdparm_of_ours_that_is_still_erasing_is_recognised_by_its_words(tmp_path: Path) -> None:
    drive, other = tmp_path / "sdx", tmp_path / "sdy"
    drive.touch()
    other.touch()
    for number, words in {
        "17": ("hdparm", "--user-master", "u", "--security-erase", "LCR-WIPE", str(drive)),
        "18": ("hdparm", "-I", str(other)),
        "19": ("cat", "--security-erase", str(other)),
        "self": ("hdparm", "--user-master", "u", "--security-erase", "LCR-WIPE", str(other)),
    }.items():
        (tmp_path / "proc" / number).mkdir(parents=True)
        (tmp_path / "proc" / number / "cmdline").write_bytes(b"\0".join(word.encode() for word in words) + b"\0")
    assert ata_security.in_flight(str(drive), tmp_path / "proc") == 17
    assert ata_security.in_flight(str(other), tmp_path / "proc") is None
    link = tmp_path / "by-id"
    os.symlink(drive, link)
    assert ata_security.in_flight(str(link), tmp_path / "proc") == 17
