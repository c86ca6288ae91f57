"""What is measured in a wipe: plain records, filled by the station and judged by `custody.claims`. Sizes in bytes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from custody.errors import BadEvent
from custody.events import MediumIdentity


@dataclass(frozen=True)
class BadRange:
    """Bytes that could not be written or read."""

    start: int
    length: int


@dataclass(frozen=True)
class PassDone:
    """One overwriting pass. `flushed`: the last fsync succeeded; `rewritten_bytes`: written twice by resumes."""

    pattern: str
    bytes_expected: int
    bytes_written: int
    bad: tuple[BadRange, ...]
    flushed: bool
    seconds: float
    direct: bool
    resumed: int
    rewritten_bytes: int


@dataclass(frozen=True)
class CanaryFigures:
    """Known blocks planted before the wipe and looked for after it. `skipped` says why none could be planted."""

    planted: int
    seen_before: int
    surviving: int
    unreadable: int
    seed: str
    skipped: str = ""


@dataclass(frozen=True)
class Content:
    """What the reader saw where no single content can be expected, counted in blocks of 4 KiB.

    A firmware erase need not read as zero (STATION.md section 5: 00, FF, a vendor's own pattern, or noise after a
    cryptographic erase), so each block falls into one kind: `zero`, `ones` (FF), `repeating` (any other short pattern
    over and over), `random` (its byte statistics are those of noise) or `structured` (none of these: what files look
    like). `patterns` are the commonest repeating ones (hex of their first 16 bytes), `first_structured` is in bytes.
    """

    blocks: int
    zero: int
    ones: int
    repeating: int
    random: int
    structured: int
    patterns: tuple[str, ...] = ()
    first_structured: int | None = None


@dataclass(frozen=True)
class ReadBack:
    """What a separate, read-only reader found after the wipe. Sizes and positions in bytes."""

    kind: str
    expected: str
    bytes_total: int
    bytes_read: int
    bytes_wrong: int
    first_wrong: int | None
    unreadable: tuple[BadRange, ...]
    separate_process: bool
    read_only: bool
    direct: bool
    seconds: float
    seed: str
    content: Content | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `dataclasses.asdict` made; raises KeyError or TypeError when something is missing."""
        content = data.get("content")
        seen = Content(**{**content, "patterns": tuple(content["patterns"])}) if content else None
        return cls(**{**data, "unreadable": _ranges(data["unreadable"]), "content": seen})


@dataclass(frozen=True)
class Firmware:
    """What the drive said of a command of its own: accepted, seen at work, and its last raw status.

    `succeeded` is the drive's final word, decoded from its raw status; `observed` says how the transition was seen
    ("progress", "status-change", "security-state", or "content" for commands that have no status of their own);
    `raw_before` and `raw_after` are the status bytes in hex; `reach` is namespace, controller or disk; `seconds`
    by a clock that no one sets.
    """

    accepted: bool
    transition_observed: bool
    status: str
    succeeded: bool = False
    observed: str = ""
    argv: tuple[str, ...] = ()
    raw_before: str = ""
    raw_after: str = ""
    reach: str = "namespace"
    seconds: float = 0.0


@dataclass(frozen=True)
class Command:
    """One program that was run on the drive: its words, its exit status (which proves little) and seconds."""

    argv: tuple[str, ...]
    exit: int
    seconds: float


@dataclass(frozen=True)
class Evidence:
    """Everything that was measured in one wipe. `execute()` fills it and judges nothing.

    `technique` is a row of `claims.REACH`, `recipe` the table of the profile that was followed, `media_kind` one of
    hdd, ssd, nvme, scsi, emmc, usb, file, unknown; `hidden_areas` one of none, removed, present, unknown, and `hidden`
    the sector counts that say so; `stopped` says why it ended early, or is empty. Health is what the drive reported
    before and after (None: not asked); `began` and `ended` are the station's clock, ISO 8601, information only.
    """

    technique: str
    recipe: str
    media_kind: str
    medium: MediumIdentity
    medium_after: MediumIdentity | None
    size_before: int
    size_after: int | None
    started: bool
    passes: tuple[PassDone, ...]
    passes_planned: int
    canaries: CanaryFigures | None
    readbacks: tuple[ReadBack, ...]
    firmware: Firmware | None
    smoke: bool | None
    hidden_areas: str
    via_bridge: bool
    stopped: str = ""
    exceptions: tuple[str, ...] = ()
    hidden: Mapping[str, Any] = field(default_factory=dict)
    health_before: Mapping[str, Any] | None = None
    health_after: Mapping[str, Any] | None = None
    tools: Mapping[str, str] = field(default_factory=dict)
    drive_firmware: str = ""
    commands: tuple[Command, ...] = ()
    began: str = ""
    ended: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the evidence as JSON data, for the attachment that the event names by digest."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote; raise `BadEvent` when something is missing."""
        try:
            values = dict(data)
            values["medium"] = MediumIdentity.from_json(values["medium"])
            after = values["medium_after"]
            values["medium_after"] = MediumIdentity.from_json(after) if after else None
            values["passes"] = tuple(PassDone(**{**one, "bad": _ranges(one["bad"])}) for one in values["passes"])
            values["readbacks"] = tuple(ReadBack.from_json(one) for one in values["readbacks"])
            values["canaries"] = CanaryFigures(**values["canaries"]) if values["canaries"] else None
            values["firmware"] = Firmware(**_words(values["firmware"])) if values["firmware"] else None
            values["commands"] = tuple(Command(**_words(one)) for one in values.get("commands", ()))
            values["exceptions"] = tuple(values["exceptions"])
            return cls(**values)
        except (KeyError, TypeError) as error:
            raise BadEvent(f"this is no evidence of a wipe: {error}") from error


def _words(one: Mapping[str, Any]) -> dict[str, Any]:
    return {**one, "argv": tuple(one.get("argv", ()))}


def _ranges(items: object) -> tuple[BadRange, ...]:
    return tuple(BadRange(**one) for one in items) if isinstance(items, list | tuple) else ()
