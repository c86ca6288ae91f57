"""The kernel's side of a simulated drive: commands out of a TCMU ring, answers back into it.

The layout is that of linux/target_core_user.h (version 2): a mailbox, a ring of entries, and a data area that the
entries point into. Answers go back in the order in which the commands came, so a command that hangs holds up all
that follow it, as in a drive whose firmware is stuck; `release` lets them go when the power is cut.
"""

import mmap
import os
import select
import struct
import threading
from collections.abc import Callable
from pathlib import Path

from tests.drives import sense
from tests.drives.sense import CHECK_CONDITION, NeverAnswers, NoPower, Reply
from tests.drives.target import Target

PAD, COMMAND, TASK_MANAGEMENT = 0, 1, 2
HEAD, TAIL = 12, 64  # offsets in the mailbox
READ_LENGTH = 0x02  # uflags: rsp.read_len is valid, so data comes back although the status is CHECK CONDITION
RESETS = {5, 6, 7}  # LUN RESET, TARGET WARM RESET, TARGET COLD RESET
NO_POWER = Reply(CHECK_CONDITION, b"", sense.fixed((sense.NOT_READY, 0x04, 0x00)))
UNKNOWN = Reply(CHECK_CONDITION, b"", sense.fixed((sense.ABORTED, 0x44, 0x00)))


class Ring:
    """Serves one drive until `close`; a thread of its own."""

    def __init__(self, uio: str, drive: Target, say: Callable[[str], None]) -> None:
        """Open `/dev/<uio>` and begin to answer; `say` gets a line for what goes wrong in the model."""
        size = int((Path("/sys/class/uio") / uio / "maps/map0/size").read_text(), 16)
        self._fd = os.open(f"/dev/{uio}", os.O_RDWR)
        self._map = mmap.mmap(self._fd, size)
        self._cmdr_off, self._cmdr_size = struct.unpack_from("<II", self._map, 4)
        self._drive, self._say = drive, say
        self._closing = False
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._serve, name=uio, daemon=True)
        self._thread.start()

    def release(self) -> None:
        """Let a hanging command and all behind it end in an error."""
        self._released.set()

    def close(self) -> None:
        """Stop serving."""
        self._closing = True
        self.release()
        self._thread.join(5)
        self._map.close()
        os.close(self._fd)

    def _serve(self) -> None:
        while not self._closing:
            ready, _, _ = select.select([self._fd], [], [], 0.2)
            if ready:
                os.read(self._fd, 4)
            self._drain()

    def _drain(self) -> None:
        """Answer what is in the ring."""
        tail = self._number("<I", TAIL)
        while tail != self._number("<I", HEAD) and not self._closing:
            at = self._cmdr_off + tail
            length_op, _, _, _ = struct.unpack_from("<IHBB", self._map, at)
            if length_op & 7 == COMMAND:
                self._answer(at)
            elif length_op & 7 == TASK_MANAGEMENT and self._map[at + 8] in RESETS:
                self._drive.reset()
            tail = (tail + (length_op & ~7)) % self._cmdr_size
            struct.pack_into("<I", self._map, TAIL, tail)
            os.write(self._fd, bytes(4))

    def _answer(self, at: int) -> None:
        """Do one command and write its response over the request."""
        count, _, _, cdb_off = struct.unpack_from("<IIIxxxxQ", self._map, at + 8)
        areas = _merged(self._map[at + 48 : at + 48 + 16 * count])
        cdb = self._map[cdb_off : cdb_off + 16]
        data = b"".join(self._map[base : base + size] for base, size in areas) if sends_data(cdb) else b""
        reply = self._reply(cdb, data)
        come = reply.data_in
        done = 0
        for base, size in areas if come else ():
            piece = come[done : done + size]
            self._map[base : base + len(piece)] = piece
            done += len(piece)
        short = bool(done) and done < sum(size for _, size in areas)
        struct.pack_into("<BBHI", self._map, at + 8, reply.status, 0, 0, done)
        self._map[at + 16 : at + 112] = reply.sense[:96].ljust(96, b"\0")
        self._map[at + 7] = READ_LENGTH if done and (short or reply.status) else 0

    def _reply(self, cdb: bytes, data: bytes) -> Reply:
        """Return the drive's answer; a hanging drive gives none until released."""
        try:
            return self._drive.command(cdb, data)
        except NoPower:
            return NO_POWER
        except NeverAnswers:
            while not self._released.wait(0.2):
                pass
            return NO_POWER
        except Exception as error:  # noqa: BLE001 - a fault of the model must not hang the guest's kernel
            self._say(f"fault in the model at {cdb.hex()}: {error!r}")
            return UNKNOWN
        finally:
            if self._drive_has_power():
                self._released.clear()

    def _drive_has_power(self) -> bool:
        try:
            self._drive.admit(0x03)
        except (NoPower, NeverAnswers):
            return False
        except sense.Trouble:
            return True
        return True

    def _number(self, form: str, at: int) -> int:
        return int(struct.unpack_from(form, self._map, at)[0])


def _merged(vectors: bytes) -> list[tuple[int, int]]:
    """Return where the data lies, neighbouring pages as one: a megabyte comes in 256 of them."""
    areas: list[tuple[int, int]] = []
    for base, size in struct.iter_unpack("<QQ", vectors):
        if areas and sum(areas[-1]) == base:
            areas[-1] = (areas[-1][0], areas[-1][1] + size)
        else:
            areas.append((base, size))
    return areas


def sends_data(cdb: bytes) -> bool:
    """Tell whether the host sends data with this command."""
    if cdb[0] in {0x85, 0xA1}:  # T_DIR 0 is to the device, T_LENGTH 0 is no data
        return not cdb[2] & 0x08 and bool(cdb[2] & 0x03)
    return cdb[0] in {
        0x04, 0x07, 0x0A, 0x15, 0x1D, 0x2A, 0x2E, 0x41, 0x42, 0x48, 0x55, 0x8A, 0x8E, 0x93, 0xAA,
    }  # fmt: skip
