"""Show each lie of the simulated NVMe drive to the real tools and the real kernel; run inside the guest, as root.

    python -m tests.drives.nvme_lies_shown [LIE…]

For each lie and each way to erase (block sanitize, secure format, overwriting) one row: what the tool returned, what
log 81h says, how much of the content a host still reads, how much the flash still holds, and what else changed. It
is the source of the table in docs/lab-nvme.md; it judges nothing.
"""

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from station.run import Run
from tests.drives.nvme_lies import Lie
from tests.drives.nvme_record import MIB, Plugged, plugged

SIZE = 8 * MIB
STATES = ("never", "success", "working", "failed", "success, not deallocated")
Erase = Callable[[Plugged], str]


def _block_sanitize(drive: Plugged) -> str:
    done = Run()(["nvme", "sanitize", f"/dev/{drive.controller}", "--sanact=2", "--ause"], 5)
    if done.timed_out:
        return "no answer"
    state = 2
    for _ in range(20):
        log = Run()(["nvme", "get-log", f"/dev/{drive.controller}", "--log-id=0x81", "--log-len=512", "-b"], 30)
        state = log.stdout[2] & 7 if log.ok else state
        if state != 2:
            break
        time.sleep(0.3)
    return f"exit {done.exit}, {STATES[state]}"


def _secure_format(drive: Plugged) -> str:
    argv = ["nvme", "format", f"/dev/{drive.controller}", "--namespace-id=0xffffffff", "--ses=1", "--lbaf=1", "--force"]
    done = Run()(argv, 5)
    return "no answer" if done.timed_out else f"exit {done.exit}"


def _overwrite(drive: Plugged) -> str:
    """Write canaries into every fourth block, then zeros over everything."""
    device = f"/dev/{drive.controller}n1"
    one = Run()(["dd", "if=/dev/urandom", f"of={device}", "bs=4M", "oflag=direct", "conv=fsync"], 20)
    two = Run()(["dd", "if=/dev/zero", f"of={device}", "bs=4M", "oflag=direct", "conv=fsync"], 20)
    if one.timed_out or two.timed_out:
        return "no answer"
    full = b"No space left on device"
    return ", ".join("written" if full in done.stderr else f"exit {done.exit}" for done in (one, two))


METHODS: dict[str, Erase] = {"sanitize": _block_sanitize, "format": _secure_format, "overwrite": _overwrite}


def _left(drive: Plugged, nsid: int) -> str:
    """Return how much of a namespace a host reads as something else than zeros, in percent."""
    copy = drive.folder / "seen"
    device = f"/dev/{drive.controller}n{nsid}"
    done = Run()(["dd", f"if={device}", f"of={copy}", "bs=1M", "iflag=direct"], 20)
    if not done.ok:
        return "unreadable"
    data = copy.read_bytes()
    shrunk = f" of {len(data) // MIB} MiB" if len(data) != SIZE else ""
    return f"{_percent(len(data) - data.count(0), SIZE)}{shrunk}"


def _percent(count: int, size: int) -> str:
    return f"{100 * count / size:.2f}%"


def _serial(drive: Plugged) -> str:
    page = Run()(["nvme", "id-ctrl", f"/dev/{drive.controller}", "-o", "binary"], 20).stdout
    return page[4:24].decode("ascii", "replace").strip()


def show(lie: Lie, method: str, again: str) -> str:
    """Return one row; `again` names what happens after the erase: nothing, a reset, or a power cycle."""
    with plugged(["--set", "sanitize_seconds=1"]) as drive:
        before = _serial(drive)
        drive.tell("lie", lie)
        said = METHODS[method](drive)
        drive.tell("honest", "hangs")
        if again == "reset":
            Run()(["nvme", "reset", f"/dev/{drive.controller}"], 60)
            time.sleep(1)
        elif again == "power":
            drive.disconnect()
            drive.connect()
        left = [_left(drive, nsid) for nsid in (1, 2)]
        flash = [_percent(drive.tell("chip-off", str(n), "0", str(SIZE))["not_zero"], SIZE) for n in (1, 2)]
        after = _serial(drive)
        renamed = "" if after == before else "serial changed" if after else "gone"
        cells = [lie, method, said, " / ".join(left), " / ".join(flash), renamed, f"after {again}" if again else ""]
    return "| " + " | ".join(cells) + " |"


_AGAIN = {Lie.IDENTITY_AFTER_RESET: "reset", Lie.OLD_CONTENT: "power"}
_ONLY: dict[Lie, Sequence[str]] = {
    Lie.ALWAYS_COMPLETED: ["sanitize"],
    Lie.STATUS_UNCHANGED: ["sanitize"],
    Lie.FAILS_AT_65535: ["sanitize"],
    Lie.PROGRESS_STUCK: ["sanitize"],
    Lie.REFUSES_SANITIZE: ["sanitize"],
    Lie.FIRST_NAMESPACE_ONLY: ["sanitize"],
    Lie.FORMAT_ERASES_NOTHING: ["format"],
    Lie.DROPS_WRITES: ["overwrite"],
    Lie.ERASES_NOTHING: ["sanitize", "format"],
    Lie.ZEROS_WITHOUT_ERASING: ["sanitize", "format"],
    Lie.IDENTITY_AFTER_ERASE: ["sanitize", "format"],
}


def main(argv: Sequence[str]) -> int:
    """Show the named lies, or all."""
    if os.geteuid() != 0 or not Path("/sys/class/nvme").exists():
        print("this needs root, and a kernel with nvme-tcp: the laboratory's guest", file=sys.stderr)
        return 2
    print("| lie | way | said | host reads (1 / 2) | flash holds (1 / 2) | identity | |\n|---|---|---|---|---|---|---|")
    for lie in [Lie(name) for name in argv] or list(Lie):
        for method in _ONLY.get(lie, list(METHODS)):
            print(show(lie, method, _AGAIN.get(lie, "")), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
