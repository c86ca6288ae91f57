"""A SATA drive is brought to rest before it is planned: what goes on in it is waited for, a lock of ours taken off."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from custody.claims import Outcome
from station.bench import Bench
from station.errors import NotDone
from station.preparing import PATIENCE, _at_rest, settled
from station.run import Result
from station.wipe import ata
from station.wipe.acting import Means
from station.wipe.ata_sanitize import argv
from station.wipe.progress import Progress
from tests.drives.ata_bench import AtaBench
from tests.drives.lies import Lie
from tests.station.benches import bench_of, home
from tests.station.wipe.test_ata import Stop


def around(bench: Bench, drive: AtaBench, shown: list[Progress]) -> Bench:
    """Give a bench the drive's own clock, tools and work logs."""
    means = Means(
        os.urandom, clock=drive.clock.now, sleep=drive.clock.pass_time, run=drive.tools,  # type: ignore[arg-type]
        show=shown.append,
    )  # fmt: skip
    return replace(bench, means=means, worklogs=drive.folder / "logs")


def test_a_drive_at_work_is_waited_for_with_its_progress_shown(tmp_path: Path) -> None:
    drive, shown, said = AtaBench(tmp_path), list[Progress](), list[str]()
    drive.tools(argv("sanitize-block", str(drive.path)), 10)
    with bench_of(home(tmp_path)) as bench:
        state = _at_rest(around(bench, drive, shown), ata, drive.medium(), said.append)
    assert state.phase == "succeeded" and "Keep it powered" in said[0]
    done = [moment.done for moment in shown]
    assert done == sorted(done) and 0 < done[-1] < drive.medium().size


def test_a_drive_at_work_that_makes_no_progress_is_given_up_and_told(tmp_path: Path) -> None:
    drive = AtaBench(tmp_path, [Lie.PROGRESS_STUCK])
    drive.tools(argv("sanitize-block", str(drive.path)), 10)
    with bench_of(home(tmp_path)) as bench, pytest.raises(NotDone, match="keep it powered"):
        _at_rest(around(bench, drive, []), ata, drive.medium(), lambda sentence: None)
    assert PATIENCE < drive.clock.now() < 2 * PATIENCE


def test_that_it_was_seen_at_work_is_in_the_log_so_that_its_end_counts(tmp_path: Path) -> None:
    drive = AtaBench(tmp_path)
    drive.drive.drive.sanitize.completed = True  # an older one: only having been seen at work tells them apart
    tools = drive.tools

    class Cut:
        transcript = tools.transcript

        def __call__(self, argv: Sequence[str], deadline: float) -> Result:
            result = tools(argv, deadline)
            if "--sanitize-block-erase" in argv:
                raise Stop
            return result

    drive.tools = Cut()  # type: ignore[assignment]
    with pytest.raises(Stop):
        drive.wipe("sanitize-block")
    drive.tools = tools
    assert "working" not in drive.kinds()
    with bench_of(home(tmp_path)) as bench:
        _at_rest(around(bench, drive, []), ata, drive.medium(), lambda sentence: None)
    assert "working" in drive.kinds()
    _, verdict = drive.wipe("sanitize-block")
    assert verdict.outcome is Outcome.DONE, verdict.reasons
    assert drive.drive.drive.sanitize.began == 1


def test_a_practice_drive_and_a_wrong_confirmation_are_left_as_they_are(tmp_path: Path) -> None:
    drive, said = AtaBench(tmp_path, [Lie.LOCKED_OURS]), list[str]()
    with bench_of(home(tmp_path)) as bench:
        assert settled(around(bench, drive, []), drive.path, "ZZZZ", said.append) == (drive.path, ())
    assert drive.drive.drive.security.locked and not said
