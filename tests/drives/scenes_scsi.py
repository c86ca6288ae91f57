"""What is recorded of simulated SAS drives: each scene is one story of a drive, told by sg3-utils and smartctl."""

import time

from tests.drives.scene import Scene, Scenes, Story, ill, self_test


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


SCSI: Scenes = {
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
