"""Signed requests: only the origin's transport key, only this request, only about now."""

from datetime import UTC, datetime, timedelta

import pytest

from custody.errors import BadEvent, BadSignature, CustodyError, Fork, Gap, SyncRefused, UnknownKey
from custody.events import OriginId, PrivateKey, PublicKey
from custody.signing import (
    SIGNATURE,
    TIME,
    ClockWrong,
    UnknownOrigin,
    answer_for,
    check_request,
    problem_in,
    sign_request,
    spoken,
)

KEY = PrivateKey(b"k" * 32)
ORIGIN = OriginId("station-0123456789abcdef")
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
REQUEST = ("POST", "/api/events", b'{"envelopes": []}')


def key_of(origin: OriginId) -> PublicKey | None:
    return KEY.public if origin == ORIGIN else None


def signed(at: datetime = NOW) -> dict[str, str]:
    return sign_request(KEY, ORIGIN, *REQUEST, at)


@pytest.mark.parametrize("late", [-299, 0, 299])
def test_a_signed_request_tells_who_made_it(late: int) -> None:
    assert check_request(signed(), *REQUEST, key_of, NOW + timedelta(seconds=late)) == ORIGIN


def test_a_clock_in_another_zone_is_the_same_clock() -> None:
    elsewhere = NOW.astimezone().replace(microsecond=5)
    assert check_request(signed(elsewhere), *REQUEST, key_of, NOW) == ORIGIN


@pytest.mark.parametrize("late", [-3600, -301, 301, 3600])
def test_a_request_of_another_hour_is_refused_with_the_servers_time(late: int) -> None:
    server_time = NOW + timedelta(seconds=late)
    with pytest.raises(ClockWrong, match="set the clock") as told:
        check_request(signed(), *REQUEST, key_of, server_time)
    assert told.value.server_time == server_time


@pytest.mark.parametrize(
    "request_",
    [
        ("PUT", "/api/events", b'{"envelopes": []}'),
        ("POST", "/api/events?x=1", b'{"envelopes": []}'),
        ("POST", "/api/events", b'{"envelopes": [1]}'),
    ],
)
def test_a_signature_covers_method_path_and_body(request_: tuple[str, str, bytes]) -> None:
    with pytest.raises(SyncRefused, match="signature is not that of"):
        check_request(signed(), *request_, key_of, NOW)


@pytest.mark.parametrize("change", [{TIME: "2026-03-01T12:00:01+00:00"}, {SIGNATURE: "AAAA"}, {SIGNATURE: "ä"}])
def test_a_changed_header_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(SyncRefused, match="signature is not that of"):
        check_request({**signed(), **change}, *REQUEST, key_of, NOW)


def test_an_unsigned_request_and_a_stranger_are_refused() -> None:
    with pytest.raises(SyncRefused, match="not signed"):
        check_request({}, *REQUEST, key_of, NOW)
    stranger = sign_request(KEY, OriginId("kiosk-0000000000000000"), *REQUEST, NOW)
    with pytest.raises(UnknownOrigin, match="not enrolled here"):
        check_request(stranger, *REQUEST, key_of, NOW)


def test_another_key_is_refused_before_the_time_is_looked_at() -> None:
    forged = sign_request(PrivateKey(b"x" * 32), ORIGIN, *REQUEST, NOW - timedelta(days=1))
    with pytest.raises(SyncRefused, match="signature"):
        check_request(forged, *REQUEST, key_of, NOW)


@pytest.mark.parametrize("time", ["now", "2026-03-01T12:00:00", "", "9999999999"])
def test_a_time_that_is_none_is_refused(time: str) -> None:
    headers = signed()
    with pytest.raises(SyncRefused):
        check_request({**headers, TIME: time}, *REQUEST, key_of, NOW)


@pytest.mark.parametrize(
    ("error", "status", "same"),
    [
        (Gap(ORIGIN, 5, 9), 409, Gap),
        (Fork(ORIGIN, 5, "a" * 64, "b" * 64), 409, Fork),
        (ClockWrong(NOW, NOW + timedelta(hours=1)), 401, ClockWrong),
        (UnknownKey("who?"), 403, UnknownOrigin),
        (UnknownOrigin("who?"), 403, UnknownOrigin),
        (BadSignature("altered"), 403, SyncRefused),
        (BadEvent("no event"), 400, SyncRefused),
        (SyncRefused("suspended"), 403, SyncRefused),
    ],
)
def test_what_a_server_raises_arrives_as_the_same_error(
    error: CustodyError, status: int, same: type[CustodyError]
) -> None:
    answered, data = answer_for(error)
    assert answered == status
    back = problem_in(answered, data, NOW)
    assert type(back) is same
    if isinstance(back, Gap):
        assert back.expected == 5
    if isinstance(back, ClockWrong):
        assert back.server_time == NOW + timedelta(hours=1)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"error": "gap"},
        {"error": "gap", "expected": "x"},
        {"error": "clock"},
        {"error": "clock", "server_time": []},
    ],
)
def test_an_answer_that_makes_no_sense_is_a_refusal(data: dict[str, object]) -> None:
    assert type(problem_in(409, data, NOW)) is SyncRefused


def test_a_servers_time_may_be_a_number() -> None:
    problem = problem_in(401, {"error": "clock", "server_time": NOW.timestamp()}, NOW)
    assert isinstance(problem, ClockWrong)
    assert problem.server_time == NOW


@pytest.mark.parametrize(
    ("seconds", "said"), [(3600, "1 hour"), (-7200, "2 hours"), (90, "2 minutes"), (3, "3 seconds"), (86400, "1 day")]
)
def test_differences_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert spoken(seconds) == said
    assert spoken(timedelta(seconds=seconds)) == said
