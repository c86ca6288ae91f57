"""A simulated SAS drive does what a real one does, as far as the specifications say."""

import os
import struct
from pathlib import Path

import pytest

from tests.drives.clock import SimulatedClock
from tests.drives.host import flush, read, request_sense, sas, scsi_sanitize, write
from tests.drives.sense import NoPower

LETTER = os.urandom(4096)


def inquiry(page: int) -> bytes:
    return bytes([0x12, 1, page, 1, 0, 0])


def test_it_says_who_it_is_in_inquiry_and_its_pages(tmp_path: Path) -> None:
    drive = sas(tmp_path)
    assert drive.command(bytes([0x12, 0, 0, 0, 96, 0])).data_in[8:32] == b"KITBANK SIMULATED SAS   "
    assert drive.command(inquiry(0x80)).data_in[4:] == b"SAS0000001"
    assert bytes.fromhex("5000cca0b0000001") in drive.command(inquiry(0x83)).data_in
    assert list(drive.command(inquiry(0x00)).data_in[4:]) == [0x00, 0x80, 0x83, 0xB0, 0xB1, 0xB2]
    assert drive.command(b"\x25" + bytes(9)).data_in == struct.pack(">II", 20_479, 512)


def test_supported_opcodes_tell_which_sanitize_there_is(tmp_path: Path) -> None:
    drive = sas(tmp_path)

    def support(opcode: int, action: int) -> int:
        return drive.command(bytes([0xA3, 0x0C, 2, opcode, 0, action, 0, 0, 1, 0, 0, 0])).data_in[1]

    assert [support(0x48, action) for action in (1, 2, 3, 0x1F, 9)] == [3, 3, 3, 3, 1]


@pytest.mark.parametrize(("action", "parameters"), [(2, b""), (3, b""), (1, b"\x01\0\0\x04\x11\x22\x33\x44")])
def test_a_sanitize_reports_progress_refuses_data_and_leaves_nothing(
    tmp_path: Path, action: int, parameters: bytes
) -> None:
    clock = SimulatedClock()
    drive = sas(tmp_path, clock=clock)
    write(drive, 8, LETTER)
    assert scsi_sanitize(drive, action, data=parameters).status == 0
    clock.pass_time(0.5)
    key, code, qualifier, progress = request_sense(drive)
    assert (key, code, qualifier) == (2, 0x04, 0x1B) and progress is not None and 0 < progress < 0x10000
    refused = read(drive, 8, 8)
    assert refused.status == 2 and refused.sense[12:14] == b"\x04\x1b"
    drive.power_cycle()
    assert request_sense(drive)[:3] == (2, 0x04, 0x1B)
    clock.pass_time(20)
    assert request_sense(drive)[:3] == (0, 0, 0)
    assert LETTER not in drive.chip_off()
    assert read(drive, 8, 1).data_in == (bytes.fromhex("11223344") * 128 if action == 1 else bytes(512))


def test_without_immed_the_command_lasts_as_long_as_the_sanitize(tmp_path: Path) -> None:
    clock = SimulatedClock()
    drive = sas(tmp_path, clock=clock)
    assert scsi_sanitize(drive, 2, immediate=False).status == 0
    assert clock.now() == 6
    assert request_sense(drive)[:3] == (0, 0, 0)


def test_a_failed_sanitize_holds_the_drive_until_its_failure_mode_is_left(tmp_path: Path) -> None:
    clock = SimulatedClock()
    drive = sas(tmp_path, "fails-at-65535", clock=clock)
    scsi_sanitize(drive, 2)
    clock.pass_time(20)
    assert request_sense(drive) == (3, 0x31, 0x03, 0xFFFF)
    assert read(drive, 0, 1).status == 2
    assert scsi_sanitize(drive, 0x1F).status == 0
    assert read(drive, 0, 1).status == 0
    scsi_sanitize(drive, 2, ause=False)
    clock.pass_time(20)
    assert scsi_sanitize(drive, 0x1F).status == 2


def test_a_format_that_lost_power_leaves_a_drive_that_must_be_formatted_again(tmp_path: Path) -> None:
    clock = SimulatedClock()
    drive = sas(tmp_path, clock=clock)
    write(drive, 20_000, LETTER)
    flush(drive)
    clock.at(3, drive.cut_power)
    with pytest.raises(NoPower):
        drive.command(bytes([0x04, 0x10, 0, 0, 0, 0]), bytes(4))
    drive.power_cycle()
    assert request_sense(drive)[:3] == (3, 0x31, 0x01)
    assert drive.command(bytes([0x04, 0x10, 0, 0, 0, 0]), bytes([0, 2, 0, 0])).status == 0
    clock.pass_time(3)
    assert request_sense(drive)[:3] == (2, 0x04, 0x04)
    clock.pass_time(3)
    assert read(drive, 20_000, 8).data_in == bytes(4096)


def test_log_pages_and_defects_tell_how_it_is(tmp_path: Path) -> None:
    clock = SimulatedClock()
    drive = sas(tmp_path, clock=clock)
    drive.health.read_uncorrected, drive.health.grown, drive.health.failing = 7, 3, True

    def page(number: int) -> bytes:
        return drive.command(bytes([0x4D, 0, 0x40 | number, 0, 0, 0, 0, 4, 0, 0])).data_in

    assert page(0x03)[-8:] == (7).to_bytes(8, "big")
    assert page(0x2F)[8] == 0x5D and page(0x0D)[9] == 33
    assert len(drive.command(bytes([0xB7, 0x0D, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0])).data_in) == 8 + 3 * 8
    drive.command(bytes([0x1D, 1 << 5, 0, 0, 0, 0]))
    assert page(0x10)[8] == 0x2F
    clock.pass_time(7)
    assert page(0x10)[8] == 0x20
