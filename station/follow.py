"""Start one of our own programs, give it its task, and hear how far it is: the sibling of `run` for long work.

Instead of a deadline there is patience: a program that says nothing for that long is ended, because it hangs.
"""

import json
import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import IO, Any, Protocol

from station.run import MISSING, PATH, Result

Hear = Callable[[Mapping[str, Any]], None]
_LAST_WAIT = 5.0  # seconds for a killed program; one stuck in the kernel (state D) does not die


class Follow(Protocol):
    """Whatever can start one of our programs and follow it."""

    def __call__(self, argv: Sequence[str], given: bytes, patience: float, hear: Hear) -> Result:
        """Run `argv` with `given` on standard input; `hear` gets each JSON line it prints.

        Returns when it ended, or after `patience` seconds of silence (`timed_out`). Raises nothing for a program
        that is missing or fails.
        """
        ...


def follow(argv: Sequence[str], given: bytes, patience: float, hear: Hear) -> Result:
    """Do it for real; see `Follow`."""
    begun = time.monotonic()
    with tempfile.TemporaryFile() as task, tempfile.TemporaryFile() as complaints:
        task.write(given)
        task.seek(0)
        try:
            child = subprocess.Popen(
                argv,
                stdin=task,
                stdout=subprocess.PIPE,
                stderr=complaints,
                env={"PATH": PATH, "LC_ALL": "C", "LANG": "C", "HOME": "/"},
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            return Result(tuple(argv), MISSING, b"", str(error).encode(), time.monotonic() - begun, missing=True)
        assert child.stdout is not None
        silent = True
        try:
            silent = _listen(child.stdout, patience, hear)
        finally:
            if silent:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(child.pid, signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):
                child.wait(_LAST_WAIT if silent else patience)
            child.stdout.close()
        complaints.seek(0)
        status = child.returncode if child.returncode is not None else -signal.SIGKILL
        words = complaints.read(16_384)
    return Result(tuple(argv), status, b"", words, time.monotonic() - begun, timed_out=silent)


def _listen(out: IO[bytes], patience: float, hear: Hear) -> bool:
    """Pass on each line until the end; return True after `patience` seconds of silence."""
    rest = b""
    with selectors.DefaultSelector() as watch:
        watch.register(out, selectors.EVENT_READ)
        while watch.select(patience):
            data = os.read(out.fileno(), 1 << 16)
            if not data:
                return False
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                with suppress(ValueError):
                    said = json.loads(line)
                    if isinstance(said, dict):
                        hear(said)
    return True
