"""Take what the server sent: admit what fits, keep what is refused, put aside what breaks a chain, and say so.

The decisions are `custody.chain.admit`'s; here is what becomes of each. Nothing here touches the file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from custody.chain import Admission, Head, Known, Writer, admit, check_checkpoint
from custody.errors import BadEvent, Fork, Gap, Reason
from custody.events import Event, OriginId, Role, World


@dataclass(frozen=True)
class Taken:
    """What became of a stretch of the server's history; `position` is the number to ask after next."""

    new: int
    refused: int
    quarantined: int
    position: int
    messages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Aside:
    """An envelope that goes to quarantine, whose it says it is, and why."""

    envelope: bytes
    origin: str
    sentence: str


class Growing(Known, Protocol):
    """A store's chains while they grow."""

    @property
    def writers(self) -> Mapping[OriginId, Writer]:
        """Return all writers."""

    def add(self, envelope: bytes, admission: Admission) -> None:
        """Put an admitted event at the end of its chain."""

    def suspend(self, origin: OriginId) -> None:
        """Take nothing more of this origin until a person decided."""


class Intake:
    """One stretch on its way in. `echoed` is the last event of our own that the server ever showed us again.

    `seen` is the last one in this stretch.
    """

    def __init__(self, chains: Growing, world: World, own: OriginId, *, echoed: int, compare: bool) -> None:
        """Begin; `compare` checks checkpoints against what is held (only right for what is fetched first time)."""
        self._chains, self._world, self._own, self._compare = chains, world, own, compare
        self.echoed, self.seen, self.new, self.refused = echoed, 0, 0, 0
        self.aside: list[Aside] = []

    def take(self, envelope: bytes) -> None:
        """Admit one envelope or put it aside."""
        try:
            admission = admit(envelope, self._chains, self._world)
        except Fork as error:
            self._chains.suspend(OriginId(error.origin))
            self._put_aside(envelope, error.origin, str(error))
            return
        except Gap as error:
            told = "what is missing was left out, or was put aside before; nothing after it counts until it comes"
            self._put_aside(envelope, error.origin, f"{error} ({told})")
            return
        except BadEvent as error:
            self._put_aside(envelope, "", f"an event from the server was not taken: {error}")
            return
        event = admission.event
        writer = self._chains.writer(event.origin)
        if event.origin == self._own:
            self.seen = max(self.seen, event.seq)
            self.echoed = max(self.echoed, event.seq)
        if admission.duplicate:
            return
        if writer and writer.suspended:
            told = f"{writer.name}: event {event.seq} waits, because its history forked; an administrator decides"
            self._put_aside(envelope, event.origin, told)
            return
        if self._compare and not admission.reasons and event.kind == "checkpoint":
            for reason in [*check_checkpoint(event, self._chains), *self._cut_since(event)]:
                self._put_aside(envelope, event.origin, reason.text)
        self._chains.add(envelope, admission)
        self.new += 1
        self.refused += bool(admission.reasons)

    def _cut_since(self, event: Event) -> list[Reason]:
        """Find chains that are shorter in the server's checkpoint than what it had sent before."""
        found = []
        for origin in self._chains.writers:
            held = self.echoed if origin == self._own else self._chains.head(origin).seq
            named = event.body["heads"].get(origin, {}).get("seq", 0)
            if named < held:
                text = f"{origin} now ends at event {named} in the server's list, but {held} were sent: history was cut"
                found.append(Reason("history-cut", text, origin))
        return found

    def _put_aside(self, envelope: bytes, origin: str, sentence: str) -> None:
        self.aside.append(Aside(envelope, origin, sentence))


def witness(event: Event, chains: Known) -> list[Reason]:
    """Compare the server's newest checkpoint with what a complete fetch gave; every contradiction is a reason."""
    writer = chains.writer(event.origin)
    if writer is None or writer.role is not Role.SERVER or event.kind != "checkpoint":
        return [Reason("no-checkpoint", "what came as the server's checkpoint is none", event.origin)]
    held: Head = chains.head(event.origin)
    here = chains.hash_at(event.origin, event.seq)
    if here is None:
        text = f"the server's checkpoint is its event {event.seq}, but it sent only {held.seq}: it kept something back"
        return [Reason("history-cut", text, event.origin), *check_checkpoint(event, chains)]
    if here != event.hash:
        text = f"the server's event {event.seq} exists twice: its checkpoint is not what it had sent before"
        return [Reason("history-rewritten", text, event.origin)]
    return check_checkpoint(event, chains)
