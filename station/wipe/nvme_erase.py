"""The two ways an NVMe drive erases itself: SANITIZE, seen at work or named in its log; FORMAT, known by its effect.

Nothing is judged here, and nothing is raised for what a drive says. How a success is known to be of *our* command is in
`_attempt`; that it is still the same drive afterwards is asked of the drive, not of the kernel, which remembers.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from custody.claims import Firmware
from station.media import Medium
from station.wipe import nvme_argv as argv
from station.wipe import nvme_ask as ask
from station.wipe import nvme_decode as decode
from station.wipe.firmware import Attempt, attend, hold_until_answered
from station.wipe.methods import Act, DriveState
from station.wipe.nvme_abilities import ACTIONS, SETTINGS, estimates
from station.wipe.nvme_family import family_of
from station.wipe.nvme_state import doing, log_in
from station.wipe.nvme_words import code_in, refusal

GRACE = 3.0  # seconds a drive may take until its log shows a sanitize it has accepted
SETTLES = 60.0  # seconds a drive may take after an erase until it says again who it is
NO_ESTIMATE = 600.0  # seconds a format is given where the drive estimates nothing; patience comes on top


def sanitize(act: Act) -> Firmware:
    """Sanitize the whole drive. After a break the log is asked first: what is at work, or over, is not sent again."""
    before = doing(act.run, act.medium)
    if act.issued is not None:
        raw = str(act.issued.get("raw_before", ""))
        attempt = _attempt(tuple(act.issued["argv"]), replace(before, raw=raw))
        if before.phase in ("working", "unknown", "gone") or attempt.names_it(before):
            return _settled(act, attend(act, attempt, partial(doing, act.run, act.medium)))
        act = replace(act, issued=None, seen_working=False)  # the break came before the drive had begun: once more
    done = Firmware(False, False, "")
    for words in _variants(act):
        done = attend(act, _attempt(words, before), _patiently(act, words, before))
        if done.accepted or code_in(done.status) != decode.INVALID_FIELD:
            break
    return _settled(act, done)


def _variants(act: Act) -> list[tuple[str, ...]]:
    """Return the command lines to try: one that the log cannot be naming already comes first."""
    who, log = ask.controller(act.run, act.medium).value, ask.sanitize_log(act.run, act.medium).value
    control, action = family_of(act.medium.path).control, ACTIONS[act.method.name]
    plain = argv.sanitize(control, action, no_deallocate=False)
    if log is None or log.command != argv.dword10(plain) or who is None or who.must_deallocate:
        return [plain]
    return [argv.sanitize(control, action, no_deallocate=True), plain]


def _attempt(words: tuple[str, ...], before: DriveState) -> Attempt:
    """Return an attempt whose `names_it` tells a final state that can only be of *this* command."""
    ours, older = argv.dword10(words), log_in(before.raw)

    def names_it(now: DriveState) -> bool:
        log = log_in(now.raw)
        if log is None or log.command != ours:
            return False
        if older is None or older.command != ours:
            return True
        return log.erased_since and not older.erased_since  # our canaries had taken the mark away

    return Attempt(words, before, names_it)


def _patiently(act: Act, words: tuple[str, ...], before: DriveState) -> Callable[[], DriveState]:
    """Return a way to ask that gives the log a moment, once, to show a command that was only just accepted."""
    attempt, until = _attempt(words, before), [-1.0]

    def look() -> DriveState:
        seen = doing(act.run, act.medium)
        until[0] = act.clock() + GRACE if until[0] < 0 else until[0]
        while seen.raw == before.raw and not attempt.names_it(seen) and act.clock() < until[0]:
            act.sleep(0.25)
            seen = doing(act.run, act.medium)
        return seen

    return look


def _settled(act: Act, done: Firmware) -> Firmware:
    """Finish the record: a success of another command is not ours, nor one of a drive that is not itself any more.

    A drive whose sanitize failed is made readable again, so that it can be seen what is left on it.
    """
    if not done.accepted:
        return replace(done, succeeded=False, status=refusal(done.status))
    log = log_in(done.raw_after)
    if log is not None and log.command not in (0, argv.dword10(done.argv)) and done.transition_observed:
        words = f"the drive was seen at work on another command than ours: {done.status}"
        return replace(done, succeeded=False, transition_observed=False, observed="", status=words)
    if not done.succeeded:
        if log is not None and log.status == decode.FAILED and log.unrestricted:
            leave = argv.leave_failure(family_of(act.medium.path).control)
            act.note("recover", argv=list(leave))
            act.run(leave, ask.LOOK)
        return done
    changed = _no_longer_itself(act, None)
    return replace(done, succeeded=False, status=changed) if changed else done


def format_namespace(act: Act) -> Firmware:
    """Format the namespace as it is; after a break it is simply done again, for nothing tells how far it was."""
    begun = act.clock()
    number = ask.own_number(act.run, act.medium)
    before = ask.namespace(act.run, act.medium, number.value) if number.value else None
    if number.value is None or before is None or before.value is None:
        why = number.why if before is None else f"how the namespace is formatted cannot be read: {before.why}"
        return Firmware(False, False, why, reach=act.method.reach)
    setting, log = SETTINGS[act.method.name], ask.sanitize_log(act.run, act.medium).value
    words = argv.format_argv(act.medium.path, ses=setting, nsid=number.value, now=before.value)
    expected = estimates(log).get(act.method.name)
    result = hold_until_answered(act, words, expected or NO_ESTIMATE, share=expected is not None)
    accepted, changed, after = result.ok or result.timed_out, "", before
    if result.timed_out:
        said = "the drive has not answered; leave it powered and do not pull it"
    elif not result.ok:
        said = refusal(result.trouble)
    else:
        changed = _no_longer_itself(act, before.value)
        after = ask.namespace(act.run, act.medium, number.value)
        said = changed or "the drive says that the format is done"
    act.note("answered", accepted=accepted, words=said)
    return Firmware(
        accepted=accepted,
        transition_observed=result.ok,
        status=said,
        succeeded=result.ok and not changed,
        observed="content" if result.ok else "",
        argv=words,
        raw_before=before.raw[:192].hex(),
        raw_after=after.raw[:192].hex(),
        reach=act.method.reach,
        seconds=round(act.clock() - begun, 3),
    )


def _no_longer_itself(act: Act, before: decode.Namespace | None) -> str:
    """Return in what the drive is not what it was, "" when in nothing; waits while it settles.

    The drive is asked, because the kernel remembers serial number and EUI-64 from when it was plugged in.
    """
    until = act.clock() + SETTLES
    while True:
        who, number = ask.controller(act.run, act.medium), ask.own_number(act.run, act.medium)
        here = ask.namespace(act.run, act.medium, number.value) if number.value else None
        if who.value and here and here.value:
            return _difference(act.medium, who.value, here.value, before)
        if act.clock() >= until or who.gone:
            return f"the drive does not say any more who it is: {who.why or number.why or (here.why if here else '')}"
        act.sleep(0.5)


def _difference(
    medium: Medium, who: decode.Controller, here: decode.Namespace, before: decode.Namespace | None
) -> str:
    if medium.identity.serial and who.serial != medium.identity.serial:
        return f"the drive calls itself {who.serial or 'nothing'} afterwards, and was {medium.identity.serial}"
    if here.size != medium.size:
        return f"the namespace has {here.size} bytes afterwards, and had {medium.size}"
    if before is not None and here.identity != before.identity:
        return "the namespace has another EUI-64 or another LBA format afterwards"
    return ""
