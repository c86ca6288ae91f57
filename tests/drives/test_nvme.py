"""The simulated NVMe drive keeps the rules of its specification when nobody tells it to lie."""

import os
from pathlib import Path

import pytest

from tests.drives import nvme_words as words
from tests.drives.clock import SimulatedClock
from tests.drives.nvme import Controller
from tests.drives.nvme_host import flush, format_nvm, identify, log81, read, sanitize, serial, size, write
from tests.drives.nvme_identity import Make
from tests.drives.nvme_words import ALL_NAMESPACES, BLOCK_ERASE, CRYPTO_ERASE, EXIT_FAILURE, OK, OVERWRITE, entry

MIB = 1 << 20


class Bench:
    """A drive of two namespaces full of data, and its clock."""

    def __init__(self, folder: Path, make: Make | None = None) -> None:
        self.clock = SimulatedClock()
        self.content = [os.urandom(MIB), os.urandom(MIB)]
        self.images = [folder / "one.img", folder / "two.img"]
        for image, content in zip(self.images, self.content, strict=True):
            image.write_bytes(content)
        self.drive = self.built(make or Make())

    def built(self, make: Make) -> Controller:
        """Build a drive over the images, as at the start or after a power cut that took the process."""
        return Controller(list(zip(self.images, (512, 4096), strict=True)), make, clock=self.clock.now)

    def all_of(self, nsid: int) -> bytes:
        """Read a namespace whole, as a host does."""
        lba = 4096 if nsid == 2 else 512
        answer = read(self.drive, nsid, 0, MIB // lba)
        assert answer.status == OK, hex(answer.status)
        return answer.data

    def chips(self, nsid: int) -> bytes:
        """Read a namespace whole, as a laboratory does."""
        return self.drive.chip_off(nsid, 0, MIB)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_it_says_who_it_is_and_how_its_namespaces_are_cut(bench: Bench) -> None:
    page = identify(bench.drive, 1)
    assert page[4:24] == b"KBSIM0001".ljust(20) and page[24:64].rstrip() == b"Kitbank Simulated NVMe"
    assert int.from_bytes(page[328:332], "little") == 7 and page[524] == 4 and page[516] == 2
    assert identify(bench.drive, 2)[:12] == bytes([1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0])
    first, second = identify(bench.drive, 0, 1), identify(bench.drive, 0, 2)
    assert int.from_bytes(first[:8], "little") == 2048 and int.from_bytes(second[:8], "little") == 256
    assert first[120:128] != second[120:128] != bytes(8) and first[120:128] in identify(bench.drive, 3, 1)
    assert bench.drive.admin(entry(words.IDENTIFY, 9, 0)).status == words.INVALID_NAMESPACE


def test_what_is_written_is_read_and_compared(bench: Bench) -> None:
    assert bench.all_of(1) == bench.content[0] and bench.all_of(2) == bench.content[1]
    assert write(bench.drive, 2, 3, b"k" * 4096, 4096) == OK
    assert read(bench.drive, 2, 3, 1).data == b"k" * 4096
    assert bench.drive.io(entry(words.COMPARE, 2, 3, 0, 0), b"k" * 4096).status == OK
    assert bench.drive.io(entry(words.COMPARE, 2, 3, 0, 0), b"x" * 4096).status == words.COMPARE_FAILED
    assert read(bench.drive, 1, 2047, 2).status == words.OUT_OF_RANGE
    assert read(bench.drive, 3, 0).status == words.INVALID_NAMESPACE


def test_what_was_not_flushed_is_lost_with_the_power(bench: Bench) -> None:
    assert write(bench.drive, 1, 0, b"a" * 4096) == OK and flush(bench.drive, 1) == OK
    assert write(bench.drive, 1, 8, b"b" * 4096) == OK
    assert write(bench.drive, 1, 16, b"c" * 4096, fua=True) == OK
    assert write(bench.drive, 1, 24, b"d" * 4096) == OK
    assert read(bench.drive, 1, 24).data == b"d" * 4096
    bench.drive.power_cut()
    with pytest.raises(words.NeverAnswers):
        read(bench.drive, 1, 0)
    bench.drive.power_on()
    assert bench.all_of(1)[:12288] == b"a" * 4096 + b"b" * 4096 + b"c" * 4096
    assert bench.all_of(1)[12288:] == bench.content[0][12288:]


def test_a_drive_switched_off_properly_or_without_a_cache_loses_nothing(bench: Bench) -> None:
    assert write(bench.drive, 1, 0, b"a" * 4096) == OK
    bench.drive.shutdown()
    bench.drive.power_on()
    assert read(bench.drive, 1, 0).data == b"a" * 4096
    assert bench.drive.admin(entry(words.SET_FEATURES, 0, 6, 0)).status == OK
    assert write(bench.drive, 1, 0, b"b" * 4096) == OK
    bench.drive.power_cut()
    bench.drive.power_on()
    assert read(bench.drive, 1, 0).data == b"b" * 4096


def test_deallocated_blocks_read_as_zeros_and_stay_in_the_flash(bench: Bench) -> None:
    span = bytes(4) + (16).to_bytes(4, "little") + (8).to_bytes(8, "little")
    assert bench.drive.io(entry(words.DEALLOCATE, 1, 0, 1 << 2), span).status == OK
    assert bench.all_of(1)[4096:12288] == bytes(8192)
    assert bench.all_of(1)[:4096] == bench.content[0][:4096] and bench.chips(1) == bench.content[0]
    assert int.from_bytes(identify(bench.drive, 0, 1)[16:24], "little") == 2048 - 16
    assert write(bench.drive, 1, 10, b"z" * 512) == OK and flush(bench.drive, 1) == OK
    assert bench.all_of(1)[4096:12288] == bytes(1024) + b"z" * 512 + bytes(8192 - 1536)


def test_write_zeroes_really_writes(bench: Bench) -> None:
    assert bench.drive.io(entry(words.WRITE_ZEROES, 1, 8, 0, 7)).status == OK and flush(bench.drive, 1) == OK
    assert bench.chips(1) == bench.content[0][:4096] + bytes(4096) + bench.content[0][8192:]


@pytest.mark.parametrize("action", [BLOCK_ERASE, OVERWRITE, CRYPTO_ERASE])
def test_a_sanitize_is_seen_at_work_and_erases_every_namespace(bench: Bench, action: int) -> None:
    assert log81(bench.drive).state == words.NEVER
    assert sanitize(bench.drive, action) == OK
    bench.clock.pass_time(2.5)
    now = log81(bench.drive)
    assert (now.progress, now.state, now.erased, now.scdw10) == (16384, words.WORKING, False, action | 8)
    assert read(bench.drive, 1, 0).status == words.SANITIZE_IN_PROGRESS
    assert write(bench.drive, 2, 0, bytes(4096), 4096) == words.SANITIZE_IN_PROGRESS
    assert flush(bench.drive, 1) == words.SANITIZE_IN_PROGRESS
    assert sanitize(bench.drive, action) == words.SANITIZE_IN_PROGRESS
    assert format_nvm(bench.drive, 1, 1) == words.SANITIZE_IN_PROGRESS
    assert bench.chips(1)[: MIB // 4] == bytes(MIB // 4) and bench.chips(1)[MIB // 4 :] == bench.content[0][MIB // 4 :]
    bench.clock.pass_time(7.5)
    now = log81(bench.drive)
    assert (now.progress, now.state, now.erased) == (0xFFFF, words.SUCCEEDED, True)
    assert bench.all_of(1) == bench.all_of(2) == bench.chips(1) == bench.chips(2) == bytes(MIB)
    assert write(bench.drive, 1, 0, b"x" * 512) == OK
    assert not log81(bench.drive).erased


def test_an_overwrite_counts_its_passes_and_leaves_its_pattern(bench: Bench) -> None:
    assert sanitize(bench.drive, OVERWRITE, owpass=4, oipbp=1, ndas=1, pattern=0x0F0F0F0F) == OK
    bench.clock.pass_time(5)
    assert log81(bench.drive).passes == 2
    bench.clock.pass_time(5)
    assert log81(bench.drive).passes == 4 and log81(bench.drive).state == words.SUCCEEDED
    assert bench.all_of(1) == b"\xf0" * MIB == bench.chips(2)


def test_an_overwrite_that_deallocates_reads_as_zeros(bench: Bench) -> None:
    assert sanitize(bench.drive, OVERWRITE, owpass=1, pattern=0x0F0F0F0F) == OK
    bench.clock.pass_time(10)
    assert bench.all_of(1) == bytes(MIB) and bench.chips(1) == b"\x0f" * MIB


def test_a_sanitize_goes_on_after_a_power_cut(bench: Bench) -> None:
    assert sanitize(bench.drive, BLOCK_ERASE) == OK
    bench.clock.pass_time(5)
    bench.drive.power_cut()
    bench.clock.pass_time(1000)
    bench.drive.power_on()
    assert log81(bench.drive) == (32768, words.WORKING, 0, False, BLOCK_ERASE | 8)
    bench.clock.pass_time(5)
    assert log81(bench.drive).state == words.SUCCEEDED and bench.chips(1) == bytes(MIB)


def test_a_sanitize_goes_on_after_a_power_cut_that_took_the_process(bench: Bench) -> None:
    assert sanitize(bench.drive, CRYPTO_ERASE) == OK
    bench.clock.pass_time(5)
    bench.drive.admin(entry(words.KEEP_ALIVE))
    kept = bench.drive.to_json()
    bench.drive.close()
    bench.drive = bench.built(Make())
    bench.drive.from_json(kept)
    assert log81(bench.drive).progress == 32768
    bench.clock.pass_time(5)
    assert log81(bench.drive).state == words.SUCCEEDED and bench.chips(1) == bench.chips(2) == bytes(MIB)


def test_a_failed_restricted_sanitize_locks_the_drive_until_one_succeeds(bench: Bench) -> None:
    bench.drive.sanitize.fail_at = 0.5
    assert sanitize(bench.drive, BLOCK_ERASE, ause=0) == OK
    bench.clock.pass_time(60)
    assert log81(bench.drive).state == words.FAILED
    assert read(bench.drive, 1, 0).status == words.SANITIZE_FAILED
    assert sanitize(bench.drive, EXIT_FAILURE) == words.SANITIZE_FAILED
    assert sanitize(bench.drive, BLOCK_ERASE, ause=1) == words.SANITIZE_FAILED
    bench.drive.sanitize.fail_at = None
    assert sanitize(bench.drive, BLOCK_ERASE, ause=0) == OK
    bench.clock.pass_time(10)
    assert bench.all_of(1) == bytes(MIB)


def test_a_failed_unrestricted_sanitize_can_be_left_and_half_the_data_is_still_there(bench: Bench) -> None:
    bench.drive.sanitize.fail_at = 0.5
    assert sanitize(bench.drive, BLOCK_ERASE) == OK
    bench.clock.pass_time(60)
    assert read(bench.drive, 1, 0).status == words.SANITIZE_FAILED
    assert format_nvm(bench.drive, 1, 1) == words.SANITIZE_FAILED
    assert sanitize(bench.drive, EXIT_FAILURE) == OK
    assert bench.all_of(1) == bytes(MIB // 2) + bench.content[0][MIB // 2 :]
    assert log81(bench.drive).state == words.FAILED


def test_what_is_not_advertised_is_refused(tmp_path: Path) -> None:
    drive = Bench(tmp_path, Make(sanicap=0x2 | 1 << 29, fna=0, oacs=0x2)).drive
    assert sanitize(drive, CRYPTO_ERASE) == words.INVALID_FIELD == sanitize(drive, BLOCK_ERASE, ndas=1)
    assert sanitize(drive, 7) == words.INVALID_FIELD
    assert format_nvm(drive, 1, 2) == words.INVALID_FIELD == format_nvm(drive, 1, 3)
    assert format_nvm(drive, 1, 1, lbaf=2) == words.INVALID_FORMAT
    assert format_nvm(drive, 7, 1) == words.INVALID_NAMESPACE
    assert drive.admin(entry(words.SELF_TEST, 1, 1)).status == words.INVALID_OPCODE
    assert sanitize(drive, BLOCK_ERASE) == OK


def test_a_drive_without_sanitize_knows_neither_the_command_nor_its_log(tmp_path: Path) -> None:
    drive = Bench(tmp_path, Make(sanicap=0, oacs=0)).drive
    assert sanitize(drive, BLOCK_ERASE) == words.INVALID_OPCODE == format_nvm(drive, 1, 1)
    assert drive.admin(entry(words.GET_LOG, 0, 0x81 | 7 << 16)).status == words.INVALID_LOG_PAGE


def test_a_format_without_secure_erase_erases_nothing(bench: Bench) -> None:
    assert format_nvm(bench.drive, ALL_NAMESPACES, 0) == OK
    assert bench.all_of(1) == bench.content[0]


@pytest.mark.parametrize("ses", [1, 2])
@pytest.mark.parametrize(("fna", "reaches_all"), [(0b100, False), (0b101, False), (0b110, True)])
def test_a_secure_format_reaches_one_namespace_or_all_as_advertised(
    tmp_path: Path, ses: int, fna: int, reaches_all: bool
) -> None:
    bench = Bench(tmp_path, Make(fna=fna))
    assert format_nvm(bench.drive, 1, ses) == OK
    assert bench.chips(1) == bytes(MIB)
    assert bench.chips(2) == (bytes(MIB) if reaches_all else bench.content[1])


def test_a_format_changes_the_size_of_the_blocks(bench: Bench) -> None:
    assert format_nvm(bench.drive, 1, 1, lbaf=1) == OK
    assert int.from_bytes(identify(bench.drive, 0, 1)[:8], "little") == 256 and size(bench.drive, 1) == MIB
    assert bench.drive.events() and len(read(bench.drive, 1, 0, 1).data) == 4096


def test_a_self_test_takes_its_time_and_its_outcome_is_kept(bench: Bench) -> None:
    def page() -> bytes:
        return bench.drive.admin(entry(words.GET_LOG, 0, 6 | 140 << 16)).data

    assert bench.drive.admin(entry(words.SELF_TEST, 1, 1)).status == OK
    assert bench.drive.admin(entry(words.SELF_TEST, 1, 2)).status == words.SELF_TEST_IN_PROGRESS
    bench.clock.pass_time(30)
    assert page()[:2] == bytes([1, 50])
    bench.clock.pass_time(30)
    assert page()[0] == 0 and page()[4] == 0x10
    bench.drive.self_test.outcome = 7
    assert bench.drive.admin(entry(words.SELF_TEST, 1, 2)).status == OK
    bench.clock.pass_time(599)
    assert page()[0] == 2
    bench.clock.pass_time(1)
    assert page()[4] == 0x27 and page()[32] == 0x10 and page()[60] & 0xF == 0xF


def test_a_bad_block_cannot_be_read_until_it_is_written_and_health_says_so(bench: Bench) -> None:
    bench.drive.media.bad.add((1, 20))
    assert read(bench.drive, 1, 16).status == words.UNRECOVERED_READ and read(bench.drive, 1, 8).status == OK
    health = bench.drive.admin(entry(words.GET_LOG, ALL_NAMESPACES, 2 | 127 << 16)).data
    assert health[160] == 1
    assert write(bench.drive, 1, 20, bytes(512)) == OK and read(bench.drive, 1, 16).status == OK
    errors = bench.drive.admin(entry(words.GET_LOG, ALL_NAMESPACES, 1 | 15 << 16)).data
    assert int.from_bytes(errors[12:14], "little") >> 1 == words.UNRECOVERED_READ & 0x7FFF and errors[16] == 16


def test_its_serial_number_does_not_change_by_itself(bench: Bench) -> None:
    bench.drive.reset()
    bench.drive.power_cut()
    bench.drive.power_on()
    assert serial(bench.drive) == "KBSIM0001"
