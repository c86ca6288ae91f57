"""One medium wiped: asked, claimed, wiped, proved, judged, recorded. The only caller of `judge` here.

Promises of `wipe_one`:

- everything that can say no is asked before the first byte is written: world, guard, plan, health, confirmation,
  supervisor, which exit the wipe answers, and whether the journal and the work log can be written;
- what is called wiped has a `medium.wiped` event in the journal, with its evidence attached, or it is not called so;
- a drive that shows less than it once did is not wiped: what it hides would be lent with it (`station.sizes`);
- a method is given up for the profile's next one only when the drive refused it or says that it failed; each try is
  recorded by itself, and less than was agreed to is never done without a supervisor;
- when the journal fails after the wipe, the result waits in the work log, and the next `wipe` of that drive
  repeats the proof and records it without writing everything again.
"""

import json
import os
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from custody.claims import Evidence, Outcome, Verdict, judge
from custody.errors import CustodyError, JournalFull, Reason
from custody.events import Digest, EventHash
from station.badges import DECIDERS, WIPERS, must_be, reference
from station.bench import EVIDENCE_TYPE, Bench, Order, Report, exit_answered, hold, look_at, plan_for, who
from station.errors import GuardRefused, OutcomeUnknown, UsageError
from station.guard import Target
from station.health import health_at
from station.preparing import settled, unhide
from station.sizes import shrunk
from station.wipe import ENGINES, Plan
from station.wipe.acting import execute, resumable
from station.worklog import Job, Worklog, WorklogFull
from wipe_profiles import Profile

ROOM = 16 * 1024 * 1024  # bytes that must be free beside the journal before a wipe begins
AT_REST = ("idle", "failed", "succeeded", "frozen")  # phases of a drive that is not at work
TRANSCRIPT_TYPE = "application/vnd.kitbank.transcript+json"

Announce = Callable[[str], None]


@dataclass(frozen=True)
class _Agreed:
    """One try: the plan that was agreed to, and where it is recorded."""

    profile: Profile
    plan: Plan
    plan_digest: Digest
    after: EventHash | None
    notes: tuple[str, ...]


def wipe_one(
    bench: Bench, path: str | Path, order: Order, *, announce: Announce = lambda sentence: None
) -> Report:
    """Wipe one drive and record what became of it, whatever that was; see the module for the order of things.

    Raises ProfileError, UsageError, GuardRefused, NotDone, JournalError before anything is touched, and
    OutcomeUnknown when the journal failed afterwards. A wipe that went wrong is a Report, not an exception.
    """
    refused: tuple[str, ...] = ()
    report: Report | None = None
    path, before = settled(bench, path, order.confirm, announce)
    while True:
        profile, planned = plan_for(bench, path, order.profile, without=refused)
        if report is not None and not _may_go_on(planned, order, announce):
            return report
        notes = (*before, *_agreed(planned, order))
        after = exit_answered(bench, planned.medium.identity, order)
        plan_digest = _prove_recordable(bench, planned)
        if planned.unhide:
            planned, found = _without_hidden_areas(bench, planned, order, refused, announce)
            notes += found
        reasons = shrunk(bench.journal, bench.worklogs, planned.medium)
        if reasons:
            raise GuardRefused(reasons)
        if refused:
            notes += (f"Tried before and not done by the drive: {', '.join(refused)}.",)
        report = _try(bench, order, _Agreed(profile, planned, plan_digest, after, notes), announce)
        if not _failed_by_itself(bench, report):
            return report
        refused += (planned.method,)


def _agreed(planned: Plan, order: Order) -> tuple[str, ...]:
    """Check what people must have said; return what must be on the certificate. Raises UsageError, GuardRefused."""
    if not planned.method:
        raise UsageError(" ".join(planned.problems))
    _people(order)
    if not planned.medium.confirmed_by(order.confirm):
        raise UsageError(
            f"what was typed to confirm does not belong to {planned.medium.path}; look at the serial number on the "
            "drive itself (or in the plan) and type its last four characters. Nothing was touched"
        )
    return (*_agreed_to_less(planned, order), *_agreed_to_health(planned, order))


def _people(order: Order) -> None:
    """Check who wipes and who decides: two people, each as they signed in. Raises UsageError, GuardRefused."""
    operator = reference(order.operator)
    if not operator:
        raise UsageError("say who is doing this: --badge, or --operator REFERENCE")
    if order.person is not None:
        must_be(order.person, WIPERS, "wipe")
        if order.person.ref != operator:
            raise UsageError(f"{order.person.ref} signed in, and the order names {operator}; nothing was touched")
    deciding = {reference(text) for text in (order.accept_lower, order.despite_health)} - {""}
    if operator.casefold() in {text.casefold() for text in deciding}:
        text = f"{operator} wipes and cannot be the supervisor who decides about it as well; nothing was touched"
        raise GuardRefused([Reason("own-supervisor", text, operator)])
    if order.supervisor is not None:
        must_be(order.supervisor, DECIDERS, "decide about a wipe")
        if deciding != {order.supervisor.ref}:
            raise UsageError(f"{order.supervisor.ref} signed in as the supervisor, and the order names somebody else")


def _agreed_to_less(planned: Plan, order: Order) -> tuple[str, ...]:
    if not planned.needs_supervisor:
        return ()
    if not order.accept_lower.strip():
        text = (
            f"{planned.wants.upper()} UNAVAILABLE on {planned.medium.path}: {planned.method} reaches {planned.reaches} "
            "only; a supervisor must accept that with --accept-lower REFERENCE. Nothing was touched"
        )
        raise GuardRefused([Reason("lower-claim", text, planned.medium.identity.id)])
    return (f"{planned.reaches} instead of {planned.wants} was accepted by supervisor {order.accept_lower.strip()}.",)


def _agreed_to_health(planned: Plan, order: Order) -> tuple[str, ...]:
    if not planned.not_worth_it:
        return ()
    why = "; ".join(planned.not_worth_it)
    if not order.despite_health.strip():
        text = (
            f"{planned.medium.path} is not worth wiping: {why}. Destroy it (kitbank-station destroy), or let a "
            "supervisor say that it is wiped all the same: --despite-health REFERENCE. Nothing was touched"
        )
        raise GuardRefused([Reason("not-worth-wiping", text, planned.medium.identity.id)])
    return (f"Wiped although the drive is failing ({why}), as supervisor {order.despite_health.strip()} decided.",)


def _may_go_on(planned: Plan, order: Order, announce: Announce) -> bool:
    """Tell whether the profile's next method may be tried by itself: never for less than was agreed to."""
    if not planned.method:
        announce("This drive offers no further method of the profile; it does not count as wiped.")
        return False
    if planned.needs_supervisor and not order.accept_lower.strip():
        announce(
            f"{planned.wants.upper()} UNAVAILABLE: only {planned.method} is left, which reaches {planned.reaches}; "
            "a supervisor must accept that: --accept-lower REFERENCE"
        )
        return False
    announce(f"Trying the profile's next method: {planned.method}.")
    return True


def _failed_by_itself(bench: Bench, report: Report) -> bool:
    """Tell whether the drive refused or failed a command of its own, is at rest now, and another may be tried.

    A drive that says it succeeded and did not is no drive to try anything else on: it lies, and is set aside. At
    rest: its status may still be that of an older sanitize ("succeeded"), and its passwords may be frozen.
    """
    firmware = report.evidence.firmware
    if report.verdict.outcome is Outcome.DONE or firmware is None or firmware.succeeded or report.evidence.stopped:
        return False
    engine = ENGINES.get(report.plan.medium.transport)
    return engine is not None and engine.state(bench.means.run, report.plan.medium).phase in AT_REST


def _without_hidden_areas(
    bench: Bench, planned: Plan, order: Order, refused: tuple[str, ...], announce: Announce
) -> tuple[Plan, tuple[str, ...]]:
    """Remove hidden areas, and plan again for the drive as it is then, which must still be the same drive."""
    announce("Looking for hidden areas and removing them.")
    done = unhide(bench, planned)
    _, again = plan_for(bench, planned.medium.path, order.profile, without=refused)
    before, now = planned.medium.identity, again.medium.identity
    if before.names != now.names or now.size < before.size:
        text = f"{planned.medium.path} is another drive after its hidden areas were removed; look at it again"
        raise GuardRefused([Reason("changed", text, before.id)])
    if again.reaches.rank < planned.reaches.rank:
        _agreed_to_less(again, order)
    return replace(again, can=replace(again.can, hidden_areas=done.state, hidden=dict(done.hidden))), done.notes


def _prove_recordable(bench: Bench, planned: Plan) -> Digest:
    """Write the plan into the journal: what cannot be recorded is not begun. Raises JournalError."""
    room = os.statvfs(bench.journal.path.parent)
    if room.f_bavail * room.f_frsize < ROOM:
        raise JournalFull(
            f"less than {ROOM // 1024**2} MiB are free beside the journal {bench.journal.path}; make room first. "
            "Nothing was touched"
        )
    document = {"plan": planned.to_json(), "at": bench.now().isoformat()}
    return bench.journal.attach(json.dumps(document).encode(), "application/json")


def _try(bench: Bench, order: Order, agreed: _Agreed, announce: Announce) -> Report:
    """Carry out one plan on the claimed drive and record what became of it."""
    planned = agreed.plan
    with ExitStack() as held:
        log = held.enter_context(Worklog(bench.worklogs, planned.medium.identity.id, bench.now))
        target: Target = held.enter_context(hold(bench, planned.medium))
        if planned.how is not None and planned.how.reach != "namespace":
            for path in planned.can.siblings:  # what the command hits as well must be ours to erase, and held
                held.enter_context(hold(bench, look_at(bench, path)))
        job = resumable(planned, log.job, agreed.after)
        resumed_at = None if job is None else job.reached.upto + len(job.done) * job.size
        if job is not None and resumed_at is not None:
            announce(_resuming(planned, job, resumed_at))
        evidence = execute(
            planned,
            target,
            log,
            bench.means,
            agreed.notes,
            ENGINES.get(planned.medium.transport),
            after=agreed.after,
        )
        if planned.health is not None:
            evidence = replace(evidence, health_after=health_at(bench.means.run, planned.medium.path).to_json())
        verdict = judge(evidence, agreed.profile)
        try:
            digest, event = _record(bench, order, agreed, evidence, verdict)
        except CustodyError as error:
            raise _not_recorded(verdict, error) from error
        ended = {"outcome": verdict.outcome, "claim": verdict.claim, "event": event}
        with suppress(WorklogFull):  # the journal has it; at worst the next wipe repeats the proof
            log.write("outcome", last=True, resumable=bool(evidence.stopped), **ended)
    return Report(planned, evidence, verdict, digest, event, agreed.after, resumed_at)


def _not_recorded(verdict: Verdict, error: CustodyError) -> OutcomeUnknown:
    """Return what is said when the journal failed after a wipe: that it was wiped only where it was."""
    right = f"the journal could not take the result ({error})"
    if verdict.outcome is Outcome.DONE:
        text = (
            f"{right}; the drive does not count as wiped. The result is in the work log: put the journal right and run "
            "the same wipe again; only the proof is repeated"
        )
        return OutcomeUnknown(text, proved=True)
    why = "; ".join(reason.text for reason in verdict.reasons)
    return OutcomeUnknown(f"{right}, and the drive is not wiped ({verdict.outcome}: {why}); put the journal right")


def _resuming(planned: Plan, job: Job, at: int) -> str:
    if planned.by_firmware and job.firmware is None:
        return "resuming: the drive is asked what became of its own erase" if job.command else "resuming"
    return f"resuming at byte {at:,} of {planned.medium.size * len(planned.passes):,}"


def _record(
    bench: Bench, order: Order, agreed: _Agreed, evidence: Evidence, verdict: Verdict
) -> tuple[Digest, EventHash]:
    digest = bench.journal.attach(json.dumps(evidence.to_json()).encode(), EVIDENCE_TYPE)
    said = [result.to_json() for result in bench.means.run.transcript]
    transcript = bench.journal.attach(json.dumps(said).encode(), TRANSCRIPT_TYPE) if said else None
    body = {
        "after": agreed.after,
        "device": order.device,
        "medium": evidence.medium.to_json(),
        "profile": agreed.plan.profile,
        "profile_digest": agreed.plan.digest,
        "evidence": digest,
        "outcome": str(verdict.outcome),
        "claim": str(verdict.claim),
        "rules": verdict.rules,
        "who": who(order.person or order.operator),
        "exceptions": list(verdict.exceptions),
        "plan": agreed.plan_digest,
        "transcript": transcript,
        "accepted_by": order.accept_lower.strip() or None,
        "supervisor": who(order.supervisor) if order.supervisor else None,
        "clock_trusted": bench.journal.clock_trusted(),
    }
    return digest, bench.append("medium.wiped", evidence.medium.id, body).hash
