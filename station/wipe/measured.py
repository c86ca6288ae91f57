"""What one wipe has measured so far, and the evidence made of it. Nothing is judged here."""

from dataclasses import replace

from custody.claims import CanaryFigures, Command, Evidence, PassDone, ReadBack
from station.guard import Target
from station.media import Medium
from station.wipe import canaries
from station.wipe.means import Means
from station.wipe.planning import Plan
from station.wipe.readback import Found
from station.wipe.versions import versions
from station.worklog import Job


class Measured:
    """The figures of one call of `execute`, filled in step by step; `job` is what the work log already vouches for."""

    def __init__(self, plan: Plan, target: Target, means: Means, notes: tuple[str, ...], job: Job) -> None:
        """Begin with what the log knows."""
        self.plan, self.target, self.means, self.seed, self.job = plan, target, means, job.seed, job
        self.firmware, self.readbacks = job.firmware, list[ReadBack]()
        self.notes, self.began = (*notes, *job.notes), means.now()
        self.canaries: canaries.Planted | None = None
        self.passes: list[PassDone] = list(job.done)
        self.started, self.stopped = False, ""
        self.surviving = self.unreadable = 0
        self._known = len(means.run.transcript)

    def evidence(self, after: Medium | None, found: Found | None, smoke: bool | None) -> Evidence:
        """Return everything measured; `after` is the medium as seen afterwards, `found` what the last look found."""
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
            readbacks=tuple(self.readbacks),
            firmware=self.firmware,
            smoke=smoke,
            hidden_areas=self.job.hidden_areas if self.plan.hidden_areas == "unknown" else self.plan.hidden_areas,
            via_bridge=self.plan.medium.via_bridge,
            stopped=self.stopped,
            exceptions=tuple(dict.fromkeys(self.notes)),
            hidden=dict(self.plan.can.hidden),
            health_before=self.plan.health.to_json() if self.plan.health else None,
            tools=versions(self.means.run),
            drive_firmware=self.plan.medium.firmware,
            commands=tuple(
                Command(one.argv, one.exit, round(one.seconds, 3)) for one in self.means.run.transcript[self._known :]
            ),
            began=self.began.isoformat(),
            ended=self.means.now().isoformat(),
        )

    def _canary_figures(self, found: Found | None) -> CanaryFigures | None:
        planted = self.canaries
        if planted is None:
            return None
        figures = CanaryFigures(
            planted=len(planted.offsets),
            seen_before=planted.seen,
            surviving=max(self.surviving, found.surviving if found else 0),
            unreadable=max(self.unreadable, found.unreadable if found else 0),
            seed=self.seed.hex(),
            skipped=planted.skipped,
        )
        return figures if found and found.readback else replace(figures, unreadable=figures.planted)
