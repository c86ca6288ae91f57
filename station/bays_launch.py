"""Start the program that works on one drive, so that it lives on when the bench does not.

The sibling of `run` and `follow` for work that must outlive whoever ordered it: a session of its own, no terminal, no
pipe that could break, its complaints in a file. What it does is in `station.bays_child`.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from custody.events import World
from station.config import Config
from station.run import PATH

CHILD = "station.bays_child"


def config_of(data: dict[str, Any]) -> Config:
    """Return the part of the bench's configuration that work on one drive needs, as the bench wrote it."""
    return Config(
        home=Path(data["home"]),
        world=World(data["world"]),
        bays=tuple(data["bays"]),
        allow_loop=data["allow_loop"],
        protect=tuple(Path(path) for path in data["protect"]),
    )


def task_config(config: Config) -> dict[str, Any]:
    """Return what `config_of` reads."""
    return {
        "home": str(config.home),
        "world": config.world.value,
        "bays": list(config.bays),
        "allow_loop": config.allow_loop,
        "protect": [str(path) for path in config.protect],
    }


def launch(word: str, task: Mapping[str, Any], out: int | IO[bytes], complaints: Path) -> subprocess.Popen[bytes]:
    """Start the child with its task; `out` is where its standard output goes. Raises OSError when it cannot start."""
    root = str(Path(__file__).resolve().parent.parent)
    with os.fdopen(os.memfd_create("task"), "w+b") as given, complaints.open("wb") as err:  # it may hold a PIN
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
