"""Print what pySMART makes of one drive as one JSON object: a second opinion beside our own reading.

Run as a program of its own and only under a deadline: pySMART starts smartctl without one, so a dying disk would
hang whoever imports it, and it reads smartctl's text with regular expressions that break with its version.
"""

import json
import sys
from typing import Any


def look(path: str) -> dict[str, Any]:
    """Return pySMART's view of a drive; every value is a text, a whole number or None."""
    from pySMART import Device  # starts programs when imported, so only in this child

    device = Device(path)
    return {
        "model": _plain(device.model),
        "serial": _plain(device.serial),
        "firmware": _plain(device.firmware),
        "interface": _plain(device.interface),
        "assessment": _plain(device.assessment),
        "messages": [str(message) for message in device.messages or []],
    }


def _plain(value: object) -> str:
    """Return a value as a text, "" for None."""
    return "" if value is None else str(value)


def main(words: list[str]) -> int:
    """Look at the one drive named on the command line; 0 done, 2 usage, 1 when pySMART could not."""
    if len(words) != 1:
        print("usage: python -m station.probe_pysmart DRIVE", file=sys.stderr)
        return 2
    try:
        print(json.dumps(look(words[0])))
    except Exception as error:  # noqa: BLE001 (main: whatever pySMART raises becomes one sentence)
        print(f"pySMART could not read {words[0]}: {error!r}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
