"""The daily second look: how many, which ones, and what takes a wipe off the list."""

import random
from datetime import date, timedelta
from typing import Any

import pytest

from custody.checks import chosen, due
from custody.events import Event
from custody.facts import fold
from tests.custody.test_rules import Story
from tests.factories import NOBODY, NOON, WIPER, checked, issued, medium, wiped

SEED = "5eed" * 8
TODAY = NOON.date()


def day_of(count: int, start: int = 0) -> tuple[Story, list[Event]]:
    """Return a story with a roster and some wipes of one day."""
    story = Story()
    story.server("roster.issued", "roster:1", issued())
    made = [story.bench("medium.wiped", medium(n).id, wiped(medium(n), None) | {"who": WIPER})
            for n in range(start, start + count)]  # fmt: skip
    return story, made


def hashes(story: Story, seed: str = SEED, share: int = 20, since: date = TODAY) -> list[str]:
    return [one.wipe.hash for one in due(fold(story.told), seed, share, since)]


@pytest.mark.parametrize(("wipes", "share", "picked"), [(0, 20, 0), (1, 20, 1), (5, 20, 1), (6, 20, 2), (50, 20, 10),
                                                        (7, 100, 7), (7, 0, 0)])  # fmt: skip
def test_the_share_is_rounded_up(wipes: int, share: int, picked: int) -> None:
    story, _ = day_of(wipes)
    assert len(hashes(story, share=share)) == picked


def test_the_choice_is_the_same_for_everybody_and_another_seed_chooses_others() -> None:
    _, made = day_of(50)
    assert chosen(made, SEED, 20) == chosen(random.Random(3).sample(made, 50), SEED, 20)
    assert {e.hash for e in chosen(made, SEED, 20)} != {e.hash for e in chosen(made, "00" * 16, 20)}


def test_every_wipe_has_the_same_chance() -> None:
    counts = [0] * 20
    _, made = day_of(20)
    for seed in range(400):
        for one in chosen(made, f"{seed:08x}", 20):
            counts[made.index(one)] += 1
    assert sum(counts) == 400 * 4
    assert min(counts) > 40
    assert max(counts) < 130


def test_only_finished_wipes_count_and_days_are_chosen_apart() -> None:
    story, _ = day_of(5)
    story.bench("medium.wiped", medium(90).id, wiped(medium(90), None, "UNKNOWN") | {"who": WIPER})
    assert len(hashes(story)) == 1
    story.town.bench.clock += timedelta(days=1)
    for number in range(91, 96):
        story.bench("medium.wiped", medium(number).id, wiped(medium(number), None) | {"who": WIPER})
    assert len(hashes(story)) == 2
    assert len(hashes(story, since=TODAY + timedelta(days=1))) == 1


def one(story: Story) -> tuple[Event, str]:
    (found,) = due(fold(story.told), SEED, 100, TODAY)
    return found.wipe, found.so_far


def test_another_person_with_another_tool_takes_it_off_and_nothing_less() -> None:
    story, (wipe,) = day_of(1)
    assert one(story) == (wipe, "")
    partial: list[dict[str, Any]] = [
        checked(wipe, NOBODY) | {"tool": "photorec"},
        checked(wipe, WIPER) | {"tool": "photorec"},
        checked(wipe) | {"tool": "Kitbank 1.2"},
        checked(wipe),  # an older station, which did not say by which tool
    ]
    for body in partial:
        story.other("medium.checked", wipe.subject, body)
        assert one(story)[1]
    story.other("medium.checked", wipe.subject, checked(wipe) | {"tool": "photorec"})
    assert hashes(story) == []


def test_who_disagrees_takes_it_off_because_it_is_wiped_again() -> None:
    story, (wipe,) = day_of(1)
    story.other("medium.checked", wipe.subject, checked(wipe, NOBODY, agreed=False))
    assert hashes(story) == []


def test_a_clock_set_back_hides_no_wipe() -> None:
    story, _ = day_of(1)
    story.town.bench.clock -= timedelta(days=4000)
    for number in range(50, 59):
        story.bench("medium.wiped", medium(number).id, wiped(medium(number), None) | {"who": WIPER})
    assert len(hashes(story)) == 2  # ten wipes of today, whatever the clock said
