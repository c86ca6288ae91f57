"""Carry out a plan on a claimed drive, prove it, and return the evidence. Nothing is judged here.

Order: intent in the log, the drive asked what it is doing, canaries planted and seen, the command of the drive's own
(or none), passes (each flushed, then logged), identity and size read again from the held handle, everything read back
by a separate read-only process, a write-read smoke test. Each step is in the log before the next begins. After a kill
the same call goes on from what the log vouches for: canaries are never planted twice once wiping has begun, a command
is not sent twice but the drive is asked what became of it, what was overwritten before is looked at before it is
believed, and the proof is always made anew and in full.
"""

from dataclasses import asdict, replace
from typing import Any

from custody.claims import Evidence, PassDone, ReadBack
from station.errors import StationError
from station.guard import Target
from station.wipe import canaries, overwrite
from station.wipe.blockio import Raw, before, total
from station.wipe.means import Means
from station.wipe.measured import Measured
from station.wipe.methods import Act, Engine
from station.wipe.patterns import SEED_BYTES, Pattern, pattern
from station.wipe.planning import Plan
from station.wipe.progress import DRIVE_WORKS, Meter
from station.wipe.readback import Found, Task, read_back
from station.wipe.smoke import put_back, smoke_test, still_holds
from station.worklog import Job, Worklog, pairs, room_for

__all__ = ["Means", "execute", "resumable"]


def resumable(plan: Plan, job: Job | None, after: str | None) -> Job | None:
    """Return the job if it is unfinished, and plan and exit are still the same ones; None means: from the start.

    `after` is the exit that the wipe answers: what was done before a drive left says nothing of it once it is back.
    """
    if job is None or job.finished or job.after != after:
        return None
    same = (job.digest, job.method, job.passes, job.size) == (
        plan.digest,
        plan.method,
        plan.passes,
        plan.medium.size,
    )
    return job if same else None


def execute(
    plan: Plan,
    target: Target,
    log: Worklog,
    means: Means,
    notes: tuple[str, ...] = (),
    engine: Engine | None = None,
    *,
    after: str | None = None,
) -> Evidence:
    """Do what the plan says to the drive and return what was measured; `notes` become exceptions of the evidence.

    `engine` carries out what the drive does itself, `after` is the exit that is answered. Raises WorklogFull before
    anything is touched when there is no room for the log. Whatever the drive does after that ends up in the evidence,
    not in an exception.
    """
    if not plan.method:
        raise StationError("a plan without a method cannot be carried out")
    if plan.by_firmware and engine is None:
        raise StationError(f"{plan.method} is a command of the drive's own, and no engine for it was given")
    job = resumable(plan, log.job, after)
    log.reserve(room_for(target.size, len(plan.passes), overwrite.interval_for(target.size)))
    run = _Run(plan, target, log, means, notes, job or _intend(plan, log, means, after), engine)
    return run.go(resumed=job is not None)


def _intend(plan: Plan, log: Worklog, means: Means, after: str | None) -> Job:
    log.write(
        "intent",
        run=means.entropy(8).hex(),
        seed=means.entropy(SEED_BYTES).hex(),
        profile=plan.profile,
        digest=plan.digest,
        method=plan.method,
        passes=list(plan.passes),
        size=plan.medium.size,
        hidden_areas=plan.hidden_areas,
        after=after,
        medium=plan.medium.identity.to_json(),
    )
    job = log.job
    assert job is not None
    return job


def _stages(plan: Plan, size: int) -> list[tuple[str, int]]:
    """Return what a job consists of, each stage with its bytes; a drive's own work is measured by its own share."""
    stages = [("canaries", 0)]
    if plan.by_firmware:
        stages.append((DRIVE_WORKS, size))
        looked = size if "read-all" in plan.prove else size // 10
        stages += [("read what the erase left", looked)] if plan.passes else []
    stages += [(f"pass {number}: {name}", size) for number, name in enumerate(plan.passes, 1)]
    return [*stages, ("read back", size)]


class _Run(Measured):
    """One call of `execute`: the state that its steps hand on."""

    def __init__(
        self,
        plan: Plan,
        target: Target,
        log: Worklog,
        means: Means,
        notes: tuple[str, ...],
        job: Job,
        engine: Engine | None,
    ) -> None:
        super().__init__(plan, target, means, notes, job)
        self.log, self.engine = log, engine
        self.raw = Raw(target.fd, target.size, target.sector_size)
        self.meter = Meter(_stages(plan, target.size), means.show, means.clock)

    def go(self, *, resumed: bool) -> Evidence:
        after, found, smoke = None, None, None
        try:
            self._make_ready()
            self._plant()
            if self.plan.by_firmware:
                self._command()
            if self.passes and len(self.passes) == len(self.plan.passes):  # a kill in the smoke test may have left it
                put_back(self.raw, self._last_pattern())
            self._overwrite()
            if not self.stopped:
                after = self.target.still_same()
                found = self._prove_last(full=resumed or "read-all" in self.plan.prove)
                self.stopped = self.stopped or found.trouble
                written = self._last_pattern() if self.plan.passes else None
                smoke = None if self.stopped else smoke_test(self.raw, written, self.means.entropy)
                after = self.target.still_same()
        except StationError as error:
            self.stopped = self.stopped or str(error)
            after = None
        evidence = self.evidence(after, found, smoke)
        try:
            self.log.write("evidence", last=True, evidence=evidence.to_json())
        except StationError as error:
            evidence = replace(evidence, stopped=evidence.stopped or str(error))
        return evidence

    def _act(self, engine: Engine) -> Act:
        assert self.plan.how is not None
        job = self.log.job
        assert job is not None
        return Act(
            method=self.plan.how,
            medium=self.plan.medium,
            target=self.target,
            run=self.means.run,
            note=self.log.write,
            tell=self.meter.share,
            clock=self.means.clock,
            sleep=self.means.sleep,
            issued=job.command,
            seen_working=job.working,
        )

    def _make_ready(self) -> None:
        """Ask the drive what it is doing before anything else, and undo what an interrupted erase left."""
        if self.engine is not None and self.firmware is None:
            for text in self.engine.ready(self._act(self.engine)):
                self._note(text)

    def _command(self) -> None:
        """Have the drive do it, or take over what the log says became of it; then see what it left."""
        assert self.engine is not None
        if self.firmware is None:
            self.started = True
            self.meter.enter()
            self.firmware = self.engine.act(self._act(self.engine))
            self.log.write("firmware", last=True, figures=asdict(self.firmware))
        else:
            self.meter.skip()
        self.target.still_same()
        if self.plan.passes and self.firmware.succeeded:
            self._look_before_passes()

    def _look_before_passes(self) -> None:
        """Look for the canaries in what the erase itself left, before a pass hides whether it did anything."""
        if self.log.job is not None and self.log.job.looked is not None:
            self.meter.skip()
            self._take_over(self.log.job.looked)
            return
        found = self._prove("changed", full="read-all" in self.plan.prove)
        self.stopped = found.trouble
        if found.readback:
            self.surviving, self.unreadable = found.surviving, found.unreadable
            self.log.write("looked", found=asdict(found))

    def _take_over(self, looked: Any) -> None:
        kept = looked["found"]
        self.surviving, self.unreadable = kept["surviving"], kept["unreadable"]
        self.readbacks.append(ReadBack.from_json(kept["readback"]))

    def _plant(self) -> None:
        self.meter.enter()
        if self.job.canaries is not None:
            old = self.job.canaries
            self.canaries = canaries.Planted(tuple(old["offsets"]), old["seen"], old["skipped"])
            self.started = True
            return
        if "canaries" in self.plan.prove and not self.job.begun:
            self.started = True
            count = canaries.COUNT_FOR_FIRMWARE if self.plan.by_firmware else canaries.COUNT
            self.canaries = canaries.plant(self.raw, self.seed, count)
        else:
            self.canaries = canaries.Planted((), 0, "the profile does not ask for them")
        planted = self.canaries
        self.log.write("canaries", offsets=list(planted.offsets), seen=planted.seen, skipped=planted.skipped)

    def _overwrite(self) -> None:
        erased = self.firmware is None or self.firmware.succeeded
        for index, name in enumerate(self.plan.passes):
            if self.stopped or not erased:
                return
            if index < len(self.job.done):
                self.meter.skip()
                continue
            self._pass(index, pattern(name, self.seed, index))

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

    def _prove_last(self, *, full: bool) -> Found:
        if not self.plan.passes or len(self.passes) < len(self.plan.passes):
            return self._prove("changed", full=full)
        name = self.plan.passes[-1]
        return self._prove("stream" if name == "random" else name, full=full)

    def _prove(self, expected: str, *, full: bool) -> Found:
        assert self.canaries is not None
        task = Task(
            kind="full" if full else "sampled",
            expected=expected,
            seed=self.seed,
            last_pass=max(0, len(self.plan.passes) - 1),
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
            self.readbacks.append(found.readback)
            figures = asdict(found.readback)
            figures["unreadable"] = pairs(found.readback.unreadable)
            self.log.write("proof", last=True, figures=figures)
        return found

    def _last_pattern(self) -> Pattern:
        last = len(self.plan.passes) - 1
        return pattern(self.plan.passes[last], self.seed, last)
