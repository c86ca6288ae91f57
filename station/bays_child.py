"""The program that works on one drive for the bench: `look` at it, or `wipe` it. Started once per drive, by its file.

Whatever the drive does, dies or hangs here and nowhere else. `wipe` tells how it goes through its slot and goes on
when the bench has died; `look` prints one JSON object. The task comes as JSON on standard input. Nothing is decided
here that `station.wiping.wipe_one` does not ask again.
"""

import json
import os
import sys
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import wipe_profiles
from custody.claims import Outcome
from custody.errors import CustodyError, Reason
from custody.events import EventHash
from station.badges import Person, sign_in
from station.bays_gate import Gate, Heat, Thermometer
from station.bays_launch import config_of
from station.bays_slot import Said, Slot, Told, who_is
from station.bench import Bench, Order, Report, plan_for
from station.errors import GuardRefused, OutcomeUnknown, StationError
from station.home import open_bench
from station.media import Medium, medium_at
from station.run import Run
from station.sizes import shrunk
from station.wipe import ENGINES, Plan
from station.wipe.acting import Means, resumable
from station.wipe.readback import READER_ENDED, SILENT
from station.wiping import wipe_one
from station.worklog import job_of, read
from wipe_profiles import ProfileError

AFTER_BREAK = "what it was told is no longer true: another drive answers at {path} now; nothing was touched"


def now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


def look(task: dict[str, Any]) -> dict[str, Any]:
    """Return everything the bench wants to know of a drive before somebody arms it. Writes nothing to the drive.

    The drive is asked first what it is doing: after a power cut it may still be erasing itself.
    """
    path = task["path"]
    medium = medium_at(path)
    found: dict[str, Any] = {"medium": medium.to_json(), "reasons": [], "plan": None, "state": None}
    found.update(unfinished=None, last=None)
    engine = None if medium.practice else ENGINES.get(medium.transport)
    if engine is not None:
        state = engine.state(Run(), medium)
        found["state"] = {"phase": state.phase, "words": state.words, "progress": state.progress, "ours": state.ours}
    config = config_of(task["config"])
    entries = read(config.worklogs, medium.identity.id)
    ended = [entry for entry in entries if entry["kind"] == "outcome"]
    found["last"] = ended[-1] if ended else None
    job = job_of(entries)
    broken = job if job is not None and not job.finished and job.begun else None
    known = broken is not None and broken.profile in wipe_profiles.names()
    profile = broken.profile if broken is not None and known else task["profile"]  # what broke off is gone on with
    try:
        with open_bench(config, now) as bench:
            _, planned = plan_for(bench, path, profile)
            less = [] if planned.unhide else shrunk(bench.journal, bench.worklogs, planned.medium)
    except GuardRefused as error:
        found["reasons"] = [reason.to_json() for reason in error.reasons]
        return found
    found["reasons"] = [reason.to_json() for reason in less]
    found["plan"] = planned_json(planned)
    if broken is not None:
        whole = broken.size * max(1, len(broken.passes))
        done = broken.reached.upto + len(broken.done) * broken.size
        same = resumable(planned, broken, broken.after) is not None
        percent = None if broken.command else 100 * min(done, whole) / whole  # only the drive knows how far that is
        found["unfinished"] = {"percent": percent, "profile": broken.profile, "goes_on": same}
    return found


def planned_json(planned: Plan) -> dict[str, Any]:
    """Return of a plan what a tile shows and a child must know."""
    how, health = planned.how, planned.health
    return {
        "profile": planned.profile,
        "method": planned.method,
        "technique": planned.technique,
        "wants": str(planned.wants),
        "reaches": str(planned.reaches),
        "needs_supervisor": planned.needs_supervisor,
        "not_worth_it": list(planned.not_worth_it),
        "lines": planned.lines(),
        "problems": list(planned.problems),
        "passes": len(planned.passes),
        "by_firmware": planned.by_firmware,
        "stoppable": how.stoppable if how else True,
        "cancel": how.cancel if how else "",
        "seconds": planned.can.seconds.get(planned.method, 0.0),
        "lock": planned.can.lock,
        "health": health.verdict if health else "unknown",
        "health_words": list(health.reasons) if health else [],
    }


def wipe(task: dict[str, Any]) -> int:
    """Wipe one drive by order of the bench; the slot says how it goes and how it ended. Returns the exit status."""
    slot = Slot(Path(task["slot"]))
    who = who_is(os.getpid())
    assert who is not None
    told = Told(moved=time.monotonic(), stoppable=task["stoppable"], cancel=task["cancel"], patience=task["patience"])
    words = task["order"]
    order = Order(**{**words, "answers": EventHash(words["answers"]) if words["answers"] else None})
    armed = Medium.from_json(task["medium"])
    said = Said(
        who=who,
        medium=armed.identity.id,
        bay=task["bay"],
        place=task["place"],
        path=armed.path,
        sequence=armed.sequence,
        operator=order.operator,
        profile=order.profile,
        told=told,
    )
    heat = Heat(**task["heat"])
    gate = Gate(
        slot, said, passes=task["passes"], limit=heat.limit, spins=task["spins"], first=lambda: _still(armed)
    )
    Thermometer(heat, gate.warm).start()
    means = Means(os.urandom, show=gate.show, clock=gate.clock)
    try:
        with open_bench(config_of(task["config"]), now, means) as bench:
            _still(armed)
            news = _ended(wipe_one(bench, armed.path, _signed(bench, order, task)))
    except Exception as error:  # noqa: BLE001  # the border of a process: whatever it was is told, and nothing is DONE
        news = _failed(error, touched=gate.touched)
    gate.tell(phase="ended", moved=time.monotonic(), **news)
    return 0 if news["outcome"] == Outcome.DONE else 4


def _signed(bench: Bench, order: Order, task: dict[str, Any]) -> Order:
    """Return the order with whoever signs in by badge and PIN. A supervisor's badge accepts what the plan needs."""
    people, needs = task["people"], task["needs"]
    person = _person(bench, people["badge"], people["pin"])
    supervisor = _person(bench, people["supervisor_badge"], people["supervisor_pin"])
    if person is not None:
        order = replace(order, person=person, operator=order.operator or person.ref)
    if supervisor is None:
        return order
    lower = order.accept_lower or (supervisor.ref if needs["lower"] else "")
    health = order.despite_health or (supervisor.ref if needs["health"] else "")
    return replace(order, supervisor=supervisor, accept_lower=lower, despite_health=health)


def _person(bench: Bench, badge: str, pin: str) -> Person | None:
    return sign_in(bench.journal, badge, pin.strip(), bench.now(), record=bench.append) if badge else None


def _still(armed: Medium) -> None:
    """Refuse when another drive, or the same one after a break, is where the armed one was; raises GuardRefused."""
    there = medium_at(armed.path)
    if (there.identity, there.sequence, there.bay) != (armed.identity, armed.sequence, armed.bay):
        raise GuardRefused([Reason("changed", AFTER_BREAK.format(path=armed.path), armed.identity.id)])


def _ended(report: Report) -> dict[str, Any]:
    verdict, evidence = report.verdict, report.evidence
    codes = [reason.code for reason in verdict.reasons]
    if evidence.stopped.startswith(READER_ENDED) and not evidence.stopped.endswith(SILENT):
        # somebody or something ended the reader: that says nothing about the drive, which has not failed any test
        codes = ["reader-ended", *(code for code in codes if code != "smoke-test")]
    return {
        "outcome": str(verdict.outcome),
        "claim": str(verdict.claim),
        "event": report.event,
        "codes": tuple(codes),
        "sentences": tuple(reason.text for reason in verdict.reasons),
        "resumable": bool(evidence.stopped),
    }


def _failed(error: Exception, *, touched: bool) -> dict[str, Any]:
    """Return how it ended when there is no report: refused before anything was touched, or not known."""
    reasons: tuple[Reason, ...] = tuple(getattr(error, "reasons", ()))
    codes = tuple(reason.code for reason in reasons)
    texts = tuple(reason.text for reason in reasons) or (str(error) or type(error).__name__,)
    expected = isinstance(error, StationError | CustodyError | ProfileError)
    if isinstance(error, OutcomeUnknown):
        codes = ("not-recorded" if error.proved else "unproved-not-recorded",)
    elif isinstance(error, CustodyError):
        codes = (*codes, "not-recordable")
    elif not expected:
        texts = (f"unexpected: {type(error).__name__}: {error}",)
    refused = expected and not isinstance(error, OutcomeUnknown) and not touched
    return {"outcome": "REFUSED" if refused else "UNKNOWN", "codes": codes, "sentences": texts, "resumable": True}


def main() -> int:
    """Do what the first word says with the task on standard input."""
    task = json.load(sys.stdin)
    if sys.argv[1:] == ["look"]:
        try:
            answer = look(task)
        except Exception as error:  # noqa: BLE001  # looking may shrug; the bench shows why
            answer = {"trouble": f"{error}" or type(error).__name__}
        with suppress(BrokenPipeError):
            print(json.dumps(answer), flush=True)
        return 0
    if sys.argv[1:] == ["wipe"]:
        return wipe(task)
    print("this program is started by the bench: look or wipe", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
