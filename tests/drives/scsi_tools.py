"""sg3-utils over a simulated SAS drive in this process: a `station.run.Runner` for fast tests of the SCSI engine.

`sg_raw` passes its bytes through as the real one does; `sg_sanitize` and `sg_format` send what the real ones send and
end as the real ones do: `sg_format` says that all is well whatever the drive did (LAB.md section 2). The lab runs the
real tools against the same model.
"""

from collections.abc import Sequence

from station.run import Result, Watch
from tests.drives.clock import SimulatedClock
from tests.drives.scsi import BLOCK, CRYPTO, OVERWRITE, SasDrive
from tests.drives.sense import NeverAnswers, NoPower, Reply

ACTIONS = {"--overwrite": OVERWRITE, "--block": BLOCK, "--crypto": CRYPTO}
PASSES = 0.3  # seconds that pass on the drive's clock between two commands


class ScsiTools:
    """Runs command lines against one drive; time passes on the drive's clock with every command."""

    def __init__(self, drive: SasDrive, clock: SimulatedClock) -> None:
        self.drive, self.clock = drive, clock
        self._done: list[Result] = []

    @property
    def transcript(self) -> tuple[Result, ...]:
        """Return everything that was run."""
        return tuple(self._done)

    def __call__(self, argv: Sequence[str], deadline: float, *, watch: Watch | None = None) -> Result:
        """Run one command line."""
        words = tuple(argv)
        self.clock.pass_time(PASSES)
        try:
            result = self._run(words)
        except NeverAnswers:
            self.clock.pass_time(deadline)
            result = Result(words, -9, b"", b"", deadline, timed_out=True)
        except NoPower:
            result = Result(words, 15, b"", b"open error: No such device\n", 0.0)
        self._done.append(result)
        return result

    def _run(self, words: tuple[str, ...]) -> Result:
        name = words[0]
        if "--version" in words:
            return Result(words, 0, b"version: 1.0.20 20220118\n", b"", 0.0)
        if name == "sg_raw":
            return self._raw(words)
        if name == "sg_sanitize":
            return self._sanitize(words)
        if name == "sg_format":
            return self._format(words)
        return Result(words, 127, b"", b"no such tool here", 0.0, missing=True)

    def _send(self, cdb: bytes, data: bytes = b"") -> Reply:
        return self.drive.command(cdb, data)

    def _raw(self, words: tuple[str, ...]) -> Result:
        cdb = bytes.fromhex("".join(words[words.index(self._path(words)) + 1 :]))
        reply = self._send(cdb)
        status = reply.sense[2] & 15 if reply.status else 0
        return Result(words, {0: 0, 2: 2, 3: 3, 5: 5}.get(status, 98), reply.data_in, b"", 0.0)

    @staticmethod
    def _path(words: tuple[str, ...]) -> str:
        return next(word for word in words if word.startswith("/"))

    def _sanitize(self, words: tuple[str, ...]) -> Result:
        action = next(number for word, number in ACTIONS.items() if word in words)
        data = b"\x01\0" + (512).to_bytes(2, "big") + bytes(512) if action == OVERWRITE else b""
        flags = action | (0x80 if "--early" in words else 0) | (0x20 if "--ause" in words else 0)
        cdb = bytes([0x48, flags, 0, 0, 0, 0, 0]) + len(data).to_bytes(2, "big") + b"\0"
        reply = self._send(cdb, data)
        if not reply.status:
            return Result(words, 0, b"", b"", 0.0)
        text = b"Sanitize command: Illegal request\n"
        return Result(words, reply.sense[2] & 15, b"", text, 0.0)

    def _format(self, words: tuple[str, ...]) -> Result:
        if "--resize" in words:
            self._send(bytes([0x55, 0x10, 0, 0, 0, 0, 0, 0, 24, 0]), b"\0\0\0\0\x01\0\0\x10" + b"\xff" * 8 + bytes(8))
        else:
            self._send(bytes([0x04, 0x18, 0, 0, 0, 0]), b"\0\x02\0\0")
        return Result(words, 0, b"FORMAT UNIT Complete\n", b"", 0.0)
