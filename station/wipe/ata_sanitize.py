"""ATA SANITIZE: block erase, crypto scramble, overwrite. Status from the drive's registers, never from hdparm's words.

Sources: ACS-3 sections 4.17 and 7.36. SANITIZE STATUS EXT returns in COUNT bit 15 (the last operation was completed
without error), 14 (in progress), 13 (frozen), 12 (antifreeze), and the progress in LBA 15:0, which is FFFFh whenever
nothing is in progress - after a failure as well. A failed operation makes the drive refuse even the status, with
reason 1 in LBA 7:0. Idle is not success, and FFFFh is not 100%.

The status names no command. So a final "completed" counts as ours only if the drive was seen in progress (the answer
to the command itself counts: it has the same bits), or if the bit was *not* set before: then no older operation can
have set it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from custody.claims import Firmware
from station.media import Medium
from station.run import Result, Runner, Watch
from station.wipe.ata_ask import DEADLINE, Registers, descriptor, registers, said
from station.wipe.firmware import Attempt, attend, told
from station.wipe.methods import Act, DriveState

SANITIZE_DEVICE = 0xB4  # the operation code
COMPLETED, WORKING, FROZEN = 0x8000, 0x4000, 0x2000  # of COUNT
REASONS = {1: "the last one failed", 2: "it is not supported", 3: "it is frozen", 4: "antifreeze is on"}
SURE = "--yes-i-know-what-i-am-doing"

COMMANDS: Mapping[str, tuple[str, ...]] = {
    "sanitize-block": ("--sanitize-block-erase",),
    "sanitize-crypto": ("--sanitize-crypto-scramble",),
    # Without a number of passes hdparm 9.65 asks for 16 of them (its help text), which are weeks on a large disk.
    "sanitize-overwrite": ("--sanitize-overwrite-passes", "1", "--sanitize-overwrite", "hex:00000000"),
}


def argv(method: str, path: str) -> tuple[str, ...]:
    """Return the command line that starts this method; raises KeyError for any other method."""
    return ("hdparm", "--verbose", SURE, *COMMANDS[method], path)


def status(run: Runner, medium: Medium) -> DriveState:
    """Ask a drive that has the feature set how its sanitizing stands. Raises nothing; unclear is "unknown"."""
    result = run(("hdparm", "--verbose", "--sanitize-status", medium.path), DEADLINE)
    if result.missing or result.timed_out:
        return DriveState("unknown", result.trouble)
    answer = registers(result.stderr.decode("utf-8", "replace"), SANITIZE_DEVICE)
    if answer is None:
        why = said(result) or "its registers did not come back"
        return DriveState("unknown", f"the drive's sanitize status could not be read ({why})")
    return decode(answer)


def decode(answer: Registers) -> DriveState:
    """Return what the registers say after SANITIZE STATUS EXT or after the command itself."""
    raw, count = answer.raw.hex(), answer.count
    if answer.error:
        reason = answer.lba & 0xFF
        if reason == 1:
            return DriveState("failed", "the drive says that its last sanitize failed", raw=raw)
        why = REASONS.get(reason, "it gives no reason")
        return DriveState("unknown", f"the drive refuses to tell its sanitize status: {why}", raw=raw)
    if count & WORKING and count & COMPLETED:
        return DriveState("unknown", "the sanitize status contradicts itself: in progress and completed", raw=raw)
    if count & WORKING:
        share = min(1.0, (answer.lba & 0xFFFF) / 0x10000)
        return DriveState("working", f"the drive is sanitizing itself, {share:.0%}", share, raw)
    if count & FROZEN:
        return DriveState("frozen", "SANITIZE is frozen until the drive has been off", raw=raw)
    if count & COMPLETED:
        return DriveState("succeeded", "the drive says that its last sanitize was completed without error", raw=raw)
    return DriveState("idle", "the drive says that it is idle and that no sanitize was ever completed", raw=raw)


def completed_before(state: DriveState) -> bool:
    """Tell whether an older sanitize had been completed already; unsure counts as yes."""
    answer = descriptor(bytes.fromhex(state.raw)) if state.raw else None
    return answer is None or (not answer.error and bool(answer.count & COMPLETED))


def act(act: Act) -> Firmware:
    """Have the drive sanitize itself and watch it to its end; after a break, ask what became of it.

    Raises WorklogFull before anything is sent, TargetLost when the drive is not the one that was claimed.
    """
    now = status(act.run, act.medium)
    before = _before(act, now)
    if act.issued is not None and _never_began(act, now, before):
        act, before = replace(act, issued=None, seen_working=False), now
    attempt = Attempt(argv(act.method.name, act.medium.path), before, lambda state: _ours(before, state))
    if act.issued is None and now.phase in ("frozen", "unknown", "working"):
        words = f"nothing was sent: {now.words}"
        return replace(told(act, attempt, now, act.clock(), accepted=False, words=words), succeeded=False)
    act.target.still_same()
    heard = _Overheard(act.run, attempt.argv)
    firmware = attend(replace(act, run=heard), attempt, _asking(act, heard))
    return _only_what_was_accepted(act, firmware, heard)


def _before(act: Act, now: DriveState) -> DriveState:
    """Return the status before the command: as the log has it, when the command was sent before a break."""
    if act.issued is None:
        return now
    raw = str(act.issued.get("raw_before", ""))
    answer = descriptor(bytes.fromhex(raw)) if raw else None
    return decode(answer) if answer else DriveState("unknown", "the status before the command is not known", raw=raw)


def _never_began(act: Act, now: DriveState, before: DriveState) -> bool:
    """Tell whether a command that the log has was never carried out, so that it must be sent (again)."""
    return now.phase == "idle" or (now.raw == before.raw and not act.seen_working and now.phase == "succeeded")


def _ours(before: DriveState, after: DriveState) -> bool:
    """Tell whether a final status can only come from a sanitize that began after `before`."""
    return after.phase == "succeeded" and before.phase in ("idle", "failed") and not completed_before(before)


@dataclass
class _Overheard:
    """A runner that keeps what the drive answered to one command line."""

    run: Runner
    command: tuple[str, ...]
    results: list[Result] = field(default_factory=list)

    def __call__(self, argv: Sequence[str], deadline: float, *, watch: Watch | None = None) -> Result:
        """Run it; see `Runner`."""
        result = self.run(argv, deadline, watch=watch) if watch else self.run(argv, deadline)
        if tuple(argv) == self.command:
            self.results.append(result)
        return result

    @property
    def answer(self) -> Registers | None:
        """Return the registers after that command."""
        return registers(self.results[-1].stderr.decode("utf-8", "replace"), SANITIZE_DEVICE) if self.results else None


def _asking(act: Act, heard: _Overheard) -> Callable[[], DriveState]:
    """Return how to look: first at the command's own answer, which may be the only one to say "in progress"."""
    used = 0

    def ask() -> DriveState:
        nonlocal used
        if len(heard.results) > used:
            used = len(heard.results)
            first = decode(heard.answer) if heard.answer else None
            if first is not None and first.phase == "working":
                return first
        return status(act.run, act.medium)

    return ask


def _only_what_was_accepted(act: Act, firmware: Firmware, heard: _Overheard) -> Firmware:
    """Take back what rests on hdparm's exit status alone, and a success that belongs to an older command."""
    if act.issued is not None or firmware.observed == "progress":
        return firmware
    answer = heard.answer
    if firmware.accepted and answer is not None and not answer.error:
        return firmware
    if answer is not None and answer.error:
        why = f"the drive refused the command: {REASONS.get(answer.lba & 0xFF, 'it gives no reason')}"
    else:
        why = f"nothing shows that the drive took the command ({firmware.status})"
    return replace(firmware, accepted=False, transition_observed=False, observed="", succeeded=False, status=why)
