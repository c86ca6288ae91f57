"""The engine for ATA drives on SATA or PATA: what they can do of their own, and having it done, through hdparm.

What a drive offers is read from IDENTIFY DEVICE (`ata_identify`), its passwords a second time through smartctl: where
the two disagree, nothing that needs passwords is used. Never through a USB bridge: bridges answer for the drive, and
an interrupted SECURITY ERASE behind one cannot be mended (STATION.md section 5); such media have another transport and
no engine. Nothing here believes an exit status or a sentence of a tool.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from custody.claims import Claim, Firmware
from station.errors import NotDone
from station.media import Medium
from station.run import Runner
from station.wipe import ata_hidden, ata_sanitize, ata_security
from station.wipe.ata_ask import identify, smart_security
from station.wipe.ata_identify import SANITIZE_BITS, Identity
from station.wipe.methods import Act, Capabilities, DriveState, Method, Unhidden

_SANITIZE = (
    "A sanitize cannot be stopped, not even by switching the drive off: it goes on when the drive has power again. "
    "Keep it powered; cancelling only stops the waiting, and the drive then counts as not wiped."
)
_SECURITY = (
    "An erase cannot be stopped. A drive that is pulled or switched off meanwhile stays locked (password "
    f"{ata_security.PASSWORD}) until the same wipe is started again here; it then counts as not wiped."
)


def _method(name: str, reaches: Claim, cancel: str) -> Method:
    return Method(name, name, (), reaches, reach="disk", stoppable=False, cancel=cancel)


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "sanitize-crypto": _method("sanitize-crypto", Claim.PURGE, _SANITIZE),
        "sanitize-block": _method("sanitize-block", Claim.PURGE, _SANITIZE),
        "sanitize-overwrite": _method("sanitize-overwrite", Claim.PURGE, _SANITIZE),
        "secure-erase-enhanced": _method("secure-erase-enhanced", Claim.PURGE, _SECURITY),
        "secure-erase": _method("secure-erase", Claim.CLEAR, _SECURITY),
    }
)
"""All a drive may offer. What a method really reaches depends on the kind of medium; see `custody.claims.REACH`."""


def read(run: Runner, medium: Medium) -> Capabilities:
    """Return what the drive really offers. Writes nothing and raises nothing: what is unknown is said."""
    if ata_security.in_flight(medium.path) is not None:
        return _nothing("an erase of this drive is still running from before; wait for it, and keep the drive powered")
    identity, why = identify(run, medium)
    if identity is None:
        return _nothing(f"the drive could not be asked what it offers: {why}")
    refused, notes = _doubts(identity, medium), []
    if not refused:
        # a locked drive refuses to tell; `ready` unlocks it or stops everything
        silent = identity.locked or not identity.sanitize
        refused |= _no_sanitize(identity, None if silent else ata_sanitize.status(run, medium))
        refused |= {name: text for name in ata_security.ERASES if (text := ata_security.why_not(identity, name))}
        second, more = _second_voice(run, medium, identity)
        notes += more
        refused |= {name: second for name in ata_security.ERASES if second and name not in refused}
    hidden = ata_hidden.look(run, medium, identity)
    lock, words = _lock(identity)
    return Capabilities(
        methods=_offered(identity, refused),
        hidden_areas=hidden.state,
        refused=refused,
        lock=lock,
        notes=(*notes, *words, *hidden.notes),
        hidden=hidden.sectors,
        seconds={
            name: ata_security.seconds(identity, enhanced=name != "secure-erase")
            for name in ata_security.ERASES
            if name not in refused
        },
        facts=_facts(identity),
    )


def _nothing(why: str) -> Capabilities:
    return Capabilities({}, refused=dict.fromkeys(METHODS, why), notes=(why,))


def _doubts(identity: Identity, medium: Medium) -> dict[str, str]:
    """Return why nothing of the drive's own is used at all: it is not clear which drive, or what kind, answers."""
    if _other_serial(identity, medium):
        why = f"the drive itself says serial {identity.serial}, the kernel {medium.identity.serial}: unsure, not used"
        return dict.fromkeys(METHODS, why)
    kernel = {"ssd": "flash", "hdd": "disk"}.get(medium.kind, "")
    if identity.turns and kernel and identity.turns != kernel:
        why = f"the kernel takes it for a {medium.kind}, the drive says that it is a {identity.turns}: unsure, not used"
        return dict.fromkeys(METHODS, why)
    return {}


def _other_serial(identity: Identity, medium: Medium) -> bool:
    own, known = (re.sub(r"[^0-9A-Z]", "", text.upper()) for text in (identity.serial, medium.identity.serial))
    return bool(own and known and own != known)


def _another(now: Identity | None, medium: Medium) -> str:
    """Say why what answers after the erase is not the drive that was claimed, or "".

    The kernel and udev keep what they read when the drive was plugged in, so only the drive itself can tell.
    """
    if now is None:
        return "the drive does not say any more who it is"
    if _other_serial(now, medium):
        return f"the drive now says serial {now.serial}, not {medium.identity.serial}"
    known = re.fullmatch(r"(?:0x|naa\.|eui\.)?([0-9a-f]{16})", medium.identity.wwn.lower())
    if known and now.wwn and now.wwn != known[1]:
        return f"the drive now says WWN {now.wwn}, not {known[1]}"
    if now.size != medium.size:
        return f"the drive now says {now.size} bytes, not {medium.size}"
    return ""


def _no_sanitize(identity: Identity, now: DriveState | None) -> dict[str, str]:
    if not identity.sanitize:
        return dict.fromkeys(SANITIZE_BITS, "the drive has no SANITIZE feature set")
    refused = {
        name: f"the drive has SANITIZE, but not {name}" for name in SANITIZE_BITS if name not in identity.sanitizes
    }
    if now is not None and now.phase == "unknown":
        return dict.fromkeys(SANITIZE_BITS, now.words)
    if now is not None and now.phase == "frozen":
        return dict.fromkeys(SANITIZE_BITS, f"{now.words}: {ata_security.DOCK}")
    if not identity.turns and "sanitize-overwrite" not in refused:  # on flash it would reach less
        refused["sanitize-overwrite"] = "the drive does not say whether it is flash, so it is not known how far it goes"
    return refused


def _second_voice(run: Runner, medium: Medium, identity: Identity) -> tuple[str, list[str]]:
    """Return why passwords are not used after hearing smartctl, and what to note."""
    state, why = smart_security(run, medium.path)
    if state is None:
        return "", [f"only the drive's IDENTIFY data tells of its passwords; smartctl does not ({why})"]
    if state != identity.security_word:
        text = f"hdparm reads security status {identity.security_word:#06x}, smartctl {state:#06x}: unsure, not used"
        return text, [text]
    return "", []


def _lock(identity: Identity) -> tuple[str, list[str]]:
    if identity.expired:
        return "attempts-exceeded", [f"too many wrong passwords were tried; {ata_security.OFF_AND_ON}"]
    if identity.locked:
        own = f"if an erase interrupted here left it, it is unlocked first ({ata_security.PASSWORD}, tried once)"
        return "locked", [f"it is locked by a password; {own}"]
    if identity.frozen:
        return "frozen", [f"its security is frozen: {ata_security.DOCK}"]
    return "", []


def _offered(identity: Identity, refused: Mapping[str, str]) -> dict[str, Method]:
    """Return the methods, none called more than it can be.

    A drive that does not say whether it turns may be an early SSD that the kernel takes for a disk; on flash an
    enhanced erase counts no more than a normal one, so it is judged as that.
    """
    offered = {name: method for name, method in METHODS.items() if name not in refused}
    if not identity.turns and "secure-erase-enhanced" in offered:
        plain = replace(offered["secure-erase-enhanced"], technique="secure-erase", reaches=Claim.CLEAR)
        offered["secure-erase-enhanced"] = plain
    return offered


def _facts(identity: Identity) -> dict[str, Any]:
    return {
        "model": identity.model,
        "serial": identity.serial,
        "firmware": identity.firmware,
        "security": f"{identity.security_word:04x}",
        "word 59": f"{identity.words[59]:04x}",
        "checksum": identity.checksum,
        "turns": identity.turns or "not said",
        "identify": identity.to_hex(),
    }


def state(run: Runner, medium: Medium) -> DriveState:
    """Return what the drive says it is doing; asked first after every restart and before every act."""
    if ata_security.in_flight(medium.path) is not None:
        return DriveState("working", "an erase of this drive is still running from before")
    identity, why = identify(run, medium)
    if identity is None:
        return DriveState("unknown", why)
    word = f"{identity.security_word:04x}"
    if identity.locked:
        return DriveState("locked", "it is locked by a password", raw=word)
    now = ata_sanitize.status(run, medium) if identity.sanitize else DriveState("idle", "it is idle", raw=word)
    if now.phase in ("idle", "succeeded") and identity.frozen:
        return DriveState("frozen", "its security is frozen", raw=word)
    return now


def ready(act: Act) -> tuple[str, ...]:
    """Undo what an interrupted erase left before canaries are planted; return what the certificate must say of it.

    Raises NotDone with what to do.
    """
    waited = ata_security.wait_for_flight(act)
    identity, why = identify(act.run, act.medium)
    if identity is None:
        if act.method.by_firmware:
            raise NotDone(f"{act.medium.path} does not say who it is, so nothing is sent to it: {why}")
        return (f"The drive could not be asked about passwords ({why}).",)
    if _other_serial(identity, act.medium):
        raise NotDone(f"{act.medium.path} says serial {identity.serial}, not {act.medium.identity.serial}; look again")
    notes: tuple[str, ...] = (waited,) if waited else ()
    if identity.enabled or identity.locked:
        more, identity = ata_security.unlock(act, identity)
        notes += more
    if identity.sanitize:
        now = ata_sanitize.status(act.run, act.medium)
        ours = act.issued is not None and act.method.name in SANITIZE_BITS
        if now.phase == "working" and not ours:
            raise NotDone(f"{act.medium.path} is at work on an earlier sanitize ({now.words}); keep it powered, wait")
    return notes


def act(act: Act) -> Firmware:
    """Have the drive erase itself; see `ata_sanitize.act` and `ata_security.erase`. Raises WorklogFull, TargetLost.

    Afterwards the drive itself must still say the serial number, WWN and size under which it was claimed.
    """
    firmware = ata_sanitize.act(act) if act.method.name in SANITIZE_BITS else ata_security.erase(act)
    why = _another(identify(act.run, act.medium)[0], act.medium) if firmware.succeeded else ""
    return replace(firmware, succeeded=False, status=f"{why}; before that: {firmware.status}") if why else firmware


def unhide(act: Act) -> Unhidden:
    """Find hidden areas by comparing numbers and give them back. Raises NotDone with what to do."""
    return ata_hidden.remove(act)
