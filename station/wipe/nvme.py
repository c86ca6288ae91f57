"""The NVMe engine: SANITIZE of the whole drive, FORMAT of a namespace; believed only by raw status and by content.

Sanitize works in the background and keeps a log (81h), so its success must be *seen*: the drive at work, or a success
in the log that can only be our command's: its dword 10 is chosen to differ from what the log names already, or the mark
"global data erased", which our own canaries had taken away, is back. AUSE is always set, so that a failure leaves a
drive that can be brought back. Format keeps no status: it counts as accepted by its NVMe status, and as done only
when the known blocks are gone and size, format and EUI-64 are what they were.

Sources: NVM Express Base Specification 1.4, sections 5.23, 5.24 and 8.15, retold; STATION.md sections 5 and 7.
"""

from dataclasses import replace

from custody.claims import Firmware
from station.errors import NotDone
from station.media import Medium
from station.run import Runner
from station.wipe import nvme_argv as argv
from station.wipe import nvme_ask as ask
from station.wipe import nvme_decode as decode
from station.wipe.methods import Act, DriveState, Unhidden
from station.wipe.nvme_abilities import ACTIONS, METHODS, outside_of, read
from station.wipe.nvme_erase import format_namespace, sanitize
from station.wipe.nvme_family import family_of
from station.wipe.nvme_state import doing, lock_of, log_in
from station.wipe.nvme_words import RESTRICTED

__all__ = ["METHODS", "act", "read", "ready", "state", "unhide"]


def state(run: Runner, medium: Medium) -> DriveState:
    """Return what the drive says it is doing, from log 81h and, where it has one, its lock."""
    seen = doing(run, medium)
    if seen.phase in ("working", "gone", "unknown"):
        return seen
    who = ask.controller(run, medium)
    locked, _ = lock_of(run, medium, who.value) if who.value else ("", "")
    return replace(seen, phase="locked", words=locked) if locked else seen


def ready(act: Act) -> tuple[str, ...]:
    """Wait for a sanitize that somebody began, leave the failure mode of one that failed, and say what nothing reaches.

    Raises NotDone with what to do for a drive that is locked, in failure mode for good, or gone.
    """
    notes = []
    seen = state(act.run, act.medium)
    if seen.phase == "working" and act.issued is None:
        seen = _waited_for(act, seen)
        notes.append(f"A sanitize that was at work already was waited for ({seen.words}).")
    if seen.phase == "working":  # our own, from before a break: `act` watches it
        return ()
    if seen.phase in ("locked", "gone"):
        raise NotDone(f"{act.medium.path}: {seen.words}")
    if seen.phase == "failed":
        notes.append(_leave_failure(act, seen))
    if seen.phase == "unknown":
        notes.append(f"The drive did not say what it is doing: {seen.words}.")
    return (*notes, *_unreached(act))


def act(act: Act) -> Firmware:
    """Sanitize or format, watch, decode. Raises TargetLost, before anything is sent, if it is another drive by now."""
    act.target.still_same()
    return sanitize(act) if act.method.name in ACTIONS else format_namespace(act)


def unhide(act: Act) -> Unhidden:
    """NVMe has no host protected area and no configuration overlay; what belongs to no namespace is told by `read`."""
    return Unhidden("none", act.target.size)


def _waited_for(act: Act, seen: DriveState) -> DriveState:
    """Wait for a sanitize that is at work; raises NotDone when it does not get on."""
    moved, last = act.clock(), seen.progress
    while seen.phase == "working":
        if act.clock() - moved > act.patience:
            for_long = f"and that for {act.patience / 60:.0f} minutes; set it aside"
            raise NotDone(f"{act.medium.path}: {seen.words}, {for_long}")
        act.tell(None, seen.words)
        act.sleep(5.0)
        seen = state(act.run, act.medium)
        if seen.progress != last:
            moved, last = act.clock(), seen.progress
    return seen


def _leave_failure(act: Act, seen: DriveState) -> str:
    """Bring a drive back whose last sanitize failed; raises NotDone where that is not allowed."""
    log = log_in(seen.raw)
    if log is None or not log.unrestricted:
        raise NotDone(f"{act.medium.path}: {RESTRICTED}")
    words = argv.leave_failure(family_of(act.medium.path).control)
    act.note("recover", argv=list(words))
    result = act.run(words, ask.LOOK)
    if not result.ok and ask.status_of(result) == decode.SANITIZE_FAILED:
        raise NotDone(f"{act.medium.path}: {RESTRICTED}")
    return "The last sanitize of this drive had failed; its failure mode was left" + (
        "." if result.ok else f" (it said: {result.trouble})."
    )


def _unreached(act: Act) -> tuple[str, ...]:
    """Return what must stand on the certificate of what this method does not reach."""
    who = ask.controller(act.run, act.medium).value
    if who is None:
        return ()
    notes = ["The drive's RPMB (a few megabytes for keys) is reached by no erase."] if who.rpmb else []
    if act.method.name not in ACTIONS and (outside := outside_of(act.run, act.medium, who)):
        notes.append(f"Not reached by {act.method.name}: {outside}.")
    log = ask.sanitize_log(act.run, act.medium).value
    if act.method.name in ACTIONS and who.must_deallocate and log is not None:
        plain = argv.sanitize("/dev/nvme0", ACTIONS[act.method.name], no_deallocate=False)
        if log.command == argv.dword10(plain):
            notes.append(
                "The log names this very command already and the drive forbids to vary it: only a drive seen at work, "
                "or its own mark that all data were erased since, counts."
            )
    return tuple(notes)
