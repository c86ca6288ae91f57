"""The lab's results as a page: every scenario as it was last played, when, and at which commit.

A run adds what it played to the shelf and writes the page from all of it, so that the long ones need not be played in
one piece. A row that was played again is replaced, also by a failure; a soak has a row of its own.
"""

import json
import platform
import re
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.lab.fetch import CHECKOUT, Kit
from tests.lab.scenario import Played

TOOLS = (
    ("QEMU", ["qemu-system-x86_64", "--version"]), ("hdparm", ["hdparm", "-V"]), ("nvme-cli", ["nvme", "version"]),
    ("sg3-utils", ["dpkg-query", "-W", "-f", "${Version}", "sg3-utils"]), ("smartctl", ["smartctl", "--version"]),
    ("mmc-utils", ["dpkg-query", "-W", "-f", "${Version}", "mmc-utils"]),
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One scenario as it was last played."""

    name: str
    says: str
    soak: bool
    held: bool
    seconds: float
    sentence: str
    page: str
    day: str
    commit: str


def keep(shelf: Path, played: Sequence[Played], *, soak: bool, day: str) -> list[Row]:
    """Put what was played on the shelf (a JSON file) and return everything that lies there, by name."""
    try:
        old = [Row(**each) for each in json.loads(shelf.read_text(encoding="utf-8"))]
    except FileNotFoundError:
        old = []
    where = commit()
    new = [
        Row(each.scenario.name, each.scenario.says, soak, each.held, each.seconds, each.seen.sentence, each.seen.page,
            day, where)
        for each in played
    ]  # fmt: skip
    rows = {(row.name, row.soak): row for row in (*old, *new)}
    shelf.parent.mkdir(parents=True, exist_ok=True)
    shelf.write_text(json.dumps([asdict(row) for row in rows.values()], indent=1), encoding="utf-8")
    return list(rows.values())


def write(page: Path, rows: Sequence[Row], order: Sequence[str], kit: Kit) -> None:
    """Write the page: a table in the order of the scenarios' names, then what some of them publish besides."""
    known = sorted((row for row in rows if row.name in order), key=lambda row: (order.index(row.name), row.soak))
    failed = sum(not row.held for row in known)
    never = [name for name in order if name not in {row.name for row in known}]
    lines = [
        "# What the lab saw",
        "",
        "This file is written by `python -m tests.lab` (`make lab`, `make soak`); do not edit it. [lab.md](lab.md)",
        "says what the lab is and what a simulator does not prove.",
        "",
        f"{len(known)} rows: {len(known) - failed} held, {failed} failed. {_minutes(known)}",
        *([f"Never played: {', '.join(never)}."] if never else []),
        f"Guest: Linux {kit.release}, {', '.join(versions())}; software emulation on {platform.machine()}.",
        "",
        "| scenario | what has to hold | | seconds | what was seen | when, commit |",
        "|---|---|---|---:|---|---|",
        *(_row(row) for row in known),
    ]
    for row in known:
        fuller = any(other.soak and other.page for other in known if other.name == row.name)
        if row.page and (row.soak or not fuller):
            lines += ["", f"## {row.name}", "", row.page.strip()]
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _minutes(rows: Sequence[Row]) -> str:
    usual, soak = (sum(row.seconds for row in rows if row.soak is which) / 60 for which in (False, True))
    return f"{usual:.0f} minutes without --soak (what `make lab` plays), {soak:.0f} with it."


def commit() -> str:
    """Return the commit of this checkout, with a "+" where files differ from it; "" when git does not say."""
    words = ["git", "-C", str(CHECKOUT), "describe", "--always", "--dirty=+", "--abbrev=7", "--exclude", "*"]
    try:
        return subprocess.run(words, check=False, capture_output=True, text=True, timeout=20).stdout.strip()
    except OSError:
        return ""


def versions() -> list[str]:
    """Return the tools of this machine, which are also the guest's, with their versions."""
    found = []
    for name, argv in TOOLS:
        try:
            done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=20)
        except OSError:
            continue
        number = re.search(r"\d+\.\d[\w.+~-]*|\d[\w.+~-]+", done.stdout or done.stderr)
        found.append(f"{name} {number.group() if number else 'of unknown version'}")
    return found


def _row(row: Row) -> str:
    cells = (
        row.name + (" (soak)" if row.soak else ""), row.says, "held" if row.held else "**FAILED**",
        f"{row.seconds:.1f}", row.sentence, f"{row.day}, {row.commit}",
    )  # fmt: skip
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
