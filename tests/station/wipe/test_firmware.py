"""A drive's own erase is believed only when it was seen at work, says that it succeeded, and nothing is left."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import wipe_profiles
from custody.claims import Claim, Outcome, Verdict
from station.errors import StationError
from station.wipe.acting import Means, execute
from station.worklog import Worklog
from tests.station.benches import now, practice_file
from tests.station.wipe.toys import SIZE, Toy, held, keep, planned, put, wipe_everything, worked

AFTER = wipe_profiles.parse(
    b'title = "Purge and a pass"\nwants = "purge"\naccepts = "clear"\nbasis = "a test"\n'
    b'[ata]\nmethods = ["sanitize-block"]\nafter = ["overwrite-zero"]\nprove = ["canaries", "read-all"]\n',
    "after",
    "after.toml",
)


def codes(verdict: Verdict) -> set[str]:
    return {reason.code for reason in verdict.reasons}


def test_a_drive_that_is_seen_at_work_and_leaves_nothing_is_purged(tmp_path: Path) -> None:
    evidence, verdict = worked(tmp_path, Toy())
    assert (verdict.outcome, verdict.claim, verdict.reasons) == (Outcome.DONE, Claim.PURGE, ())
    assert evidence.firmware is not None
    said = evidence.firmware
    assert (said.observed, said.raw_before, said.raw_after) == ("progress", "00", "01")
    assert evidence.canaries is not None
    assert evidence.canaries.planted >= 1000
    assert evidence.readbacks[0].content is not None
    assert evidence.readbacks[0].content.zero == SIZE // 4096
    assert [one.argv for one in evidence.commands] == [("true",)]
    assert evidence.tools["kernel"]


def test_a_quick_drive_counts_when_its_status_changed_to_name_the_command(tmp_path: Path) -> None:
    evidence, verdict = worked(tmp_path, Toy(looks=(("succeeded", 1.0, "01"),)))
    assert verdict.claim is Claim.PURGE
    assert evidence.firmware is not None
    assert evidence.firmware.observed == "status-change"


def but(start: int, content: bytes) -> Callable[[Path], None]:
    """Erase everything and leave one thing."""

    def erase(path: Path) -> None:
        wipe_everything(path)
        put(path, content, start)

    return erase


def all_but_the_last_percent(path: Path) -> None:
    put(path, bytes(SIZE * 99 // 100))


OLD_SUCCESS = ("succeeded", 1.0, "01")
LETTER = b"Dear Mr Smith, about your benefits: " * 60
LIES = {
    "success without erasing": (Toy(erase=keep), "canary-survived"),
    "all but the last percent": (Toy(erase=all_but_the_last_percent), "canary-survived"),
    "one letter is left": (Toy(erase=but(SIZE // 3 + 512, LETTER)), "leftovers"),
    "one packed file is left": (Toy(erase=but(4096 * 1234, os.urandom(65536))), "uneven"),
    "an old success is reported": (Toy(before=OLD_SUCCESS, looks=(OLD_SUCCESS,)), "no-transition"),
    "idle all along": (Toy(looks=(("idle", None, "00"),)), "not-succeeded"),
    "progress to the end, then failed": (Toy(looks=(("working", 1.0, "02"), ("failed", 1.0, "03"))), "not-succeeded"),
    "refused": (Toy(command=("false",), looks=(("idle", None, "00"),)), "not-accepted"),
    "no such program": (Toy(command=("/no/such/tool",)), "not-accepted"),
    "gone": (Toy(looks=(("working", 0.5, "02"), ("gone", None, ""))), "not-succeeded"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_drive_that_lies_or_fails_is_never_called_wiped(tmp_path: Path, lie: str) -> None:
    toy, code = LIES[lie]
    evidence, verdict = worked(tmp_path, Toy(toy.erase, toy.looks, toy.before, toy.command))
    assert verdict.outcome is Outcome.UNKNOWN
    assert code in codes(verdict)
    assert evidence.started


def test_a_drive_that_shows_no_progress_is_given_up_and_never_called_wiped(tmp_path: Path) -> None:
    hours = iter(range(0, 10**7, 60))
    means = Means(os.urandom, clock=lambda: float(next(hours)), sleep=lambda seconds: None)
    evidence, verdict = worked(tmp_path, Toy(looks=(("working", 0.4, "02"),)), means=means)
    assert verdict.outcome is Outcome.UNKNOWN
    assert evidence.firmware is not None
    assert "no progress for 30 minutes" in evidence.firmware.status


def test_a_drive_that_is_pulled_out_at_work_is_not_waited_for(tmp_path: Path) -> None:
    waited: list[float] = []
    means = Means(os.urandom, clock=lambda: sum(waited), sleep=waited.append)
    looks = (("working", 0.4, "02"), ("unknown", None, ""))
    evidence, verdict = worked(tmp_path, Toy(erase=Path.unlink, looks=looks), means=means)
    assert verdict.outcome is Outcome.UNKNOWN
    assert evidence.firmware is not None
    assert "is gone" in evidence.firmware.status and sum(waited) < 60


def test_a_lying_drive_is_seen_through_although_a_pass_follows(tmp_path: Path) -> None:
    evidence, verdict = worked(tmp_path, Toy(erase=keep), AFTER)
    assert verdict.outcome is Outcome.UNKNOWN
    assert "canary-survived" in codes(verdict)
    assert evidence.passes


def test_an_honest_drive_with_a_pass_behind_is_purged_and_every_byte_is_checked(tmp_path: Path) -> None:
    evidence, verdict = worked(tmp_path, Toy(), AFTER)
    assert (verdict.claim, verdict.reasons) == (Claim.PURGE, ())
    assert [(one.kind, one.expected) for one in evidence.readbacks] == [("full", "changed"), ("full", "zero")]


class PowerCut(BaseException):
    """The plug is pulled."""


@pytest.mark.parametrize("profile", [None, AFTER])
@pytest.mark.parametrize("at", ["command", "sent", "working", "firmware", "looked", "proof", "evidence"])
def test_after_a_power_cut_the_drive_is_asked_and_the_command_is_not_sent_again(
    tmp_path: Path, at: str, profile: wipe_profiles.Profile | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy, real = Toy(), Worklog.write

    def cut(log: Worklog, kind: str, /, *, last: bool = False, **fields: object) -> None:
        real(log, kind, last=last, **fields)
        if kind == at:
            raise PowerCut

    monkeypatch.setattr(Worklog, "write", cut)
    if at == "looked" and profile is None:
        assert worked(tmp_path, toy)[1].outcome is Outcome.DONE
        return
    with pytest.raises(PowerCut):
        worked(tmp_path, toy, profile)
    monkeypatch.setattr(Worklog, "write", real)
    assert toy.sent == (0 if at == "command" else 1)  # the line was written, then the power went
    toy.asked = min(toy.asked, 1)
    _, verdict = worked(tmp_path, toy, profile)
    assert toy.sent == 1
    assert (verdict.outcome, verdict.claim, verdict.reasons) == (Outcome.DONE, Claim.PURGE, ())


def test_a_method_of_the_drives_own_is_not_carried_out_without_its_engine(tmp_path: Path) -> None:
    with (
        held(practice_file(tmp_path / "d.img", SIZE)) as (medium, target),
        Worklog(tmp_path / "logs", medium.identity.id, now) as log,
        pytest.raises(StationError, match="no engine"),
    ):
        execute(planned(medium, Toy()), target, log, Means(os.urandom))


def test_an_erase_before_an_exit_is_not_taken_for_one_after_it(tmp_path: Path) -> None:
    # recorded, killed before the outcome was in the log; lent, encrypted by the borrower, and back
    assert worked(tmp_path, Toy())[1].outcome is Outcome.DONE
    put(tmp_path / "d.img", os.urandom(SIZE))
    toy = Toy()
    evidence, verdict = worked(tmp_path, toy, after="an exit")
    assert toy.sent == 1
    assert evidence.readbacks[0].content is not None
    assert evidence.readbacks[0].content.zero == SIZE // 4096
    assert verdict.outcome is Outcome.DONE
