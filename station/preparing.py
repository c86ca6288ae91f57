"""What must be done to a drive before it is wiped: settled, so that it can answer; hidden areas found and removed.

`settled` comes before the plan, because a SATA drive that is locked, frozen or still at work on an older erase cannot
say what it offers. It waits for what goes on inside the drive, takes off a password that an interrupted erase of ours
left, and thaws the drive where this machine may.

Removing a hidden area changes the drive's size and so its identity, which is why this is done under a claim of its
own: afterwards the drive is looked at again, planned again, and claimed again as what it is then.
"""

from collections.abc import Callable
from pathlib import Path

from custody.errors import Reason
from station.bench import Bench, hold, look_at
from station.errors import GuardRefused, NotDone
from station.media import Medium
from station.thaw import Station, thaw
from station.wipe import ENGINES, Plan
from station.wipe.methods import Act, DriveState, Engine, Unhidden
from station.wipe.progress import DRIVE_WORKS, Progress
from station.worklog import Worklog

SETTLING = ("ata",)  # transports whose drives cannot say what they offer while locked, frozen or at work
LOOK_EVERY = 5.0  # seconds
PATIENCE = 30 * 60.0  # seconds without any progress of a drive that says how far it is
LONGEST = 24 * 3600.0  # seconds, of one that does not


def settled(
    bench: Bench, path: str | Path, confirm: str, announce: Callable[[str], None]
) -> tuple[str | Path, tuple[str, ...]]:
    """Bring a drive to rest, unlocked and thawed where that can be done; return its path then, and what to certify.

    Does nothing when what was typed to confirm does not belong to the drive (the caller says so). Raises what
    `look_at` does, and NotDone with what to do.
    """
    medium = look_at(bench, path)
    engine = ENGINES.get(medium.transport)
    if engine is None or medium.transport not in SETTLING or medium.practice or not medium.confirmed_by(confirm):
        return path, ()
    state = _at_rest(bench, engine, medium, announce)
    notes: tuple[str, ...] = ()
    if state.phase == "locked":
        announce("The drive is locked; Kitbank's own published password is tried once.")
        notes = _unlock(bench, engine, medium)
        state = engine.state(bench.means.run, medium)
    if state.phase == "frozen" and bench.may_suspend and engine.read(bench.means.run, medium).lock == "frozen":
        path = _thawed(bench, medium, announce) or path
    return path, notes


def _at_rest(bench: Bench, engine: Engine, medium: Medium, announce: Callable[[str], None]) -> DriveState:
    """Wait until a drive is no longer at work on an older erase; the log is told that it was seen at work."""
    means = bench.means
    state = engine.state(means.run, medium)
    if state.phase != "working":
        return state
    announce(f"The drive is still at work ({state.words}); waiting for it. Keep it powered.")
    with Worklog(bench.worklogs, medium.identity.id, bench.now) as log:
        if log.job is not None and log.job.command is not None and state.progress is not None:
            log.write("working", progress=state.progress, raw=state.raw)
    begun = moved = means.clock()
    last = state.progress
    while state.phase == "working":
        if state.progress != last:
            moved, last = means.clock(), state.progress
        waited = means.clock() - (begun if state.progress is None else moved)
        if waited > (LONGEST if state.progress is None else PATIENCE):
            raise NotDone(f"{medium.path} does not come to an end ({state.words}); keep it powered, or set it aside")
        done = int((state.progress or 0.0) * medium.size)
        means.show(Progress(DRIVE_WORKS, done, medium.size if state.progress else 0, 0.0, None, state.words))
        means.sleep(LOOK_EVERY)
        state = engine.state(means.run, medium)
    return state


def _unlock(bench: Bench, engine: Engine, medium: Medium) -> tuple[str, ...]:
    """Have the engine take off a password of ours, under a claim and with the work log open; return what it says."""
    means = bench.means
    with Worklog(bench.worklogs, medium.identity.id, bench.now) as log, hold(bench, medium) as target:
        any_method = next(iter(engine.METHODS.values()))
        act = Act(any_method, medium, target, means.run, log.write, clock=means.clock, sleep=means.sleep)
        return engine.ready(act)


def _thawed(bench: Bench, medium: Medium, announce: Callable[[str], None]) -> str:
    """Suspend and resume once; return the drive's new path, or "" where that cannot be done (the plan says so)."""
    announce("The drive's security is frozen by this computer; suspending once to thaw it.")
    station = Station(bench.may_suspend, bench.worklogs, (bench.journal.path.parent, *bench.protect))
    try:
        return thaw(bench.means.run, station, medium, sleep=bench.means.sleep, clock=bench.means.clock)
    except NotDone as error:
        announce(str(error))
        return ""


def unhide(bench: Bench, planned: Plan) -> Unhidden:
    """Remove the hidden areas of a drive; each step is in its work log before it is taken.

    Raises NotDone when the drive must be switched off and on first, GuardRefused when nothing here can do it.
    """
    medium = planned.medium
    engine = ENGINES.get(medium.transport)
    if engine is None or planned.how is None:
        text = f"nothing at this station can remove the hidden areas of {medium.path}"
        raise GuardRefused([Reason("hidden-areas", text, medium.identity.id)])
    means = bench.means
    with Worklog(bench.worklogs, medium.identity.id, bench.now) as log, hold(bench, medium) as target:
        act = Act(planned.how, medium, target, means.run, log.write, clock=means.clock, sleep=means.sleep)
        log.write("unhide", hidden=dict(planned.can.hidden))
        done = engine.unhide(act)
        log.write("unhidden", state=done.state, size=done.size, power_cycle=done.power_cycle)
    if done.power_cycle:
        raise NotDone(
            f"hidden areas of {medium.path} were released, which counts only once the drive has been off: "
            "switch it off and on (or pull it and put it back), then start the same wipe again"
        )
    return done
