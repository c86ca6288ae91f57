"""The lab's results as a page: written from what was played, by the command it names."""

import platform
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.lab.fetch import Kit
from tests.lab.scenario import Played

TOOLS = (
    ("QEMU", ["qemu-system-x86_64", "--version"]), ("hdparm", ["hdparm", "-V"]), ("nvme-cli", ["nvme", "version"]),
    ("sg3-utils", ["dpkg-query", "-W", "-f", "${Version}", "sg3-utils"]), ("smartctl", ["smartctl", "--version"]),
    ("mmc-utils", ["dpkg-query", "-W", "-f", "${Version}", "mmc-utils"]),
)  # fmt: skip


def write(page: Path, played: Sequence[Played], kit: Kit, command: str, day: str) -> None:
    """Write the results; `command` is how they were obtained, `day` when."""
    failed = sum(not each.held for each in played)
    minutes = sum(each.seconds for each in played) / 60
    lines = [
        "# What the lab saw",
        "",
        f"This file is written by `{command}`; do not edit it. [lab.md](lab.md) says what the lab is and what a",
        "simulator does not prove.",
        "",
        f"{day}: {len(played)} scenarios, {len(played) - failed} held, {failed} failed, {minutes:.1f} minutes.",
        f"Guest: Linux {kit.release}, {', '.join(versions())}; software emulation on {platform.machine()}.",
        "",
        "| scenario | what has to hold | | seconds | what was seen |",
        "|---|---|---|---:|---|",
        *(_row(each) for each in played),
    ]
    for each in played:
        if each.seen.page:
            lines += ["", f"## {each.scenario.name}", "", each.seen.page.strip()]
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("\n".join(lines) + "\n", encoding="utf-8")


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


def _row(played: Played) -> str:
    cells = (
        played.scenario.name, played.scenario.says, "held" if played.held else "**FAILED**", f"{played.seconds:.1f}",
        played.seen.sentence,
    )  # fmt: skip
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
