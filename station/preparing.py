"""What must be done to a drive before it is wiped: hidden areas found by comparing numbers, and removed.

Removing a hidden area changes the drive's size and so its identity, which is why this is done under a claim of its
own: afterwards the drive is looked at again, planned again, and claimed again as what it is then.
"""

from custody.errors import Reason
from station.bench import Bench, hold
from station.errors import GuardRefused, NotDone
from station.wipe import ENGINES, Plan
from station.wipe.methods import Act, Unhidden
from station.worklog import Worklog


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
