"""The course of a visit: nothing is refused, nothing is recorded twice, nobody is thanked for what is not recorded."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from kiosk import flow
from kiosk.flow import (
    Answered,
    Condition,
    Counted,
    Finished,
    GivenAnyway,
    Kept,
    Known,
    Misreading,
    NotRecorded,
    Reading,
    Recorded,
    Return,
    Said,
    Scanned,
    Screen,
    Standing,
    State,
    Waited,
    WentBack,
    step,
)  # fmt: skip
from labels import codes

CODE, OTHER = codes.complete("7K3QX9MDA4"), codes.complete("AAAAABBBBB")
HOST, NOON = "lend.example.org", datetime(2026, 3, 1, 12, tzinfo=UTC)
EXIT = "ab" * 32
OUT: Mapping[str, Known] = {CODE: Known(EXIT, "L-1"), OTHER: Known(None, None)}


def read(text: str) -> Reading | Misreading:
    return flow.read(text, HOST, OUT.get)


def walked(*said: Said) -> tuple[State, list[Return]]:
    """Go through a visit whose returns are all recorded; return the end and what was recorded."""
    state, returns = State(), []
    for one in said:
        state, wanted = step(state, one)
        if wanted is not None:
            returns.append(wanted)
            state, _ = step(state, Recorded(f"event-{len(returns)}", NOON))
    return state, returns


WHOLE: tuple[Said, ...] = (
    Scanned(read(CODE), "v1"), Counted({"device": 1, "charger": 1}), Answered(Condition.FINE, agreed=True), Finished(),
)  # fmt: skip


def test_a_whole_visit_records_one_return_that_answers_the_exit() -> None:
    state, returns = walked(*WHOLE)
    assert (state.screen, state.event, state.at) == (Screen.THANKED, "event-1", NOON)
    assert [one.code for one in returns] == [CODE]
    assert returns[0].body == {
        "code": CODE, "loan": "L-1", "exit": EXIT, "items": {"device": 1, "charger": 1}, "condition": "fine",
        "call_staff": False, "visit": "v1", "agreed": True, "standing": "out",
    }  # fmt: skip


def test_the_same_device_scanned_again_in_the_visit_makes_no_second_event() -> None:
    again = Scanned(read(codes.address(HOST, CODE)), "v2")
    state, returns = walked(*WHOLE[:1], again, WHOLE[1], again, WHOLE[2], again, Finished(), again, Finished())
    assert (len(returns), state.event, state.visit) == (1, "event-1", "v1")


def test_another_device_after_the_thank_you_begins_another_visit() -> None:
    _, returns = walked(*WHOLE, Scanned(read(OTHER), "v2"), *WHOLE[1:])
    assert [(one.code, one.body["visit"]) for one in returns] == [(CODE, "v1"), (OTHER, "v2")]


def test_another_device_in_the_middle_is_asked_to_wait_and_the_first_is_not_lost() -> None:
    state, _ = step(State(), WHOLE[0])
    state, wanted = step(state, Scanned(read(OTHER), "v2"))
    assert (state.reading, state.note, wanted) == (read(CODE), "finish-first", None)


def test_a_device_nobody_knows_is_taken_and_staff_are_called() -> None:
    for text, standing in (
        (codes.complete("ZZZZZZZZZZ"), Standing.UNKNOWN),
        (f"https://elsewhere.org/d/{codes.complete('ZZZZZZZZZZ')}", Standing.FOREIGN),
        (codes.address(HOST, codes.complete("ZZZZZZZZZZ")), Standing.UNKNOWN),
        (OTHER, Standing.NOT_OUT),
    ):
        reading = read(text)
        assert isinstance(reading, Reading)
        assert reading.standing is standing
        _, returns = walked(Scanned(reading, "v1"), *WHOLE[1:])
        assert returns[0].body["call_staff"] is True


def test_a_known_device_is_known_whatever_host_its_label_names() -> None:
    assert read(f"https://old.example.org/d/{CODE}") == Reading(CODE, Standing.OUT, EXIT, "L-1")


def test_a_slip_tells_the_exit_that_this_kiosk_has_not_heard_of() -> None:
    unknown = codes.complete("ZZZZZZZZZZ")
    assert read(codes.slip_address(HOST, unknown, "cd" * 32)) == Reading(unknown, Standing.UNKNOWN, "cd" * 32)


def test_the_slip_goes_before_what_a_stale_kiosk_knows_and_its_loan_is_left_open() -> None:
    reading = read(codes.slip_address(HOST, CODE, "cd" * 32))
    assert reading == Reading(CODE, Standing.OUT, "cd" * 32, None)
    assert read(codes.slip_address(HOST, CODE, EXIT)) == Reading(CODE, Standing.OUT, EXIT, "L-1")
    assert read(codes.slip_address(HOST, OTHER, "cd" * 32)) == Reading(OTHER, Standing.NOT_OUT, "cd" * 32, None)


def test_a_wrong_character_offers_the_right_code_and_begins_nothing() -> None:
    typed = CODE[:5] + "Z" + CODE[6:]
    state, wanted = step(State(), Scanned(read(typed), "v1"))
    assert wanted is None
    assert state.screen is Screen.IDLE
    assert state.doubt == Misreading(typed, "one", 6, "Z", CODE)


def test_what_cannot_be_read_is_taken_all_the_same_with_what_was_typed() -> None:
    state, returns = walked(Scanned(read("blue laptop!"), "v1"), GivenAnyway("blue laptop!", "v2"), *WHOLE[1:])
    assert state.screen is Screen.THANKED
    assert (returns[0].code, returns[0].body["call_staff"], returns[0].body["standing"]) == (
        "BLUELAPTOP", True, "unreadable",
    )  # fmt: skip
    _, returns = walked(GivenAnyway("", "v1"), *WHOLE[1:])
    assert returns[0].code == flow.NO_LABEL


def test_staff_are_called_for_a_broken_device_and_when_somebody_does_not_agree() -> None:
    for said in (Answered(Condition.BROKEN, agreed=True), Answered(Condition.FINE, agreed=False)):
        _, returns = walked(WHOLE[0], WHOLE[1], said, Finished())
        assert returns[0].body["call_staff"] is True


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_device_left_by_somebody_who_walked_away_is_recorded_and_nobody_is_thanked(steps: int) -> None:
    state, returns = walked(*WHOLE[:steps], Waited())
    assert state == State()
    assert [one.code for one in returns] == [CODE]
    assert returns[0].body["call_staff"] is (steps < 3)


def test_a_person_who_keeps_the_device_leaves_no_record() -> None:
    assert walked(*WHOLE[:3], Kept()) == (State(), [])


def test_going_back_keeps_the_answers_but_not_the_agreement() -> None:
    state, _ = walked(*WHOLE[:3], WentBack())
    assert (state.screen, state.condition, state.agreed) == (Screen.COUNTED, Condition.FINE, False)
    state, _ = walked(*WHOLE[:2], WentBack())
    assert (state.screen, dict(state.items)) == (Screen.SEEN, {"device": 1, "charger": 1})


def test_a_journal_that_is_full_thanks_nobody_and_may_be_tried_again() -> None:
    state, _ = walked(*WHOLE[:3])
    state, wanted = step(state, Finished())
    assert wanted is not None
    state, _ = step(state, NotRecorded())
    assert (state.screen, state.note, state.event) == (Screen.AGREED, "not-recorded", None)
    state, again = step(state, Finished())
    assert again == wanted
    state, _ = step(state, Recorded("event", NOON))
    assert state.screen is Screen.THANKED


def test_counts_are_kept_within_reason() -> None:
    state, _ = walked(WHOLE[0], Counted({"charger": 5000, "case": -3, "spaceship": 1}))
    assert dict(state.items) == {"charger": 9, "case": 0}


def test_thanks_without_an_event_cannot_even_be_said() -> None:
    with pytest.raises(AssertionError, match="only a recorded return"):
        State(Screen.THANKED, "v", Reading(CODE, Standing.OUT))
    with pytest.raises(AssertionError, match="only a recorded return"):
        State(Screen.AGREED, "v", Reading(CODE, Standing.OUT), event="x")


def test_nothing_that_is_recorded_has_room_for_a_person() -> None:
    _, returns = walked(*WHOLE)
    assert set(returns[0].body) == {
        "code", "loan", "exit", "items", "condition", "call_staff", "visit", "agreed", "standing",
    }  # fmt: skip
    assert flow.cleaned("Zażółć, <b>Maria</b> 7k3q-x9md") == "ZABMARIA/B7K3Q-X9MD"


TEXTS = st.sampled_from(
    [CODE, OTHER, codes.complete("ZZZZZZZZZZ"), CODE[:5] + "Z" + CODE[6:], "", "hello", codes.address("x.org", CODE)]
)
INPUTS = st.one_of(
    st.tuples(st.just("scan"), TEXTS),
    st.tuples(st.just("anyway"), TEXTS),
    st.tuples(st.just("said"), st.sampled_from([
        Counted({"device": 1}), Answered(Condition.FINE, agreed=True), Answered(Condition.NOT_SAID, agreed=False),
        Finished(), WentBack(), Kept(), Waited(),
    ])),
)  # fmt: skip


Course = list[tuple[tuple[str, object], bool]]
Move = Callable[[State, Said], tuple[State, Return | None]]
VISITS = TEXTS.map(
    lambda text: [(("anyway", text), True), *((("said", one), True) for one in (*WHOLE[1:], Finished()))]
)
COURSES = st.lists(
    st.one_of(st.tuples(INPUTS, st.booleans()).map(lambda one: [one]), VISITS), max_size=12
).map(lambda parts: [one for part in parts for one in part])


def follow(course: Course, move: Move) -> None:
    """Go through any course of things said, with a journal that works or not, and check every promise."""
    state, number = State(), 0
    recorded: dict[str, str] = {}
    begun: dict[str, Reading] = {}
    spared: set[str] = set()
    for (kind, what), works in course:
        before = state
        if kind == "said":
            assert isinstance(what, Counted | Answered | Finished | WentBack | Kept | Waited)
            said: Said = what
        else:
            number += 1
            said = Scanned(read(str(what)), f"v{number}") if kind == "scan" else GivenAnyway(str(what), f"v{number}")
        state, wanted = move(state, said)
        if state.reading is not None and state.visit not in begun:
            begun[state.visit] = state.reading
        if isinstance(said, Kept) and before.screen is not Screen.THANKED:
            spared.add(before.visit)
        if wanted is not None:
            assert before.visit not in recorded, "a visit is never recorded twice"
            assert (wanted.body["visit"], wanted.code) == (before.visit, begun[before.visit].code)
            if works:
                recorded[before.visit] = f"event-{len(recorded)}"
                state, _ = move(state, Recorded(recorded[before.visit], NOON))
            else:
                state, _ = move(state, NotRecorded())
                spared.add(before.visit)  # its person was told to hand it over; nothing is called returned
        if state.screen is Screen.THANKED:
            assert (state.event, state.reading) == (recorded[state.visit], begun[state.visit])
    ended = set(begun) - {state.visit}
    assert ended <= set(recorded) | spared, "a device that was scanned is recorded, kept, or was handed to staff"


@settings(max_examples=150)
@given(COURSES)
def test_over_any_course_each_visit_is_recorded_once_and_thanked_only_for_that(course: Course) -> None:
    follow(course, step)


def forgets_who_walked_away(state: State, said: Said) -> tuple[State, Return | None]:
    return (State(), None) if isinstance(said, Waited) else step(state, said)


def records_every_press(state: State, said: Said) -> tuple[State, Return | None]:
    if isinstance(said, Finished) and state.screen is Screen.THANKED:
        return state, flow.to_record(state)
    return step(state, said)


@pytest.mark.parametrize("weakened", [forgets_who_walked_away, records_every_press])
def test_weakened_rules_are_refuted_by_the_same_check(weakened: Move) -> None:
    @settings(max_examples=500, database=None, report_multiple_bugs=False, phases=[Phase.generate])
    @given(COURSES)
    def holds(course: Course) -> None:
        follow(course, weakened)

    with pytest.raises(AssertionError):
        holds()
