"""The lab's machine does what its scenarios rely on: programs at once, files, drives that lose, fail and vanish."""

import threading
import time
from pathlib import Path

import pytest

from tests.lab import drives
from tests.lab.drives import Drive, Fault
from tests.lab.fetch import CHECKOUT
from tests.lab.talk import GuestGone, NotStarted, Overdue
from tests.lab.vm import HOME, Guest

# One worker for all of them: the machine has room for one guest.
pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.root, pytest.mark.xdist_group("lab")]

MIB = 1 << 20


def test_a_program_brings_back_its_exit_code_and_both_its_outputs(guest: Guest) -> None:
    done = guest.run(["sh", "-c", "cat; echo so >&2; exit 7"], 30, stdin=b"in\x00\xff")
    assert (done.exit, done.stdout, done.stderr) == (7, b"in\x00\xff", b"so\n")
    assert 0 < done.seconds < 30


def test_a_program_that_a_signal_ended_says_so(guest: Guest) -> None:
    assert guest.run(["sh", "-c", "kill -9 $$"], 30).exit == -9


def test_a_program_that_is_not_there_is_not_started(guest: Guest) -> None:
    with pytest.raises(NotStarted, match="No such file"):
        guest.run(["no-such-program"])


def test_programs_run_at_the_same_time_and_do_not_mix_their_words(guest: Guest) -> None:
    said: dict[int, bytes] = {}
    meet = "mkdir -p /tmp/meet; >/tmp/meet/{0}; until [ $(ls /tmp/meet | wc -l) = 6 ]; do sleep 0.2; done; echo {0}"

    def ask(number: int) -> None:
        said[number] = guest.run(["sh", "-c", meet.format(number)], 90).stdout

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert said == {number: f"{number}\n".encode() for number in range(6)}, "each waits until all six are there"


def test_a_program_that_takes_too_long_is_killed_and_what_it_said_is_told(guest: Guest) -> None:
    with pytest.raises(Overdue, match="half") as told:
        guest.run(["sh", "-c", "echo half; sleep 987"], 2)
    assert told.value.said == b"half\n"
    time.sleep(0.5)
    assert guest.run(["pgrep", "-f", "sleep 98[7]"]).exit == 1


def test_a_background_program_is_watched_fed_and_killed(guest: Guest) -> None:
    cat = guest.start(["cat"], stdin=None)
    cat.write(b"hello\n")
    cat.wait_for("hello", 30)
    assert cat.poll() is None
    cat.kill(15)
    assert cat.wait(30).exit == -15


def test_much_output_arrives_whole(guest: Guest) -> None:
    done = guest.run(["seq", "300000"], 120)
    assert done.stdout == "".join(f"{number}\n" for number in range(1, 300_001)).encode()


def test_files_are_put_and_got_whole(guest: Guest) -> None:
    data = bytes(range(256)) * 5_000
    guest.put(data, "/var/tmp/kitbank/some file", mode=0o600)
    assert guest.get("/var/tmp/kitbank/some file") == data
    assert guest.sh("stat -c %a '/var/tmp/kitbank/some file'").text == "600\n"
    with pytest.raises(NotStarted, match="FileNotFoundError"):
        guest.get("/no/such/file")


def test_what_the_guest_writes_beside_the_checkout_does_not_reach_the_host(guest: Guest) -> None:
    guest.sh("echo x > lab-was-here; test -s lab-was-here")
    assert not (CHECKOUT / "lab-was-here").exists()
    guest.sh("rm lab-was-here")


def test_the_station_runs_in_the_guest_from_the_checkout(guest: Guest) -> None:
    done = guest.python("-m", "station.cli", "--help", deadline=120)
    assert done.exit == 0 and "wipe" in done.text


def test_the_modules_of_the_simulated_drives_load(guest: Guest) -> None:
    for module in ("target_core_user", "tcm_loop", "nvme-tcp", "scsi_debug", "null_blk", "dm-flakey"):
        if module == "scsi_debug":
            guest.modprobe(module, "dev_size_mb=8", "add_host=0")
        else:
            guest.modprobe(module, *(["nr_devices=0"] if module == "null_blk" else []))
    assert guest.sh("ls /sys/kernel/config").text.split() == ["nullb", "target"]


def test_drives_are_what_they_were_told_to_be(guest: Guest, plugged: dict[str, Drive]) -> None:
    disk = guest.device(plugged["disk"])
    assert "LAB DISK" in guest.sh(f"smartctl -i {disk}").text
    assert "7200 rpm" in guest.sh(f"smartctl -i {disk}").text
    assert guest.sh(f"blockdev --getss {guest.device(plugged['flash'])}").text == "4096\n"
    assert guest.device(plugged["flash"]).startswith("/dev/nvme")


def _write(guest: Guest, drive: Drive, piece: int, count: int = 1) -> int:
    argv = ["dd", "if=/dev/urandom", f"of={guest.device(drive)}", "bs=1M", f"count={count}", f"seek={piece}"]
    return guest.run([*argv, "oflag=direct", "conv=fsync,notrunc"], 90).exit


def test_a_fault_hits_its_sector_and_no_other_until_it_is_taken_away(guest: Guest, plugged: dict[str, Drive]) -> None:
    disk = plugged["disk"]
    guest.fail(disk, Fault("write", sector=5 * 2048))
    assert (_write(guest, disk, 5), _write(guest, disk, 6)) == (1, 0)
    guest.fail(disk, Fault("flush"))
    assert _write(guest, disk, 7) == 1
    guest.fail(disk)
    assert (_write(guest, disk, 5), _write(guest, disk, 7)) == (0, 0)


def test_a_drive_is_slowed_while_it_works(guest: Guest, plugged: dict[str, Drive]) -> None:
    disk = plugged["disk"]
    guest.limit(disk, 2 * MIB)
    began = time.monotonic()
    assert _write(guest, disk, 8, 12) == 0
    assert time.monotonic() - began > 4
    guest.limit(disk, 0)


def test_a_drive_is_pulled_in_mid_write_and_plugged_in_again(guest: Guest, plugged: dict[str, Drive]) -> None:
    stick = plugged["stick"]
    guest.limit(stick, 2 * MIB)
    writer = guest.start(["dd", "if=/dev/zero", f"of={guest.device(stick)}", "bs=1M", "oflag=direct"])
    time.sleep(2)
    guest.pull(stick)
    assert writer.wait(60).exit == 1
    with pytest.raises(LookupError):
        guest.device(stick, deadline=1)
    guest.plug(stick)
    guest.limit(stick, 0)
    assert _write(guest, stick, 1) == 0


def test_a_power_cut_takes_what_was_not_flushed(guest: Guest, plugged: dict[str, Drive], tmp_path: Path) -> None:
    drive = plugged["volatile"]
    node = guest.device(drive)
    write = f"head -c 1048576 | dd of={node} bs=1M iflag=fullblock oflag=direct"
    guest.sh(f"yes flushed | {write} seek=1 conv=fsync,notrunc")
    guest.sh(f"yes unsaid! | {write} seek=9 conv=notrunc")
    guest.sh(f"echo kept > {HOME}/kept; sync -f {HOME}/kept")
    waiting = guest.start(["sleep", "1000"])
    guest.power_cut()
    with pytest.raises(GuestGone):
        waiting.wait(10)
    with pytest.raises(GuestGone):
        guest.run(["true"])
    left = drives.flat(drive.stores[0], tmp_path / "left.raw").read_bytes()
    assert left[MIB : 2 * MIB] == b"flushed\n" * (MIB // 8)
    assert left[9 * MIB : 10 * MIB] == bytes(MIB)
    guest.boot()
    assert guest.get(f"{HOME}/kept") == b"kept\n"
    assert guest.read(guest.device(drive), MIB, 8) == b"flushed\n"
