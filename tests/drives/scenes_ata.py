"""What is recorded of simulated ATA drives: each scene is one story of a drive, told by hdparm and smartctl."""

import time

from tests.drives.scene import SECTORS, SURE, Scene, Scenes, Story, ill, self_test


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


ATA: Scenes = {
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
