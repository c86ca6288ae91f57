"""The eMMC engine against a stand-in: what a chip says, boot areas, and no lie that ends in DONE."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

import wipe_profiles
from custody.claims import Claim, Evidence, Outcome, Verdict, judge
from station.guard import claim
from station.media import Sidecar, medium_at, write_sidecar
from station.wipe import mmc, plan
from station.wipe.acting import Means, execute
from station.wipe.methods import Act, Capabilities
from station.worklog import Worklog
from tests.drives.mmc_tools import MmcTools
from tests.station.benches import MEBIBYTE, now, old_data

SIZE = 8 * MEBIBYTE


def csd(features: int = 0x55, erased: int = 0, boot: int = 32) -> bytes:
    raw = bytearray(range(256)) * 2
    raw[231], raw[181], raw[226] = features, erased, boot
    return bytes(raw)


def machine(root: Path, raw: bytes, boots: int = 2) -> tuple[Path, Path, Path]:
    """Make a sysfs, a debugfs and a /dev with one chip and its boot areas."""
    blocks, debug, devices = root / "block", root / "debug", root / "dev"
    card = root / "devices/mmc0:0001"
    card.mkdir(parents=True)
    (blocks / "mmcblk0").mkdir(parents=True)
    (blocks / "mmcblk0/device").symlink_to(card)
    (debug / "mmc0/mmc0:0001").mkdir(parents=True)
    (debug / "mmc0/mmc0:0001/ext_csd").write_text(raw.hex() + "\n")
    devices.mkdir()
    for number in range(boots):
        (blocks / f"mmcblk0boot{number}").mkdir()
        (blocks / f"mmcblk0boot{number}/force_ro").write_text("1")
        (devices / f"mmcblk0boot{number}").write_bytes(b"somebody's boot code" * 1000)
    return blocks, debug, devices


def test_what_a_chip_offers_is_read_from_its_raw_bytes(tmp_path: Path) -> None:
    blocks, debug, _ = machine(tmp_path, csd())
    found, why = mmc.ext_csd("/dev/mmcblk0", debug, blocks)
    assert found is not None, why
    assert (found.secure_erase, found.trim, found.sanitize) == (True, True, True)
    assert (found.boot_bytes, found.erased_reads) == (4 * MEBIBYTE, 0)
    other = mmc.decode(csd(0x10, erased=1))
    assert other is not None
    assert (other.secure_erase, other.trim, other.sanitize, other.erased_reads) == (False, True, False, 0xFF)


@pytest.mark.parametrize("text", ["", "zz", "00" * 512, "ff" * 512, "00" * 511])
def test_what_is_no_extended_csd_is_refused_with_a_sentence(tmp_path: Path, text: str) -> None:
    blocks, debug, _ = machine(tmp_path, csd())
    (debug / "mmc0/mmc0:0001/ext_csd").write_text(text)
    found, why = mmc.ext_csd("/dev/mmcblk0", debug, blocks)
    assert found is None
    assert "extended CSD" in why


@given(some.binary(max_size=600))
def test_no_bytes_make_the_decoding_fail(raw: bytes) -> None:
    found = mmc.decode(raw)
    assert found is None or len(raw) == 512


@pytest.mark.parametrize(("features", "kind"), [(0x55, "secure-erase"), (0x54, "trim"), (0x44, "legacy")])
def test_everything_is_erased_in_the_best_way_and_then_sanitized(tmp_path: Path, features: int, kind: str) -> None:
    rig = Rig(tmp_path)
    found = mmc.decode(csd(features))
    assert found is not None
    erase, sanitize = mmc.argv(rig.medium, found)
    assert erase == ("mmc", "erase", kind, "0", str(SIZE // 512 - 1), rig.medium.path)
    assert sanitize == ("mmc", "sanitize", rig.medium.path)


def test_an_sd_card_and_a_chip_without_sanitize_offer_nothing(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    can = mmc.read(rig.tools, replace(rig.medium, kind="unknown"))
    assert (dict(can.methods), list(can.refused)) == ({}, ["erase-sanitize"])


class Rig:
    """A file in place of a chip, full of old data."""

    def __init__(self, folder: Path, lie: str = "") -> None:
        self.folder, self.path = folder, folder / "chip.img"
        if not self.path.exists():
            self.path.write_bytes(old_data(SIZE)[:SIZE])
            write_sidecar(self.path, Sidecar("CHIP0001", "Stand-in", "2026-11-25"))
        self.tools = MmcTools(self.path, lie)
        self.medium = replace(medium_at(self.path), kind="emmc", transport="mmc", practice=False)

    def wipe(self) -> tuple[Evidence, Verdict]:
        profile = wipe_profiles.load("purge")
        planned = plan(profile, self.medium, Capabilities(mmc.METHODS, "none"))
        means = Means(os.urandom, run=self.tools, sleep=lambda seconds: None)  # type: ignore[arg-type]
        with (
            claim(medium_at(self.path)) as target,
            Worklog(self.folder / "logs", self.medium.identity.id, now) as log,
        ):
            evidence = execute(planned, target, log, means, engine=mmc)
        return evidence, judge(evidence, profile)


@pytest.fixture
def chip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the engine find a chip's extended CSD for the file."""
    found = mmc.decode(csd())
    monkeypatch.setattr(mmc, "ext_csd", lambda path: (found, ""))
    return tmp_path


def test_an_honest_chip_is_purged_by_its_effect(chip: Path) -> None:
    evidence, verdict = Rig(chip).wipe()
    assert (verdict.outcome, verdict.claim, verdict.reasons) == (Outcome.DONE, Claim.PURGE, ())
    assert evidence.firmware is not None
    assert evidence.firmware.observed == "content"


@pytest.mark.parametrize("lie", ["erases-nothing", "keeps-last-percent", "fails", "hangs"])
def test_no_lie_of_a_chip_ends_in_done(chip: Path, lie: str) -> None:
    assert Rig(chip, lie).wipe()[1].outcome is Outcome.UNKNOWN


def act_for(rig: Rig) -> Act:
    medium = replace(rig.medium, path="/dev/mmcblk0")
    return Act(mmc.METHODS["erase-sanitize"], medium, None, rig.tools, lambda kind, /, **fields: None)  # type: ignore[arg-type]


def test_boot_areas_are_overwritten_read_back_and_locked_again(tmp_path: Path) -> None:
    blocks, _, devices = machine(tmp_path / "m", csd())
    assert mmc.clear_boot_areas(act_for(Rig(tmp_path)), blocks, devices) == ""
    for number in range(2):
        assert not any((devices / f"mmcblk0boot{number}").read_bytes())
        assert (blocks / f"mmcblk0boot{number}/force_ro").read_text() == "1"


def test_areas_that_the_erase_does_not_reach_are_found(tmp_path: Path) -> None:
    blocks, _, _ = machine(tmp_path / "m", csd())
    (blocks / "mmcblk0gp1").mkdir()
    (blocks / "mmcblk00boot0").mkdir()
    assert mmc.areas_of("/dev/mmcblk0", "boot", blocks) == ("mmcblk0boot0", "mmcblk0boot1")
    assert mmc.areas_of("/dev/mmcblk0", "gp", blocks) == ("mmcblk0gp1",)


def test_every_certificate_says_what_no_erase_of_a_chip_reaches(chip: Path) -> None:
    evidence, _ = Rig(chip).wipe()
    assert any("RPMB" in text for text in evidence.exceptions)


def test_a_boot_area_that_cannot_be_erased_means_that_the_erase_did_not_succeed(tmp_path: Path) -> None:
    blocks, _, devices = machine(tmp_path / "m", csd())
    (devices / "mmcblk0boot1").unlink()
    assert "boot1 could not be erased" in mmc.clear_boot_areas(act_for(Rig(tmp_path)), blocks, devices)
