"""Have one drive test itself through pySMART, saying on standard output how far it is, one JSON object a line.

    python -m station.probe_selftest DRIVE short|long
    {"started": code, "message": …}  {"progress": percent} …  {"ended": code, "message": …}

Run as a program of its own and only under a deadline, because pySMART starts smartctl without one. pySMART's word is
not the verdict: whoever started this reads the drive's own log afterwards.
"""

import json
import sys
import time
from typing import Any

EVERY = 5.0  # seconds between two looks
KINDS = ("short", "long")


def say(**words: Any) -> None:
    """Print one line for whoever listens."""
    print(json.dumps(words), flush=True)


def test(path: str, kind: str, every: float = EVERY) -> int:
    """Start a self-test and follow it to its end; returns pySMART's code for how it started (0: it did)."""
    from pySMART import Device  # starts programs when imported, so only in this child

    device = Device(path)
    code, message, _ = device.run_selftest(kind)
    say(started=int(code), message=str(message))
    if code != 0:
        return int(code)
    while True:
        time.sleep(every)
        # 0: a new result, 1: running, 2: no new result, 3: broken off (pySMART, Device.get_selftest_result)
        state, result, progress = device.get_selftest_result(output="str")
        if state != 1:
            say(ended=int(state), message=str(result))
            return 0
        say(progress=progress if isinstance(progress, int | float) else None)


def main(words: list[str]) -> int:
    """Test the one drive named on the command line; 0 it ran, 2 usage, 1 it could not be started."""
    if len(words) != 2 or words[1] not in KINDS:
        print(f"usage: python -m station.probe_selftest DRIVE {'|'.join(KINDS)}", file=sys.stderr)
        return 2
    try:
        return 1 if test(words[0], words[1]) else 0
    except Exception as error:  # noqa: BLE001 (main: whatever pySMART raises becomes one sentence)
        print(f"pySMART could not have {words[0]} test itself: {error!r}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
