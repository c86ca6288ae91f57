"""Commands that a drive carries out itself: issue, watch it work, believe only its raw status. Shared by the engines.

A firmware's word is doubted on purpose. An idle status is not success, progress is not success, an exit status of a
tool is not success (STATION.md section 5; hdparm and sg_format end with 0 on drives that refused). What counts is the
drive's raw status, decoded, after it was *seen* at work, or after its status changed in a way that names our command.

The work log gets a "command" line before anything is sent, a "working" line when the drive is first seen at work, and
an "answered" line at the end, so that after a power cut the drive can be asked what became of it.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from custody.claims import Firmware
from station.run import Result
from station.wipe.methods import Act, DriveState

QUICK = 60.0  # seconds a command may take that only starts something
SETTLES = 60.0  # seconds a drive may be silent after a command, while its link comes up again
POLL_FIRST, POLL_LAST = 0.02, 5.0  # seconds between two looks: quick at first, because some drives take no time


@dataclass(frozen=True)
class Attempt:
    """What is needed to start one command and to recognise its end.

    `argv` starts it. `before` is the drive's state before it. `names_it(state)` tells whether a final state is about
    *this* command and cannot be an older one's (say, by the command words that the status log repeats).
    """

    argv: tuple[str, ...]
    before: DriveState
    names_it: Callable[[DriveState], bool]


def attend(act: Act, attempt: Attempt, ask: Callable[[], DriveState]) -> Firmware:
    """Start a command that works in the background (SANITIZE) and watch it to its end; judges nothing.

    After a break (`act.issued`) the drive is asked what became of it. It is sent again only when the drive's status is
    still what it was before, to the last bit: then the drive never heard of it. Raises WorklogFull before anything is
    sent when the log cannot take the line.
    """
    begun = act.clock()
    if act.issued is not None and (act.seen_working or not _never_heard(ask(), attempt.before)):
        return _watch(act, attempt, ask, begun, accepted=True)
    act.note("command", argv=list(attempt.argv), raw_before=attempt.before.raw, method=act.method.name)
    result = act.run(attempt.argv, QUICK)
    act.note("sent", exit=result.exit, timed_out=result.timed_out, said=_said(result))
    if result.missing:
        return told(act, attempt, attempt.before, begun, accepted=False, words=result.trouble)
    return _watch(act, attempt, ask, begun, accepted=result.ok, words=_said(result))


def _never_heard(state: DriveState, before: DriveState) -> bool:
    return state.phase not in ("working", "unknown", "gone") and bool(state.raw) and state.raw == before.raw


def _watch(
    act: Act, attempt: Attempt, ask: Callable[[], DriveState], begun: float, *, accepted: bool, words: str = ""
) -> Firmware:
    """Look until the drive is no longer at work, or shows no progress for too long."""
    seen, pause = act.seen_working, POLL_FIRST
    moved_at, last = act.clock(), None
    state = _asked(act, ask)
    while state.phase == "working" or (state.phase == "unknown" and (seen or act.clock() - begun < SETTLES)):
        if state.phase == "working" and not seen:
            seen = True
            act.note("working", progress=state.progress, raw=state.raw)
        if state.phase == "working" and state.progress != last:
            moved_at, last = act.clock(), state.progress
        act.tell(state.progress, state.words)
        if act.clock() - moved_at > act.patience:
            stuck = f"no progress for {act.patience / 60:.0f} minutes; last status: {state.words}"
            return told(act, attempt, state, begun, accepted=True, seen=seen, words=stuck)
        act.sleep(pause)
        pause = min(POLL_LAST, pause * 1.5)
        state = _asked(act, ask)
    accepted = accepted or seen
    return told(act, attempt, state, begun, accepted=accepted, seen=seen, words=words if not accepted else "")


def _asked(act: Act, ask: Callable[[], DriveState]) -> DriveState:
    """Ask the drive; one that says nothing and whose device node has gone was pulled out, and is not waited for."""
    state = ask()
    if state.phase == "unknown" and not os.path.lexists(act.medium.path):
        return DriveState("gone", f"{act.medium.path} is gone: unplugged, or its link broke")
    return state


def told(
    act: Act, attempt: Attempt, state: DriveState, begun: float, *, accepted: bool, seen: bool = False, words: str = ""
) -> Firmware:
    """Turn the last state into the record, and write it to the work log."""
    changed = state.raw != attempt.before.raw and attempt.names_it(state)
    firmware = Firmware(
        accepted=accepted,
        transition_observed=seen or (accepted and changed),
        status=words or state.words,
        succeeded=state.phase == "succeeded",
        observed="progress" if seen else "status-change" if accepted and changed else "",
        argv=tuple(attempt.argv),
        raw_before=attempt.before.raw,
        raw_after=state.raw,
        reach=act.method.reach,
        seconds=round(act.clock() - begun, 3),
    )
    act.note("answered", phase=state.phase, raw=state.raw, words=firmware.status)
    return firmware


def hold_until_answered(act: Act, argv: Sequence[str], expected: float, share: bool = True) -> Result:
    """Run a command that answers only when the drive has finished (SECURITY ERASE, FORMAT), without ever killing it.

    `expected` is the drive's own estimate in seconds; progress is told from it and never shown as finished. Given up,
    not killed, after three times the estimate plus `act.patience`. Raises WorklogFull before anything is sent.
    """
    act.note("command", argv=list(argv), method=act.method.name)

    def watch(passed: float) -> None:
        done = min(0.99, passed / expected) if share and expected > 0 else None
        act.tell(done, "the drive is at work and answers when it has finished")

    result = act.run(argv, 3 * expected + act.patience, watch=watch)
    act.note("sent", exit=result.exit, timed_out=result.timed_out, said=_said(result))
    return result


def _said(result: Result) -> str:
    """Return the last words of a tool, for the log and the certificate."""
    if result.trouble:
        return result.trouble
    words = result.stderr.decode("utf-8", "replace").strip().splitlines()
    return words[-1][:200] if words else ""
