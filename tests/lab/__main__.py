"""`python -m tests.lab`: run the lab's scenarios, or open a guest to look around in."""

import argparse
import sys
from collections.abc import Sequence

from tests.lab import fetch, terminal
from tests.lab.talk import GuestGone


def _tell(line: str) -> None:
    print(f"lab: {line}", file=sys.stderr, flush=True)


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("fetch", help="bring what the lab needs (as root, over the host's own apt)")
    for verb, does in (
        ("boot", "boot a guest and leave it running"), ("shell", "open a shell in it (boots it first); open several"),
        ("do", "run one program in it: do [--name NAME] -- PROGRAM WORD…"), ("off", "cut its power and forget it"),
    ):  # fmt: skip
        each = verbs.add_parser(verb, help=does)
        each.add_argument("--name", default="guest", help="which guest, when there are several")
        if verb in {"boot", "shell"}:
            each.add_argument("--drives", nargs="*", default=terminal.DEFAULT_DRIVES, metavar="BUS",
                              help="nvme sata scsi sas usb uas sd")  # fmt: skip
            each.add_argument("--size", type=int, default=64, metavar="MIB", help="of each drive")
        if verb == "do":
            each.add_argument("argv", nargs="+")
    return parser.parse_args(words)


def main(words: Sequence[str]) -> int:
    """Do what the words say; return 0 when it held, 1 when something failed, 2 when the lab cannot be had."""
    asked = _arguments(words)
    try:
        match asked.verb:
            case "fetch":
                _tell(f"ready: kernel {fetch.fetch(_tell).release}")
            case "boot":
                _tell(terminal.boot(fetch.fetch(_tell), asked.name, asked.drives, asked.size))
            case "shell":
                _tell(terminal.boot(fetch.fetch(_tell), asked.name, asked.drives, asked.size))
                return terminal.do(asked.name, ["bash", "-l"])
            case "do":
                return terminal.do(asked.name, asked.argv)
            case "off":
                _tell(terminal.off(asked.name))
    except (fetch.Unfetched, GuestGone) as error:
        _tell(str(error))
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
