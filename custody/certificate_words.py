"""The figures of a wipe in the words of a certificate. Pure; one sentence or one line each, sizes in bytes.

The level's name "Purge" is only ever written for the claim `purge`: `level` is the one place that writes it.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from custody.evidence import CanaryFigures, Command, Content, Evidence, PassDone, ReadBack

NOT_RECORDED = "not recorded"
"""What is printed wherever nothing is known; a field is never left out and never left empty."""

TECHNIQUES: Mapping[str, str] = {
    "overwrite": "every addressable block was overwritten through the drive's ordinary interface",
    "secure-erase": "the drive's own ATA command SECURITY ERASE UNIT (normal mode)",
    "secure-erase-enhanced": "the drive's own ATA command SECURITY ERASE UNIT (enhanced mode)",
    "sanitize-block": "the drive's own SANITIZE command, block erase",
    "sanitize-crypto": "the drive's own SANITIZE command, cryptographic erase (its data key is replaced)",
    "sanitize-overwrite": "the drive's own SANITIZE command, overwrite",
    "format-user": "the drive's own FORMAT command, with erasure of user data",
    "format-crypto": "the drive's own FORMAT command, with cryptographic erase",
    "erase-sanitize": "the card's own secure erase followed by SANITIZE",
}
MEDIA: Mapping[str, str] = {
    "hdd": "magnetic hard disk (ATA)",
    "ssd": "solid-state drive (SATA)",
    "nvme": "solid-state drive (NVMe)",
    "scsi": "SCSI or SAS disk",
    "emmc": "eMMC, soldered flash",
    "usb": "disk behind a USB adapter, or USB flash",
    "file": "practice drive (a file)",
    "unknown": "not known",
}
HIDDEN: Mapping[str, str] = {
    "none": "none: the drive has none, or none is possible with this kind of drive",
    "removed": "found and removed before the wipe, so they were wiped as well",
    "present": "PRESENT and not wiped",
    "unknown": "NOT KNOWN whether there are any",
}
PATTERNS: Mapping[str, str] = {
    "zero": "zeros",
    "random": "random data from the seed",
    "stream": "the random data written",
}
MEANS: Mapping[str, str] = {
    "clear": "meant to hold against recovery with ordinary software, through the drive's own connector",
    "purge": "meant to hold against recovery in a laboratory as well",
    "destroy": "the medium can no longer be used",
}
DRIVES_OWN_WORD = (
    "This rests on the drive's own word: the drive reported that its firmware did the erasure. Reading it back shows "
    "what the drive returns; no test from outside shows that nothing is left in its memory."
)
OVERWRITE_LIMIT = (
    "Overwriting reaches every block that can be addressed. It does not reach spare flash or sectors that the drive "
    "itself took out of use."
)
SAMPLED_LIMIT = (
    "A sampled read is strong against a wipe that stopped or missed a half, and weak against small missed areas: in "
    "our simulation of 1,000 parts read at two places each, a missed run of 1/1,000 of the drive was found 98 times "
    "in 100, one of 1/10,000 29 times."
)


ALWAYS = (
    "A drive that lies in the same way to its writer and to a separate reader cannot be found out by reading it.",
    "The rules follow what others write of the standards named; the standards were not read. No conformity is claimed.",
)


def level(claim: str) -> str:
    """Return a claim as the name of a level: none, Clear, Purge, Destroy."""
    return "none" if claim in ("", "none") else claim.capitalize()


def sentence(text: str) -> str:
    """Return a reason as a sentence. A level at its beginning is only quoted: no capital makes a title of it."""
    start = "\u201cpurge\u201d" + text[5:] if text.startswith("purge") else text[:1].upper() + text[1:]
    return start + "."


def asked(wants: str, claim: str) -> str:
    """Return the level that was asked for; a level above the one reached is only quoted, never named."""
    if not wants:
        return NOT_RECORDED
    order = ("none", "clear", "purge", "destroy")
    if wants in order and claim in order and order.index(wants) > order.index(claim):
        return f"a higher level (in the record: \u201c{wants}\u201d), which was NOT reached"
    return level(wants)


def size(count: int) -> str:
    """Return bytes as a person and an auditor read them."""
    for unit, factor in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6)):
        if count >= factor:
            return f"{count / factor:,.1f} {unit} ({count:,} bytes)"
    return f"{count:,} bytes"


def seconds(value: float) -> str:
    """Return a duration in seconds as people say it."""
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(int(value), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def one_pass(one: PassDone) -> str:
    """Return what one overwriting pass wrote."""
    text = f"{PATTERNS.get(one.pattern, one.pattern)}: {one.bytes_written:,} of {one.bytes_expected:,} bytes written"
    notes = [
        f"in {seconds(one.seconds)}",
        "last flush confirmed by the drive" if one.flushed else "LAST FLUSH NOT CONFIRMED",
        "past the machine's cache" if one.direct else "through the machine's cache",
    ]
    if one.resumed:
        notes.append(f"resumed {one.resumed} times, {one.rewritten_bytes:,} bytes written twice")
    if one.bad:
        notes.append(f"{len(one.bad)} ranges ({sum(part.length for part in one.bad):,} bytes) COULD NOT BE WRITTEN")
    return ", ".join([text, *notes])


MOST_COMMANDS = 12
MOST_RAW = 64
"""Bytes of a raw status that are printed; the whole is in the evidence."""


def commands(run: Sequence[Command]) -> str:
    """Return the programs that were run, word for word; what was run again and again (a status, say) stands once."""
    times: dict[tuple[tuple[str, ...], int], list[float]] = {}
    for one in run:
        times.setdefault((one.argv, one.exit), []).append(one.seconds)
    said = [
        f"{' '.join(argv)} (exit {exit_}, {f'{len(took)} times, ' if len(took) > 1 else ''}{seconds(sum(took))})"
        for (argv, exit_), took in times.items()
    ]
    more = [f"and {len(said) - MOST_COMMANDS} more, in the evidence"] if len(said) > MOST_COMMANDS else []
    return "; ".join([*said[:MOST_COMMANDS], *more])


def raw(status: str) -> str:
    """Return a raw status (hex) as far as it is printed."""
    if len(status) <= 2 * MOST_RAW:
        return status
    return f"{status[: 2 * MOST_RAW]} ... ({len(status) // 2} bytes; the whole is in the evidence)"


def share(one: ReadBack) -> str:
    """Return how much was read back, exactly and in percent; never rounded up to everything."""
    percent = 100 * one.bytes_read / one.bytes_total if one.bytes_total else 0.0
    shown = "100" if one.bytes_read == one.bytes_total else f"{min(percent, 99.99):.2f}"
    return f"{one.bytes_read:,} of {one.bytes_total:,} bytes ({shown} %)"


def expected(one: ReadBack) -> str:
    """Return what the reader looked for."""
    if one.expected in ("", "changed"):
        return "no single pattern: that the known blocks are gone, and what is there instead (see the statistics)"
    return PATTERNS.get(one.expected, one.expected)


def wrong(one: ReadBack) -> str:
    """Return what the reader found that was not as it must be, and what it could not read."""
    found = (
        "none wrong" if not one.bytes_wrong else f"{one.bytes_wrong:,} bytes WRONG, the first at byte {one.first_wrong}"
    )
    lost = sum(part.length for part in one.unreadable)
    failed = f"{lost:,} bytes in {len(one.unreadable)} ranges COULD NOT BE READ" if lost else "no read failed"
    return f"{found}; {failed}"


def content(found: Content | None) -> str:
    """Return what the blocks of 4 KiB that were read look like."""
    if found is None:
        return NOT_RECORDED
    kinds = [
        (found.zero, "zeros"),
        (found.ones, "all ones"),
        (found.repeating, "a repeating pattern"),
        (found.random, "like noise"),
        (found.structured, "STRUCTURED, as files are"),
    ]
    text = ", ".join(f"{number:,} {name}" for number, name in kinds if number)
    more = f"; commonest patterns {', '.join(found.patterns)}" if found.patterns else ""
    first = "" if found.first_structured is None else f"; the first structured block at byte {found.first_structured:,}"
    return f"of {found.blocks:,} blocks: {text or 'none read'}{more}{first}"


def canaries(found: CanaryFigures | None) -> str:
    """Return what became of the blocks that were planted before the wipe."""
    if found is None:
        return NOT_RECORDED
    if found.skipped:
        return f"none planted: {found.skipped}"
    lost = f", {found.unreadable} could not be looked for" if found.unreadable else ""
    return (
        f"{found.planted} known blocks written before the wipe, {found.seen_before} read back before it, "
        f"{found.surviving} still there after it{lost}; seed {found.seed or NOT_RECORDED}"
    )


def sizes(evidence: Evidence) -> str:
    """Return the medium's size before and after."""
    after = "not seen again afterwards" if evidence.size_after is None else f"{evidence.size_after:,} afterwards"
    return f"{evidence.size_before:,} bytes before, {after}"


def table(values: Mapping[str, Any] | None) -> str:
    """Return a small table of facts on one line; deeper ones as JSON."""
    said = [f"{name} {_plain(value)}" for name, value in (values or {}).items() if value not in (None, "", [], {})]
    return "; ".join(said) or NOT_RECORDED


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(each)}" for name, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_plain(each) for each in value) or "none"
    return value if isinstance(value, str) else json.dumps(value)
