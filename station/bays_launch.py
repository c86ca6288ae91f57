"""Start the program that works on one drive, so that it lives on when the bench does not.

The sibling of `run` and `follow` for work that must outlive whoever ordered it: a session of its own, no terminal, no
pipe that could break, its complaints in a file. What it does is in `station.bays_child`.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from station.run import PATH

CHILD = "station.bays_child"


def launch(word: str, task: Mapping[str, Any], out: int | IO[bytes], complaints: Path) -> subprocess.Popen[bytes]:
    """Start the child with its task; `out` is where its standard output goes. Raises OSError when it cannot start."""
    root = str(Path(__file__).resolve().parent.parent)
    with tempfile.TemporaryFile() as given, complaints.open("wb") as err:
        given.write(json.dumps(task).encode())
        given.seek(0)
        return subprocess.Popen(
            (sys.executable, "-P", "-m", CHILD, word),
            stdin=given,
            stdout=out,
            stderr=err,
            env={"PATH": PATH, "LC_ALL": "C.UTF-8", "HOME": "/", "PYTHONPATH": root},
            cwd="/",
            start_new_session=True,
        )


def watch(pid: int) -> int | None:
    """Return a handle that becomes readable when the process ends, child of ours or not; None when it is gone.

    Source: pidfd_open(2), Linux 5.3.
    """
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None
