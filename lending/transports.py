"""How a message leaves: to a folder, a mail server, a text-message house, GOV.UK Notify.

Every transport promises the same three things, and the outbox builds on nothing else:

- `send` calls `going()` once, right before the step after which the message can no longer be held back; what fails
  before that raises `NotSent` and may be tried again without danger;
- after `going()` it returns a `Receipt`, or raises `NotSent` only if the other side *said* no, or `Unsure`;
- `ask` answers for a message whose hand-over was cut short, if the other side can be asked by our reference.

`keyed` says that the other side itself refuses a second message with our reference. Where neither is possible (a
mail server), a message that was cut short stays UNKNOWN until a person decides. Nothing here logs an address.
"""

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from lending.message_config import FileSpec, HttpSpec, MessageConfig, NotifySpec, SmtpSpec, Spec


@dataclass(frozen=True)
class Outgoing:
    """One message as a transport gets it. `ref` is its key: the same message always carries the same one."""

    ref: str
    channel: str
    to: str
    subject: str
    body: str
    at: datetime


@dataclass(frozen=True)
class Receipt:
    """The other side has it. `id` is its own name for the message, empty where it gives none."""

    id: str


class Found(StrEnum):
    """What the other side says of a reference."""

    SENT = "sent"
    FAILED = "failed"
    ABSENT = "absent"
    UNCLEAR = "unclear"


@dataclass(frozen=True)
class Answer:
    """What became of a message by the other side's own word."""

    found: Found
    id: str = ""
    text: str = ""


class NotSent(Exception):
    """The message did certainly not leave. `permanent`: trying again would not help. `wait`: seconds asked for."""

    def __init__(self, text: str, *, permanent: bool = False, wait: float = 0.0) -> None:
        """Keep why (no address in it), whether it is final and how long the other side asked us to wait."""
        super().__init__(text)
        self.text, self.permanent, self.wait = text, permanent, wait


class Unsure(Exception):
    """The message may have left, or not: the line broke, or the answer makes no sense."""


class Superseded(Exception):
    """Another worker has taken over; `going()` raises it, and nothing was handed over."""


Going = Callable[[], None]


class Transport(Protocol):
    """What the outbox needs. `settle`: seconds after a cut hand-over from which on `ask` is to be believed."""

    name: str
    asks: bool
    keyed: bool
    settle: float

    def send(self, out: Outgoing, going: Going) -> Receipt:
        """Hand one message over. Raises `NotSent`, `Unsure`, and lets `Superseded` pass."""

    def ask(self, out: Outgoing) -> Answer:
        """Say what became of a message. Never raises for a road that is down: that is `UNCLEAR`."""


class FileTransport:
    """Writes `REF.json` into a folder: complete and on the disk, or not there. A second one of a key is refused."""

    asks = keyed = True
    settle = 0.0

    def __init__(self, spec: FileSpec) -> None:
        """Take the folder; it is made at first use, for its owner only."""
        self.name, self.folder = spec.name, spec.folder

    def send(self, out: Outgoing, going: Going) -> Receipt:
        """Write beside, sync, then link under the final name: the link fails if the name exists."""
        final = self.folder / f"{out.ref}.json"
        beside = self.folder / f".{out.ref}.{os.getpid()}.part"
        data = {"ref": out.ref, "channel": out.channel, "to": out.to, "subject": out.subject, "body": out.body}
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(json.dumps(data, ensure_ascii=False, indent=1).encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise NotSent(f"the folder {self.folder} cannot be written to ({error.strerror})") from error
        try:
            going()
            with suppress(FileExistsError):  # an earlier attempt got this far: it is the same message
                os.link(beside, final)
            self._settled()
        except OSError as error:
            raise Unsure(f"the folder {self.folder} could not be brought to the disk ({error.strerror})") from error
        finally:
            beside.unlink(missing_ok=True)
        return Receipt(final.name)

    def ask(self, out: Outgoing) -> Answer:
        """Look whether the file is there."""
        try:
            there = (self.folder / f"{out.ref}.json").exists()
            if there:
                self._settled()
        except OSError as error:
            return Answer(Found.UNCLEAR, text=f"the folder cannot be read ({error.strerror})")
        return Answer(Found.SENT if there else Found.ABSENT, f"{out.ref}.json" if there else "")

    def _settled(self) -> None:
        handle = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def build(config: MessageConfig) -> dict[str, Transport]:
    """Return the transport of each configured channel."""
    made: dict[str, Transport] = {}
    for spec in config.channels.values():
        if spec.name not in made:
            made[spec.name] = open_transport(spec)
    return {channel: made[spec.name] for channel, spec in config.channels.items()}


def open_transport(spec: Spec) -> Transport:
    """Return the transport that a specification describes."""
    from lending import transports_http, transports_smtp

    if isinstance(spec, FileSpec):
        return FileTransport(spec)
    if isinstance(spec, SmtpSpec):
        return transports_smtp.SmtpTransport(spec)
    if isinstance(spec, HttpSpec):
        return transports_http.HttpTransport(spec)
    assert isinstance(spec, NotifySpec)
    return transports_http.NotifyTransport(spec)


def filled(template: str, values: Mapping[str, str]) -> str:
    """Return a template with `{name}` replaced by its value, once: what a message says is never a template itself."""
    found, rest = "", template
    while rest:
        head, brace, tail = rest.partition("{")
        name, end, after = tail.partition("}")
        if brace and end and name in values:
            found, rest = found + head + values[name], after
        else:
            found, rest = found + head + brace, tail
    return found


def folder_of(transport: Transport) -> Path | None:
    """Return the folder of a file transport, for the screen that lists letters to print."""
    return transport.folder if isinstance(transport, FileTransport) else None
