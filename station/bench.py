"""One medium through the bench: look, plan, ask, claim, wipe, prove, judge, record. The only caller of `judge` here.

Promises of `wipe_one`:

- everything that can say no is asked before the first byte is written: world, guard, plan, confirmation,
  supervisor, which exit the wipe answers, and whether the journal and the work log can be written;
- what is called wiped has a `medium.wiped` event in the journal, with its evidence attached, or it is not called so;
- when the journal fails after the wipe, the result waits in the work log, and the next `wipe` of that drive
  repeats the proof and records it without writing everything again.
"""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import wipe_profiles
from custody import rules
from custody.claims import Evidence, Outcome, Verdict, judge
from custody.errors import CustodyError, JournalFull, Reason
from custody.events import Digest, Event, EventHash, MediumIdentity, PrivateKey, World
from custody.journal import Journal
from labels import codes
from station.errors import GuardRefused, OutcomeUnknown, UsageError
from station.guard import Target, claim, why_ours
from station.media import Medium, medium_at
from station.wipe import Plan, plan
from station.wipe.acting import Means, execute, resumable
from station.worklog import Worklog, WorklogFull, job_of, read
from wipe_profiles import Profile

ROOM = 16 * 1024 * 1024  # bytes that must be free beside the journal before a wipe begins
EVIDENCE_TYPE = "application/vnd.kitbank.evidence+json"


@dataclass(frozen=True)
class Bench:
    """What work on drives needs: journal and key, where work logs are, what must never be touched, and the clock."""

    journal: Journal
    key: PrivateKey
    worklogs: Path
    now: Callable[[], datetime]
    means: Means
    protect: tuple[Path, ...] = ()
    bays: tuple[str, ...] = ()
    allow_loop: bool = False

    @property
    def practice(self) -> bool:
        """Tell whether this bench works in the practice world, where practice drives live and loop devices may."""
        return self.journal.world is World.PRACTICE

    def append(self, kind: str, subject: str, body: dict[str, Any]) -> Event:
        """Record one event of this station; raises JournalError."""
        return self.journal.append(kind, subject, body, key=self.key, at=self.now())


@dataclass(frozen=True)
class Order:
    """What somebody asks to be done to a drive. `answers` is the exit given by hand or by a return slip."""

    profile: str
    operator: str
    confirm: str
    accept_lower: str = ""
    device: str | None = None
    answers: EventHash | None = None


@dataclass(frozen=True)
class Report:
    """What became of one wipe. `event` is the hash of the recorded `medium.wiped`; `resumed_at` bytes, None if new."""

    plan: Plan
    evidence: Evidence
    verdict: Verdict
    digest: Digest
    event: EventHash
    after: EventHash | None
    resumed_at: int | None

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON data: outcome and claim first, then the figures they rest on."""
        figures = self.evidence.to_json()
        return {
            "outcome": self.verdict.outcome,
            "claim": self.verdict.claim,
            "rules": self.verdict.rules,
            "reasons": [reason.to_json() for reason in self.verdict.reasons],
            "exceptions": list(self.verdict.exceptions),
            "medium": {**self.evidence.medium.to_json(), "id": self.evidence.medium.id},
            "profile": self.plan.profile,
            "method": self.plan.method,
            "passes": figures["passes"],
            "canaries": figures["canaries"],
            "readbacks": figures["readbacks"],
            "smoke": self.evidence.smoke,
            "stopped": self.evidence.stopped,
            "resumed_at": self.resumed_at,
            "after": self.after,
            "evidence": self.digest,
            "event": self.event,
        }


def who(operator: str | None) -> dict[str, Any]:
    """Return who did it, as an event says it; nobody is authenticated here yet (no badge, no PIN)."""
    return {"ref": operator or None, "authenticated": False}


def look_at(bench: Bench, path: str | Path) -> Medium:
    """Return the medium at a path if it is one that this bench may touch.

    Raises NotAMedium, or GuardRefused with every reason (it is ours, in use, or of the other world).
    """
    medium = medium_at(path)
    loops = bench.allow_loop and bench.practice
    reasons = why_ours(path, allow_loop=loops, protect=bench.protect, bays=bench.bays)
    if medium.practice and not bench.practice:
        text = f"{medium.path} is a practice drive or loop device, and this is a real station; it is not touched"
        reasons.append(Reason("world", text, medium.path))
    if bench.practice and not medium.practice:
        text = f"{medium.path} is a real drive, and this is a practice station, whose records no server takes for real"
        reasons.append(Reason("world", text, medium.path))
    if reasons:
        raise GuardRefused(reasons)
    return medium


def hold(bench: Bench, medium: Medium) -> Target:
    """Claim a medium for this bench; raises GuardRefused or TargetLost."""
    loops = bench.allow_loop and bench.practice
    return claim(medium, allow_loop=loops, protect=bench.protect, bays=bench.bays)


def plan_for(bench: Bench, path: str | Path, profile: str) -> tuple[Profile, Plan]:
    """Return the profile and what it means for the drive at this path; raises ProfileError and what `look_at` does."""
    wanted = wipe_profiles.load(profile)
    return wanted, plan(wanted, look_at(bench, path))


def would_resume(bench: Bench, planned: Plan) -> int | None:
    """Return the byte at which a wipe by this plan would go on, None when it would begin anew."""
    job = resumable(planned, job_of(read(bench.worklogs, planned.medium.identity.id)))
    return None if job is None else job.reached.upto + len(job.done) * job.size


def exit_answered(bench: Bench, medium: MediumIdentity, order: Order) -> EventHash | None:
    """Return the exit that a wipe of this medium answers, None if it was never out of our custody.

    Raises GuardRefused when the device's last exit cannot be known here: the certificate would not count.
    """
    journal = bench.journal
    facts = rules.fold(journal.about([medium.id])) if order.device is None else journal.facts_about(order.device)
    known = rules.exit_of(facts, medium.id)
    exits = {event.hash for event in facts.of("device.left")}
    if order.answers is not None:
        return known if order.answers in exits and known is not None else order.answers
    if order.device is None:
        return known
    reported = {event.body["exit"] for event in facts.about_device("device.returned", order.device)}
    if not facts.about_device("device.registered", order.device) or reported - exits - {None}:
        text = (
            f"the last exit of {codes.pretty(order.device)} is not known at this station, so the certificate would "
            "not count: sync first, or scan the return slip (--slip)"
        )
        raise GuardRefused([Reason("exit-unknown", text, order.device)])
    return known


def _agreed(planned: Plan, order: Order) -> tuple[str, ...]:
    """Check what people must have said; return what must be on the certificate. Raises UsageError, GuardRefused."""
    if not planned.method:
        raise UsageError(" ".join(planned.problems))
    if not order.operator.strip():
        raise UsageError("say who is doing this: --operator REFERENCE")
    if not planned.medium.confirmed_by(order.confirm):
        raise UsageError(
            f"what was typed to confirm does not belong to {planned.medium.path}; look at the serial number on the "
            "drive itself (or in the plan) and type its last four characters. Nothing was touched"
        )
    if planned.needs_supervisor and not order.accept_lower.strip():
        text = (
            f"{planned.wants.upper()} UNAVAILABLE on {planned.medium.path}: {planned.method} reaches {planned.reaches} "
            "only; a supervisor must accept that with --accept-lower REFERENCE. Nothing was touched"
        )
        raise GuardRefused([Reason("lower-claim", text, planned.medium.identity.id)])
    if not planned.needs_supervisor:
        return ()
    return (f"{planned.reaches} instead of {planned.wants} was accepted by supervisor {order.accept_lower.strip()}.",)


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


def wipe_one(
    bench: Bench,
    path: str | Path,
    order: Order,
    *,
    announce: Callable[[str], None] = lambda sentence: None,
) -> Report:
    """Wipe one drive and record what became of it, whatever that was; see the module for the order of things.

    Raises ProfileError, UsageError, GuardRefused, NotDone, JournalError before anything is touched, and
    OutcomeUnknown when the journal failed afterwards. A wipe that went wrong is a Report, not an exception.
    """
    profile, planned = plan_for(bench, path, order.profile)
    notes = _agreed(planned, order)
    after = exit_answered(bench, planned.medium.identity, order)
    plan_digest = _prove_recordable(bench, planned)
    identity = planned.medium.identity
    with (
        Worklog(bench.worklogs, identity.id, bench.now) as log,
        hold(bench, planned.medium) as target,
    ):
        job = resumable(planned, log.job)
        resumed_at = None if job is None else job.reached.upto + len(job.done) * job.size
        if resumed_at is not None:
            announce(f"resuming at byte {resumed_at:,} of {planned.medium.size * len(planned.passes):,}")
        evidence = execute(planned, target, log, bench.means, notes)
        verdict = judge(evidence, profile)
        try:
            digest, event = _record(bench, order, planned, plan_digest, evidence, verdict, after)
        except CustodyError as error:
            raise OutcomeUnknown(
                f"the journal could not take the result ({error}); the drive does not count as wiped. The result is "
                "in the work log: put the journal right and run the same wipe again; only the proof is repeated"
            ) from error
        ended = {"outcome": verdict.outcome, "claim": verdict.claim, "event": event}
        with suppress(WorklogFull):  # the journal has it; at worst the next wipe repeats the proof
            log.write("outcome", last=True, resumable=bool(evidence.stopped), **ended)
    return Report(planned, evidence, verdict, digest, event, after, resumed_at)


def _record(
    bench: Bench,
    order: Order,
    planned: Plan,
    plan_digest: Digest,
    evidence: Evidence,
    verdict: Verdict,
    after: EventHash | None,
) -> tuple[Digest, EventHash]:
    digest = bench.journal.attach(json.dumps(evidence.to_json()).encode(), EVIDENCE_TYPE)
    body = {
        "after": after,
        "device": order.device,
        "medium": evidence.medium.to_json(),
        "profile": planned.profile,
        "profile_digest": planned.digest,
        "evidence": digest,
        "outcome": str(verdict.outcome),
        "claim": str(verdict.claim),
        "rules": verdict.rules,
        "who": who(order.operator.strip()),
        "exceptions": list(verdict.exceptions),
        "plan": plan_digest,
        "accepted_by": order.accept_lower.strip() or None,
        "clock_trusted": bench.journal.clock_trusted(),
    }
    return digest, bench.append("medium.wiped", evidence.medium.id, body).hash


def exit_code(verdict: Verdict) -> int:
    """Return the exit status that says this outcome: 0 done, 4 not done, 5 unknown."""
    return {Outcome.DONE: 0, Outcome.NOT_RUN: 4, Outcome.UNKNOWN: 5}[verdict.outcome]
