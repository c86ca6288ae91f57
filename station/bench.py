"""What work on drives stands on: the bench, what somebody orders, what may be looked at, planned and claimed here.

Wiping itself is `station.wiping`; what a station says of devices is `station.devices`.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import wipe_profiles
from custody import rules
from custody.claims import Evidence, Outcome, Verdict
from custody.errors import Reason
from custody.events import Digest, Event, EventHash, MediumIdentity, PrivateKey, World
from custody.journal import Journal
from labels import codes
from station.badges import Person, who
from station.errors import GuardRefused
from station.guard import Target, claim, why_ours
from station.health import health_at
from station.media import Medium, medium_at
from station.wipe import Plan, can_do, plan, scsi
from station.wipe.acting import Means, resumable
from station.worklog import job_of, read
from wipe_profiles import Profile

__all__ = [
    "EVIDENCE_TYPE", "Bench", "Order", "Report", "exit_answered", "exit_code", "hold", "look_at", "plan_for", "who",
    "would_resume",
]  # fmt: skip

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
    may_suspend: bool = False  # suspend the whole machine once to thaw a frozen drive

    @property
    def practice(self) -> bool:
        """Tell whether this bench works in the practice world, where practice drives live and loop devices may."""
        return self.journal.world is World.PRACTICE

    def append(self, kind: str, subject: str, body: dict[str, Any]) -> Event:
        """Record one event of this station; raises JournalError."""
        return self.journal.append(kind, subject, body, key=self.key, at=self.now())


@dataclass(frozen=True)
class Order:
    """What somebody asks to be done to a drive. `answers` is the exit given by hand or by a return slip.

    `person` is the operator and `supervisor` whoever accepts or decides, when they signed in with their badges; their
    references then stand in `operator`, and in `accept_lower` or `despite_health`, as well.
    """

    profile: str
    operator: str
    confirm: str
    accept_lower: str = ""
    device: str | None = None
    answers: EventHash | None = None
    despite_health: str = ""
    person: Person | None = None
    supervisor: Person | None = None


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


def look_at(bench: Bench, path: str | Path) -> Medium:
    """Return the medium at a path if it is one that this bench may touch.

    Raises NotAMedium, or GuardRefused with every reason (it is ours, in use, or of the other world).
    """
    medium = medium_at(path)
    if medium.transport == "scsi" and not medium.size:
        busy = scsi.shown_again(bench.means.run, medium)
        if busy:
            text = f"{medium.path} is at work on an erase ({busy}) and shows no size meanwhile; keep it powered"
            raise GuardRefused([Reason("working", text, medium.path)])
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


def plan_for(
    bench: Bench, path: str | Path, profile: str, *, without: Collection[str] = ()
) -> tuple[Profile, Plan]:
    """Return the profile and what it means for the drive at this path; raises ProfileError and what `look_at` does.

    The drive is asked what it can do and how it is; nothing is written. `without` names methods it has refused.
    """
    wanted = wipe_profiles.load(profile)
    medium = look_at(bench, path)
    run = bench.means.run
    health = None if medium.practice else health_at(run, medium.path)
    begun = _begun(bench, medium, wanted)
    return wanted, plan(wanted, medium, can_do(medium, run), health=health, without=without, begun=begun)


def _begun(bench: Bench, medium: Medium, profile: Profile) -> str:
    """Return the method of a drive's own that was interrupted and may still be going on inside it, or ""."""
    job = job_of(read(bench.worklogs, medium.identity.id))
    unfinished = job is not None and not job.finished and job.command is not None and job.digest == profile.digest
    return job.method if job is not None and unfinished else ""


def would_resume(bench: Bench, planned: Plan) -> int | None:
    """Return the byte at which a wipe by this plan would go on, None when it would begin anew."""
    known = job_of(read(bench.worklogs, planned.medium.identity.id))
    job = resumable(planned, known, known.after if known else None)
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


def exit_code(verdict: Verdict) -> int:
    """Return the exit status that says this outcome: 0 done, 4 not done, 5 unknown."""
    return {Outcome.DONE: 0, Outcome.NOT_RUN: 4, Outcome.UNKNOWN: 5}[verdict.outcome]
