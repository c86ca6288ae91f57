"""Where labels go: the only input and output of this package.

`file:PATH` writes a file whole or not at all; `tcp://HOST:PORT` sends raw bytes to a printer (port 9100
unless given). USB and CUPS come later.
"""

import os
import socket
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

RAW_PORT = 9100  # where printers listen for raw bytes ("JetDirect", IANA pdl-datastream)


class OutletError(Exception):
    """Nothing may have been printed; the message says where it failed and what to do."""


def send(data: bytes, outlet: str, *, timeout: float = 5.0) -> None:
    """Send the bytes to an outlet such as `file:labels.pdf` or `tcp://printer:9100`; `timeout` in seconds.

    Raises `OutletError`. Returning means that the file is on disk, or that the printer took every byte;
    whether paper came out is for a person to see.
    """
    scheme = outlet.split(":", 1)[0].lower()
    if ":" not in outlet or scheme not in OUTLETS:
        raise OutletError(f"There is no outlet “{outlet}”; there are: file:PATH, tcp://HOST:PORT.")
    OUTLETS[scheme](data, outlet, timeout)


def _file(data: bytes, outlet: str, timeout: float) -> None:
    path = Path(outlet.split(":", 1)[1])
    temporary = None
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        temporary = Path(name)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise OutletError(
            f"The labels could not be written to “{path}”: {error.strerror or error}."
        ) from error


def _tcp(data: bytes, outlet: str, timeout: float) -> None:
    try:
        parts = urlsplit(outlet)
        host, port = parts.hostname, parts.port or RAW_PORT
    except ValueError as error:
        raise OutletError(
            f"“{outlet}” is no printer's address; write tcp://HOST:PORT, for example tcp://printer:9100."
        ) from error
    if not host:
        raise OutletError(
            f"“{outlet}” names no printer; write tcp://HOST:PORT, for example tcp://printer:9100."
        )
    try:
        with socket.create_connection((host, port), timeout=timeout) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):  # a printer closes when it has taken everything
                pass
    except TimeoutError as error:
        raise OutletError(
            f"The printer at {host}:{port} did not answer within {timeout:g} seconds: "
            "switch it on, check its cable and its address, and look whether a label came out before printing again."
        ) from error
    except OSError as error:
        raise OutletError(
            f"The printer at {host}:{port} cannot be reached ({error.strerror or error}): "
            "switch it on, check its cable and its address, then print again."
        ) from error


def _later(data: bytes, outlet: str, timeout: float) -> None:
    raise OutletError(
        f"“{outlet}”: printing over USB and CUPS comes later; there are: file:PATH, tcp://HOST:PORT."
    )


OUTLETS: Mapping[str, Callable[[bytes, str, float], None]] = {
    "file": _file,
    "tcp": _tcp,
    "usb": _later,
    "cups": _later,
}
