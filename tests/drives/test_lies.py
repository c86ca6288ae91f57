"""Every lie is told: what the host sees and what the chips hold part ways exactly as the lie says."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.drives.clock import SimulatedClock
from tests.drives.host import (
    ata,
    erase,
    flush,
    identify,
    password_block,
    read,
    request_sense,
    sanitize,
    sanitize_status,
    sas,
    scsi_sanitize,
    security,
    ssd,
    write,
)
from tests.drives.lies import MEANING, VISIBLE, Lie, Lies
from tests.drives.scsi import SasDrive
from tests.drives.sense import NeverAnswers
from tests.drives.shop import SimulatedDrive

FIRST, MIDDLE, LAST = 8, 10_000, 20_472
LETTER = os.urandom(4096)


def by_sanitize(drive: SimulatedDrive, clock: SimulatedClock) -> None:
    assert sanitize(drive, "block").ok
    clock.pass_time(60)


def by_erase_unit(drive: SimulatedDrive, clock: SimulatedClock) -> None:
    security(drive, 0xF1, password_block("ours"))
    assert erase(drive, "ours").ok


def by_scsi_sanitize(drive: SimulatedDrive, clock: SimulatedClock) -> None:
    assert scsi_sanitize(drive, 2).status == 0
    clock.pass_time(60)


def by_format(drive: SimulatedDrive, clock: SimulatedClock) -> None:
    assert drive.command(bytes([0x04, 0, 0, 0, 0, 0])).status == 0


Way = Callable[[SimulatedDrive, SimulatedClock], None]
WAYS = [by_sanitize, by_erase_unit, by_scsi_sanitize, by_format]


def sas_or_ssd(way: Way, folder: Path, *lies: str, clock: SimulatedClock) -> SimulatedDrive:
    """Return the kind of drive that is erased this way."""
    if way in {by_scsi_sanitize, by_format}:
        return sas(folder, *lies, clock=clock)
    return ssd(folder, *lies, clock=clock)


def erased_by(way: Way, folder: Path, *lies: str) -> SimulatedDrive:
    """Return a drive with three letters on it that was then erased."""
    clock = SimulatedClock()
    drive = sas_or_ssd(way, folder, *lies, clock=clock)
    for place in (FIRST, LAST, MIDDLE):
        write(drive, place, LETTER)
    flush(drive)
    way(drive, clock)
    return drive


def seen(drive: SimulatedDrive) -> list[bool]:
    """Tell which of the three letters a host still reads."""
    return [read(drive, place, 8).data_in == LETTER for place in (FIRST, MIDDLE, LAST)]


def held(drive: SimulatedDrive) -> list[bool]:
    """Tell which of the three letters the chips still hold."""
    chips = drive.chip_off()
    return [chips[place * 512 :][:4096] == LETTER for place in (FIRST, MIDDLE, LAST)]


def test_every_lie_has_a_meaning_and_says_how_it_shows() -> None:
    assert set(MEANING) == set(VISIBLE) == set(Lie)
    assert Lies.from_words(["keeps-one-block=4096"]).number(Lie.KEEPS_ONE_BLOCK, 0) == 4096
    with pytest.raises(ValueError, match="tells-jokes"):
        Lies.from_words(["tells-jokes"])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("lie", "reads", "holds"),
    [
        ((), [False, False, False], [False, False, False]),
        (("erases-nothing",), [True, True, True], [True, True, True]),
        (("zeros-without-erasing",), [False, False, False], [True, True, True]),
        (("keeps-last-percent",), [False, False, True], [False, False, True]),
        (("keeps-one-block",), [False, True, False], [False, True, False]),
        (("keeps-one-block=8",), [True, False, False], [True, False, False]),
        (("stops-halfway",), [False, False, True], [False, False, True]),
    ],
)
def test_content_that_stays(
    tmp_path: Path, way: Way, lie: tuple[str, ...], reads: list[bool], holds: list[bool]
) -> None:
    drive = erased_by(way, tmp_path, *lie)
    assert seen(drive) == reads
    assert held(drive) == holds


@pytest.mark.parametrize("way", WAYS)
def test_an_honest_vendor_pattern_leaves_nothing_and_is_no_zero(tmp_path: Path, way: Way) -> None:
    drive = erased_by(way, tmp_path, "vendor-pattern")
    assert held(drive) == [False, False, False]
    pattern = bytes(4) if way is by_erase_unit else bytes.fromhex("33cc55aa")  # the normal erase writes zeros
    assert read(drive, FIRST, 1).data_in == pattern * 128


def test_an_honest_cryptographic_erase_leaves_what_looks_random(tmp_path: Path) -> None:
    clock = SimulatedClock()
    drive = ssd(tmp_path, "random-after-crypto", clock=clock)
    write(drive, FIRST, LETTER)
    sanitize(drive, "crypto")
    clock.pass_time(9)
    assert held(drive) == [False, False, False]
    assert len(set(read(drive, FIRST, 8).data_in)) > 200


@pytest.mark.parametrize("way", WAYS)
def test_a_drive_that_shrinks_is_smaller_afterwards(tmp_path: Path, way: Way) -> None:
    assert erased_by(way, tmp_path, "shrinks").capacity() == 10_240
    assert erased_by(way, tmp_path, "shrinks=5000").capacity() == 5000


@pytest.mark.parametrize("way", WAYS)
def test_a_drive_that_swaps_its_name_after_an_erase_or_a_reset(tmp_path: Path, way: Way) -> None:
    honest = erased_by(way, tmp_path)
    honest.reset()
    assert honest.name().serial.endswith("1")
    after = erased_by(way, tmp_path, "identity-after-erase")
    read(after, 0, 1)
    assert after.name().serial.endswith("X") and after.name().wwn != honest.name().wwn
    reset = erased_by(way, tmp_path, "identity-after-reset")
    assert reset.name().serial.endswith("1")
    reset.reset()
    assert reset.name().serial.endswith("X")


@pytest.mark.parametrize("way", WAYS)
def test_a_drive_that_hangs_answers_nothing_until_its_power_is_cut(tmp_path: Path, way: Way) -> None:
    clock = SimulatedClock()
    drive = sas_or_ssd(way, tmp_path, "hangs", clock=clock)
    with pytest.raises(NeverAnswers):
        way(drive, clock)
    with pytest.raises(NeverAnswers):
        read(drive, 0, 1)
    drive.power_cycle()
    drive.stop(Lie.HANGS)
    drive.command(bytes(6))


def test_a_sanitize_that_is_stuck_stays_where_it_is_for_ever(tmp_path: Path) -> None:
    clock = SimulatedClock()
    drive = ssd(tmp_path, "progress-stuck=12", clock=clock)
    by_sanitize(drive, clock)
    for _ in range(3):
        clock.pass_time(10_000)
        status = sanitize_status(drive)
        assert status.count == 0x4000 and status.lba == int(0.12 * 0x10000)
    other = sas(tmp_path, "progress-stuck", clock=clock)
    by_scsi_sanitize(other, clock)
    clock.pass_time(10_000)
    assert request_sense(other)[:3] == (2, 0x04, 0x1B)


def test_a_sanitize_that_fails_reads_65535_and_aborts_its_status(tmp_path: Path) -> None:
    clock = SimulatedClock()
    drive = ssd(tmp_path, "fails-at-65535", clock=clock)
    write(drive, LAST, LETTER)
    by_sanitize(drive, clock)
    status = sanitize_status(drive)
    assert not status.ok and status.error == 4 and status.lba == 1
    assert held(drive)[2]
    assert read(drive, 0, 1).status == 2


def test_a_status_that_says_completed_or_says_nothing_while_nothing_ran(tmp_path: Path) -> None:
    clock = SimulatedClock()
    drive = ssd(tmp_path, "always-completed", clock=clock)
    write(drive, FIRST, LETTER)
    assert sanitize_status(drive).count == 0x8000
    by_sanitize(drive, clock)
    assert sanitize_status(drive).count == 0x8000 and seen(drive)[0]
    drive.stop(Lie.ALWAYS_COMPLETED)
    drive.tell(Lie.STATUS_UNCHANGED)
    by_sanitize(drive, clock)
    assert sanitize_status(drive).count == 0 and seen(drive)[0]


def test_writes_that_are_dropped_and_content_that_comes_back(tmp_path: Path) -> None:
    for way in (by_sanitize, by_format):
        drive = sas_or_ssd(way, tmp_path, clock=SimulatedClock())
        write(drive, FIRST, LETTER)
        drive.tell(Lie.DROPS_WRITES)
        assert write(drive, MIDDLE, LETTER).status == 0
        assert seen(drive) == [True, False, False]
        drive.stop(Lie.DROPS_WRITES)
        drive.tell(Lie.OLD_CONTENT)
        write(drive, FIRST, bytes(4096))
        flush(drive)
        assert not seen(drive)[0]
        drive.power_cycle()
        assert seen(drive)[0]


def test_old_content_comes_back_from_a_trim_and_from_an_erase_too(tmp_path: Path) -> None:
    clock = SimulatedClock()
    drive = ssd(tmp_path, clock=clock)
    write(drive, FIRST, LETTER)
    write(drive, MIDDLE, LETTER)
    drive.tell(Lie.OLD_CONTENT)
    entry = (MIDDLE | 8 << 48).to_bytes(8, "little") + bytes(504)
    assert ata(drive, 0x06, features=1, count=1, data=entry).ok
    assert seen(drive) == [True, False, False]
    drive.power_cycle()
    assert seen(drive) == [True, True, False]
    by_sanitize(drive, clock)
    assert seen(drive) == [False, False, False]
    drive.power_cycle()
    assert seen(drive) == [True, True, False]


def test_drives_that_are_found_locked_or_frozen(tmp_path: Path) -> None:
    ours = ssd(tmp_path, "locked-ours")
    assert identify(ours)[128] & 7 == 7
    assert security(ours, 0xF2, password_block("LCR-WIPE")).ok
    stranger = ssd(tmp_path, "locked-stranger")
    assert not security(stranger, 0xF2, password_block("LCR-WIPE")).ok
    frozen = ssd(tmp_path, "frozen")
    assert not security(frozen, 0xF1, password_block("LCR-WIPE")).ok
    frozen.power_cycle()
    assert identify(frozen)[128] & 8
    frozen.power_cycle(thawed=True)
    assert not identify(frozen)[128] & 8


def test_a_password_that_sticks_is_still_there_after_the_erase(tmp_path: Path) -> None:
    drive = ssd(tmp_path, "password-sticks")
    by_erase_unit(drive, SimulatedClock())
    assert identify(drive)[128] & 2
    drive.power_cycle()
    assert identify(drive)[128] & 4


def test_a_protected_area_that_comes_back_and_a_configuration_that_is_frozen(tmp_path: Path) -> None:
    drive = ssd(tmp_path, "hpa-returns=9000", "dco-frozen")
    assert identify(drive)[60] == 9000
    assert not ata(drive, 0xB1, features=0xC2, count=1, comes=True, extended=False).ok
    ata(drive, 0x27)
    assert ata(drive, 0x37, count=1, lba=20_479).ok
    assert identify(drive)[60] == 20_480
    drive.power_cycle()
    assert identify(drive)[60] == 9000


def test_refusals_that_were_not_announced(tmp_path: Path) -> None:
    drive = ssd(tmp_path, "refuses-sanitize", "refuses-erase")
    assert identify(drive)[59] & 0xF000 == 0xF000
    assert not sanitize(drive, "block").ok
    security(drive, 0xF1, password_block("ours"))
    assert not erase(drive, "ours").ok
    other = sas(tmp_path, "refuses-sanitize", "refuses-erase")
    assert isinstance(other, SasDrive)
    assert scsi_sanitize(other, 2).status == 2
    assert other.command(bytes([0x04, 0, 0, 0, 0, 0])).status == 2
    frozen = ssd(tmp_path, "sanitize-frozen")
    assert sanitize_status(frozen).count == 0x2000 and not sanitize(frozen, "crypto").ok


def test_bridges_with_a_serial_of_their_own_and_without_pass_through(tmp_path: Path) -> None:
    drive = ssd(tmp_path, "false-serial=FAKE")
    assert drive.command(bytes([0x12, 1, 0x80, 0, 64, 0])).data_in[4:] == b"FAKE"
    words = identify(drive)
    assert b"".join(word.to_bytes(2, "big") for word in words[10:20]).strip() == b"SIM0000001"
    plain = ssd(tmp_path, "no-pass-through")
    refused = plain.command(bytes([0x85, 6, 0x20, *bytes(11), 0xE5, 0]))
    assert refused.status == 2 and refused.sense[12] == 0x20


def overwritten(folder: Path, kind: str, *lies: str) -> SimulatedDrive:
    """Return a drive that was told to lie, got three letters in small writes and was then overwritten."""
    clock = SimulatedClock()
    drive = ssd(folder, clock=clock) if kind == "ata" else sas(folder, clock=clock)
    for lie in lies:
        name, _, argument = lie.partition("=")
        drive.tell(Lie(name), argument)
    for place in (FIRST, LAST, MIDDLE):
        write(drive, place, LETTER)
    for place in range(0, 20_480, 1024):
        if write(drive, place, b"\xa5" * 1024 * 512).status:
            break
    flush(drive)
    return drive


@pytest.mark.parametrize("kind", ["ata", "scsi"])
@pytest.mark.parametrize(
    ("lie", "holds"),
    [
        ((), [False, False, False]),
        (("keeps-last-percent",), [False, False, True]),
        (("keeps-one-block",), [False, True, False]),
        (("keeps-one-block=8",), [True, False, False]),
        (("drops-writes",), [False, False, False]),
    ],
)
def test_content_that_an_overwrite_does_not_reach(
    tmp_path: Path, kind: str, lie: tuple[str, ...], holds: list[bool]
) -> None:
    drive = overwritten(tmp_path, kind, *lie)
    assert held(drive) == holds
    if lie == ("keeps-one-block",):  # what is written by itself, a smoke test say, is stored
        write(drive, MIDDLE, bytes(4096))
        assert not held(drive)[1]


@pytest.mark.parametrize("kind", ["ata", "scsi"])
def test_an_overwrite_in_which_the_drive_shrinks_or_hangs(tmp_path: Path, kind: str) -> None:
    drive = overwritten(tmp_path, kind, "shrinks")
    assert drive.capacity() == 10_240 and held(drive)[2]
    with pytest.raises(NeverAnswers):
        overwritten(tmp_path, kind, "hangs")
