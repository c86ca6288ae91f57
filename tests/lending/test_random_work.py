"""Random weeks at a charity, against an oracle that tracks what is really on each disk.

The oracle knows nothing of events, exits or inventories: it keeps, per disk, whether somebody's data is on it, and
per device who has it and which disk is inside. Stations may be stale, borrowers swap disks, reports come late.
"""

import random
from dataclasses import dataclass, field

import pytest

from custody.errors import Refused
from custody.events import EventHash
from lending import audit, caches
from tests.factories import inventoried, medium, passed, registered, wiped
from tests.lending.house import House, code

DEVICES = 3
STEPS = 45


@dataclass
class Truth:
    """What is really so."""

    inside: dict[int, int]
    out: dict[int, tuple[str, EventHash]] = field(default_factory=dict)
    dirty: set[int] = field(default_factory=set)
    heard: dict[int, EventHash | None] = field(default_factory=dict)
    last_exit: dict[int, EventHash | None] = field(default_factory=dict)
    went_with: dict[EventHash, int] = field(default_factory=dict)


def play(house: House, rng: random.Random) -> tuple[int, int]:
    """Do random work; return how many hand-overs there were and how many were refused."""
    truth = Truth({number: number for number in range(DEVICES)}, dirty=set(range(DEVICES)))
    for number in range(DEVICES):
        house.bench.say("device.registered", code(number), registered(code(number), serial=f"S{number}"))
        truth.heard[number] = truth.last_exit[number] = None
    house.sync(house.bench)
    done = refused = 0
    for _ in range(STEPS):
        number = rng.randrange(DEVICES)
        action = rng.choice(["wipe", "look", "lend", "lend", "back", "report", "swap", "hear"])
        if action == "lend":
            if _lend(house, truth, number):
                done += 1
            else:
                refused += 1
        elif action == "back" and number in truth.out:
            house.take_back(code(number))
            del truth.out[number]
        elif action == "report":
            house.report(code(number))
        elif action == "swap" and number in truth.out:
            other = rng.randrange(DEVICES)
            if other in truth.out and other != number:
                truth.inside[number], truth.inside[other] = truth.inside[other], truth.inside[number]
        elif action == "hear":
            truth.heard[number] = truth.last_exit[number]
        elif action in ("wipe", "look") and number not in truth.out:
            _work(house, truth, number, wipe=action == "wipe")
    return done, refused


def _work(house: House, truth: Truth, number: int, *, wipe: bool) -> None:
    """Look inside, test, perhaps wipe, as far as this station has heard of exits."""
    name, disk, after = code(number), truth.inside[number], truth.heard[number]
    house.bench.say("device.inventoried", name, inventoried(name, after, medium(disk)))
    house.bench.say("device.tested", name, passed(name, after))
    if wipe:
        known = [e for e in truth.heard.values() if e is not None and truth.went_with[e] == disk]
        newest = max(known, key=lambda e: list(truth.went_with).index(e), default=None)
        house.bench.say("medium.wiped", medium(disk).id, wiped(medium(disk), newest, device=name))
        truth.dirty.discard(disk)
    house.sync(house.bench)


def _lend(house: House, truth: Truth, number: int) -> bool:
    loan = house.new_loan()
    try:
        event = house.hand_over(loan, code(number))
    except Refused:
        return False
    disk = truth.inside[number]
    assert number not in truth.out, "handed over what was out already"
    assert disk not in truth.dirty, "handed over somebody's data"
    assert event.body["media"] == [medium(disk).id]
    truth.out[number] = (loan, event.hash)
    truth.dirty.add(disk)
    truth.last_exit[number] = event.hash
    truth.went_with[event.hash] = disk
    return True


@pytest.mark.slow
def test_random_work_never_hands_over_somebodys_data_and_the_books_agree(house: House) -> None:
    done, refused = play(house, random.Random(20261122))
    assert done > 0
    assert refused > 0
    with house.db.transaction() as tx:
        assert audit.verify(tx).exits == done
        assert caches.rebuild(tx).same
