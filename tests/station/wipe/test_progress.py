"""Progress is honest: a finish time of the whole job, and none before anything was measured."""

from station.wipe.progress import Meter, Progress


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_finish_time_counts_every_stage_still_to_come() -> None:
    clock, seen = Clock(), list[Progress]()
    meter = Meter([("canaries", 0), ("pass 1", 1000), ("pass 2", 1000), ("read back", 1000)], seen.append, clock)
    meter.enter()
    meter.enter()
    assert seen[-1].seconds_left is None
    clock.now = 2.0
    meter.tick(200)
    assert seen[-1].rate == 100
    assert seen[-1].seconds_left == 28.0  # 800 of this pass, 1000 of the next, 1000 to read, at 100 a second


def test_reading_has_a_pace_of_its_own_once_it_is_known() -> None:
    clock, seen = Clock(), list[Progress]()
    meter = Meter([("pass 1", 1000), ("read back", 1000)], seen.append, clock)
    meter.enter()
    clock.now = 10.0
    meter.tick(1000)
    meter.enter()
    clock.now = 12.0
    meter.tick(500)
    assert seen[-1].seconds_left == 2.0


def test_what_was_done_before_a_break_is_no_speed() -> None:
    clock, seen = Clock(), list[Progress]()
    meter = Meter([("pass 1", 1000)], seen.append, clock)
    meter.enter(600)
    clock.now = 2.0
    meter.tick(100)
    assert (seen[-1].done, seen[-1].rate, seen[-1].seconds_left) == (700, 50.0, 6.0)
