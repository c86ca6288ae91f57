"""What is measured in a wipe: plain records, filled by the station and judged by `custody.claims`. Sizes in bytes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
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


@dataclass(frozen=True)
class Firmware:
    """What the drive said of a command of its own: accepted, seen at work, and its last raw status."""

    accepted: bool
    transition_observed: bool
    status: str


@dataclass(frozen=True)
class Evidence:
    """Everything that was measured in one wipe. `execute()` fills it and judges nothing.

    `technique` is a row of `claims.REACH`, `recipe` the table of the profile that was followed, `media_kind` one of
    hdd, ssd, nvme, scsi, emmc, usb, file, unknown; `hidden_areas` one of none, removed, present, unknown;
    `stopped` says why it ended early, or is empty.
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
            values["readbacks"] = tuple(
                ReadBack(**{**one, "unreadable": _ranges(one["unreadable"])}) for one in values["readbacks"]
            )
            values["canaries"] = CanaryFigures(**values["canaries"]) if values["canaries"] else None
            values["firmware"] = Firmware(**values["firmware"]) if values["firmware"] else None
            values["exceptions"] = tuple(values["exceptions"])
            return cls(**values)
        except (KeyError, TypeError) as error:
            raise BadEvent(f"this is no evidence of a wipe: {error}") from error


def _ranges(items: object) -> tuple[BadRange, ...]:
    return tuple(BadRange(**one) for one in items) if isinstance(items, list | tuple) else ()
