"""The figures of a wipe in words, for the device's page and the printed proof. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from custody.errors import BadEvent
from custody.evidence import CanaryFigures, Evidence, PassDone, ReadBack
from lending.views.words import count, size

TECHNIQUES: Mapping[str, str] = {
    "overwrite": "Overwriting every addressable block",
    "secure-erase": "ATA Secure Erase",
    "secure-erase-enhanced": "ATA Enhanced Secure Erase",
    "sanitize-block": "Sanitize: block erase",
    "sanitize-crypto": "Sanitize: cryptographic erase",
    "sanitize-overwrite": "Sanitize: overwrite",
    "format-user": "Format with user-data erase",
    "format-crypto": "Format with cryptographic erase",
    "erase-sanitize": "Erase and sanitize",
    "destroy": "Physical destruction",
}
READBACKS: Mapping[str, str] = {"full": "Full read-back", "sampled": "Sampled read-back"}
PATTERNS: Mapping[str, str] = {"zero": "zeros", "random": "random data"}


@dataclass(frozen=True)
class Sheet:
    """One wipe's evidence as label and value, in the order a person asks."""

    rows: tuple[tuple[str, str], ...]
    stopped: str = ""


def read(data: Mapping[str, Any] | None) -> Sheet | None:
    """Return the figures of stored evidence, None when there is none or it cannot be read."""
    if data is None:
        return None
    try:
        return _sheet(Evidence.from_json(data))
    except (BadEvent, TypeError, ValueError, AttributeError, LookupError, ArithmeticError, RecursionError):
        return None  # a station may store anything under the digest that it signed


def rows(body: object) -> list[tuple[str, str]]:
    """Return an event's body as names and plain values, as it was said."""
    if not isinstance(body, Mapping):
        return []
    shown = {str(name): value if isinstance(value, str) else json.dumps(value) for name, value in body.items()}
    return [(_sendable(name), _sendable(value)) for name, value in shown.items()]


def _sheet(evidence: Evidence) -> Sheet:
    found = [("Method", TECHNIQUES.get(evidence.technique, evidence.technique))]
    found.extend((f"Pass {n} of {evidence.passes_planned}", _pass(one)) for n, one in enumerate(evidence.passes, 1))
    if evidence.firmware is not None:
        seen = "seen at work" if evidence.firmware.transition_observed else "never seen at work"
        said = "accepted" if evidence.firmware.accepted else "not accepted"
        found.append(("The drive's own command", f"{said}, {seen}; last status {evidence.firmware.status or 'none'}"))
    found.extend((READBACKS.get(one.kind, one.kind), _read(one)) for one in evidence.readbacks)
    found.append(("Known blocks (canaries)", _canaries(evidence.canaries)))
    found.append(("Size before and after", _sizes(evidence)))
    found.append(("Hidden areas", evidence.hidden_areas))
    return Sheet(tuple((label, _sendable(value)) for label, value in found), _sendable(evidence.stopped))


def _sendable(value: str) -> str:
    """Return a text that a page can hold: JSON allows half a character, UTF-8 does not."""
    return value.encode("utf-8", "backslashreplace").decode()


def _pass(one: PassDone) -> str:
    pattern = PATTERNS.get(one.pattern, one.pattern)
    text = f"{pattern}: {one.bytes_written:,} of {one.bytes_expected:,} bytes in {_time(one.seconds)}"
    notes = [
        "flushed" if one.flushed else "last flush not confirmed",
        "direct to the drive" if one.direct else "through the system's cache",
    ]
    if one.resumed:
        notes.append(f"resumed {count(one.resumed, 'time')}, {size(one.rewritten_bytes)} written twice")
    if one.bad:
        notes.append(f"{count(len(one.bad), 'range')} could not be written")
    return f"{text}; {', '.join(notes)}"


def _read(one: ReadBack) -> str:
    wrong = "none wrong" if one.bytes_wrong == 0 else f"{one.bytes_wrong:,} wrong, the first at {one.first_wrong}"
    text = f"{one.bytes_read:,} of {one.bytes_total:,} bytes in {_time(one.seconds)}: {wrong}"
    notes = []
    if one.unreadable:
        notes.append(f"{count(len(one.unreadable), 'range')} could not be read")
    notes.append("by a separate, read-only program" if one.separate_process and one.read_only else "not independent")
    return f"{text}; {', '.join(notes)}"


def _canaries(found: CanaryFigures | None) -> str:
    if found is None:
        return "not used"
    if found.skipped:
        return f"none planted: {found.skipped}"
    text = f"{found.planted} planted, {found.seen_before} seen before, {found.surviving} left after"
    return text + (f", {found.unreadable} could not be looked for" if found.unreadable else "")


def _sizes(evidence: Evidence) -> str:
    after = "not seen again" if evidence.size_after is None else f"{evidence.size_after:,} bytes"
    return f"{evidence.size_before:,} bytes, then {after}"


def _time(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
