"""The course of one visit, from the scan to the thank-you; pure: no clock, no chance, no files, no web.

Five screens, named by what has happened: nothing yet (*idle*), a *device seen*, its *contents counted*, the person
has *agreed*, the person was *thanked*. `step` takes what somebody did and returns the next state and, at most
once in a visit, the `Return` that must be recorded; the caller records it and says what became of it with
`Recorded` or `NotRecorded`.

Promises:

* a return is never refused: what is unknown, foreign or unreadable is taken and staff are called;
* a state that says thank you holds the hash of the recorded event, and no other state does;
* a visit asks for its return to be recorded again only after it was told that recording failed;
* a scanned device whose person walked away is recorded all the same, with a call for staff: it may be lying there;
* only the person's own "I am keeping it" ends a visit without a return.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from labels import codes

ITEMS = ("device", "charger", "case", "internet")
"""What people bring: the computer or tablet, its charger, its case, a SIM or router."""

MOST = 9
"""No more than this of one item is counted in one visit."""

NO_LABEL = "no-label"
"""Recorded as the code of a device that has none, or none that anybody can read."""


class Screen(StrEnum):
    """Where a visit stands."""

    IDLE = "idle"
    SEEN = "seen"
    COUNTED = "counted"
    AGREED = "agreed"
    THANKED = "thanked"


class Condition(StrEnum):
    """How the device is, in the words of the person who brings it."""

    FINE = "fine"
    TROUBLE = "some-trouble"
    BROKEN = "broken"
    NOT_SAID = "not-said"


class Standing(StrEnum):
    """What this kiosk knows of a device when it is scanned."""

    OUT = "out"
    NOT_OUT = "not-out"
    UNKNOWN = "unknown"
    FOREIGN = "foreign"
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Known:
    """What the kiosk's copy of history says of a device: the exit it would answer and that exit's loan."""

    exit: str | None
    loan: str | None


@dataclass(frozen=True)
class Reading:
    """A device as it was scanned, or as somebody insists it be taken."""

    code: str
    standing: Standing
    exit: str | None = None
    loan: str | None = None

    @property
    def call_staff(self) -> bool:
        """Only a device that is known to be out needs nobody's eyes."""
        return self.standing is not Standing.OUT


@dataclass(frozen=True)
class Misreading:
    """What was typed is no code: why, where, and the code to offer if there is one."""

    typed: str
    why: str
    position: int | None = None
    wrong: str | None = None
    suggestion: str | None = None


@dataclass(frozen=True)
class Return:
    """What has to be recorded: the subject and body of a `device.returned`."""

    code: str
    body: Mapping[str, object]


@dataclass(frozen=True)
class State:
    """One visit as it stands. `event` is the hash of its recorded return: there exactly when thanked."""

    screen: Screen = Screen.IDLE
    visit: str = ""
    reading: Reading | None = None
    items: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    condition: Condition = Condition.NOT_SAID
    agreed: bool = False
    doubt: Misreading | None = None
    note: str = ""
    leaving: bool = False
    event: str | None = None
    at: datetime | None = None

    def __post_init__(self) -> None:
        """Refuse states that would promise what did not happen."""
        if (self.event is not None) != (self.screen is Screen.THANKED):
            raise AssertionError(f"{self.screen} with event {self.event}: only a recorded return is thanked for")
        if (self.reading is None) != (self.screen is Screen.IDLE):
            raise AssertionError(f"{self.screen} with reading {self.reading}")


@dataclass(frozen=True)
class Scanned:
    """A label was scanned or a code typed; `visit` is a fresh random id, used if this begins a visit."""

    reading: Reading | Misreading
    visit: str


@dataclass(frozen=True)
class GivenAnyway:
    """The code cannot be read, or there is none, and the person hands the device in all the same."""

    typed: str
    visit: str


@dataclass(frozen=True)
class Counted:
    """The contents were counted; an item that was not answered is absent."""

    items: Mapping[str, int]


@dataclass(frozen=True)
class Answered:
    """How the device is, and whether the person agrees that everything on it is erased."""

    condition: Condition
    agreed: bool


@dataclass(frozen=True)
class Finished:
    """The device lies where it belongs."""


@dataclass(frozen=True)
class WentBack:
    """One screen back."""


@dataclass(frozen=True)
class Kept:
    """The person is keeping the device after all, or has read the thank-you."""


@dataclass(frozen=True)
class Waited:
    """Nobody touched anything for long enough, the warning included."""


@dataclass(frozen=True)
class Recorded:
    """The return is journalled and on disk; `event` is its hash, `at` the time it carries."""

    event: str
    at: datetime


@dataclass(frozen=True)
class NotRecorded:
    """The journal could not take it."""


Said = Scanned | GivenAnyway | Counted | Answered | Finished | WentBack | Kept | Waited | Recorded | NotRecorded


def step(state: State, said: Said) -> tuple[State, Return | None]:
    """Return the state after something was said or done, and the return to record now, if any.

    What makes no sense on a screen (a second press of a button, a page from before) changes nothing.
    """
    match said:
        case Scanned(reading=reading, visit=visit):
            return _scanned(state, reading, visit), None
        case GivenAnyway(typed=typed, visit=visit):
            reading = Reading(cleaned(typed) or NO_LABEL, Standing.UNREADABLE)
            return (_seen(reading, visit) if _may_begin(state) else state), None
        case Kept():
            return State(), None
        case Waited():
            return _left_alone(state)
        case Recorded() | NotRecorded():
            return _told(state, said), None
        case _:
            return _answered(state, said)


def read(text: str, host: str, known: Callable[[str], Known | None]) -> Reading | Misreading:
    """Return what a scanned or typed text is to this kiosk; `known` looks a code up in its copy of history.

    The exit that a return slip names goes before the one this copy knows of: the copy may be old.
    `host` is the host our labels name: an address elsewhere with a code nobody here knows is a foreign device.
    """
    try:
        code, answers = codes.parse_slip(text)
    except codes.BadCode as bad:
        return Misreading(cleaned(text), bad.why, bad.position, bad.wrong, bad.suggestion)
    found = known(code)
    if found is None:
        ours = "://" not in text or _host(text) == _host(host)
        return Reading(code, Standing.UNKNOWN if ours else Standing.FOREIGN, answers)
    standing = Standing.OUT if found.exit else Standing.NOT_OUT
    if answers is not None and answers != found.exit:  # this copy of history may be old; the slip was in the bag
        return Reading(code, standing, answers)
    return Reading(code, standing, found.exit, found.loan)


def cleaned(text: str) -> str:
    """Return what was typed as far as a label could say it: people type all sorts of things, names included."""
    return re.sub(r"[^A-Z0-9:/.\-]", "", text.upper())[:120]


def to_record(state: State) -> Return:
    """Return the body of the event for this visit; whatever was not said is recorded as not said."""
    assert state.reading is not None
    reading = state.reading
    call_staff = reading.call_staff or not state.agreed or state.condition is Condition.BROKEN
    body = {
        "code": reading.code,
        "loan": reading.loan,
        "exit": reading.exit,
        "items": dict(state.items),
        "condition": str(state.condition),
        "call_staff": call_staff,
        "visit": state.visit,
        "agreed": state.agreed,
        "standing": str(reading.standing),
    }
    return Return(reading.code, body)


def _host(address: str) -> str:
    return address.strip().lower().split("://")[-1].split("/")[0]


def _may_begin(state: State) -> bool:
    return state.screen in (Screen.IDLE, Screen.THANKED)


def _seen(reading: Reading, visit: str) -> State:
    return State(Screen.SEEN, visit, reading)


def _scanned(state: State, reading: Reading | Misreading, visit: str) -> State:
    """Begin a visit, or say that this one is not finished; the same device again changes nothing."""
    if state.reading is not None and isinstance(reading, Reading) and reading.code == state.reading.code:
        return state
    if not _may_begin(state):
        return replace(state, note="finish-first")
    if isinstance(reading, Misreading):
        return State(doubt=reading) if state.screen is Screen.IDLE else replace(state, note="not-read")
    return _seen(reading, visit)


def _answered(state: State, said: Said) -> tuple[State, Return | None]:
    match state.screen, said:
        case Screen.SEEN, Counted(items=items):
            counts = {name: min(max(items[name], 0), MOST) for name in ITEMS if name in items}
            return replace(state, screen=Screen.COUNTED, items=MappingProxyType(counts), note=""), None
        case Screen.COUNTED, Answered(condition=condition, agreed=agreed):
            return replace(state, screen=Screen.AGREED, condition=condition, agreed=agreed, note=""), None
        case Screen.AGREED, Finished():
            return state, to_record(state)
        case Screen.COUNTED, WentBack():
            return replace(state, screen=Screen.SEEN, note=""), None
        case Screen.AGREED, WentBack():
            return replace(state, screen=Screen.COUNTED, agreed=False, note=""), None
        case _:
            return state, None


def _left_alone(state: State) -> tuple[State, Return | None]:
    """Reset, but not before a device that was scanned is recorded: it may be lying there."""
    if state.screen in (Screen.IDLE, Screen.THANKED) or state.leaving:
        return State(), None
    return replace(state, leaving=True), to_record(state)


def _told(state: State, said: Recorded | NotRecorded) -> State:
    """Say thank you only to a person who finished, and only for what is recorded."""
    if state.screen in (Screen.IDLE, Screen.THANKED) or state.leaving:
        return state if state.screen is Screen.THANKED else State()
    if isinstance(said, Recorded):
        return replace(state, screen=Screen.THANKED, event=said.event, at=said.at, note="")
    return replace(state, note="not-recorded")
