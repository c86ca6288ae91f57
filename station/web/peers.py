"""Who is at the other end of a connection on loopback: whoever may leave the bench orders, and nobody else.

Every user of a machine can reach a port on loopback, so the address alone says nothing of who orders. The kernel knows
to whom the browser's end of the connection belongs (proc_net_tcp, in the kernel's own documentation), and the folder of
the orders knows who may leave one: its group. Root and the user who runs the screen may as well. What cannot be found
out is refused.
"""

import grp
import os
import pwd
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONNECTIONS = Path("/proc/net/tcp")
ESTABLISHED = "01"  # a connection that its owner has left is shown as root's, so no other state is believed
LOCALHOST = f"{int.from_bytes(socket.inet_aton('127.0.0.1'), sys.byteorder):08X}"


@dataclass(frozen=True)
class Peers:
    """Who may use the screen over a bench: those who may leave orders in this folder."""

    folder: Path
    connections: Path = CONNECTIONS

    def may(self, environ: Mapping[str, Any]) -> bool:
        """Tell whether whoever sent this request (PEP 3333) may see the tiles and order."""
        try:
            theirs, ours = int(environ["REMOTE_PORT"]), int(environ["SERVER_PORT"])
            owner = uid_of(theirs, ours, self.connections)
        except (KeyError, ValueError, OSError):
            return False
        return owner is not None and (owner in (0, os.geteuid()) or self._member(owner))

    def _member(self, uid: int) -> bool:
        try:
            folder, person = self.folder.stat(), pwd.getpwuid(uid)
            grp.getgrgid(folder.st_gid)
        except (OSError, KeyError):
            return False
        groups = os.getgrouplist(person.pw_name, person.pw_gid)
        return folder.st_mode & 0o030 == 0o030 and folder.st_gid in groups


def uid_of(theirs: int, ours: int, connections: Path = CONNECTIONS) -> int | None:
    """Return who owns the other end of a connection between two ports of 127.0.0.1; None when there is none open.

    Raises OSError when the kernel does not tell, ValueError when it tells something else.
    """
    wanted = [f"{LOCALHOST}:{theirs:04X}", f"{LOCALHOST}:{ours:04X}", ESTABLISHED]
    for line in connections.read_text("ascii").splitlines()[1:]:
        words = line.split()
        if words[1:4] == wanted and words[9] != "0":
            return int(words[7])
    return None
