"""From the office to the bench: a badge given at the server is on a station's roster, over HTTP and over a stick."""

from datetime import timedelta
from pathlib import Path

import pytest
import requests

from custody import rosters
from custody.badges import BadRoster, Roster
from custody.events import PrivateKey
from custody.signing import sign_request
from custody.stick import StickRoad, serve_stick
from custody.sync import exchange
from tests.lending.test_api import Live, enrol_it, live, now
from tests.lending.test_badges import end, give

__all__ = ["live"]  # the fixture


def held(live: Live) -> Roster:
    return rosters.current(live.journal, now())


def test_a_badge_given_at_the_office_comes_over_http_and_an_ended_one_goes(live: Live) -> None:
    enrol_it(live)
    live.house.now = now()
    exchange(live.journal, live.road())
    with pytest.raises(BadRoster):
        held(live)
    made = give(live.house, "Vic", "volunteer")
    assert exchange(live.journal, live.road()).messages == ()
    assert held(live).entry(made.badge.ref) == made.entry
    end(live.house, "Vic")
    exchange(live.journal, live.road())
    assert held(live).entry(made.badge.ref) is None


def test_a_roster_that_the_server_makes_again_while_it_is_asked_comes_at_once(live: Live) -> None:
    enrol_it(live)
    live.house.now = now() - timedelta(days=9)
    give(live.house, "Vic", "volunteer")
    assert exchange(live.journal, live.road()).messages == ()
    assert held(live).number == 2


def test_a_badge_comes_by_stick(live: Live, tmp_path: Path) -> None:
    enrol_it(live)
    live.house.now = now()
    made = give(live.house, "Sue", "supervisor")
    stick = tmp_path / "stick"
    stick.mkdir()
    exchange(live.journal, StickRoad(stick, live.journal.origin))
    serve_stick(stick, live.house.server)
    assert exchange(live.journal, StickRoad(stick, live.journal.origin)).messages == ()
    assert held(live).entry(made.badge.ref) == made.entry


def test_only_a_station_that_signs_its_request_is_given_the_roster(live: Live) -> None:
    give(live.house, "Vic", "volunteer")
    assert requests.get(f"{live.url}/api/roster", timeout=10).status_code in (401, 403)

    def asked(origin: str, key: PrivateKey) -> requests.Response:
        headers = sign_request(key, origin, "GET", "/api/roster", b"", now())  # type: ignore[arg-type]
        return requests.get(f"{live.url}/api/roster", headers=headers, timeout=10)

    house = live.house
    assert asked(house.bench.id, PrivateKey.generate()).status_code == 403
    assert asked(house.kiosk.id, house.transport[house.kiosk.id]).json() == {"document": None}
    assert asked(house.bench.id, house.transport[house.bench.id]).json()["document"]
