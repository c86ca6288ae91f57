"""Each lie of the simulated NVMe drive deceives in the way that its meaning says, and in no other."""

from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.drives import nvme_words as words
from tests.drives.nvme_host import flush, format_nvm, identify, log81, read, sanitize, serial, size, write
from tests.drives.nvme_identity import Make
from tests.drives.nvme_lies import MEANING, VISIBLE, Lie, Manner
from tests.drives.nvme_words import ALL_NAMESPACES, BLOCK_ERASE, CRYPTO_ERASE, OK, OVERWRITE, NeverAnswers
from tests.drives.test_nvme import MIB, Bench

ERASES = ["sanitize-block", "sanitize-crypto", "sanitize-overwrite", "format-1", "format-2"]


def erase(bench: Bench, method: str) -> None:
    """Let the drive erase itself, successfully as it says."""
    kind, _, how = method.partition("-")
    if kind == "format":
        assert format_nvm(bench.drive, ALL_NAMESPACES, int(how)) == OK
        assert format_nvm(bench.drive, 2, int(how), lbaf=1) == OK
        return
    action = {"block": BLOCK_ERASE, "crypto": CRYPTO_ERASE, "overwrite": OVERWRITE}[how]
    assert sanitize(bench.drive, action) == OK
    bench.clock.pass_time(1)
    assert log81(bench.drive).state == words.WORKING
    bench.clock.pass_time(9)
    assert log81(bench.drive)[:2] == (0xFFFF, words.SUCCEEDED)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def overwrite(bench: Bench, fill: bytes = b"\0") -> None:
    """Write namespace 1 full, twice as a pass and its canaries are."""
    for start in range(0, 2048, 256):
        assert write(bench.drive, 1, start, fill * 131072) == OK
    assert flush(bench.drive, 1) == OK


def test_every_lie_says_what_it_does_and_how_it_could_be_seen() -> None:
    assert set(MEANING) == {*Lie, *Manner} and set(VISIBLE) == set(Lie)
    guide = (REPOSITORY / "docs/lab-nvme.md").read_text("utf-8")
    for lie, seen in VISIBLE.items():
        assert f"| `{lie}` | {MEANING[lie]} | {seen} |" in guide
    for manner in Manner:
        assert f"| `{manner}` | {MEANING[manner].removeprefix('honest: ')} |" in guide


@pytest.mark.parametrize("method", ERASES)
def test_an_honest_erase_leaves_nothing(bench: Bench, method: str) -> None:
    erase(bench, method)
    assert bench.all_of(1) == bench.all_of(2) == bench.chips(1) == bench.chips(2) == bytes(MIB)


@pytest.mark.parametrize("method", ERASES)
def test_erases_nothing(bench: Bench, method: str) -> None:
    bench.drive.lie("erases-nothing")
    erase(bench, method)
    assert bench.all_of(1) == bench.content[0] and bench.chips(2) == bench.content[1]


@pytest.mark.parametrize("method", ERASES)
def test_zeros_without_erasing(bench: Bench, method: str) -> None:
    bench.drive.lie("zeros-without-erasing")
    erase(bench, method)
    assert bench.all_of(1) == bench.all_of(2) == bytes(MIB)
    assert bench.chips(1) == bench.content[0] and bench.chips(2) == bench.content[1]


@pytest.mark.parametrize("method", ERASES)
def test_keeps_last_percent(bench: Bench, method: str) -> None:
    bench.drive.lie("keeps-last-percent")
    erase(bench, method)
    edge = MIB * 99 // 100 // 4096 * 4096
    assert bench.all_of(1) == bytes(edge) + bench.content[0][edge:]
    assert bench.all_of(2) == bytes(edge) + bench.content[1][edge:]


@pytest.mark.parametrize("method", ERASES)
def test_keeps_one_block(bench: Bench, method: str) -> None:
    bench.drive.lie("keeps-one-block=0x3000")
    erase(bench, method)
    assert bench.all_of(1) == bytes(0x3000) + bench.content[0][0x3000:0x4000] + bytes(MIB - 0x4000)
    assert bench.all_of(2) == bytes(MIB)


def test_a_kept_block_takes_its_canary_and_no_overwrite(bench: Bench) -> None:
    bench.drive.lie("keeps-one-block")
    assert write(bench.drive, 1, 1024, b"canary!!" * 512) == OK
    overwrite(bench)
    assert bench.all_of(1) == bytes(MIB // 2) + b"canary!!" * 512 + bytes(MIB // 2 - 4096)


@pytest.mark.parametrize(("lie", "before"), [("status-unchanged", words.NEVER), ("always-completed", words.SUCCEEDED)])
def test_a_sanitize_that_is_accepted_and_never_begun(bench: Bench, lie: str, before: int) -> None:
    bench.drive.lie(lie)
    first = log81(bench.drive)
    assert (first.progress, first.state) == (0xFFFF, before)
    assert sanitize(bench.drive, BLOCK_ERASE) == OK
    assert log81(bench.drive) == first
    bench.clock.pass_time(100)
    assert log81(bench.drive) == first and bench.all_of(1) == bench.content[0]


def test_an_idle_drive_goes_on_telling_of_its_last_real_sanitize(bench: Bench) -> None:
    erase(bench, "sanitize-overwrite")
    bench.drive.lie("always-completed")
    assert write(bench.drive, 1, 0, b"secret!!" * 512) == OK
    assert sanitize(bench.drive, BLOCK_ERASE) == OK
    assert log81(bench.drive).scdw10 == OVERWRITE | 8 and read(bench.drive, 1, 0).data == b"secret!!" * 512


def test_fails_at_65535(bench: Bench) -> None:
    bench.drive.lie("fails-at-65535")
    assert sanitize(bench.drive, BLOCK_ERASE) == OK
    assert log81(bench.drive)[:2] == (0xFFFF, words.FAILED) and bench.chips(1) == bench.content[0]


@pytest.mark.parametrize("method", ERASES)
def test_shrinks(bench: Bench, method: str) -> None:
    bench.drive.lie("shrinks")
    erase(bench, method)
    assert size(bench.drive, 1) == size(bench.drive, 2) == MIB // 2
    assert read(bench.drive, 1, 1024).status == words.OUT_OF_RANGE
    assert bench.chips(1) == bytes(MIB // 2) + bench.content[0][MIB // 2 :]


def test_shrinks_in_the_middle_of_an_overwrite(bench: Bench) -> None:
    bench.drive.lie("shrinks")
    with pytest.raises(AssertionError):
        overwrite(bench)
    assert size(bench.drive, 1) == MIB // 2


@pytest.mark.parametrize("method", ERASES)
def test_identity_after_erase(bench: Bench, method: str) -> None:
    bench.drive.lie("identity-after-erase")
    before = serial(bench.drive), identify(bench.drive, 0, 1)[104:128]
    erase(bench, method)
    after = serial(bench.drive), identify(bench.drive, 0, 1)[104:128]
    assert before[0] != after[0] and before[1] != after[1]


@pytest.mark.parametrize("what", ["reset", "power"])
def test_identity_after_reset(bench: Bench, what: str) -> None:
    bench.drive.lie("identity-after-reset")
    erase(bench, "format-1")
    assert serial(bench.drive) == "KBSIM0001"
    if what == "reset":
        bench.drive.reset()
    else:
        bench.drive.power_cut()
        bench.drive.power_on()
    assert serial(bench.drive) == "X1000MISBK"


def test_hangs(bench: Bench) -> None:
    bench.drive.lie("hangs")
    with pytest.raises(NeverAnswers):
        sanitize(bench.drive, BLOCK_ERASE)
    with pytest.raises(NeverAnswers):
        format_nvm(bench.drive, 1, 1)
    with pytest.raises(NeverAnswers):
        overwrite(bench)
    assert log81(bench.drive).state == words.NEVER and bench.chips(2) == bench.content[1]


def test_progress_stuck(bench: Bench) -> None:
    bench.drive.lie("progress-stuck")
    assert sanitize(bench.drive, BLOCK_ERASE) == OK
    bench.clock.pass_time(1e6)
    assert log81(bench.drive)[:2] == (int(0.37 * 65536), words.WORKING)
    bench.drive.honest("progress-stuck")
    assert log81(bench.drive).state == words.SUCCEEDED


@pytest.mark.parametrize("method", [*ERASES, "overwrite"])
def test_old_content(bench: Bench, method: str) -> None:
    bench.drive.lie("old-content")
    if method == "overwrite":
        overwrite(bench)
    else:
        erase(bench, method)
    assert bench.all_of(1) == bytes(MIB)
    bench.drive.shutdown()
    bench.drive.power_on()
    assert bench.all_of(1) == bench.content[0] and bench.all_of(2) == bench.content[1]
    bench.drive.honest("old-content")
    overwrite(bench)
    bench.drive.power_cut()
    bench.drive.power_on()
    assert bench.all_of(1) == bytes(MIB)


def test_drops_writes(bench: Bench) -> None:
    bench.drive.lie("drops-writes")
    overwrite(bench)
    assert bench.all_of(1) == bench.content[0] == bench.chips(1)


def test_format_erases_nothing(bench: Bench) -> None:
    bench.drive.lie("format-erases-nothing")
    erase(bench, "format-1")
    erase(bench, "format-2")
    assert bench.all_of(1) == bench.content[0]
    erase(bench, "sanitize-block")
    assert bench.all_of(1) == bytes(MIB)


def test_refuses_sanitize(bench: Bench) -> None:
    bench.drive.lie("refuses-sanitize")
    assert int.from_bytes(identify(bench.drive, 1)[328:332], "little") == 7
    assert sanitize(bench.drive, BLOCK_ERASE) == words.INVALID_OPCODE


def test_first_namespace_only(bench: Bench) -> None:
    bench.drive.lie("first-namespace-only")
    erase(bench, "sanitize-block")
    assert bench.all_of(1) == bytes(MIB) and bench.all_of(2) == bench.content[1]


def test_honest_drives_need_not_read_as_zeros(bench: Bench) -> None:
    bench.drive.lie("random-after-crypto")
    erase(bench, "sanitize-crypto")
    assert len(set(bench.all_of(1))) == 256 and bench.all_of(1) != bench.content[0]
    bench.drive.lie("vendor-pattern")
    erase(bench, "sanitize-block")
    assert bench.all_of(2) == bytes.fromhex("33cc55aa") * (MIB // 4)
    bench.drive.honest("vendor-pattern")
    bench.drive.lie("ones-after-block")
    erase(bench, "format-1")
    assert bench.all_of(1) == b"\xff" * MIB


def test_honest_drives_may_be_done_at_once_or_jump(bench: Bench) -> None:
    bench.drive.lie("jumps")
    assert sanitize(bench.drive, BLOCK_ERASE) == OK
    bench.clock.pass_time(4)
    assert log81(bench.drive).progress == 655
    bench.clock.pass_time(2)
    assert log81(bench.drive).progress == 58982
    bench.clock.pass_time(4)
    bench.drive.lie("instant")
    assert sanitize(bench.drive, CRYPTO_ERASE) == OK
    assert log81(bench.drive) == (0xFFFF, words.SUCCEEDED, 0, True, CRYPTO_ERASE | 8)


def test_some_drives_zero_on_a_format_without_secure_erase(bench: Bench) -> None:
    bench.drive.lie("format-0-zeroes")
    assert format_nvm(bench.drive, 1, 0) == OK
    assert bench.all_of(1) == bytes(MIB)


def test_a_drive_may_read_deallocated_blocks_as_ones(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Make(deallocated=2))
    bench.drive.lie("zeros-without-erasing")
    erase(bench, "sanitize-block")
    assert bench.all_of(1) == b"\xff" * MIB
