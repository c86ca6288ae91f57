"""What engines say of drives and of themselves: methods, capabilities, a drive's state, and what acting needs.

An engine is a module with `METHODS` and the functions of `Engine`; `station.wipe.ENGINES` lists them. Everything here
is plain data, so that a plan can be printed before anything is touched and an engine be run by a test.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

from custody.claims import Claim, Firmware
from station.guard import Target
from station.media import Medium
from station.run import Runner

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Method:
    """One way of wiping: its technique in the evidence, its passes in order, and the most it can reach.

    A method with `passes` overwrites; one without is a command of the drive's own. `reach` is what the command hits:
    "namespace", "controller" (every namespace of an NVMe drive) or "disk" (boot areas included). `cancel` is what
    cancelling means, in a sentence for the person who presses the button; `stoppable` is whether it stops anything.
    """

    name: str
    technique: str
    passes: tuple[str, ...]
    reaches: Claim
    reach: str = "namespace"
    stoppable: bool = True
    cancel: str = "Stops at once. The drive then counts as not wiped; the same wipe can go on from there later."

    @property
    def by_firmware(self) -> bool:
        """Tell whether the drive does it itself."""
        return not self.passes


@dataclass(frozen=True)
class Capabilities:
    """What engines can do with a drive: method name -> Method, and everything a plan must know of the drive.

    `refused` says of a method that the profile may name why this drive cannot do it. `lock` is "", "locked-ours"
    (by our own published password, left by an interrupted erase), "locked", "frozen" or "attempts-exceeded". `hidden`
    are sector counts; `seconds` the drive's own estimates; `siblings` other block devices that a command with a wider
    reach would hit; `facts` the raw words all this rests on.
    """

    methods: Mapping[str, Method]
    hidden_areas: str = "unknown"
    refused: Mapping[str, str] = field(default_factory=dict)
    lock: str = ""
    notes: tuple[str, ...] = ()
    hidden: Mapping[str, int] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    siblings: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DriveState:
    """What a drive says it is doing. `progress` is a share from 0 to 1, `raw` the status bytes in hex.

    `phase`: "idle" (nothing was ever asked of it), "working", "succeeded" or "failed" (the last command), "locked",
    "frozen", "gone", or "unknown" (it does not answer, or not in words that are known). `ours`: locked with our
    own published password. `command` is what the raw status says of which command it is about, where it does.
    """

    phase: str
    words: str
    progress: float | None = None
    raw: str = ""
    ours: bool = False
    command: str = ""


class Note(Protocol):
    """Writes one line into the drive's work log and returns when it is safe; raises WorklogFull."""

    def __call__(self, kind: str, /, **fields: Any) -> None:
        """Add a line of this kind."""
        ...


@dataclass(frozen=True)
class Act:
    """Everything one command of a drive's own needs. `tell(share or None, words)` shows how far it is.

    `issued` holds the fields of the work log's last "command" line when this goes on after a break, else None;
    `seen_working` tells whether the log says that the drive was seen at work since. `clock` is in seconds and
    never set back; `sleep` takes seconds. `patience` is how many seconds may pass without any sign of progress.
    """

    method: Method
    medium: Medium
    target: Target
    run: Runner
    note: Note
    tell: Callable[[float | None, str], None] = lambda share, words: None
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    issued: Mapping[str, Any] | None = None
    seen_working: bool = False
    patience: float = 30 * 60.0


@dataclass(frozen=True)
class Unhidden:
    """What became of hidden areas: "none", "removed", "present" or "unknown", sector counts, and what to say.

    `size` is the drive's size in bytes afterwards. `power_cycle`: it must be switched off and on before it counts.
    """

    state: str
    size: int
    hidden: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    power_cycle: bool = False


class Engine(Protocol):
    """What every engine of firmware methods offers."""

    METHODS: Mapping[str, Method]

    def read(self, run: Runner, medium: Medium) -> Capabilities:
        """Return what the drive really offers. Writes nothing and raises nothing: what is unknown is said."""
        ...

    def state(self, run: Runner, medium: Medium) -> DriveState:
        """Return what the drive says it is doing; asked first after every restart and before every act."""
        ...

    def ready(self, act: Act) -> tuple[str, ...]:
        """Undo what an interrupted erase left (a lock of ours) before canaries are planted; return what to say of it.

        Raises NotDone with what to do when the drive cannot be made ready.
        """
        ...

    def act(self, act: Act) -> Firmware:
        """Issue the command, watch the drive work, and decode its raw status. Raises nothing for what a drive says.

        Raises WorklogFull before anything is sent when the work log cannot take the line.
        """
        ...

    def unhide(self, act: Act) -> Unhidden:
        """Find hidden areas by comparing numbers and remove them. Raises NotDone with what to do."""
        ...
