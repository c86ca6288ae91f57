"""A drive is destroyed before two people, with a photograph and a reason, or nothing is recorded."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from custody.events import Digest, MediumIdentity
from station.badges import Operator, Person
from station.cli import main
from station.destroying import LARGEST_PHOTO, Destruction, destroy
from station.errors import GuardRefused, StationError, UsageError
from station.health import Health
from station.media import medium_at
from tests.station.benches import bench_of, home, practice_file

JPEG = b"\xff\xd8\xff\xe0" + b"a drilled drive" * 10
DRIVE = MediumIdentity("ata", "Old disk", "WD-1234", "", "", 500 * 10**9)
GOOD = Destruction(DRIVE, ("s-1", "v-2"), "cannot be read", "drilled by us", JPEG, health=Health("bad", ("pending",)))
SUPERVISOR = Person("s-1", frozenset({"supervisor"}), 1)
VOLUNTEER, OTHER = Person("v-2", frozenset({"volunteer"}), 1), Person("v-3", frozenset({"volunteer"}), 1)


def test_what_two_people_saw_is_recorded_with_the_photograph_and_the_reason(tmp_path: Path) -> None:
    with bench_of(home(tmp_path)) as bench:
        event = destroy(bench, GOOD)
        assert (event.kind, event.body["how"], event.body["names"]) == ("medium.retired", "destroyed", ["s-1", "v-2"])
        assert bench.journal.attachment(Digest(event.body["photo"])) == JPEG
        evidence = json.loads(bench.journal.attachment(Digest(event.body["evidence"])) or b"")
    assert evidence["health"]["verdict"] == "bad"
    assert event.body["reason"] == "cannot be read"


WRONG: list[tuple[dict[str, object], type[StationError], str]] = [
    ({"people": ("s-1",)}, UsageError, "two people"),
    ({"people": ("s-1", " ")}, UsageError, "two people"),
    ({"people": ("s-1", "s-1 ")}, GuardRefused, "second person"),
    ({"people": ("s-1", "S-1")}, GuardRefused, "second person"),
    ({"people": ("s-1", "s.1")}, GuardRefused, "second person"),
    ({"people": ("s-1", "\uff53-1")}, UsageError, "no reference"),
    ({"people": ("s-1", "s\u200b-1")}, UsageError, "no reference"),
    ({"people": ("s-1", "Ann Example")}, UsageError, "no reference"),
    ({"people": (VOLUNTEER, OTHER)}, GuardRefused, "supervisor"),
    ({"people": (SUPERVISOR, SUPERVISOR)}, GuardRefused, "second person"),
    ({"reason": " "}, UsageError, "--reason"),
    ({"method": ""}, UsageError, "--method"),
    ({"photo": b"not a picture"}, UsageError, "JPEG or PNG"),
    ({"photo": JPEG + bytes(LARGEST_PHOTO)}, UsageError, "at most"),
    ({"medium": replace(DRIVE, serial="")}, UsageError, "serial"),
]


@pytest.mark.parametrize(("change", "error", "words"), WRONG, ids=[words for _, _, words in WRONG])
def test_nothing_is_recorded_when_anything_is_missing(
    tmp_path: Path, change: dict[str, object], error: type[StationError], words: str
) -> None:
    with bench_of(home(tmp_path)) as bench:
        with pytest.raises(error, match=words):
            destroy(bench, replace(GOOD, **change))  # type: ignore[arg-type]
        assert bench.journal.events(kind="medium.retired") == []


@pytest.mark.parametrize("people", [("s-1", "v-2"), (SUPERVISOR, VOLUNTEER), (SUPERVISOR, "v-9")])
def test_a_supervisor_and_anybody_else_are_two_people(tmp_path: Path, people: tuple[Operator, ...]) -> None:
    with bench_of(home(tmp_path)) as bench:
        assert destroy(bench, replace(GOOD, people=people)).body["people"][0]["ref"] == "s-1"


def test_the_verb_wants_the_serial_typed_and_names_what_is_printed_on_a_dead_drive(tmp_path: Path) -> None:
    config, drive, photo = home(tmp_path), practice_file(tmp_path / "d.img"), tmp_path / "p.jpg"
    photo.write_bytes(JPEG)
    said = ["--by", "s-1", "--by", "v-2", "--reason", "dead", "--method", "shredded", "--photo", str(photo)]
    common = ["--home", str(config.home)]
    assert main(["destroy", str(drive), *said, *common]) == 2
    assert main(["destroy", str(drive), *said, *common, "--confirm", medium_at(drive).confirm]) == 0
    assert main(["destroy", *said, *common]) == 2
    printed = ["--model", "Old disk", "--serial", "WD-77"]
    assert main(["destroy", *said, *common, *printed]) == 2
    assert main(["destroy", *said, *common, *printed, "--confirm", "WD78"]) == 2
    assert main(["destroy", *said, *common, *printed, "--confirm", "wd77"]) == 0
    assert main(["destroy", *said, *common, *printed, "--confirm", "wd77"]) == 3, "it can be destroyed only once"
    assert main(["destroy", *said[:-2], *common, "--serial", "WD-78"]) == 2
    with bench_of(config) as bench:
        assert len(bench.journal.events(kind="medium.retired")) == 2
