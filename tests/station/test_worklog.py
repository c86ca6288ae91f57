"""The work log: durable, room kept for the end, torn ends forgiven, anything worse said."""

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from custody.claims import BadRange
from custody.events import MediumId
from station.errors import GuardRefused
from station.worklog import (
    Worklog,
    WorklogDamaged,
    WorklogFull,
    encode,
    job_of,
    pairs,
    parse,
    read,
    room_for,
)
from tests.station.benches import now

MEDIUM = MediumId("m-" + "1" * 32)
INTENT = {
    "kind": "intent", "run": "r", "seed": "00" * 32, "profile": "clear", "digest": "d" * 64,
    "method": "overwrite-zero", "passes": ["zero", "random"], "size": 1000,
}  # fmt: skip


def clock() -> datetime:
    return now()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Worklog]:
    with Worklog(tmp_path, MEDIUM, clock) as opened:
        opened.reserve(room_for(1 << 30, 1, 32 << 20))
        yield opened


def test_what_was_written_is_read_back_in_order(log: Worklog, tmp_path: Path) -> None:
    log.write("note", text="grün ☂")
    log.write("reached", upto=3, bad=[[1, 2]])
    assert [entry["kind"] for entry in read(tmp_path, MEDIUM)] == ["note", "reached"]
    assert read(tmp_path, MEDIUM)[0]["text"] == "grün ☂"


def test_a_drive_without_a_log_has_no_entries(tmp_path: Path) -> None:
    assert read(tmp_path, MEDIUM) == []


entries = some.lists(
    some.fixed_dictionaries({"kind": some.sampled_from(["note", "reached"]), "text": some.text(max_size=40),
                             "upto": some.integers(0, 2**60), "seconds": some.floats(0, 1e6)}),
    max_size=6,
)  # fmt: skip


@given(entries, some.data())
def test_a_log_cut_anywhere_gives_the_whole_lines_before_the_cut(
    said: list[dict[str, Any]], data: some.DataObject
) -> None:
    lines = [encode(entry) for entry in said]
    whole = b"".join(lines)
    cut = data.draw(some.integers(0, len(whole)))
    found, end = parse(whole[:cut] + bytes(9))
    complete = [entry for index, entry in enumerate(said) if len(b"".join(lines[: index + 1])) <= cut]
    assert found == complete
    assert end == len(b"".join(lines[: len(complete)]))


@given(entries.filter(lambda said: len(said) >= 2), some.data())
def test_a_changed_byte_before_the_last_line_is_damage_and_never_believed(
    said: list[dict[str, Any]], data: some.DataObject
) -> None:
    lines = [encode(entry) for entry in said]
    spoilt = bytearray(b"".join(lines))
    place = data.draw(some.integers(0, len(b"".join(lines[:-1])) - 2))
    spoilt[place] ^= data.draw(some.integers(1, 127))
    try:
        found, _ = parse(bytes(spoilt))
    except WorklogDamaged:
        return
    assert found == said[: len(found)]


def test_a_line_that_lacks_only_its_newline_is_torn(tmp_path: Path) -> None:
    lines = [encode({"kind": "note", "text": str(number)}) for number in range(3)]
    found, end = parse(b"".join(lines)[:-1] + bytes(9))
    assert (len(found), end) == (2, len(lines[0] + lines[1]))


def test_after_a_torn_line_writing_goes_on_over_it(tmp_path: Path) -> None:
    with Worklog(tmp_path, MEDIUM, clock) as log:
        log.write("note", text="one")
    path = tmp_path / f"{MEDIUM}.jsonl"
    data = bytearray(path.read_bytes())
    end = len(bytes(data).rstrip(b"\0"))
    data[end : end + 20] = b'{"kind":"reached","u'
    path.write_bytes(bytes(data))
    with Worklog(tmp_path, MEDIUM, clock) as log:
        log.write("note", text="2")
    assert [entry.get("text") for entry in read(tmp_path, MEDIUM)] == ["one", "2"]


def test_a_damaged_log_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with Worklog(tmp_path, MEDIUM, clock) as log:
        log.write("note", text="one")
        log.write("note", text="two")
    path = tmp_path / f"{MEDIUM}.jsonl"
    path.write_bytes(path.read_bytes().replace(b"one", b"oNe"))
    with pytest.raises(WorklogDamaged, match="move it away"):
        Worklog(tmp_path, MEDIUM, clock)


def test_a_second_process_may_not_work_on_the_same_drive(log: Worklog, tmp_path: Path) -> None:
    with pytest.raises(GuardRefused, match="another process"):
        Worklog(tmp_path, MEDIUM, clock)


def fill(path: Path) -> None:
    """Write until nothing is left."""
    with path.open("wb", buffering=0) as out, suppress(OSError):
        while True:
            out.write(bytes(4096))


@pytest.mark.root
def test_the_end_can_be_recorded_on_a_disk_that_filled_up_meanwhile(tmp_path: Path, needs_root: None) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(small)], check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        with Worklog(small, MEDIUM, clock) as log:
            log.reserve(room_for(1 << 30, 1, 32 << 20))
            fill(small / "filler")
            for step in range(32):
                log.write("reached", index=0, upto=step << 25, seconds=1.0)
            log.write("evidence", last=True, evidence={"x": "y" * 200_000})
            log.write("outcome", last=True, outcome="DONE", event="e", resumable=False)
            with pytest.raises(WorklogFull):
                log.reserve(8 << 20)
        assert read(small, MEDIUM)[-1]["kind"] == "outcome"
    finally:
        subprocess.run(["umount", "--lazy", str(small)], check=True)


def test_a_folder_that_cannot_be_written_is_said_before_anything_begins(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorklogFull, match="cannot be opened"):
        Worklog(tmp_path / "file", MEDIUM, clock)


def reached(index: int, upto: int, **more: Any) -> dict[str, Any]:
    return {"kind": "reached", "index": index, "upto": upto, "seconds": 1.0, **more}


def issued(start: int, rewritten: int = 0) -> dict[str, Any]:
    return {"kind": "issued", "index": 0, "start": start, "rewritten": rewritten}


def test_a_job_believes_only_what_was_flushed_and_keeps_bad_ranges() -> None:
    job = job_of([INTENT, issued(0), reached(0, 400, bad=[[10, 5]]), reached(0, 600), issued(600, 64)])
    assert job is not None
    assert (job.reached.upto, job.reached.bad) == (600, (BadRange(10, 5),))
    assert (job.reached.begun, job.reached.rewritten) == (2, 64)
    assert not job.finished


def test_a_pass_that_began_anew_forgets_its_bad_ranges() -> None:
    job = job_of([INTENT, issued(0), reached(0, 400, bad=[[10, 5]]), issued(0)])
    assert job is not None
    assert (job.reached.upto, job.reached.bad) == (0, ())


def test_a_recorded_outcome_ends_the_job_unless_it_can_go_on() -> None:
    ended = {"kind": "outcome", "outcome": "UNKNOWN", "claim": "none", "event": "e"}
    final = job_of([INTENT, {**ended, "resumable": False}])
    again = job_of([INTENT, issued(0), {**ended, "resumable": True}])
    assert final is not None
    assert final.finished
    assert again is not None
    assert not again.finished


def test_the_last_intent_counts() -> None:
    job = job_of([INTENT, issued(0), reached(0, 600), {**INTENT, "run": "second"}])
    assert job is not None
    assert (job.run, job.reached.upto, job.begun) == ("second", 0, False)


@given(some.lists(some.builds(BadRange, some.integers(0, 2**40), some.integers(1, 2**20)), max_size=5))
def test_bad_ranges_survive_being_written_down(bad: list[BadRange]) -> None:
    job = job_of([INTENT, issued(0), reached(0, 2**41, bad=pairs(bad))])
    assert job is not None
    assert list(job.reached.bad) == bad
