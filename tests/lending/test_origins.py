"""Machines come in by a one-time code, and only into their own world."""

from datetime import timedelta

import pytest

from custody.errors import Refused
from custody.events import PrivateKey, Role, World
from lending import origins
from lending.origins import Enrolled, EnrolRequest
from tests.factories import Scribe
from tests.lending.house import House


def request_of(scribe: Scribe, transport: PrivateKey | None = None, world: str = "real") -> EnrolRequest:
    key = transport or PrivateKey(bytes(31) + b"t")
    return EnrolRequest(str(scribe.role), scribe.key.public.hex, key.public.hex, world)


def enrol(house: House, code: str, request: EnrolRequest) -> Enrolled:
    with house.db.transaction() as tx:
        return origins.enrol(tx, code, request, house.tick())


def make_code(house: House, role: str = "station", name: str = "Bench 9") -> str:
    with house.db.transaction() as tx:
        return origins.make_code(tx, role, name, house.administrator, house.tick())


def reasons_of(error: pytest.ExceptionInfo[Refused]) -> list[str]:
    return [reason.code for reason in error.value.reasons]


def test_a_code_enrols_one_machine_and_tells_it_whom_to_trust(house: House) -> None:
    scribe = Scribe(Role.STATION, seed=9)
    answer = enrol(house, make_code(house).lower().replace("-", " "), request_of(scribe))
    assert (answer.origin, answer.name) == (scribe.id, "Bench 9")
    with house.db.read() as tx:
        assert answer.server["fingerprint"] == origins.server(tx).fingerprint
        assert [one.state for one in origins.listing(tx) if one.id == scribe.id] == ["active"]


def test_the_same_machine_may_ask_again_when_the_answer_was_lost(house: House) -> None:
    code, scribe = make_code(house), Scribe(Role.STATION, seed=9)
    first = enrol(house, code, request_of(scribe))
    assert enrol(house, code, request_of(scribe)) == first
    with house.db.read() as tx:
        assert len([one for one in origins.listing(tx) if one.id == scribe.id]) == 1


def test_a_code_is_used_once(house: House) -> None:
    code = make_code(house)
    enrol(house, code, request_of(Scribe(Role.STATION, seed=9)))
    with pytest.raises(Refused, match="used already"):
        enrol(house, code, request_of(Scribe(Role.STATION, seed=10), PrivateKey(bytes(31) + b"u")))


def test_a_code_expires_after_two_days(house: House) -> None:
    code = make_code(house)
    house.now += timedelta(hours=48, minutes=1)
    with pytest.raises(Refused, match="expired"):
        enrol(house, code, request_of(Scribe(Role.STATION, seed=9)))


def test_a_machine_of_the_other_world_stays_out(house: House) -> None:
    trainee = Scribe(Role.STATION, seed=9, world=World.PRACTICE)
    with pytest.raises(Refused) as refused:
        enrol(house, make_code(house), request_of(trainee, world="practice"))
    assert reasons_of(refused) == ["world"]


def test_a_wrong_code_a_wrong_role_and_a_wrong_key_are_refused(house: House) -> None:
    scribe = Scribe(Role.STATION, seed=9)
    with pytest.raises(Refused) as refused:
        enrol(house, "AAAA-AAAA-AAAA", request_of(scribe))
    assert reasons_of(refused) == ["code"]
    with pytest.raises(Refused) as refused:
        enrol(house, make_code(house, "kiosk"), request_of(scribe))
    assert reasons_of(refused) == ["machine"]
    with pytest.raises(Refused) as refused:
        enrol(house, make_code(house), EnrolRequest("station", "zz", "zz", "real"))
    assert reasons_of(refused) == ["key"]


def test_two_machines_cannot_share_a_transport_key(house: House) -> None:
    enrol(house, make_code(house), request_of(Scribe(Role.STATION, seed=9)))
    with pytest.raises(Refused) as refused:
        enrol(house, make_code(house), request_of(Scribe(Role.STATION, seed=10)))
    assert reasons_of(refused) == ["key"]


def test_a_revoked_machine_needs_new_keys_and_can_no_longer_ask(house: House) -> None:
    with house.db.transaction() as tx:
        origins.revoke(tx, house.bench.id, "stolen", house.administrator, house.tick())
    assert house.server.transport_key(house.bench.id) is None
    with pytest.raises(Refused) as refused:
        enrol(house, make_code(house), request_of(house.bench, house.transport[house.bench.id]))
    assert reasons_of(refused) == ["revoked"]
    with pytest.raises(Refused), house.db.transaction() as tx:
        origins.revoke(tx, house.bench.id, "again", house.administrator, house.tick())


def test_only_administrators_decide_about_machines(house: House) -> None:
    with pytest.raises(Refused), house.db.transaction() as tx:
        origins.make_code(tx, "station", "x", house.desk, house.tick())
    with pytest.raises(Refused), house.db.transaction() as tx:
        origins.revoke(tx, house.bench.id, "x", house.desk, house.tick())
    with pytest.raises(Refused), house.db.transaction() as tx:
        origins.resume(tx, house.bench.id, house.desk, house.tick())


def test_the_server_itself_cannot_be_revoked(house: House) -> None:
    with pytest.raises(Refused) as refused, house.db.transaction() as tx:
        origins.revoke(tx, house.db.server, "x", house.administrator, house.tick())
    assert reasons_of(refused) == ["unknown-origin"]
