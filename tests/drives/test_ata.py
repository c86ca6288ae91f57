"""A simulated ATA drive does what a real one does, as far as the specifications say."""

import os
from pathlib import Path

import pytest

from tests.drives.ataspec import AtaSpec
from tests.drives.clock import SimulatedClock
from tests.drives.host import (
    ata,
    erase,
    flush,
    identify,
    password_block,
    read,
    sanitize,
    sanitize_status,
    security,
    ssd,
    write,
)
from tests.drives.sense import NoPower

LETTER = os.urandom(4096)


def test_identify_has_a_right_checksum_and_tells_size_name_and_features(tmp_path: Path) -> None:
    drive = ssd(tmp_path)
    raw = ata(drive, 0xEC, count=1, comes=True, extended=False).data
    words = identify(drive)
    assert sum(raw) & 0xFF == 0 and raw[510] == 0xA5
    assert words[60] | words[61] << 16 == 20_480
    assert words[59] & 0xF400 == 0xF400  # block, overwrite, crypto, the feature set itself, antifreeze
    assert words[128] == 0x21 and words[217] == 1 and words[169] == 1
    assert raw[54:62] == b"IKBTNA K"  # "KITBANK " with the bytes of each word swapped


def test_what_was_written_is_read_and_survives_a_power_cut_only_when_flushed(tmp_path: Path) -> None:
    drive = ssd(tmp_path)
    write(drive, 8, LETTER)
    flush(drive)
    write(drive, 16, LETTER)
    assert read(drive, 16, 8).data_in == LETTER
    drive.power_cycle()
    assert read(drive, 8, 8).data_in == LETTER
    assert read(drive, 16, 8).data_in == bytes(4096)


def test_trimmed_sectors_read_as_zeros_and_the_chips_still_have_them(tmp_path: Path) -> None:
    drive = ssd(tmp_path)
    write(drive, 8, LETTER)
    entry = (8 | 8 << 48).to_bytes(8, "little") + bytes(504)
    assert ata(drive, 0x06, features=1, count=1, data=entry).ok
    assert read(drive, 8, 8).data_in == bytes(4096)
    assert LETTER in drive.chip_off()
    write(drive, 10, LETTER[:512])
    assert read(drive, 8, 8).data_in == bytes(1024) + LETTER[:512] + bytes(2560)


def test_a_sector_that_cannot_be_read_is_an_error_until_it_is_written(tmp_path: Path) -> None:
    drive = ssd(tmp_path)
    assert ata(drive, 0x45, features=0x55, count=1, lba=100).ok
    reply = read(drive, 96, 8)
    assert reply.status == 2 and reply.sense[2] == 3 and int.from_bytes(reply.sense[3:7], "big") == 100
    write(drive, 100, bytes(512))
    assert read(drive, 96, 8).status == 0


def test_a_password_locks_at_power_on_and_five_wrong_ones_close_the_door(tmp_path: Path) -> None:
    drive = ssd(tmp_path)
    write(drive, 0, LETTER)
    assert security(drive, 0xF1, password_block("secret")).ok
    assert identify(drive)[128] & 7 == 3  # supported and enabled, not locked yet
    drive.power_cycle()
    assert identify(drive)[128] & 7 == 7
    assert read(drive, 0, 8).status == 2
    for _ in range(5):
        assert not security(drive, 0xF2, password_block("wrong")).ok
    assert identify(drive)[128] & 0x10
    assert not security(drive, 0xF2, password_block("secret")).ok
    drive.power_cycle()
    assert security(drive, 0xF2, password_block("secret")).ok
    assert security(drive, 0xF6, password_block("secret")).ok
    assert identify(drive)[128] & 7 == 1


def test_the_master_password_unlocks_at_level_high_and_not_at_maximum(tmp_path: Path) -> None:
    for maximum in (False, True):
        drive = ssd(tmp_path)
        security(drive, 0xF1, password_block("boss", master=True))
        security(drive, 0xF1, password_block("secret", maximum=maximum))
        drive.power_cycle()
        assert security(drive, 0xF2, password_block("boss", master=True)).ok is not maximum
        ata(drive, 0xF3, extended=False)
        assert security(drive, 0xF4, password_block("boss", master=True)).ok
        assert identify(drive)[128] & 7 == 1


def test_an_erase_needs_its_prepare_and_ends_the_password(tmp_path: Path) -> None:
    drive = ssd(tmp_path)
    write(drive, 8, LETTER)
    security(drive, 0xF1, password_block("secret"))
    assert not security(drive, 0xF4, password_block("secret")).ok
    ata(drive, 0xF3, extended=False)
    identify(drive)  # anything in between undoes the prepare
    assert not security(drive, 0xF4, password_block("secret")).ok
    assert erase(drive, "secret").ok
    assert identify(drive)[128] & 7 == 1
    assert LETTER not in drive.chip_off()


def test_a_power_cut_in_an_erase_leaves_the_drive_locked_and_half_erased(tmp_path: Path) -> None:
    clock = SimulatedClock()
    drive = ssd(tmp_path, clock=clock)
    write(drive, 0, LETTER)
    write(drive, 20_000, LETTER)
    security(drive, 0xF1, password_block("secret"))
    clock.at(clock.now() + 2, drive.cut_power)
    with pytest.raises(NoPower):
        erase(drive, "secret")
    with pytest.raises(NoPower):
        identify(drive)
    drive.power_cycle()
    assert identify(drive)[128] & 7 == 7
    chips = drive.chip_off()
    assert chips[:4096] == bytes(4096)
    assert chips[20_000 * 512 :][:4096] == LETTER


def test_a_frozen_drive_takes_no_security_command_until_a_power_cycle(tmp_path: Path) -> None:
    drive = ssd(tmp_path)
    assert ata(drive, 0xF5, extended=False).ok
    assert identify(drive)[128] & 8
    assert not security(drive, 0xF1, password_block("secret")).ok
    drive.power_cycle()
    assert not identify(drive)[128] & 8


def test_a_protected_area_is_set_after_reading_the_native_end_and_hides_its_content(tmp_path: Path) -> None:
    drive = ssd(tmp_path)
    write(drive, 15_000, LETTER)
    flush(drive)
    assert not ata(drive, 0x37, count=1, lba=9_999).ok  # no READ NATIVE MAX just before
    assert ata(drive, 0x27).lba == 20_479
    assert ata(drive, 0x37, count=1, lba=9_999).ok
    assert identify(drive)[60] == 10_000
    assert read(drive, 15_000, 8).status == 2
    drive.power_cycle()
    assert identify(drive)[60] == 10_000
    assert ata(drive, 0x27).lba == 20_479
    assert ata(drive, 0x37, count=1, lba=20_479).ok
    assert read(drive, 15_000, 8).data_in == LETTER
    ata(drive, 0x27)
    assert not ata(drive, 0x37, count=1, lba=9_999).ok  # a second kept one needs a power cycle


def test_a_volatile_protected_area_is_gone_after_a_power_cycle(tmp_path: Path) -> None:
    drive = ssd(tmp_path)
    ata(drive, 0x27)
    assert ata(drive, 0x37, count=0, lba=9_999).ok
    assert identify(drive)[60] == 10_000
    drive.power_cycle()
    assert identify(drive)[60] == 20_480


def test_device_configuration_hides_sectors_below_the_native_end_and_restore_brings_them_back(tmp_path: Path) -> None:
    spec = AtaSpec(sectors=20_480, dco_sectors=16_000, hpa_sectors=10_000)
    drive = ssd(tmp_path, spec=spec)
    assert ata(drive, 0x27).lba == 15_999
    seen = ata(drive, 0xB1, features=0xC2, count=1, comes=True, extended=False).data
    assert int.from_bytes(seen[6:14], "little") == 20_479 and sum(seen) & 0xFF == 0
    assert not ata(drive, 0xB1, features=0xC0, extended=False).ok  # not while an HPA is set
    ata(drive, 0x27)
    ata(drive, 0x37, count=1, lba=15_999)
    assert ata(drive, 0xB1, features=0xC0, extended=False).ok
    assert identify(drive)[60] == 20_480
    assert ata(drive, 0xB1, features=0xC1, extended=False).ok
    assert not ata(drive, 0xB1, features=0xC2, count=1, comes=True, extended=False).ok


def test_newer_drives_hide_by_accessible_max_address(tmp_path: Path) -> None:
    drive = ssd(tmp_path, spec=AtaSpec(sectors=20_480, hidden="ama"))
    assert identify(drive)[119] & 0x100
    assert not ata(drive, 0x27).ok
    assert ata(drive, 0x78).lba == 20_479
    assert ata(drive, 0x78, features=1, lba=9_999).ok
    assert identify(drive)[60] == 10_000
    drive.power_cycle()
    assert identify(drive)[60] == 10_000


@pytest.mark.parametrize("kind", ["crypto", "block", "overwrite"])
def test_a_sanitize_is_seen_in_progress_refuses_data_and_ends_without_error(tmp_path: Path, kind: str) -> None:
    clock = SimulatedClock()
    drive = ssd(tmp_path, clock=clock)
    write(drive, 8, LETTER)
    assert sanitize_status(drive).count == 0 and sanitize_status(drive).lba == 0xFFFF
    assert sanitize(drive, kind, 0xAABBCCDD).ok
    clock.pass_time(drive.drive.spec.seconds[kind] / 2)
    half = sanitize_status(drive)
    assert half.count == 0x4000 and half.lba == 0x8000
    assert read(drive, 8, 8).status == 2
    clock.pass_time(drive.drive.spec.seconds[kind])
    end = sanitize_status(drive)
    assert end.count == 0x8000 and end.lba == 0xFFFF
    assert LETTER not in drive.chip_off()
    assert read(drive, 8, 1).data_in == (bytes.fromhex("ddccbbaa") * 128 if kind == "overwrite" else bytes(512))


def test_a_sanitize_goes_on_over_a_power_cut_and_takes_hidden_sectors_too(tmp_path: Path) -> None:
    clock = SimulatedClock()
    drive = ssd(tmp_path, clock=clock)
    write(drive, 20_000, LETTER)
    flush(drive)
    ata(drive, 0x27)
    ata(drive, 0x37, count=1, lba=9_999)
    sanitize(drive, "block")
    clock.pass_time(2)
    drive.cut_power()
    clock.pass_time(100)
    drive.power_cycle()
    assert LETTER in drive.chip_off()
    assert sanitize_status(drive).count == 0x4000
    clock.pass_time(4)
    assert sanitize_status(drive).count == 0x8000
    assert LETTER not in drive.chip_off()


def test_a_wrong_key_a_locked_drive_and_a_freeze_lock_all_refuse_a_sanitize(tmp_path: Path) -> None:
    drive = ssd(tmp_path)
    wrong = ata(drive, 0xB4, features=0x12, lba=1)
    assert not wrong.ok and wrong.lba == 2
    assert sanitize(drive, "freeze").ok and sanitize_status(drive).count == 0x2000
    refused = sanitize(drive, "block")
    assert not refused.ok and refused.lba == 3
    locked = ssd(tmp_path, "locked-stranger")
    assert not sanitize(locked, "block").ok and not sanitize_status(locked).ok


def test_a_self_test_runs_and_leaves_its_result_in_the_log(tmp_path: Path) -> None:
    clock = SimulatedClock()
    drive = ssd(tmp_path, clock=clock)

    def status() -> int:
        return ata(drive, 0xB0, features=0xD0, count=1, lba=0xC24F00, comes=True, extended=False).data[363]

    drive.drive.smart.next_test_fails_at = 1234
    assert ata(drive, 0xB0, features=0xD4, lba=0xC24F01, extended=False).ok
    clock.pass_time(3)
    assert status() >> 4 == 15
    clock.pass_time(4)
    assert status() >> 4 == 7
    log = ata(drive, 0xB0, features=0xD5, count=1, lba=0xC24F06, comes=True, extended=False).data
    assert log[2] == 1 and log[3] >> 4 == 7 and int.from_bytes(log[7:11], "little") == 1234 and log[508] == 1


def test_a_drive_below_a_threshold_says_it_is_failing(tmp_path: Path) -> None:
    drive = ssd(tmp_path)
    assert ata(drive, 0xB0, features=0xDA, lba=0xC24F00, extended=False).lba & 0xFFFF00 == 0xC24F00
    drive.drive.smart.attribute(5).value = 10
    assert ata(drive, 0xB0, features=0xDA, lba=0xC24F00, extended=False).lba & 0xFFFF00 == 0x2CF400


def test_registers_come_back_when_asked_for_and_always_after_an_error(tmp_path: Path) -> None:
    drive = ssd(tmp_path)
    identify_12 = bytes([0xA1, 4 << 1, 0x0E, 0, 1, 0, 0, 0, 0, 0xEC, 0, 0])
    plain = drive.command(identify_12)
    assert plain.status == 0 and not plain.sense and len(plain.data_in) == 512
    asked = drive.command(identify_12[:2] + b"\x2e" + identify_12[3:])
    assert asked.status == 2 and asked.sense[:4] == bytes([0x72, 0x01, 0x00, 0x1D]) and asked.data_in == plain.data_in
    refused = drive.command(identify_12[:9] + b"\xa1" + identify_12[10:])
    assert refused.status == 2 and refused.sense[1] == 0x0B and refused.sense[11] == 0x04 and refused.sense[21] == 0x51
