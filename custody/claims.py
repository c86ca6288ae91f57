"""What the evidence of a wipe supports. `judge` is the only maker of a claim; it is pure, and its rules are numbered.

Three outcomes, never two:

- NOT_RUN: nothing was ever written or sent to the medium; it holds what it held;
- UNKNOWN: something was started and its success is not shown; treat the medium as full of somebody's data;
- DONE: every rule below holds, each on figures that were measured.

A claim (none < clear < purge < destroy) is what the technique can reach on that kind of medium, by the table
`REACH`, lowered by what the evidence leaves open. The method's name alone never makes a claim.

Sources. The table is taken from secondary descriptions of NIST SP 800-88 (revision 1 appendix A and what
compliance documents say of revision 2) and of IEEE 2883-2022; neither text was read here, and no
conformity is claimed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from custody.contents import what_is_left
from custody.errors import Reason
from custody.evidence import BadRange, CanaryFigures, Command, Content, Evidence, Firmware, PassDone, ReadBack
from wipe_profiles import Profile

__all__ = [
    "RULES_VERSION",
    "BadRange",
    "CanaryFigures",
    "Claim",
    "Command",
    "Content",
    "Evidence",
    "Firmware",
    "Outcome",
    "PassDone",
    "ReadBack",
    "Verdict",
    "judge",
]

RULES_VERSION = "2026-11-25.2"
"""Names this table and these rules; every `medium.wiped` carries it, so that a claim can be recomputed."""


class Outcome(StrEnum):
    """What became of a wipe."""

    DONE = "DONE"
    NOT_RUN = "NOT_RUN"
    UNKNOWN = "UNKNOWN"


class Claim(StrEnum):
    """How far a medium is sanitized, in NIST's words; ordered by `rank`."""

    NONE = "none"
    CLEAR = "clear"
    PURGE = "purge"
    DESTROY = "destroy"

    @property
    def rank(self) -> int:
        """Return the place in the order none < clear < purge < destroy."""
        return tuple(Claim).index(self)


@dataclass(frozen=True)
class Verdict:
    """The judgement: what may be said, by which rules, why not more, and what the certificate must add."""

    outcome: Outcome
    claim: Claim
    rules: str
    reasons: tuple[Reason, ...]
    exceptions: tuple[str, ...]


_CLEAR_EVERYWHERE = dict.fromkeys(("hdd", "ssd", "nvme", "scsi", "emmc", "usb", "file", "unknown"), Claim.CLEAR)
_FIRMWARE = ("hdd", "ssd", "nvme", "scsi", "emmc")

REACH: Mapping[str, Mapping[str, Claim]] = {
    # An overwrite through the interface reaches what is addressable, never spare flash or remapped sectors.
    "overwrite": _CLEAR_EVERYWHERE,
    "sanitize-overwrite": {"hdd": Claim.PURGE, "scsi": Claim.PURGE, "ssd": Claim.CLEAR, "nvme": Claim.CLEAR},
    "sanitize-block": {kind: Claim.PURGE for kind in _FIRMWARE if kind != "hdd"},
    "sanitize-crypto": dict.fromkeys(_FIRMWARE, Claim.PURGE),
    "secure-erase": {"hdd": Claim.CLEAR, "ssd": Claim.CLEAR},
    # Counted as Purge on magnetic disks only: on flash, revision 1 is read as allowing no more than Clear.
    "secure-erase-enhanced": {"hdd": Claim.PURGE, "ssd": Claim.CLEAR},
    "format-user": {"nvme": Claim.CLEAR, "scsi": Claim.CLEAR},
    "format-crypto": {"nvme": Claim.PURGE},
    "erase-sanitize": {"emmc": Claim.PURGE},
}
"""Technique x kind of medium -> the most it can reach. What is not listed reaches nothing."""

NO_STATUS = frozenset({"format-user", "format-crypto", "erase-sanitize"})
"""Techniques of which a drive keeps no status: only their effect on what was there can be seen, so known blocks must
have been planted, and all be gone; "no known blocks, because …" is not enough here."""

FEWEST_CANARIES = 64
"""Known blocks, where the effect of a command is all there is to see."""

FULL_READ_FOR = Claim.PURGE
"""From this claim on a full read-back is needed; below it, a sampled one is accepted and named as such."""


def judge(evidence: Evidence, profile: Profile) -> Verdict:
    """Return what this evidence supports under this profile. Never raises: what is missing lowers the verdict."""
    if not evidence.started:
        text = evidence.stopped or "the wipe was never started; the medium holds what it held"
        return Verdict(Outcome.NOT_RUN, Claim.NONE, RULES_VERSION, (_reason("not-started", text, evidence),), ())
    open_points = [
        *_identity(evidence),
        *_hidden(evidence),
        *_action(evidence),
        *_canaries(evidence),
        *_readback(evidence, profile),
        *_afterwards(evidence),
    ]
    exceptions = _exceptions(evidence)
    if open_points:
        return Verdict(Outcome.UNKNOWN, Claim.NONE, RULES_VERSION, tuple(open_points), exceptions)
    return _claim(evidence, profile, exceptions)


def _claim(evidence: Evidence, profile: Profile, exceptions: tuple[str, ...]) -> Verdict:
    claim = REACH.get(evidence.technique, {}).get(evidence.media_kind, Claim.NONE)
    why = []
    if claim.rank > Claim.CLEAR.rank and evidence.via_bridge:
        claim = Claim.CLEAR
        why.append(_reason("bridge", "through a USB adapter nothing beyond Clear can be shown", evidence))
    if claim.rank > Claim.CLEAR.rank and evidence.hidden_areas == "unknown":
        claim = Claim.CLEAR
        why.append(_reason("hidden-areas", "hidden areas are unknown, so no more than Clear", evidence))
    # After a drive's own erase the look that counts is the first one, at what the erase left, not that at a later pass.
    looks = evidence.readbacks if evidence.technique == "overwrite" else evidence.readbacks[:1]
    if claim.rank >= FULL_READ_FOR.rank and not any(_is_full(one) for one in looks):
        claim = Claim.CLEAR
        why.append(_reason("sampled", "only a sample was read back, so no more than Clear", evidence))
    if claim.rank < Claim(profile.wants).rank:
        text = f"{profile.wants} was wanted; {evidence.technique} on {evidence.media_kind} supports {claim}"
        why.append(_reason("lower-than-wanted", text, evidence))
    if claim is Claim.NONE:
        why.append(_reason("no-rule", f"no rule lets {evidence.technique} count on {evidence.media_kind}", evidence))
        return Verdict(Outcome.UNKNOWN, Claim.NONE, RULES_VERSION, tuple(why), exceptions)
    return Verdict(Outcome.DONE, claim, RULES_VERSION, tuple(why), exceptions)


def _hidden(evidence: Evidence) -> list[Reason]:
    """Where part of a drive is known to be hidden nothing is claimed: whoever has it can open that part and read it."""
    if evidence.hidden_areas != "present":
        return []
    text = "part of the drive is hidden, so nobody could look at what is in it; it must be given back first"
    return [_reason("hidden-areas", text, evidence)]


def _identity(evidence: Evidence) -> list[Reason]:
    after = evidence.medium_after
    if evidence.stopped:
        return [_reason("stopped", f"it ended early: {evidence.stopped}", evidence)]
    if after is None or evidence.size_after is None:
        return [_reason("not-seen-after", "the medium could not be identified again afterwards", evidence)]
    found = []
    if after.id != evidence.medium.id:
        found.append(_reason("another-medium", "another medium answered afterwards than was wiped", evidence))
    if evidence.size_after != evidence.size_before or evidence.medium.size != evidence.size_before:
        text = f"it had {evidence.size_before} bytes before and {evidence.size_after} afterwards"
        found.append(_reason("size-changed", text, evidence))
    if evidence.size_before <= 0:
        found.append(_reason("no-size", "the medium has no size", evidence))
    return found


def _action(evidence: Evidence) -> list[Reason]:
    if evidence.technique == "overwrite":
        return _overwritten(evidence)
    # An overwriting pass may follow a firmware erase where policy asks for one; it must then have come to its end.
    return [*_commanded(evidence), *(_overwritten(evidence) if evidence.passes_planned else ())]


def _commanded(evidence: Evidence) -> list[Reason]:
    firmware = evidence.firmware
    if firmware is None:
        return [_reason("no-status", "the drive's own status was not recorded", evidence)]
    found = []
    if not firmware.accepted:
        text = f"the drive did not accept the command ({firmware.status or 'it gave no reason'})"
        found.append(_reason("not-accepted", text, evidence))
    if not firmware.succeeded:
        text = f"the drive does not say that it succeeded; its last word: {firmware.status or 'none'}"
        found.append(_reason("not-succeeded", text, evidence))
    if not firmware.transition_observed:
        text = "the drive was never seen at work: an idle status is not success"
        found.append(_reason("no-transition", text, evidence))
    canaries = evidence.canaries
    rests_on_effect = evidence.technique in NO_STATUS or firmware.observed == "content"
    if rests_on_effect and (canaries is None or canaries.planted < FEWEST_CANARIES):
        text = "the drive keeps no status of this command, and too few known blocks were planted to see its effect"
        found.append(_reason("effect-not-seen", text, evidence))
    return found


def _overwritten(evidence: Evidence) -> list[Reason]:
    found = []
    if len(evidence.passes) != evidence.passes_planned or not evidence.passes:
        text = f"{len(evidence.passes)} of {evidence.passes_planned} passes were finished"
        found.append(_reason("passes-missing", text, evidence))
    for number, one in enumerate(evidence.passes, 1):
        if one.bad:
            lost = sum(part.length for part in one.bad)
            text = f"pass {number}: {lost} bytes in {len(one.bad)} ranges could not be written; old data may be there"
            found.append(_reason("bad-ranges", text, evidence))
        if one.bytes_expected != evidence.size_before or one.bytes_written != one.bytes_expected:
            text = f"pass {number}: {one.bytes_written} of {evidence.size_before} bytes were written"
            found.append(_reason("short-pass", text, evidence))
        if not one.flushed:
            found.append(_reason("not-flushed", f"pass {number}: the drive did not confirm the last flush", evidence))
    return found


def _canaries(evidence: Evidence) -> list[Reason]:
    canaries = evidence.canaries
    if canaries is None or (canaries.planted == 0 and not canaries.skipped):
        return [_reason("no-canaries", "no known blocks were planted, and nothing says why", evidence)]
    found = []
    if canaries.seen_before != canaries.planted:
        text = f"of {canaries.planted} known blocks {canaries.seen_before} could be read back before the wipe"
        found.append(_reason("writes-not-kept", text, evidence))
    if canaries.surviving:
        text = f"{canaries.surviving} of {canaries.planted} known blocks are still there"
        found.append(_reason("canary-survived", text, evidence))
    if canaries.unreadable:
        text = f"{canaries.unreadable} of {canaries.planted} known blocks could not be looked for"
        found.append(_reason("canary-unreadable", text, evidence))
    return found


def _readback(evidence: Evidence, profile: Profile) -> list[Reason]:
    if not evidence.readbacks:
        return [_reason("not-read-back", "nothing was read back", evidence)]
    found = []
    for one in evidence.readbacks:
        found.extend(_reader(one, evidence))
    # After a firmware erase with a pass behind it, the first look is at what the erase left, the last at the pass.
    must_fit = evidence.readbacks if evidence.technique == "overwrite" else evidence.readbacks[-1:]
    for one in must_fit if evidence.passes_planned else ():
        if not _looked_for_what_was_written(one, evidence):
            text = f"the reader looked for {one.expected!r}, which is not what the last pass wrote"
            found.append(_reason("other-pattern", text, evidence))
    if evidence.technique != "overwrite":
        found.extend(_contents(evidence))
    if not any(_is_full(one) or _is_sampled(one) for one in evidence.readbacks):
        found.append(_reason("read-too-little", "too little was read back to count even as a sample", evidence))
    recipe = profile.recipes.get(evidence.recipe)
    if recipe is None:
        text = f"profile {profile.name} has no recipe {evidence.recipe!r}, so nothing says what proof it asks for"
        found.append(_reason("no-recipe", text, evidence))
    elif "read-all" in recipe.prove and not any(_is_full(one) for one in evidence.readbacks):
        found.append(_reason("not-read-in-full", f"profile {profile.name} asks for a full read-back", evidence))
    return found


def _reader(one: ReadBack, evidence: Evidence) -> list[Reason]:
    """Judge one look by itself: who looked, and whether what was looked at was all there."""
    found = []
    if not (one.separate_process and one.read_only):
        text = "the reading back was not done by a separate, read-only reader"
        found.append(_reason("not-independent", text, evidence))
    if one.bytes_wrong:
        text = f"{one.bytes_wrong} bytes are not as written, the first at byte {one.first_wrong}"
        found.append(_reason("wrong-bytes", text, evidence))
    if one.unreadable:
        lost = sum(part.length for part in one.unreadable)
        found.append(_reason("unreadable", f"{lost} bytes could not be read back", evidence))
    if one.bytes_total != evidence.size_before:
        text = f"the reader saw {one.bytes_total} bytes, not {evidence.size_before}"
        found.append(_reason("reader-size", text, evidence))
    return found


def _looked_for_what_was_written(one: ReadBack, evidence: Evidence) -> bool:
    """Tell whether the reader's expectation is the last pass's own content, made from the same seed."""
    if not evidence.passes:
        return False
    pattern = evidence.passes[-1].pattern
    if pattern == "random":
        return one.expected == "stream" and evidence.canaries is not None and one.seed == evidence.canaries.seed
    return one.expected == pattern


def _contents(evidence: Evidence) -> list[Reason]:
    """Judge what was read after a firmware erase: it need not be zero, but it must not look like what files leave."""
    return [_reason(code, text, evidence) for code, text in what_is_left(evidence.readbacks[0], evidence.technique)]


def _is_full(one: ReadBack) -> bool:
    return one.kind == "full" and one.bytes_read == one.bytes_total


OWN_WORD = (
    "That nothing is left behind the addresses (spare flash, old keys) rests on the drive's own word: no test from "
    "outside can show it."
)
"""On every certificate of a command that the drive carried out itself."""

SAMPLE_SHARE = 0.05
"""At least this share of the medium makes a sample (as the quick sampling of NIST SP 800-88 revision 1, retold)."""


def _is_sampled(one: ReadBack) -> bool:
    return one.kind == "sampled" and one.bytes_read >= SAMPLE_SHARE * one.bytes_total


def _afterwards(evidence: Evidence) -> list[Reason]:
    if evidence.smoke is True:
        return []
    text = "a block written and read afterwards did not come back" if evidence.smoke is False else "no write-read test"
    return [_reason("smoke-test", text, evidence)]


def _exceptions(evidence: Evidence) -> tuple[str, ...]:
    found = list(evidence.exceptions)
    if evidence.hidden_areas == "unknown":
        found.append("Whether the drive has hidden areas is not known.")
    if evidence.hidden_areas == "present":
        found.append("The drive has hidden areas that nobody could look at.")
    if evidence.via_bridge:
        found.append("The drive was reached through an adapter, which may hide what the drive is.")
    if evidence.canaries and evidence.canaries.skipped:
        found.append(f"No known blocks were planted: {evidence.canaries.skipped}.")
    if evidence.technique != "overwrite":
        found.append(OWN_WORD)
    if not all([*(one.direct for one in evidence.passes), *(one.direct for one in evidence.readbacks)]):
        found.append("Not every byte went past the machine's own cache (direct: false).")
    if any(one.kind == "sampled" for one in evidence.readbacks):
        found.append("Only a sample was read back: small areas that were missed may not show.")
    return tuple(dict.fromkeys(found))


def _reason(code: str, text: str, evidence: Evidence) -> Reason:
    return Reason(code, text, evidence.medium.id)
