"""The claim, on real loop devices (as root) and on practice drives (as anybody)."""

import fcntl
import os
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from station import guard
from station.errors import GuardRefused, TargetChanged, TargetLost, TargetShrunk, TargetVanished
from station.guard import Target, claim, why_ours
from station.media import Medium, Sidecar, medium_at, sidecar_path, write_sidecar
from tests.station.loops import blank, loop_device, losetup, partitioned, reattached
from tests.station.machine import RecordedMachine


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    file = blank(tmp_path / "drive.img", 1 << 20)
    write_sidecar(file, Sidecar("PRACTICE-7F3A", "Practice drive", "2026-01-01T00:00:00Z"))
    return file


@pytest.fixture
def loop(tmp_path: Path, needs_root: None) -> Iterator[str]:
    with loop_device(blank(tmp_path / "disk.img")) as node:
        yield node


@pytest.fixture
def parted(tmp_path: Path, needs_root: None) -> Iterator[tuple[str, str]]:
    with partitioned(tmp_path / "disk.img") as nodes:
        yield nodes


def refusals(medium: Medium, *, allow_loop: bool = True) -> set[str]:
    with pytest.raises(GuardRefused) as refused:
        claim(medium, allow_loop=allow_loop)
    assert refused.value.exit_code == 3
    assert all(reason.text in str(refused.value) for reason in refused.value.reasons)
    return {reason.code for reason in refused.value.reasons}


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, check=False, capture_output=True, text=True, timeout=60)


# --- who may make a Target


def test_nobody_but_claim_makes_a_target(drive: Path) -> None:
    with pytest.raises(TypeError, match=r"station\.guard\.claim"):
        Target(object(), medium_at(drive), 0)


# --- practice drives


def test_a_practice_drive_is_claimed_written_and_let_go_of(drive: Path) -> None:
    with claim(medium_at(drive)) as target:
        assert (target.size, target.sector_size) == (1 << 20, 512)
        os.pwrite(target.fd, b"x", 0)
        assert target.still_same() == target.medium
    with pytest.raises(RuntimeError, match="let go of"):
        _ = target.fd
    with claim(medium_at(drive)):
        pass


def test_a_file_without_a_sidecar_is_anybodys_file(tmp_path: Path, drive: Path) -> None:
    sidecar_path(drive).unlink()
    assert [reason.code for reason in why_ours(drive)] == ["no-sidecar"]


def test_a_sidecar_of_another_world_makes_no_practice_drive(tmp_path: Path) -> None:
    file = blank(tmp_path / "a.img", 512)
    write_sidecar(file, Sidecar("PRACTICE-7F3A", "Practice drive", "", world="real"))
    assert [reason.code for reason in why_ours(file)] == ["no-sidecar"]


def test_a_locked_practice_drive_is_refused_and_says_who_holds_it(drive: Path) -> None:
    with claim(medium_at(drive)), pytest.raises(GuardRefused) as refused:
        claim(medium_at(drive))
    assert refused.value.reasons[0].code == "locked"
    assert f"(process {os.getpid()})" in str(refused.value)


def test_a_file_with_a_second_name_is_refused(drive: Path, tmp_path: Path) -> None:
    os.link(drive, tmp_path / "other")
    assert refusals(medium_at(drive)) == {"hard-linked"}


def test_an_empty_practice_drive_is_refused(drive: Path) -> None:
    os.truncate(drive, 0)
    assert refusals(medium_at(drive)) == {"empty"}


def test_a_protected_file_is_refused_though_it_has_a_sidecar(drive: Path) -> None:
    assert [reason.code for reason in why_ours(drive, protect=[drive])] == ["own-disk"]


def test_a_read_only_practice_drive_is_refused(drive: Path) -> None:
    medium = replace(medium_at(drive), read_only=False)
    drive.chmod(0o444)
    if os.access(drive, os.W_OK):
        pytest.skip("root may write read-only files; the next test covers it")
    assert refusals(medium) == {"read-only"}


@pytest.mark.root
def test_a_practice_drive_on_a_read_only_file_system_is_refused(tmp_path: Path, needs_root: None) -> None:
    if run("mount", "-t", "tmpfs", "none", str(tmp_path)).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        file = blank(tmp_path / "drive.img", 4096)
        write_sidecar(file, Sidecar("PRACTICE-7F3A", "Practice drive", ""))
        assert why_ours(file) == []
        assert run("mount", "-o", "remount,ro", str(tmp_path)).returncode == 0
        assert [reason.code for reason in why_ours(file)] == ["read-only"]  # in the plan already
        assert refusals(medium_at(file)) == {"read-only"}
    finally:
        assert run("umount", str(tmp_path)).returncode == 0


def test_a_practice_drive_that_is_swap_is_refused(drive: Path, tmp_path: Path) -> None:
    machine = RecordedMachine(tmp_path / "machine")
    assert why_ours(drive, system=machine.system) == []
    machine.swap(str(drive))
    assert [reason.code for reason in why_ours(drive, system=machine.system)] == ["swap"]


def test_a_practice_drive_that_went_before_the_claim_has_vanished(drive: Path) -> None:
    medium = medium_at(drive)
    drive.unlink()
    with pytest.raises(TargetVanished) as gone:
        claim(medium)
    assert gone.value.exit_code == 4


def test_a_practice_drive_swapped_for_another_is_refused(drive: Path) -> None:
    medium = medium_at(drive)
    sidecar_path(drive).unlink()
    write_sidecar(drive, Sidecar("PRACTICE-0000", "Practice drive", ""))
    assert refusals(medium) == {"changed"}


def test_what_becomes_ours_between_the_look_and_the_claim_is_refused(
    drive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    medium, open_ = medium_at(drive), guard._open

    def meanwhile(medium: Medium) -> int:
        os.link(drive, tmp_path / "somebody-elses-name")
        return open_(medium)

    monkeypatch.setattr(guard, "_open", meanwhile)
    assert refusals(medium) == {"hard-linked"}


def test_a_shrinking_practice_drive_is_noticed(drive: Path) -> None:
    with claim(medium_at(drive)) as target:
        os.truncate(drive, 4096)
        with pytest.raises(TargetShrunk, match="shrunk from 1048576 to 4096 bytes"):
            target.still_same()


def test_a_growing_practice_drive_is_noticed(drive: Path) -> None:
    with claim(medium_at(drive)) as target:
        os.truncate(drive, 2 << 20)
        with pytest.raises(TargetChanged):
            target.still_same()


def test_a_vanishing_practice_drive_is_noticed(drive: Path) -> None:
    with claim(medium_at(drive)) as target:
        drive.unlink()
        with pytest.raises(TargetVanished):
            target.still_same()


def test_a_practice_drive_replaced_under_its_name_is_noticed(drive: Path) -> None:
    with claim(medium_at(drive)) as target:
        drive.rename(drive.with_name("away"))
        blank(drive, 1 << 20)
        with pytest.raises(TargetVanished, match="another file has its name"):
            target.still_same()


def test_the_second_handle_leads_to_the_same_drive(drive: Path) -> None:
    with claim(medium_at(drive)) as target:
        fd = target.open_again(os.O_RDONLY)
        try:
            assert os.path.sameopenfile(fd, target.fd)
        finally:
            os.close(fd)
        drive.unlink()
        with pytest.raises(TargetLost):
            target.open_again(os.O_RDONLY)


def test_a_character_device_and_a_folder_are_no_targets(tmp_path: Path) -> None:
    for path in ("/dev/null", str(tmp_path), "/dev/nothing-there"):
        assert [reason.code for reason in why_ours(path)] == ["not-there"]


# --- real block devices


@pytest.mark.root
def test_a_loop_device_is_claimed_only_when_allowed(loop: str) -> None:
    medium = medium_at(loop)
    assert medium.practice
    assert refusals(medium, allow_loop=False) == {"loop"}
    with claim(medium, allow_loop=True) as target:
        assert target.size == 32 << 20
        assert target.still_same() == medium


@pytest.mark.root
def test_while_claimed_nobody_else_gets_it(loop: str) -> None:
    medium = medium_at(loop)
    with claim(medium, allow_loop=True):
        assert refusals(medium) == {"in-use"}
    with claim(medium, allow_loop=True):
        pass


@pytest.mark.root
def test_a_mounted_partition_is_refused_by_the_guard_and_by_the_kernel(parted: tuple[str, str], tmp_path: Path) -> None:
    disk, part = parted
    medium = medium_at(disk)
    point = tmp_path / "mnt"
    point.mkdir()
    assert run("mkfs.ext4", "-q", part).returncode == 0
    assert why_ours(disk, allow_loop=True) == []
    mounted = run("mount", part, str(point))
    if mounted.returncode:
        pytest.skip(f"nothing can be mounted here ({mounted.stderr.strip()})")
    try:
        assert refusals(medium) == {"mounted", "in-use"}
        with pytest.raises(OSError, match="busy"):
            os.close(os.open(disk, os.O_RDWR | os.O_EXCL))
    finally:
        assert run("umount", str(point)).returncode == 0
    with claim(medium, allow_loop=True):
        refused = run("mount", part, str(point))
        assert refused.returncode != 0
        assert "busy" in refused.stderr.lower() or "already mounted" in refused.stderr.lower()


@pytest.mark.root
def test_a_mount_hidden_in_another_namespace_is_still_refused(parted: tuple[str, str], tmp_path: Path) -> None:
    disk, part = parted
    assert run("mkfs.ext4", "-q", part).returncode == 0
    script = f"mount {part} {tmp_path} && echo mounted && read answer"
    words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        try:
            if not other.stdout or "mounted" not in other.stdout.readline():
                pytest.skip("no private mount can be made here")
            assert refusals(medium_at(disk)) == {"mounted", "in-use"}
        finally:
            other.communicate("done\n", timeout=30)


@pytest.mark.root
def test_active_swap_on_a_partition_is_refused(parted: tuple[str, str]) -> None:
    disk, part = parted
    assert run("mkswap", part).returncode == 0
    if run("swapon", part).returncode:
        pytest.skip("swap cannot be switched on here")
    try:
        assert refusals(medium_at(disk)) == {"swap", "in-use"}
    finally:
        assert run("swapoff", part).returncode == 0


@pytest.mark.root
def test_a_swap_file_on_a_drive_is_refused(parted: tuple[str, str], tmp_path: Path) -> None:
    disk, part = parted
    point = tmp_path / "mnt"
    point.mkdir()
    run("mkfs.ext4", "-q", part)
    if run("mount", part, str(point)).returncode:
        pytest.skip("nothing can be mounted here")
    area = point / "swapfile"
    try:
        area.write_bytes(bytes(4 << 20))
        area.chmod(0o600)
        run("mkswap", str(area))
        if run("swapon", str(area)).returncode:
            pytest.skip("a swap file cannot be switched on here")
        try:
            assert refusals(medium_at(disk)) == {"swap", "mounted", "in-use"}
        finally:
            run("swapoff", str(area))
    finally:
        assert run("umount", str(point)).returncode == 0


@pytest.mark.root
def test_a_partition_is_refused_and_its_disk_named(parted: tuple[str, str]) -> None:
    disk, part = parted
    reasons = why_ours(part, allow_loop=True)
    assert [reason.code for reason in reasons] == ["partition"]
    assert disk in reasons[0].text


@pytest.mark.root
def test_a_loop_device_over_a_loop_device_refuses_both(loop: str) -> None:
    with loop_device(Path(loop)) as upper:
        assert refusals(medium_at(loop)) == {"holder"}
        assert "loop" in refusals(medium_at(upper))


@pytest.mark.root
def test_a_practice_drive_under_a_loop_device_is_refused_as_a_file(drive: Path, needs_root: None) -> None:
    with loop_device(drive) as node:
        assert refusals(medium_at(drive)) == {"loop"}
        with_sidecar = medium_at(node).identity.serial
    sidecar_path(drive).unlink()
    with loop_device(drive) as node:
        assert medium_at(node).identity.serial not in {"", with_sidecar}


@pytest.mark.root
def test_the_journals_disk_is_the_stations_own(parted: tuple[str, str], tmp_path: Path) -> None:
    disk, part = parted
    point = tmp_path / "home"
    point.mkdir()
    run("mkfs.ext4", "-q", part)
    if run("mount", part, str(point)).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        reasons = why_ours(disk, allow_loop=True, protect=[point / "not/yet/journal.sqlite"])
        assert reasons[0].code == "own-disk"
        assert "journal.sqlite" in reasons[0].text
    finally:
        assert run("umount", str(point)).returncode == 0


@pytest.mark.root
def test_a_read_only_drive_is_refused(tmp_path: Path, needs_root: None) -> None:
    with loop_device(blank(tmp_path / "disk.img"), "--read-only") as node:
        medium = medium_at(node)
        assert medium.read_only
        assert refusals(medium) == {"read-only"}


@pytest.mark.root
def test_a_drive_made_read_only_after_it_was_looked_at_is_refused(loop: str) -> None:
    medium = medium_at(loop)
    assert run("blockdev", "--setro", loop).returncode == 0
    try:
        assert refusals(medium) == {"read-only"}
    finally:
        run("blockdev", "--setrw", loop)


@pytest.mark.root
def test_a_drive_whose_name_went_to_another_is_refused(tmp_path: Path, needs_root: None) -> None:
    first, second = blank(tmp_path / "a.img"), blank(tmp_path / "b.img")
    with loop_device(first) as node:
        medium = medium_at(node)
    with reattached(node, second):
        assert refusals(medium) == {"changed"}


@pytest.mark.root
def test_the_same_file_attached_anew_is_another_drive_to_a_claim(tmp_path: Path, needs_root: None) -> None:
    file = blank(tmp_path / "a.img")
    with loop_device(file) as node:
        medium = medium_at(node)
    with reattached(node, file):
        assert medium_at(node).identity == medium.identity
        if medium.sequence == 0:
            pytest.skip("this kernel has no disk sequence numbers")
        assert refusals(medium) == {"changed"}


@pytest.mark.root
def test_a_detached_loop_device_has_vanished_before_the_claim(tmp_path: Path, needs_root: None) -> None:
    with loop_device(blank(tmp_path / "a.img")) as node:
        medium = medium_at(node)
    assert refusals(medium) == {"empty"}


@pytest.mark.root
def test_a_shrinking_drive_is_noticed(loop: str, tmp_path: Path) -> None:
    with claim(medium_at(loop), allow_loop=True) as target:
        os.truncate(tmp_path / "disk.img", 16 << 20)
        losetup("--set-capacity", loop)
        with pytest.raises(TargetShrunk, match=f"from {32 << 20} to {16 << 20} bytes"):
            target.still_same()


@pytest.mark.root
def test_a_drive_whose_capacity_becomes_nothing_has_vanished(loop: str, tmp_path: Path) -> None:
    with claim(medium_at(loop), allow_loop=True) as target:
        os.truncate(tmp_path / "disk.img", 0)  # what an NVMe drive pulled out looks like through its handle
        losetup("--set-capacity", loop)
        with pytest.raises(TargetVanished):
            target.still_same()
        with pytest.raises(TargetVanished):
            target.open_again(os.O_RDONLY)


@pytest.mark.root
def test_a_size_that_changed_between_look_and_claim_is_refused(loop: str, tmp_path: Path) -> None:
    medium = medium_at(loop)
    os.truncate(tmp_path / "disk.img", 16 << 20)
    losetup("--set-capacity", loop)
    assert refusals(medium) == {"changed"}


@pytest.mark.root
def test_other_sectors_than_were_seen_are_refused(tmp_path: Path, needs_root: None) -> None:
    with loop_device(blank(tmp_path / "a.img"), "--sector-size", "4096") as node:
        medium = medium_at(node)
        assert medium.sector_size == 4096
        assert refusals(replace(medium, sector_size=512)) == {"changed"}


@pytest.mark.root
def test_the_machines_own_disk_is_refused(needs_root: None) -> None:
    device = os.stat("/").st_dev
    link = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
    if not link.exists():
        pytest.skip("no block device is behind / on this machine")
    node = f"/dev/{link.resolve().name}"
    if not Path(node).exists():
        pytest.skip(f"{node} is not visible here")
    assert why_ours(node)[0].code in {"own-disk", "partition"}
    assert "own-disk" in {reason.code for reason in why_ours(node)}


@pytest.mark.root
def test_a_claimed_drive_can_be_opened_again_for_direct_reading(loop: str) -> None:
    with claim(medium_at(loop), allow_loop=True) as target:
        fd = target.open_again(os.O_RDONLY | os.O_DIRECT)
        try:
            assert stat.S_ISBLK(os.fstat(fd).st_mode)
            assert fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_DIRECT
        finally:
            os.close(fd)
