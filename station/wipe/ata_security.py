"""ATA SECURITY ERASE UNIT, and the password it needs: set, verified, used, and left behind only where nothing helps.

The password is one fixed, published string, no secret: an erase that a power cut interrupts leaves the drive locked
with it, and anybody must be able to unlock the drive again (STATION.md section 5). It is in the work log before it is
set. hdparm's exit status proves nothing; what counts is word 128 of IDENTIFY, read again after each step: the password
was set, the erase was sent, the password is gone. Only a finished erase, or somebody who knows the password, removes
it (ACS-3 section 4.18 and 7.38).

A locked drive is tried with our own password, once, and with no other: after five wrong ones it answers nobody until
it has been off (bit 4 of word 128).
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from custody.claims import Firmware
from station.errors import NotDone
from station.wipe.ata_ask import identify, said
from station.wipe.ata_identify import Identity
from station.wipe.firmware import SETTLES, hold_until_answered
from station.wipe.methods import Act
from station.worklog import WorklogFull

PASSWORD = "LCR-WIPE"  # noqa: S105 (published on purpose)
"""Published in docs/station-ata.md, and on the sticker of a drive that had to be set aside locked."""

QUICK = 60.0  # seconds for a command about passwords
SLOW_DISK = 30e6  # bytes per second, where a drive gives no estimate of its own (hdparm reckons with the same)
LONGEST = 24 * 3600.0  # seconds; how long an erase that was left running is waited for
LOOK_EVERY = 2.0  # seconds
ERASES = {"secure-erase": "--security-erase", "secure-erase-enhanced": "--security-erase-enhanced"}
DOCK = "put the drive into a dock or another computer whose firmware does not freeze drives"
OFF_AND_ON = "switch the drive off and on (or pull it and put it back), then start again"


def argv(verb: str, path: str) -> tuple[str, ...]:
    """Return a command line about the user password, which is always ours."""
    return ("hdparm", "--user-master", "u", verb, PASSWORD, path)


def seconds(identity: Identity, *, enhanced: bool) -> float:
    """Return the drive's own estimate of an erase in seconds, or one made from its size."""
    return identity.erase_seconds(enhanced=enhanced) or identity.size / SLOW_DISK


def why_not(identity: Identity, method: str) -> str:
    """Say why this drive does not offer this erase now, or ""."""
    if identity.security_contradicts:
        return "the drive contradicts itself about its security feature set, so it is not used"
    if not identity.security:
        return "the drive has no security feature set"
    if method == "secure-erase-enhanced" and not identity.enhanced:
        return "the drive has no enhanced erase"
    if identity.expired:
        return f"too many wrong passwords were tried; {OFF_AND_ON}"
    if identity.frozen:
        return f"its security is frozen, by this computer's firmware: {DOCK}"
    return ""


def in_flight(path: str, proc: Path = Path("/proc")) -> int | None:
    """Return the process of an erase of this drive that is still running (after a break of ours), or None.

    Such a hdparm has a session of its own and outlives us; asking the drive anything would only wait behind it.
    """
    with suppress(OSError):
        for folder in proc.iterdir():
            if not folder.name.isdigit():
                continue
            with suppress(OSError):
                words = (folder / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
                if len(words) < 3 or Path(words[0]).name != "hdparm" or not set(words) & set(ERASES.values()):
                    continue
                if any(_same_drive(word, path) for word in words[1:]):
                    return int(folder.name)
    return None


def _same_drive(word: str, path: str) -> bool:
    return word.startswith("/") and os.path.realpath(word) == os.path.realpath(path)


def wait_for_flight(act: Act) -> str:
    """Wait for an erase of ours that is still running; return what to say of it, or "". Raises NotDone after a day."""
    begun = act.clock()
    if in_flight(act.medium.path) is None:
        return ""
    while in_flight(act.medium.path) is not None:
        if act.clock() - begun > LONGEST:
            raise NotDone(f"an erase of {act.medium.path} has been running for a day; keep the drive powered")
        act.tell(None, "an erase from before the break is still running in the drive; waiting for it")
        act.sleep(LOOK_EVERY)
    return "An erase from before a break was still running; it was waited for, and then done again."


def unlock(act: Act, identity: Identity) -> tuple[tuple[str, ...], Identity]:
    """Take our own password off a drive; return what to say of it, and who the drive is then.

    One try, with our password. Raises NotDone with what to do when the drive stays locked.
    """
    path, note = act.medium.path, "an erase that was interrupted"
    if identity.expired:
        raise NotDone(f"{path} was asked with too many wrong passwords and answers nobody; {OFF_AND_ON}")
    if identity.frozen:
        return _frozen_with_password(act, identity)
    act.note("unlock", password=PASSWORD, security=f"{identity.security_word:04x}")
    if identity.locked:
        act.run(argv("--security-unlock", path), QUICK)
        identity = _again(act, "unlocked")
        if identity.locked:
            hint = f"; {OFF_AND_ON}" if identity.expired else ""
            raise NotDone(
                f"{path} is locked with a password that is not Kitbank's ({PASSWORD} was tried once, and no other will "
                f"be){hint}. Without its password nothing here can wipe it: destroy it, or ask the donor"
            )
    act.run(argv("--security-disable", path), QUICK)
    identity = _again(act, "freed of its password")
    if not identity.enabled:
        return (f"The drive had Kitbank's own published password, left by {note}; it was taken off first.",), identity
    if act.method.name in ERASES:
        raise NotDone(f"{path} has a password that is not Kitbank's, so its own erase cannot be used; take another way")
    return ("Somebody's password is set on the drive: it will be locked once it has been off.",), identity


def _frozen_with_password(act: Act, identity: Identity) -> tuple[tuple[str, ...], Identity]:
    if identity.locked or act.method.name in ERASES:
        raise NotDone(f"{act.medium.path} has a password and its security is frozen by this computer: {DOCK}")
    return ("A password is set on the drive, and could not be taken off here (frozen).",), identity


def _again(act: Act, wanted: str) -> Identity:
    identity, why = identify(act.run, act.medium)
    if identity is None:
        raise NotDone(f"whether {act.medium.path} was {wanted} cannot be told: {why}")
    return identity


def erase(act: Act) -> Firmware:
    """Set the password, see it set, erase, see it gone. Raises WorklogFull before the erase, TargetLost.

    Whatever was done before a break is done again: a drive whose password is gone may have been freed by anybody.
    """
    told = _Told(act, act.clock())
    enhanced = act.method.name == "secure-erase-enhanced"
    before, why = identify(act.run, act.medium)
    if before is None:
        return told.not_begun(why)
    stop = why_not(before, act.method.name) or ("a password is set already" if before.enabled else "")
    if stop:
        return told.not_begun(stop, before)
    act.target.still_same()
    command = argv("--security-set-pass", act.medium.path)
    act.note("password", password=PASSWORD, argv=list(command), security=f"{before.security_word:04x}")
    answer = act.run(command, QUICK)
    armed, why = identify(act.run, act.medium)
    if armed is None:
        return told.not_begun(f"{why}; if the drive is locked now, its password is {PASSWORD}")
    if not armed.enabled:
        return told.not_begun(f"the drive did not take the password ({said(answer) or 'it said nothing'})", armed)
    try:
        expected = seconds(armed, enhanced=enhanced)
        result = hold_until_answered(act, argv(ERASES[act.method.name], act.medium.path), expected)
    except WorklogFull:
        act.run(argv("--security-disable", act.medium.path), QUICK)
        raise
    told.begin(armed, result.argv)
    if result.timed_out:
        return told.unknown(f"no answer after {result.seconds / 60:.0f} min. Keep the drive powered: it may be at work")
    after, why = _settled(act)
    if after is None:
        return told.unknown(f"the drive does not answer after the erase ({why}); its password may be {PASSWORD}")
    if after.enabled or after.locked:
        return told.failed(after, f"{_disarmed(act)} ({said(result) or 'hdparm said nothing'})")
    return told.done(after)


def _settled(act: Act) -> tuple[Identity | None, str]:
    """Ask who the drive is until it answers; its link may come up again first."""
    begun = act.clock()
    identity, why = identify(act.run, act.medium)
    while identity is None and act.clock() - begun < SETTLES:
        act.sleep(LOOK_EVERY)
        identity, why = identify(act.run, act.medium)
    return identity, why


def _disarmed(act: Act) -> str:
    """Take the password off after an erase that failed; return what became of it."""
    act.run(argv("--security-disable", act.medium.path), QUICK)
    now, _ = identify(act.run, act.medium)
    if now is not None and not now.enabled:
        return "the password was still set after the erase, which therefore did not end; it was taken off"
    return f"the password was still set after the erase, and stayed: the drive is or will be locked with {PASSWORD}"


@dataclass
class _Told:
    """Makes the record of one erase, and writes its end to the work log."""

    act: Act
    begun: float
    armed: Identity | None = None
    argv: tuple[str, ...] = ()

    def begin(self, armed: Identity, argv: Sequence[str]) -> None:
        """Note that the erase was sent to a drive whose password was seen to be set."""
        self.armed, self.argv = armed, tuple(argv)

    def not_begun(self, words: str, now: Identity | None = None) -> Firmware:
        """The erase was never sent."""
        return self._made(now, f"nothing was erased: {words}", accepted=False)

    def unknown(self, words: str) -> Firmware:
        """The erase was sent, and nobody knows what became of it."""
        return self._made(None, words, accepted=True)

    def failed(self, now: Identity, words: str) -> Firmware:
        """The password is still there."""
        return self._made(now, words, accepted=False)

    def done(self, now: Identity) -> Firmware:
        """The password is gone."""
        assert self.armed is not None
        words = f"the password is gone, as after a finished erase (word 128: {_word(self.armed)}, then {_word(now)})"
        return self._made(now, words, accepted=True, ended=True)

    def _made(self, now: Identity | None, words: str, *, accepted: bool, ended: bool = False) -> Firmware:
        firmware = Firmware(
            accepted=accepted,
            transition_observed=ended,
            status=words,
            succeeded=ended,
            observed="security-state" if ended else "",
            argv=self.argv,
            raw_before=_word(self.armed),
            raw_after=_word(now),
            reach=self.act.method.reach,
            seconds=round(self.act.clock() - self.begun, 3),
        )
        phase = "succeeded" if ended else "unknown" if accepted else "failed"
        self.act.note("answered", phase=phase, raw=firmware.raw_after, words=words)
        return firmware


def _word(identity: Identity | None) -> str:
    return f"{identity.security_word:04x}" if identity else ""
