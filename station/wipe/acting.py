"""Carry out a plan on a claimed drive, prove it, and return the evidence. Nothing is judged here.

Order: intent in the log, canaries planted and seen, passes (each flushed, then logged), identity and size read
again from the held handle, everything read back by a separate read-only process, a write-read smoke test. Each
step is in the log before the next begins. After a kill the same call goes on from what the log vouches for:
canaries are never planted twice once overwriting has begun, what was overwritten before is looked at before it
is believed, and the proof is always made anew and in full.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from custody.claims import CanaryFigures, Evidence, PassDone
from station.errors import StationError
from station.follow import Follow, follow
from station.guard import Target
from station.media import Medium
from station.wipe import canaries, overwrite
from station.wipe.blockio import Raw, before, total
from station.wipe.patterns import SEED_BYTES, Pattern, pattern
from station.wipe.planning import Plan
from station.wipe.progress import Meter, Show, silent
from station.wipe.readback import Found, Task, read_back
from station.wipe.smoke import put_back, smoke_test, still_holds
from station.worklog import Job, Worklog, pairs, room_for


@dataclass(frozen=True)
class Means:
    """What acting needs from outside: randomness, a clock (seconds), a way to start the reader, where progress goes."""

    entropy: Callable[[int], bytes]
    clock: Callable[[], float] = time.monotonic
    follow: Follow = follow
    show: Show = silent


def resumable(plan: Plan, job: Job | None) -> Job | None:
    """Return the job if it is unfinished and the plan is still the same one; None means: from the start."""
    if job is None or job.finished:
        return None
    same = (job.digest, job.method, job.passes, job.size) == (
        plan.digest,
        plan.method,
        plan.passes,
        plan.medium.size,
    )
    return job if same else None


def execute(plan: Plan, target: Target, log: Worklog, means: Means, notes: tuple[str, ...] = ()) -> Evidence:
    """Do what the plan says to the drive and return what was measured; `notes` become exceptions of the evidence.

    Raises WorklogFull before anything is touched when there is no room for the log. Whatever the drive does
    after that ends up in the evidence, not in an exception.
    """
    if not plan.method:
        raise StationError("a plan without a method cannot be carried out")
    job = resumable(plan, log.job)
    log.reserve(room_for(target.size, len(plan.passes), overwrite.interval_for(target.size)))
    return _Run(plan, target, log, means, notes, job or _intend(plan, log, means)).go(resumed=job is not None)


def _intend(plan: Plan, log: Worklog, means: Means) -> Job:
    log.write(
        "intent",
        run=means.entropy(8).hex(),
        seed=means.entropy(SEED_BYTES).hex(),
        profile=plan.profile,
        digest=plan.digest,
        method=plan.method,
        passes=list(plan.passes),
        size=plan.medium.size,
        medium=plan.medium.identity.to_json(),
    )
    job = log.job
    assert job is not None
    return job


class _Run:
    """One call of `execute`: the state that its steps hand on."""

    def __init__(
        self, plan: Plan, target: Target, log: Worklog, means: Means, notes: tuple[str, ...], job: Job
    ) -> None:
        self.plan, self.target, self.log, self.means, self.seed = plan, target, log, means, job.seed
        self.notes = (*notes, *job.notes)
        self.raw = Raw(target.fd, target.size, target.sector_size)
        self.canaries: canaries.Planted | None = None
        self.passes: list[PassDone] = list(job.done)
        self.job, self.started, self.stopped = job, False, ""
        size = target.size
        stages = [(f"pass {number}: {name}", size) for number, name in enumerate(plan.passes, 1)]
        self.meter = Meter([("canaries", 0), *stages, ("read back", size)], means.show, means.clock)

    def go(self, *, resumed: bool) -> Evidence:
        after, found, smoke = None, None, None
        try:
            self._plant()
            if len(self.passes) == len(self.plan.passes):  # a kill in the smoke test may have left its block
                put_back(self.raw, self._last_pattern())
            self._overwrite()
            if not self.stopped:
                after = self.target.still_same()
                found = self._prove(full=resumed or "read-all" in self.plan.prove)
                self.stopped = found.trouble
                smoke = None if self.stopped else smoke_test(self.raw, self._last_pattern(), self.means.entropy)
                after = self.target.still_same()
        except StationError as error:
            self.stopped = self.stopped or str(error)
            after = None
        evidence = self._evidence(after, found, smoke)
        try:
            self.log.write("evidence", last=True, evidence=evidence.to_json())
        except StationError as error:
            evidence = replace(evidence, stopped=evidence.stopped or str(error))
        return evidence

    def _plant(self) -> None:
        self.meter.enter()
        if self.job.canaries is not None:
            old = self.job.canaries
            self.canaries = canaries.Planted(tuple(old["offsets"]), old["seen"], old["skipped"])
            self.started = True
            return
        if "canaries" in self.plan.prove and not self.job.begun:
            self.started = True
            self.canaries = canaries.plant(self.raw, self.seed)
        else:
            self.canaries = canaries.Planted((), 0, "the profile does not ask for them")
        planted = self.canaries
        self.log.write("canaries", offsets=list(planted.offsets), seen=planted.seen, skipped=planted.skipped)

    def _overwrite(self) -> None:
        for index, name in enumerate(self.plan.passes):
            if index < len(self.job.done):
                self.meter.skip()
                continue
            self._pass(index, pattern(name, self.seed, index))
            if self.stopped:
                return

    def _pass(self, index: int, what: Pattern) -> None:
        job = self.log.job
        assert job is not None
        reached, start = job.reached, job.reached.upto
        if start and not still_holds(self.raw, what, start, reached.bad, self.seed):
            self._note(f"Pass {index + 1} began anew: what it had written before the break was no longer there.")
            start = 0
        window = min(overwrite.WINDOW, 2 * overwrite.interval_for(self.raw.size))
        twice = min(window, self.raw.size - start) if reached.begun else 0
        again = reached.upto if start < reached.upto else 0
        self.log.write("issued", index=index, start=start, rewritten=twice + again)
        self.started = True
        self.meter.enter(start)
        begun, told = self.means.clock(), [pairs(before(reached.bad, start))]

        def mark(upto: int, bad: Any) -> None:
            known = pairs(before(bad, upto))
            news: dict[str, Any] = {} if known == told[0] else {"bad": known}
            told[0] = known
            spent = reached.seconds + self.means.clock() - begun
            self.log.write("reached", index=index, upto=upto, seconds=round(spent, 3), **news)

        result = overwrite.run_pass(
            self.raw,
            what,
            start=start,
            bad=before(reached.bad, start),
            mark=mark,
            tick=self.meter.tick,
            clock=self.means.clock,
        )
        bad = before(result.bad, result.reached)
        figures = PassDone(
            pattern=what.name,
            bytes_expected=self.raw.size,
            bytes_written=result.reached - total(bad),
            bad=bad,
            flushed=result.flushed,
            seconds=round(reached.seconds + result.seconds, 3),
            direct=result.direct,
            resumed=reached.begun,
            rewritten_bytes=reached.rewritten + twice + again,
        )
        self.passes.append(figures)
        self.stopped = result.stopped
        if self.stopped:
            self.log.write("stopped", last=True, why=self.stopped)
        else:
            self.log.write("pass", figures={**asdict(figures), "bad": pairs(bad)})

    def _note(self, text: str) -> None:
        self.notes = (*self.notes, text)
        self.log.write("note", text=text)

    def _prove(self, *, full: bool) -> Found:
        assert self.canaries is not None
        last = len(self.plan.passes) - 1
        name = self.plan.passes[last]
        task = Task(
            kind="full" if full else "sampled",
            expected="stream" if name == "random" else name,
            seed=self.seed,
            last_pass=last,
            canaries=self.canaries.offsets,
        )
        self.meter.enter()
        found = read_back(
            self.target.path,
            self.target.fd,
            size=self.raw.size,
            sector=self.raw.sector,
            task=task,
            follow=self.means.follow,
            tick=self.meter.tick,
        )
        if found.readback:
            figures = asdict(found.readback)
            figures["unreadable"] = pairs(found.readback.unreadable)
            self.log.write("proof", last=True, figures=figures)
        return found

    def _last_pattern(self) -> Pattern:
        last = len(self.plan.passes) - 1
        return pattern(self.plan.passes[last], self.seed, last)

    def _evidence(self, after: Medium | None, found: Found | None, smoke: bool | None) -> Evidence:
        return Evidence(
            technique=self.plan.technique,
            recipe=self.plan.recipe,
            media_kind=self.plan.medium.kind,
            medium=self.plan.medium.identity,
            medium_after=after.identity if after else None,
            size_before=self.target.size,
            size_after=after.size if after else None,
            started=self.started or self.job.begun,
            passes=tuple(self.passes),
            passes_planned=len(self.plan.passes),
            canaries=self._canary_figures(found),
            readbacks=(found.readback,) if found and found.readback else (),
            firmware=None,
            smoke=smoke,
            hidden_areas=self.plan.hidden_areas,
            via_bridge=self.plan.medium.via_bridge,
            stopped=self.stopped,
            exceptions=tuple(dict.fromkeys(self.notes)),
        )

    def _canary_figures(self, found: Found | None) -> CanaryFigures | None:
        planted = self.canaries
        if planted is None:
            return None
        figures = CanaryFigures(
            planted=len(planted.offsets),
            seen_before=planted.seen,
            surviving=found.surviving if found else 0,
            unreadable=found.unreadable if found else 0,
            seed=self.seed.hex(),
            skipped=planted.skipped,
        )
        return figures if found and found.readback else replace(figures, unreadable=figures.planted)
