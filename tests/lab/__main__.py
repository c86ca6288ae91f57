"""`python -m tests.lab`: play the lab's scenarios, or open a guest to look around in.

Exit 0 when every scenario held, 1 when one failed, 2 when the lab cannot be had on this machine or was asked nonsense.
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from tests.lab import fetch, report, scenario, terminal
from tests.lab.table import SCENARIOS
from tests.lab.talk import GuestGone

RESULTS = fetch.CHECKOUT / "docs" / "lab-results.md"
PART_RESULTS = fetch.SHELF / "results.md"
PLAYED = fetch.SHELF / "played.json"


def _tell(line: str) -> None:
    print(f"lab: {line}", file=sys.stderr, flush=True)


def _say(line: str) -> None:
    print(line, flush=True)


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="play these scenarios")
    parser.add_argument("--slice", action="store_true", help="play the short slice that every submission runs")
    parser.add_argument("--soak", action="store_true", help="repeat what is worth repeating, for about two hours")
    parser.add_argument("--at-once", type=int, default=2, metavar="N", help=(
        "how many guests at a time (2); scenarios about time are always played alone"))  # fmt: skip
    parser.add_argument("--list", action="store_true", help="name the scenarios and play none")
    parser.add_argument("--report", type=Path, metavar="FILE", help=(
        f"where the results go, old ones included: {RESULTS.relative_to(fetch.CHECKOUT)}; of the slice to "
        f"{PART_RESULTS.relative_to(fetch.CHECKOUT)}"))  # fmt: skip
    parser.add_argument("--shelf", type=Path, metavar="FILE", default=PLAYED, help=(
        f"where the results of earlier runs are kept: {PLAYED.relative_to(fetch.CHECKOUT)}"))  # fmt: skip
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
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


def _scenarios(asked: argparse.Namespace, words: Sequence[str]) -> int:
    """Play what was asked for and write the results; return the exit code."""
    chosen = scenario.chosen(SCENARIOS, asked.only, asked.slice)
    if asked.list:
        for each in chosen:
            _say(f"{each.name:<28} {'slice' if each.slice else '':<6} {each.says}")
        return 0
    kit = fetch.fetch(_tell)
    played = scenario.play(chosen, kit, asked.soak, _say, _tell, at_once=asked.at_once)
    rows = report.keep(asked.shelf, played, soak=asked.soak, day=date.today().isoformat())  # noqa: DTZ011
    page = asked.report or (PART_RESULTS if asked.slice else RESULTS)
    report.write(page, rows, [each.name for each in SCENARIOS], kit)
    failed = [each.scenario.name for each in played if not each.held]
    _say(f"{len(played) - len(failed)} of {len(played)} held" + (f"; FAILED: {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


def _guest(asked: argparse.Namespace) -> int:
    """Do what a person at a terminal wants of a guest; return the exit code."""
    match asked.verb:
        case "fetch":
            _tell(f"ready: kernel {fetch.fetch(_tell).release}")
        case "boot" | "shell":
            _tell(terminal.boot(fetch.fetch(_tell), asked.name, asked.drives, asked.size))
            return terminal.do(asked.name, ["bash", "-l"]) if asked.verb == "shell" else 0
        case "do":
            return terminal.do(asked.name, asked.argv)
        case "off":
            _tell(terminal.off(asked.name))
    return 0


def main(words: Sequence[str]) -> int:
    """Do what the words say."""
    asked = _arguments(words)
    try:
        return _guest(asked) if asked.verb else _scenarios(asked, words)
    except (fetch.Unfetched, GuestGone, ValueError) as error:
        _tell(str(error))
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
