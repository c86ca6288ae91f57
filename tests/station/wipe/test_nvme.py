"""The NVMe engine asks before it acts, sends what it says, waits, recovers, resumes; idle is never success."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from custody.claims import Claim, Firmware, Outcome
from station.errors import NotDone
from station.media import medium_at
from station.run import Result, Watch
from station.wipe import ENGINES, nvme, nvme_erase
from station.wipe import nvme_decode as decode
from station.wipe.methods import Act, Capabilities
from station.worklog import Worklog
from tests.drives import nvme_words as words
from tests.drives.nvme_identity import Make
from tests.drives.nvme_lies import Lie, Manner
from tests.drives.nvme_words import entry
from tests.station.wipe import nvme_bytes as build
from tests.station.wipe.windows import SIZE, Window, acting, as_nvme, held, wiped

ACTIONS = {"sanitize-crypto": 4, "sanitize-block": 2, "sanitize-overwrite": 3}


class Answers:
    """A runner with canned bytes for some questions in place of the drive's; a bytes answer is standard output."""

    def __init__(self, window: Window, **canned: bytes | tuple[int, bytes]) -> None:
        self.window, self.canned, self.asked = window, canned, list[tuple[str, ...]]()

    def __call__(self, argv: Sequence[str], deadline: float, *, watch: Watch | None = None) -> Result:
        self.asked.append(tuple(argv))
        canned = self.canned.get(argv[1].replace("-", "_"))
        if canned is None:
            return self.window(argv, deadline, watch=watch)
        if isinstance(canned, tuple):
            return Result(tuple(argv), canned[0], b"", canned[1], 0.0)
        return Result(tuple(argv), 0, canned, b"", 0.0)


def can(window: Window, **canned: Any) -> Capabilities:
    return nvme.read(Answers(window, **canned), as_nvme(medium_at(window.file)))


def sent(window: Window, verb: str) -> list[tuple[str, ...]]:
    return [one.argv for one in window.transcript if one.argv[1] == verb]


def done_by(window: Window, method: str, **changes: Any) -> Firmware:
    with held(window) as (medium, target):
        return nvme.act(replace(acting(window, medium, target, method), **changes))


def readied(window: Window, method: str = "sanitize-crypto", **changes: Any) -> tuple[str, ...]:
    with held(window) as (medium, target):
        return nvme.ready(replace(acting(window, medium, target, method), **changes))


# --- what it can ---


def test_the_engine_is_registered_for_nvme() -> None:
    assert ENGINES["nvme"] is nvme


def test_what_the_drive_says_decides_what_is_offered(tmp_path: Path) -> None:
    window = Window(tmp_path, Make(sanicap=0x1, fna=0x0))
    found = can(window)
    assert set(found.methods) == {"sanitize-crypto", "format-user"}
    assert "SANICAP 0x1" in found.refused["sanitize-block"]
    assert "FNA 0x0" in found.refused["format-crypto"]
    assert found.hidden_areas == "none"
    assert (found.facts["sanicap"], found.facts["lba"], found.facts["sstat"]) == (1, 512, 0)


@pytest.mark.parametrize(("fna", "reach"), [(0x4, "namespace"), (0x5, "controller"), (0x6, "controller")])
def test_a_format_reaches_the_controller_where_the_drive_says_so(tmp_path: Path, fna: int, reach: str) -> None:
    found = can(Window(tmp_path, Make(fna=fna)))
    assert {found.methods[name].reach for name in ("format-user", "format-crypto")} == {reach}
    assert found.methods["sanitize-block"].reach == "controller"


def test_the_drives_own_estimates_are_told_and_one_pass_is_a_sixteenth(tmp_path: Path) -> None:
    found = can(Window(tmp_path, Make(estimates=(1600, 30, 5))))
    assert found.seconds["sanitize-crypto"] == 5
    assert found.seconds["sanitize-block"] == found.seconds["format-user"] == 30
    assert found.seconds["sanitize-overwrite"] == 100


def test_sanitize_without_a_readable_log_is_not_offered(tmp_path: Path) -> None:
    refusal = b"NVMe status: Invalid Log Page: The log page indicated is invalid(0x4109)\n"
    found = can(Window(tmp_path), get_log=(1, refusal))
    assert set(found.methods) == {"format-crypto", "format-user"}
    assert "no log of it that could show success" in found.refused["sanitize-crypto"]


def test_a_drive_without_sanitize_is_idle_and_one_with_it_but_no_log_is_unknown(tmp_path: Path) -> None:
    refusal = (1, b"NVMe status: Invalid Field in Command: ...(0x4002)\n")
    medium = as_nvme(medium_at(Window(tmp_path).file))
    without = Answers(Window(tmp_path, Make(sanicap=0)), get_log=refusal)
    assert nvme.state(without, medium).phase == "idle"
    assert nvme.state(Answers(Window(tmp_path), get_log=refusal), medium).phase == "unknown"


@pytest.mark.parametrize("answer", [b"", b'{"sn": "S1"}', bytes(4096), (1, b"Permission denied\n")])
def test_a_controller_that_cannot_be_read_offers_nothing_and_says_why(tmp_path: Path, answer: Any) -> None:
    found = can(Window(tmp_path), id_ctrl=answer)
    assert not found.methods
    assert set(found.refused) == set(nvme.METHODS)
    assert "does not say what it can" in found.notes[0]


def test_json_in_whatever_version_is_never_asked_for_nor_believed(tmp_path: Path) -> None:
    window = Window(tmp_path)
    wiped(window, "sanitize-block")
    assert not any("json" in word for one in window.transcript for word in one.argv)
    answers = Answers(window, get_log=b'{"nvme0":{"sstat":{"(1) Completed Successfully":"(1) Completed"}}}')
    assert nvme.state(answers, as_nvme(medium_at(window.file))).phase == "unknown"


@pytest.mark.parametrize("log", [build.sanitize_log(65535, 3, 0xC), build.sanitize_log(65535, 0), b"\xff" * 512])
def test_progress_65535_is_not_success(tmp_path: Path, log: bytes) -> None:
    seen = nvme.state(Answers(Window(tmp_path), get_log=log), as_nvme(medium_at(tmp_path / "d.img")))
    assert seen.phase in ("failed", "idle", "unknown")
    assert seen.progress is None


@pytest.mark.parametrize("status", [1, 4])
def test_success_with_and_without_deallocation_is_success(tmp_path: Path, status: int) -> None:
    answers = Answers(Window(tmp_path), get_log=build.sanitize_log(65535, status, 0x20C))
    seen = nvme.state(answers, as_nvme(medium_at(tmp_path / "d.img")))
    assert (seen.phase, seen.command) == ("succeeded", "0x0000020c")


def test_capacity_in_no_namespace_takes_the_purge_from_a_format_and_is_told(tmp_path: Path) -> None:
    who = build.controller(oacs=0x2, fna=0x4, sanicap=0x0, sn="TESTDRIVE1234", unvmcap=1 << 30, tnvmcap=1 << 31)
    found = can(Window(tmp_path), id_ctrl=who)
    assert "only a sanitize reaches that" in found.refused["format-crypto"]
    assert "format-user" in found.methods  # Clear at most, and the certificate says what it does not reach
    window = Window(tmp_path)
    with held(window) as (medium, target):
        act = acting(window, medium, target, "format-user")
        notes = nvme.ready(replace(act, run=Answers(window, id_ctrl=who)))
    assert any("1,073,741,824 bytes of the drive belong to no namespace" in note for note in notes)


def test_a_namespace_attached_to_nothing_is_told(tmp_path: Path) -> None:
    window = Window(tmp_path)

    class Two(Answers):
        def __call__(self, argv: Sequence[str], deadline: float, *, watch: Watch | None = None) -> Result:
            numbers = (1, 7) if "--cdw10=0x10" in argv else (1,)
            data = b"".join(number.to_bytes(4, "little") for number in numbers).ljust(4096, b"\0")
            self.canned = {**self.canned, "admin_passthru": data}
            return super().__call__(argv, deadline, watch=watch)

    who = build.controller(oacs=0xA, fna=0x4, sanicap=0x7, sn="TESTDRIVE1234")
    found = nvme.read(Two(window, id_ctrl=who), as_nvme(medium_at(window.file)))
    assert any("namespace 7 of the drive is attached to nothing" in note for note in found.notes)


# --- locks ---


@pytest.mark.parametrize(
    ("answer", "locked"),
    [
        (build.discovery(0x0F), True),
        (build.discovery(0x0B), False),
        (build.discovery(None), False),
        ((1, b"NVMe status: Access Denied: Access to the namespace is denied(0x4286)\n"), True),
    ],
)
def test_a_drive_locked_by_its_owner_is_said_to_be(tmp_path: Path, answer: Any, locked: bool) -> None:
    who = build.controller(oacs=0x3, fna=0x4, sanicap=0x7, sn="TESTDRIVE1234")
    window = Window(tmp_path)
    found = can(window, id_ctrl=who, security_recv=answer)
    assert (found.lock, bool(found.methods)) == (("locked", False) if locked else ("", True))
    with held(window) as (medium, target):
        act = replace(acting(window, medium, target, "sanitize-crypto"))
        act = replace(act, run=Answers(window, id_ctrl=who, security_recv=answer))
        if locked:
            with pytest.raises(NotDone, match="PSID"):
                nvme.ready(act)
        else:
            assert nvme.ready(act) == ()


def test_a_drive_that_does_not_tell_of_its_lock_is_unknown_not_unlocked(tmp_path: Path) -> None:
    who = build.controller(oacs=0x3, fna=0x4, sanicap=0x7, sn="TESTDRIVE1234")
    found = can(Window(tmp_path), id_ctrl=who, security_recv=(1, b"NVMe status: Invalid Field in Command(0x4002)\n"))
    assert any("is not known" in note for note in found.notes)


def test_a_format_that_is_denied_access_names_the_lock(tmp_path: Path) -> None:
    window = Window(tmp_path)
    denied = (1, b"NVMe status: Access Denied: Access to the namespace is denied(0x4286)\n")
    found = done_by(window, "format-user", run=Answers(window, format=denied))
    assert (found.accepted, found.succeeded, found.transition_observed) == (False, False, False)
    assert "locked by a password of its owner" in found.status


# --- acting ---


@pytest.mark.parametrize("method", ACTIONS)
def test_a_sanitize_is_sent_once_with_its_action_and_leave_to_recover(tmp_path: Path, method: str) -> None:
    window = Window(tmp_path)
    found = done_by(window, method)
    assert (found.accepted, found.succeeded, found.observed, found.reach) == (True, True, "progress", "controller")
    [line] = sent(window, "sanitize")
    assert f"--sanact={ACTIONS[method]}" in line
    assert "--ause" in line
    assert bytes.fromhex(found.raw_after)[2] & 7 == decode.DONE


def test_a_second_sanitize_differs_from_the_first_so_that_the_log_names_it(tmp_path: Path) -> None:
    window = Window(tmp_path, lies=[Manner.INSTANT])
    first, second, third = (done_by(window, "sanitize-crypto") for _ in range(3))
    assert ["--no-dealloc" in line for line in sent(window, "sanitize")] == [False, True, False]
    assert {one.observed for one in (first, second, third)} == {"status-change"}


def test_a_drive_that_refuses_the_variation_gets_the_plain_command(tmp_path: Path) -> None:
    window = Window(tmp_path)
    done_by(window, "sanitize-crypto")

    class Refuses(Answers):
        def __call__(self, argv: Sequence[str], deadline: float, *, watch: Watch | None = None) -> Result:
            if "--no-dealloc" in argv:
                return Result(tuple(argv), 1, b"", b"NVMe status: Invalid Field in Command: ...(0x4002)\n", 0.0)
            return super().__call__(argv, deadline, watch=watch)

    found = done_by(window, "sanitize-crypto", run=Refuses(window))
    assert (found.accepted, found.succeeded, found.observed) == (True, True, "progress")


def test_a_refused_sanitize_is_not_an_older_success(tmp_path: Path) -> None:
    window = Window(tmp_path)
    assert done_by(window, "sanitize-crypto").succeeded
    window.drive.lie(Lie.REFUSES_SANITIZE)
    found = done_by(window, "sanitize-block")
    assert (found.accepted, found.succeeded, found.transition_observed) == (False, False, False)
    assert "frozen" in found.status


def test_a_failed_sanitize_is_failed_and_the_drive_is_brought_back(tmp_path: Path) -> None:
    window = Window(tmp_path)
    window.drive.sanitize.fail_at = 0.5
    found = done_by(window, "sanitize-block")
    assert (found.accepted, found.succeeded) == (True, False)
    assert "failed" in found.status
    assert "--sanact=1" in sent(window, "sanitize")[-1]
    assert window.drive.sanitize.obstacle() == words.OK


@pytest.mark.parametrize(("ause", "comes_back"), [(1, True), (0, False)])
def test_failure_mode_is_left_only_where_that_was_allowed(tmp_path: Path, ause: int, comes_back: bool) -> None:
    window = Window(tmp_path)
    window.drive.sanitize.fail_at = 0.5
    window.drive.admin(entry(words.SANITIZE, 0, words.BLOCK_ERASE | ause << 3))
    window.clock.sleep(60)
    if comes_back:
        assert any("failure mode was left" in note for note in readied(window))
    else:
        with pytest.raises(NotDone, match="box for destruction"):
            readied(window)
        assert not sent(window, "sanitize")
    assert (window.drive.sanitize.obstacle() == words.OK) is comes_back


def test_a_sanitize_that_somebody_began_is_waited_for(tmp_path: Path) -> None:
    window = Window(tmp_path)
    window.drive.admin(entry(words.SANITIZE, 0, words.CRYPTO_ERASE))
    assert any("waited for" in note for note in readied(window))
    assert not window.drive.sanitize.working


def test_a_sanitize_of_somebody_elses_that_never_ends_is_given_up(tmp_path: Path) -> None:
    window = Window(tmp_path, lies=[Lie.PROGRESS_STUCK])
    window.clock.pace = 50
    window.drive.admin(entry(words.SANITIZE, 0, words.CRYPTO_ERASE))
    with pytest.raises(NotDone, match="for 30 minutes"):
        readied(window)


def test_a_success_of_another_command_is_not_ours_even_when_it_was_seen_at_work(tmp_path: Path) -> None:
    window = Window(tmp_path)

    class Overtakes(Answers):
        def __call__(self, argv: Sequence[str], deadline: float, *, watch: Watch | None = None) -> Result:
            if argv[1] == "sanitize":  # somebody else's came a moment earlier
                window.drive.admin(entry(words.SANITIZE, 0, words.CRYPTO_ERASE))
            return super().__call__(argv, deadline, watch=watch)

    found = done_by(window, "sanitize-block", run=Overtakes(window))
    assert (found.succeeded, found.transition_observed) == (False, False)
    assert "another command" in found.status


@pytest.mark.parametrize(("method", "ses"), [("format-user", "1"), ("format-crypto", "2")])
def test_a_format_keeps_the_format_and_rests_on_content(tmp_path: Path, method: str, ses: str) -> None:
    window = Window(tmp_path)
    found = done_by(window, method)
    assert (found.accepted, found.succeeded, found.observed) == (True, True, "content")
    [line] = sent(window, "format")
    assert {f"--ses={ses}", "--lbaf=0", "--namespace-id=1", "--force", "--pi=0", "--ms=0"} <= set(line)
    assert found.raw_before and found.raw_after


def test_a_namespace_that_is_formatted_otherwise_afterwards_is_no_success(tmp_path: Path) -> None:
    window = Window(tmp_path)

    class Shifts(Answers):
        def __call__(self, argv: Sequence[str], deadline: float, *, watch: Watch | None = None) -> Result:
            result = super().__call__(argv, deadline, watch=watch)
            if argv[1] == "format":
                window.drive.media.namespaces[1].lbaf = 1
            return result

    found = done_by(window, "format-user", run=Shifts(window))
    assert (found.accepted, found.succeeded) == (True, False)
    assert "another EUI-64 or another LBA format" in found.status


def test_a_drive_that_goes_while_it_is_formatted_is_no_success(tmp_path: Path) -> None:
    window = Window(tmp_path)

    class Pulled(Answers):
        def __call__(self, argv: Sequence[str], deadline: float, *, watch: Watch | None = None) -> Result:
            result = super().__call__(argv, deadline, watch=watch)
            if argv[1] == "format":
                window.drive.power_cut()
            return result

    found = done_by(window, "format-user", run=Pulled(window))
    assert not found.succeeded
    assert "does not say any more who it is" in found.status


def test_without_a_known_namespace_nothing_is_formatted(tmp_path: Path) -> None:
    window = Window(tmp_path, number=2)
    found = done_by(window, "format-user")
    assert not found.accepted
    assert "of the 2 namespaces" in found.status
    assert not sent(window, "format")
    assert "of the 2 namespaces" in can(window).refused["format-user"]


def test_the_namespace_that_the_kernel_names_is_the_one_formatted(tmp_path: Path) -> None:
    window = Window(tmp_path, number=2)
    with held(window) as (medium, target):
        second = replace(medium, identity=replace(medium.identity, namespace="2"))
        nvme.act(replace(acting(window, second, target, "format-user")))
    assert "--namespace-id=2" in sent(window, "format")[0]


# --- after a break ---


class PowerCut(BaseException):
    """The plug of the station is pulled."""


STEPS = ("command", "sent", "working", "answered", "firmware", "proof")


@pytest.mark.parametrize(
    ("method", "at"),
    [("sanitize-block", at) for at in STEPS] + [("format-crypto", at) for at in STEPS if at != "working"],
)
@pytest.mark.parametrize("drive_too", [False, True])
def test_after_a_power_cut_the_drive_is_asked_and_the_wipe_is_done(
    tmp_path: Path, method: str, at: str, drive_too: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    window, real = Window(tmp_path), Worklog.write

    def cut(log: Worklog, kind: str, /, *, last: bool = False, **fields: object) -> None:
        real(log, kind, last=last, **fields)
        if kind == at:
            raise PowerCut

    monkeypatch.setattr(Worklog, "write", cut)
    with pytest.raises(PowerCut):
        wiped(window, method)
    monkeypatch.setattr(Worklog, "write", real)
    before = len(sent(window, method.split("-", maxsplit=1)[0]))
    if drive_too:
        window.drive.power_cut()
        window.clock.sleep(3600)
        window.drive.power_on()
    found = wiped(window, method)
    assert (found.verdict.outcome, found.verdict.claim) == (Outcome.DONE, Claim.PURGE), found.verdict.reasons
    again = len(sent(window, method.split("-", maxsplit=1)[0])) - before
    if method == "sanitize-block":
        assert again == (1 if at == "command" else 0)  # what the drive has begun is waited for, never sent twice
    else:
        assert again == (1 if at in ("command", "sent", "answered") else 0)  # nothing tells how far a format was
    assert window.left == 0


def test_what_was_never_sent_is_sent_after_a_break(tmp_path: Path) -> None:
    window = Window(tmp_path)
    idle = build.sanitize_log(65535, 0, 0, 120, 10, 2)[:32].hex()
    issued = {"argv": ["nvme", "sanitize", "/dev/nvme0", "--sanact=2", "--ause"], "raw_before": idle}
    found = done_by(window, "sanitize-block", issued=issued)
    assert (found.succeeded, found.observed) == (True, "progress")
    assert len(sent(window, "sanitize")) == 1


def test_a_sanitize_that_ended_during_the_break_is_recognised_by_its_command(tmp_path: Path) -> None:
    window = Window(tmp_path)
    issued = {
        "argv": ["nvme", "sanitize", "/dev/nvme0", "--sanact=2", "--ause"],
        "raw_before": build.sanitize_log(65535, 0)[:32].hex(),
    }
    window.drive.admin(entry(words.SANITIZE, 0, words.BLOCK_ERASE | 1 << 3))
    window.clock.sleep(3600)
    found = done_by(window, "sanitize-block", issued=issued)
    assert (found.succeeded, found.observed) == (True, "status-change")
    assert not sent(window, "sanitize")


def test_a_sanitize_at_work_after_a_break_is_left_to_acting(tmp_path: Path) -> None:
    window = Window(tmp_path)
    window.drive.admin(entry(words.SANITIZE, 0, words.BLOCK_ERASE | 1 << 3))
    assert readied(window, "sanitize-block", issued={"argv": ["nvme", "sanitize"], "raw_before": ""}) == ()
    assert window.drive.sanitize.working


# --- what it promises in words ---


@pytest.mark.parametrize("method", nvme.METHODS)
def test_no_method_pretends_that_it_can_be_stopped(method: str) -> None:
    how = nvme.METHODS[method]
    assert not how.stoppable
    assert "Keep it powered." in how.cancel


def test_a_late_log_is_given_a_moment(tmp_path: Path) -> None:
    window = Window(tmp_path, lies=[Manner.INSTANT])
    before = build.sanitize_log(65535, 0, 0, 120, 10, 2)
    slow = [3]

    class Late(Answers):
        def __call__(self, argv: Sequence[str], deadline: float, *, watch: Watch | None = None) -> Result:
            if argv[1] == "get-log" and sent(window, "sanitize") and slow[0]:
                slow[0] -= 1
                return Result(tuple(argv), 0, before, b"", 0.0)
            return super().__call__(argv, deadline, watch=watch)

    assert done_by(window, "sanitize-crypto", run=Late(window)).succeeded
    assert window.clock.now < 1000 + nvme_erase.GRACE + 1


def test_unhide_finds_nothing_hidden(tmp_path: Path) -> None:
    window = Window(tmp_path)
    with held(window) as (medium, target):
        act: Act = acting(window, medium, target, "sanitize-crypto")
        assert nvme.unhide(act).size == SIZE


@pytest.mark.parametrize(
    ("status", "command", "named"),
    [(0x101, 0xC, True), (0x004, 0xC, False), (0x101, 0x20C, False), (0x009, 0xC, False)],
)
def test_a_log_that_named_this_command_before_names_it_again_only_with_its_mark(
    tmp_path: Path, status: int, command: int, named: bool
) -> None:
    window = Window(tmp_path, Make(sanicap=0x7 | 1 << 29))
    before, after = build.sanitize_log(65535, 1, 0xC), build.sanitize_log(65535, status, command)

    class Scripted(Answers):
        def __call__(self, argv: Sequence[str], deadline: float, *, watch: Watch | None = None) -> Result:
            if argv[1] == "sanitize":
                self.canned = {**self.canned, "get_log": after}
                return Result(tuple(argv), 0, b"", b"", 0.0)
            return super().__call__(argv, deadline, watch=watch)

    found = done_by(window, "sanitize-crypto", run=Scripted(window, get_log=before))
    assert found.transition_observed is named
    assert found.accepted
