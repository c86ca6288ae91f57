"""What an NVMe drive offers: methods, why not others, estimates, siblings, and what no method but one reaches."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from custody.claims import REACH, Claim
from station.media import Medium
from station.run import Runner
from station.wipe import nvme_argv as argv
from station.wipe import nvme_ask as ask
from station.wipe import nvme_decode as decode
from station.wipe.methods import Capabilities, Method
from station.wipe.nvme_family import family_of
from station.wipe.nvme_state import lock_of

_CANNOT_STOP = (
    "A sanitize cannot be stopped: the drive goes on by itself, also after a power cut, and takes nothing else until "
    "it has finished. Cancelling only stops watching. Keep it powered."
)
_MUST_NOT_STOP = (
    "A format is not broken off: the drive answers when it has finished, and is damaged if it loses power before. "
    "Cancelling only stops waiting. Keep it powered."
)
ACTIONS = {"sanitize-crypto": decode.CRYPTO, "sanitize-block": decode.BLOCK, "sanitize-overwrite": decode.OVERWRITE}
SETTINGS = {"format-crypto": argv.CRYPTOGRAPHIC, "format-user": argv.USER}


def _method(name: str, reach: str, cancel: str) -> Method:
    best = REACH[name].get("nvme", Claim.NONE)
    return Method(name, name, (), best, reach=reach, stoppable=False, cancel=cancel)


METHODS: Mapping[str, Method] = MappingProxyType(
    {name: _method(name, "controller", _CANNOT_STOP) for name in ACTIONS}
    | {name: _method(name, "namespace", _MUST_NOT_STOP) for name in SETTINGS}
)


def read(run: Runner, medium: Medium) -> Capabilities:
    """Return what the drive offers, from Identify Controller and Namespace and log 81h; see `Engine.read`."""
    who = ask.controller(run, medium)
    if who.value is None:
        why = f"the drive does not say what it can: {who.why}"
        return Capabilities({}, "unknown", dict.fromkeys(METHODS, why), notes=(why,))
    can, log, number = who.value, ask.sanitize_log(run, medium), ask.own_number(run, medium)
    here = ask.namespace(run, medium, number.value) if number.value else ask.Told[decode.Namespace](None, number.why)
    locked, unsure = lock_of(run, medium, can)
    refused = dict.fromkeys(METHODS, locked) if locked else _refused(can, log, here)
    outside = outside_of(run, medium, can)
    family = family_of(medium.path)
    unseen = _unseen(run, medium, family.numbers)
    if outside and not can.format_hits_all and "format-crypto" not in refused:
        refused["format-crypto"] = f"{outside}, and only a sanitize reaches that"
    offered = {name: method for name, method in METHODS.items() if name not in refused}
    if can.format_hits_all:
        offered |= {name: replace(one, reach="controller") for name, one in offered.items() if name in SETTINGS}
    return Capabilities(
        methods=offered,
        hidden_areas="none",
        refused=refused,
        lock="locked" if locked else "",
        notes=tuple(filter(None, (locked, unsure, outside, family.why, unseen, _ndi(can)))),
        seconds=estimates(log.value),
        siblings=family.siblings,
        facts=_facts(can, here.value, log.value),
    )


def _refused(
    can: decode.Controller, log: ask.Told[decode.SanitizeLog], here: ask.Told[decode.Namespace]
) -> dict[str, str]:
    """Return why each method that is not offered is not."""
    refused = {}
    for name, action in ACTIONS.items():
        if not can.sanitizes(action):
            refused[name] = f"the drive does not offer it (SANICAP {can.sanicap:#x})"
        elif log.value is None:
            refused[name] = f"the drive offers it and keeps no log of it that could show success: {log.why}"
    for name in SETTINGS:
        if not can.formats:
            refused[name] = f"the drive has no Format NVM (OACS {can.oacs:#x})"
        elif here.value is None:
            refused[name] = f"how the namespace is formatted cannot be read: {here.why}"
        elif here.value.size <= 0:
            refused[name] = "the namespace has no size"
    if not can.crypto_format:
        refused.setdefault("format-crypto", f"the drive throws no key away when formatting (FNA {can.fna:#x}, bit 2)")
    return refused


def estimates(log: decode.SanitizeLog | None) -> dict[str, float]:
    """Return the drive's own estimates; its figure for overwriting is for 16 passes, and one is done."""
    if log is None:
        return {}
    told = {name: log.seconds(action) for name, action in ACTIONS.items()}
    told |= {"format-crypto": log.seconds(decode.CRYPTO), "format-user": log.seconds(decode.BLOCK)}
    known = {name: seconds for name, seconds in told.items() if seconds is not None}
    return known | ({"sanitize-overwrite": known["sanitize-overwrite"] / 16} if "sanitize-overwrite" in known else {})


def outside_of(run: Runner, medium: Medium, can: decode.Controller) -> str:
    """Say what of the drive no block device shows and only a sanitize reaches; "" for nothing, or nothing told.

    Capacity that belongs to no namespace any more (UNVMCAP), and namespaces that are attached to no controller (CNS
    10h less 02h), may hold what was there before.
    """
    said = [f"{can.unallocated:,} bytes of the drive belong to no namespace"] if can.unallocated else []
    if can.manages_namespaces:
        attached, every = ask.namespaces(run, medium).value, ask.namespaces(run, medium, unattached=True).value
        loose = sorted(set(every or ()) - set(attached or ())) if attached is not None else []
        said += [f"namespace {number} of the drive is attached to nothing" for number in loose]
    return "; ".join(said)


def _unseen(run: Runner, medium: Medium, seen: tuple[int, ...]) -> str:
    """Say which namespaces the kernel has made no block device of: a sanitize erases them as well."""
    told = ask.namespaces(run, medium).value or ()
    lost = [str(number) for number in told if number not in seen]
    if not lost or not seen:
        return ""
    return f"namespace {', '.join(lost)} has no block device here; a sanitize erases it as well, unseen"


def _ndi(can: decode.Controller) -> str:
    return "the drive always deallocates after a sanitize (NDI)" if can.must_deallocate and can.sanicap & 0b111 else ""


def _facts(
    can: decode.Controller, here: decode.Namespace | None, log: decode.SanitizeLog | None
) -> dict[str, object]:
    """Return the raw words that all this rests on."""
    facts: dict[str, object] = {"oacs": can.oacs, "fna": can.fna, "sanicap": can.sanicap, "nn": can.namespaces}
    facts |= {"tnvmcap": can.capacity, "unvmcap": can.unallocated}
    if here is not None:
        facts |= {"lbaf": here.lbaf, "lba": here.lba, "metadata": here.metadata, "nsze": here.blocks}
    if log is not None:
        facts |= {"sstat": log.status, "sprog": log.progress, "scdw10": log.command}
    return facts
