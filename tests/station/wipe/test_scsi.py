"""The SCSI engine against a simulated SAS drive: what it offers, what it does, and no lie that ends in DONE."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

import wipe_profiles
from custody.claims import Claim, Evidence, Outcome, Verdict, judge
from station.guard import claim
from station.media import Medium, Sidecar, medium_at, write_sidecar
from station.wipe import plan, scsi
from station.wipe.acting import Means, execute
from station.wipe.scsi_ask import blocks_of, sense_of, state_of
from station.worklog import Worklog
from tests.drives.clock import SimulatedClock
from tests.drives.host import sas
from tests.drives.lies import Lie
from tests.drives.scsi import SasDrive, ScsiSpec
from tests.drives.scsi_tools import ScsiTools
from tests.station.benches import now, old_data

SIZE = 20_480 * 512
METHODS = ("sanitize-crypto", "sanitize-block", "sanitize-overwrite", "format-user")


class Rig:
    """One simulated drive on the bench, full of old data, and the tools that reach it."""

    def __init__(self, folder: Path, *lies: str, spec: ScsiSpec | None = None) -> None:
        self.folder, self.clock = folder, SimulatedClock()
        (folder / "sas.img").write_bytes(old_data(SIZE)[:SIZE])
        write_sidecar(folder / "sas.img", Sidecar("SAS0000001", "Simulated", "2026-11-25"))
        self.drive: SasDrive = sas(folder, *lies, spec=spec, clock=self.clock)
        self.tools = ScsiTools(self.drive, self.clock)
        self.medium: Medium = replace(medium_at(folder / "sas.img"), kind="scsi", transport="scsi", practice=False)

    def wipe(self, method: str) -> tuple[Evidence, Verdict]:
        """Wipe by one method of the drive's own and judge it by profile purge."""
        profile = wipe_profiles.load("purge")
        can = scsi.read(self.tools, self.medium)
        recipe = replace(profile.recipes["scsi"], methods=(method,))
        profile = replace(profile, recipes={"scsi": recipe})
        planned = plan(profile, self.medium, can)
        assert planned.method == method, planned.problems
        means = Means(os.urandom, run=self.tools, clock=self.clock.now, sleep=self.clock.pass_time)  # type: ignore[arg-type]
        with (
            claim(medium_at(self.folder / "sas.img")) as target,
            Worklog(self.folder / "logs", self.medium.identity.id, now) as log,
        ):
            evidence = execute(planned, target, log, means, engine=scsi)
        return evidence, judge(evidence, profile)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("honest", [(), ("vendor-pattern",), ("random-after-crypto",)])
def test_an_honest_drive_is_done_by_every_method(tmp_path: Path, method: str, honest: tuple[str, ...]) -> None:
    rig = Rig(tmp_path, *honest)
    evidence, verdict = rig.wipe(method)
    assert verdict.outcome is Outcome.DONE, verdict.reasons
    assert verdict.claim is (Claim.CLEAR if method == "format-user" else Claim.PURGE)
    assert evidence.firmware is not None
    assert evidence.firmware.observed == "progress"
    assert evidence.hidden == {"shown": 20_480, "native": 20_480}


LIES = [
    Lie.ERASES_NOTHING, Lie.KEEPS_LAST_PERCENT, Lie.KEEPS_ONE_BLOCK, Lie.ALWAYS_COMPLETED, Lie.STATUS_UNCHANGED,
    Lie.IDENTITY_AFTER_ERASE,
    Lie.FAILS_AT_65535, Lie.STOPS_HALFWAY, Lie.HANGS, Lie.PROGRESS_STUCK, Lie.REFUSES_SANITIZE, Lie.REFUSES_ERASE,
]  # fmt: skip
DOES_NOT_APPLY = {
    ("format-user", Lie.ALWAYS_COMPLETED), ("format-user", Lie.STATUS_UNCHANGED), ("format-user", Lie.REFUSES_SANITIZE),
    *((method, Lie.REFUSES_ERASE) for method in METHODS[:3]),
}  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("lie", LIES)
def test_no_lie_that_can_be_seen_from_outside_ends_in_done(tmp_path: Path, method: str, lie: Lie) -> None:
    if (method, lie) in DOES_NOT_APPLY:
        assert Rig(tmp_path, lie).wipe(method)[1].outcome is Outcome.DONE  # the drive does not lie about this one
        return
    argument = "=0" if lie is Lie.KEEPS_ONE_BLOCK else ""
    evidence, verdict = Rig(tmp_path, f"{lie}{argument}").wipe(method)
    assert verdict.outcome is Outcome.UNKNOWN, evidence.firmware
    assert verdict.reasons


def test_a_sanitize_goes_on_over_a_power_cut_and_is_waited_for(tmp_path: Path) -> None:
    rig = Rig(tmp_path)

    class Cut(BaseException):
        """The plug is pulled."""

    def pull(seconds: float) -> None:
        raise Cut

    real = rig.clock.pass_time
    rig.clock.pass_time = pull  # type: ignore[method-assign]
    rig.tools.clock = SimulatedClock()
    with pytest.raises(Cut):
        rig.wipe("sanitize-block")
    rig.clock.pass_time = real  # type: ignore[method-assign]
    rig.tools.clock = rig.clock
    rig.drive.power_cycle()
    assert rig.drive.facts()["sanitizes_begun"] == 1
    _, verdict = rig.wipe("sanitize-block")
    assert verdict.claim is Claim.PURGE, verdict.reasons
    assert rig.drive.facts()["sanitizes_begun"] == 1


def test_a_drive_that_erases_for_somebody_else_is_left_alone(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.tools(("sg_sanitize", "--block", "--early", "--quick", "/dev/x"), 60.0)
    evidence, verdict = rig.wipe("sanitize-crypto")
    assert (verdict.outcome, evidence.firmware) == (Outcome.NOT_RUN, None)
    assert "did not begin" in evidence.stopped


def test_the_kernel_is_made_to_look_again_once_the_erase_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linux takes a disk that sanitizes for one of no capacity until it is made to look (seen in the lab)."""
    rig = Rig(tmp_path)
    rescan = tmp_path / "blocks/sas.img/device/rescan"
    rescan.parent.mkdir(parents=True)
    monkeypatch.setattr(scsi, "BLOCKS", tmp_path / "blocks")
    assert rig.wipe("sanitize-block")[1].claim is Claim.PURGE
    assert rescan.read_text() == "1"
    tools = [each.argv[0] for each in rig.tools.transcript]
    assert tools.index("udevadm") > tools.index("sg_sanitize")


def test_what_a_drive_does_not_offer_is_said(tmp_path: Path) -> None:
    rig = Rig(tmp_path, spec=ScsiSpec(20_480, sanitize=frozenset({"block"}), format=False))
    can = scsi.read(rig.tools, rig.medium)
    assert set(can.methods) == {"sanitize-block"}
    assert set(can.refused) == {"sanitize-crypto", "sanitize-overwrite", "format-user"}


def test_a_reduced_capacity_is_seen_in_the_numbers(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.drive.visible = 20_000
    can = scsi.read(rig.tools, replace(rig.medium, size=20_000 * 512))
    assert (can.hidden_areas, can.hidden) == ("present", {"shown": 20_000, "native": 20_480})
    assert scsi.read(rig.tools, rig.medium).hidden_areas == "unknown"  # the kernel says something else again


def test_a_command_line_that_does_not_erase_cannot_be_built() -> None:
    for method in METHODS:
        line = scsi.argv(method, "/dev/sdx")
        assert {"--crypto", "--block", "--overwrite", "--format"} & set(line)
        assert line[-1] == "/dev/sdx"
    with pytest.raises(ValueError, match="no method"):
        scsi.argv("overwrite-zero", "/dev/sdx")


@given(some.binary(max_size=64))
def test_no_bytes_make_the_decoding_fail_or_say_success(data: bytes) -> None:
    assert state_of(sense_of(data), "nothing").phase != "succeeded"
    blocks = blocks_of(data)
    assert blocks is None or blocks > 0


@pytest.mark.parametrize(
    ("raw", "phase", "progress"),
    [
        ("70000200000000 0a 00000000 04 1b 00 80 8000", "working", 0.5),
        ("70000200000000 0a 00000000 04 04 00 80 4000", "working", 0.25),
        ("72 02 04 1b 000000 08 02 06 0000 80 c000 00", "working", 0.75),
        ("70000300000000 0a 00000000 31 03 00 80 ffff", "failed", 65535 / 65536),
        ("70000000000000 0a 00000000 00 00 00 00 0000", "idle", None),
        ("70000600000000 0a 00000000 29 00 00 00 0000", "unknown", None),
        ("70000200000000 0a 00000000 3a 00 00 00 0000", "gone", None),
    ],
)
def test_sense_data_are_read_in_both_formats(raw: str, phase: str, progress: float | None) -> None:
    state = state_of(sense_of(bytes.fromhex(raw.replace(" ", ""))), "")
    assert (state.phase, state.progress) == (phase, progress)


def test_a_tool_that_is_missing_is_told(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.tools._raw = rig.tools._format  # type: ignore[method-assign]  # answers what is no sense data
    assert scsi.state(rig.tools, rig.medium).phase == "unknown"
    can = scsi.read(rig.tools, rig.medium)
    assert not can.methods
    assert set(can.refused) == set(METHODS)


