"""Record what the real tools say to simulated drives: tests/captures/ata-sim and tests/captures/scsi-sim.

Run as root in the lab's guest: `python -m tests.drives.capture FOLDER [SCENE...]`. Each scene is one drive and one
story; its file is a capture as `station.run.save` writes it, with the tools' real words, exit codes and times. The
drives are ours, so nothing in them is anybody's.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from station.run import Run, save
from tests.drives.bay import Bay
from tests.drives.clock import RealClock
from tests.drives.control import cut, on
from tests.drives.sat import SatDrive
from tests.drives.shop import SimulatedDrive, order

SURE = "--yes-i-know-what-i-am-doing"
SECTORS = 131_072


class Scene:
    """One drive in its bay, and a note of all that was run."""

    def __init__(self, kind: str, folder: Path, **wish: Any) -> None:
        image = folder / "scene.img"
        image.unlink(missing_ok=True)
        wish.setdefault("serial", "SIM0000001" if kind == "ata" else "SAS0000001")
        self.drive: SimulatedDrive = order(
            {"kind": kind, "image": str(image), "sectors": SECTORS, **wish}, RealClock()
        )
        self.bay = Bay(0, self.drive, lambda line: print(line, file=sys.stderr))
        self.run = Run()
        self.bay.open()
        self.bay.plug()
        _settle()

    def __call__(self, *words: str, deadline: float = 60) -> None:
        """Run a tool; `DEV` and `SG` in its words are this drive."""
        names = {"DEV": self.bay.device(), "SG": self.bay.generic()}
        self.run([names.get(word, word) for word in words], deadline)

    def cycle(self, *, thawed: bool = False) -> None:
        """Switch off and on."""
        _settle()
        cut(self.bay)
        on(self.bay, thawed=thawed)
        _settle()

    def rescan(self) -> None:
        """Let the kernel read the capacity again."""
        name = Path(self.bay.device()).name
        Path(f"/sys/block/{name}/device/rescan").write_text("1")
        _settle()

    def look(self, *more: str) -> None:
        """What every scene shows: identity, security, sizes."""
        for words in (["hdparm", "-I", "DEV"], ["hdparm", "--Istdout", "DEV"], ["smartctl", "-x", "-j", "DEV"]):
            self(*words)
        for each in more:
            self("hdparm", *each.split(), "DEV")


Story = Callable[[Scene], None]


def _settle() -> None:
    """Wait until udev has read what it wants: a read between READ NATIVE MAX and SET MAX makes the drive refuse."""
    subprocess.run(["udevadm", "settle", "--timeout=20"], check=False)


def identity(s: Scene) -> None:
    s("hdparm", "-V")
    s("smartctl", "--version")
    s("sg_sanitize", "--version")
    s.look("-N", "--dco-identify", "--sanitize-status")
    for words in ("sg_inq DEV", "sg_vpd --page=0x00 DEV", "sg_vpd --page=sn DEV", "sg_vpd --page=di DEV",
                  "sg_vpd --page=ai DEV", "sg_vpd --page=bl DEV", "sg_vpd --page=bdc DEV", "sg_vpd --page=lbpv DEV",
                  "sg_opcodes DEV", "sg_readcap --long DEV", "smartctl -i -j DEV",
                  "lsblk --json --bytes --output NAME,SIZE,MODEL,SERIAL,TRAN,ROTA,WWN DEV"):  # fmt: skip
        s(*words.split())


def security(s: Scene) -> None:
    s("hdparm", "--user-master", "u", "--security-set-pass", "LCR-WIPE", "DEV")
    s.look()
    s.cycle()
    s.look("--sanitize-status", "--security-set-pass LCR-WIPE", "--security-unlock WRONG", "--security-disable WRONG")
    s("dd", "if=" + s.bay.device(), "of=/dev/null", "bs=4096", "count=1", "iflag=direct")
    s("hdparm", "--user-master", "u", "--security-unlock", "LCR-WIPE", "DEV")
    s.look("--security-disable LCR-WIPE")
    s.look()


def expired(s: Scene) -> None:
    for _ in range(6):
        s("hdparm", "--user-master", "u", "--security-unlock", "WRONG", "DEV")
    s.look("--security-erase WRONG", f"{SURE} --sanitize-block-erase")


def security_erase(s: Scene) -> None:
    s("hdparm", "--user-master", "u", "--security-set-pass", "LCR-WIPE", "DEV")
    s("hdparm", "--user-master", "u", "--security-erase", "LCR-WIPE", "DEV")
    s.look()


def security_erase_enhanced(s: Scene) -> None:
    s("hdparm", "--user-master", "u", "--security-set-pass", "LCR-WIPE", "DEV")
    s("hdparm", "--user-master", "u", "--security-erase-enhanced", "LCR-WIPE", "DEV")
    s.look()


def frozen(s: Scene) -> None:
    s("hdparm", "--security-freeze", "DEV")
    s.look("--security-set-pass LCR-WIPE", "--security-erase LCR-WIPE", "--sanitize-status")
    s.cycle()
    s.look()


def hpa(s: Scene) -> None:
    s("hdparm", SURE, "-N", "p100000", "DEV")
    s("hdparm", "-N", "DEV")
    s.rescan()
    s.look()
    s("hdparm", SURE, "-N", f"p{SECTORS}", "DEV")  # a second kept SET MAX without a power cycle is refused
    s("hdparm", "-N", "DEV")
    s.cycle()
    s("hdparm", "-N", "DEV")
    s("hdparm", SURE, "-N", f"p{SECTORS}", "DEV")
    s("hdparm", "-N", "DEV")
    s.cycle()
    s.look("-N")


def found_hidden(s: Scene) -> None:
    s.look("-N", "--dco-identify", f"{SURE} --dco-restore", "-N", "--dco-identify")
    s("hdparm", SURE, "-N", "p120000", "DEV")
    s("hdparm", "-N", "DEV")
    s.cycle()
    s("hdparm", SURE, "--dco-restore", "DEV")
    s.look("-N", "--dco-identify", "--dco-freeze")
    s("hdparm", SURE, "--dco-freeze", "DEV")
    s("hdparm", "--dco-identify", "DEV")
    s("hdparm", SURE, "--dco-restore", "DEV")


def accessible(s: Scene) -> None:
    s.look("-N", "--dco-identify", f"{SURE} -N p100000", "-N")
    s.cycle()
    s.look("-N", f"{SURE} -N p{SECTORS}", "-N")


def bridge(s: Scene) -> None:
    s.look("-N", "--dco-identify", "--sanitize-status", "--security-set-pass LCR-WIPE")
    s("sg_inq", "DEV")


def sanitize(kind: str, *, polls: int = 10) -> Story:
    """A sanitize from before to after, asked every second."""

    def story(s: Scene) -> None:
        s("hdparm", "--sanitize-status", "DEV")
        s("hdparm", SURE, f"--sanitize-{kind}", *(["hex:a5a5a5a5"] if kind == "overwrite" else []), "DEV")
        for n in range(polls):
            s("hdparm", "--sanitize-status", "DEV")
            if n == 1:
                s.look(f"{SURE} --sanitize-block-erase", "-N")
                s("dd", "if=" + s.bay.device(), "of=/dev/null", "bs=4096", "count=1", "iflag=direct")
            time.sleep(1)
        s.look()

    return story


def sanitize_over_a_power_cut(s: Scene) -> None:
    s("hdparm", SURE, "--sanitize-block-erase", "DEV")
    time.sleep(1)
    s("hdparm", "--sanitize-status", "DEV")
    s.cycle()
    for _ in range(7):
        s("hdparm", "--sanitize-status", "DEV")
        time.sleep(1)


def sanitize_locks(s: Scene) -> None:
    s("hdparm", SURE, "--sanitize-antifreeze-lock", "DEV")
    s("hdparm", "--sanitize-status", "DEV")
    s("hdparm", SURE, "--sanitize-freeze-lock", "DEV")
    s.cycle()
    s("hdparm", SURE, "--sanitize-freeze-lock", "DEV")
    s("hdparm", "--sanitize-status", "DEV")
    s("hdparm", SURE, "--sanitize-block-erase", "DEV")
    s("hdparm", "--sanitize-status", "DEV")


def self_test(s: Scene) -> None:
    s("smartctl", "-t", "short", "-j", "DEV")
    for _ in range(9):
        s("smartctl", "-x", "-j", "DEV")
        time.sleep(1)
    s("smartctl", "-l", "selftest", "-j", "DEV")
    s("smartctl", "-l", "selftest", "DEV")
    s("smartctl", "-x", "DEV")
    s("smartctl", "-t", "long", "-j", "DEV")
    s("smartctl", "-X", "-j", "DEV")
    s("smartctl", "-l", "selftest", "-j", "DEV")


def ill(s: Scene) -> None:
    s("smartctl", "-x", "-j", "DEV")
    if isinstance(s.drive, SatDrive):
        smart = s.drive.drive.smart
        smart.attribute(5).raw, smart.attribute(5).value = 1904, 8
        smart.attribute(198).raw = 3
        s.drive.drive.medium.bad.update({4096, 4097, 90_000})
        smart.next_test_fails_at = 4096
        smart.attribute(194).raw = 61
    else:
        health = s.drive.health
        health.failing, health.grown, health.read_uncorrected, health.temperature = True, 412, 19, 61
        health.next_test_fails_at = 4096
        s.drive.medium().bad.update({4096, 4097, 90_000})
    self_test(s)
    s("dd", "if=" + s.bay.device(), "of=/dev/null", "bs=4096", "count=1", "skip=512", "iflag=direct")


def sas_identity(s: Scene) -> None:
    for words in ("sg_inq DEV", "sg_vpd --page=0x00 DEV", "sg_vpd --page=sn DEV", "sg_vpd --page=di DEV",
                  "sg_vpd --page=bl DEV", "sg_vpd --page=bdc DEV", "sg_vpd --page=lbpv DEV", "sg_vpd --page=ai DEV",
                  "sg_opcodes DEV", "sg_opcodes --opcode=0x48 DEV", "sg_opcodes --opcode=0x48,0x02 DEV",
                  "sg_opcodes --opcode=0x04 DEV", "sg_readcap DEV", "sg_readcap --long DEV", "sg_requests DEV",
                  "sg_requests --progress DEV", "sg_turs DEV", "sg_modes DEV", "sg_logs --all DEV",
                  "sginfo -G DEV", "sg_reassign --grown DEV", "smartctl -x -j DEV", "smartctl -x DEV",
                  "hdparm -I DEV", "hdparm -N DEV",
                  "lsblk --json --bytes --output NAME,SIZE,MODEL,SERIAL,TRAN,ROTA,WWN DEV"):  # fmt: skip
        s(*words.split())


def sas_sanitize(*words: str, polls: int = 9) -> Story:
    """A SANITIZE that returns early, asked every second."""

    def story(s: Scene) -> None:
        s("sg_requests", "DEV")
        s("sg_sanitize", *words, "--quick", "--early", "DEV")
        for n in range(polls):
            s("sg_requests", "DEV")
            s("sg_requests", "--progress", "DEV")
            if n == 1:
                s("sg_turs", "--progress", "DEV")
                s("sg_sanitize", *words, "--quick", "--early", "DEV")
                s("smartctl", "-x", "-j", "DEV")
                s("sg_inq", "DEV")
                s("blockdev", "--getsize64", "DEV")
                s("dd", "if=" + s.bay.device(), "of=/dev/null", "bs=4096", "count=1", "iflag=direct")
                s("blockdev", "--getsize64", "DEV")
            time.sleep(1)
        s("sg_turs", "DEV")
        s("sg_sanitize", "--fail", "--quick", "--early", "DEV")
        s("sg_turs", "DEV")
        s("sg_readcap", "--long", "DEV")
        s("blockdev", "--getsize64", "DEV")
        s("dd", "if=" + s.bay.device(), "of=/dev/null", "bs=4096", "count=1", "iflag=direct")
        s.rescan()
        s("blockdev", "--getsize64", "DEV")

    return story


def sas_sanitize_awaited(s: Scene) -> None:
    s("sg_sanitize", "--block", "--quick", "--wait", "DEV", deadline=120)
    s("sg_requests", "DEV")


def sas_power_cut(s: Scene) -> None:
    s("sg_sanitize", "--block", "--quick", "--early", "DEV")
    time.sleep(1)
    s.cycle()
    for _ in range(7):
        s("sg_requests", "--progress", "DEV")
        time.sleep(1)


def sas_format(s: Scene) -> None:
    s("sg_format", "--format", "--quick", "--early", "DEV")
    for _ in range(8):  # by the generic device: opening the disk waits in the kernel until the format is over
        s("sg_requests", "SG")
        s("sg_requests", "--progress", "SG")
        time.sleep(1)
    s("sg_format", "--format", "--quick", "--early", "DEV")
    s("sg_requests", "DEV")
    s("sg_format", "--format", "--quick", "--wait", "DEV", deadline=180)
    s("sg_requests", "DEV")


ATA: Mapping[str, tuple[Story, Mapping[str, Any]]] = {
    "identity": (identity, {}),
    "identity-hdd": (identity, {
        "rotation": 7200, "trim": False, "sanitize": "overwrite", "model": "KITBANK SIMULATED HDD",
        "enhanced_word": 0xFFFF, "erase_minutes": 600,
    }),
    "identity-without-anything": (identity, {
        "sanitize": "", "security": False, "hidden": "none", "dco": False, "smart": False, "trim": False,
    }),
    "security": (security, {}),
    "security-locked-ours": (security, {"lies": ["locked-ours"]}),
    "security-expired": (expired, {"lies": ["locked-stranger"]}),
    "security-erase": (security_erase, {}),
    "security-erase-enhanced": (security_erase_enhanced, {}),
    "security-erase-refused": (security_erase, {"lies": ["refuses-erase"]}),
    "security-erase-password-sticks": (security_erase, {"lies": ["password-sticks"]}),
    "frozen": (frozen, {}),
    "hpa": (hpa, {}),
    "hpa-returns": (hpa, {"lies": ["hpa-returns=90000"]}),
    "hpa-and-dco-found": (found_hidden, {"dco_sectors": 120_000, "hpa_sectors": 100_000}),
    "dco-frozen": (found_hidden, {"dco_sectors": 120_000, "hpa_sectors": 100_000, "lies": ["dco-frozen"]}),
    "ama": (accessible, {"hidden": "ama", "dco": False}),
    "bridge-without-pass-through": (bridge, {"lies": ["no-pass-through"]}),
    "bridge-false-serial": (identity, {"lies": ["false-serial"]}),
    "sanitize-block": (sanitize("block-erase"), {}),
    "sanitize-crypto": (sanitize("crypto-scramble", polls=4), {}),
    "sanitize-overwrite": (sanitize("overwrite", polls=15), {}),
    "sanitize-fails": (sanitize("block-erase", polls=6), {"lies": ["fails-at-65535"]}),
    "sanitize-stuck": (sanitize("block-erase", polls=5), {"lies": ["progress-stuck"]}),
    "sanitize-always-completed": (sanitize("block-erase", polls=4), {"lies": ["always-completed"]}),
    "sanitize-status-unchanged": (sanitize("block-erase", polls=4), {"lies": ["status-unchanged"]}),
    "sanitize-refused": (sanitize("block-erase", polls=2), {"lies": ["refuses-sanitize"]}),
    "sanitize-not-supported": (sanitize("block-erase", polls=1), {"sanitize": ""}),
    "sanitize-block-not-supported": (sanitize("block-erase", polls=1), {"sanitize": "crypto"}),
    "sanitize-power-cut": (sanitize_over_a_power_cut, {}),
    "sanitize-locks": (sanitize_locks, {}),
    "sanitize-frozen": (sanitize("block-erase", polls=1), {"lies": ["sanitize-frozen"]}),
    "self-test": (self_test, {}),
    "ill": (ill, {}),
}  # fmt: skip

SCSI: Mapping[str, tuple[Story, Mapping[str, Any]]] = {
    "identity": (sas_identity, {}),
    "identity-ssd": (sas_identity, {"rotation": 1, "provisioned": True, "model": "SIMULATED SSD"}),
    "identity-without-sanitize": (sas_identity, {"sanitize": ""}),
    "sanitize-block": (sas_sanitize("--block"), {}),
    "sanitize-crypto": (sas_sanitize("--crypto", polls=3), {}),
    "sanitize-overwrite": (sas_sanitize("--overwrite", "--zero", polls=14), {}),
    "sanitize-awaited": (sas_sanitize_awaited, {}),
    "sanitize-power-cut": (sas_power_cut, {}),
    "sanitize-fails": (sas_sanitize("--block", polls=6), {"lies": ["fails-at-65535"]}),
    "sanitize-fails-ause": (sas_sanitize("--block", "--ause", polls=6), {"lies": ["fails-at-65535"]}),
    "sanitize-stuck": (sas_sanitize("--block", polls=4), {"lies": ["progress-stuck"]}),
    "sanitize-status-unchanged": (sas_sanitize("--block", polls=3), {"lies": ["status-unchanged"]}),
    "sanitize-refused": (sas_sanitize("--block", polls=2), {"lies": ["refuses-sanitize"]}),
    "sanitize-not-supported": (sas_sanitize("--block", polls=1), {"sanitize": ""}),
    "format": (sas_format, {}),
    "format-refused": (sas_format, {"lies": ["refuses-erase"]}),
    "self-test": (self_test, {}),
    "ill": (ill, {}),
}


def main(argv: Sequence[str]) -> int:
    """Play the scenes, all or the named ones, and write one file each."""
    folder = Path(argv[0])
    for kind, scenes in (("ata", ATA), ("scsi", SCSI)):
        target = folder / f"{kind}-sim"
        target.mkdir(parents=True, exist_ok=True)
        for name, (story, wish) in scenes.items():
            if argv[1:] and f"{kind}/{name}" not in argv[1:]:
                continue
            scene = Scene(kind, Path("/dev/shm"), **wish)
            try:
                story(scene)
            finally:
                scene.bay.close()
            save(scene.run.transcript, target / f"{name}.json")
            print(f"{kind}/{name}: {len(scene.run.transcript)} commands", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
