"""History is added to and never changed; what is refused is kept, what is false is set apart."""

import base64
import copy
import hashlib
import json
import random
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, select, text, update
from sqlalchemy.exc import DBAPIError

from custody.chain import Head
from custody.errors import BadEvent, BadSignature, Fork, Gap, Refused, SyncRefused, UnknownKey
from custody.events import Digest, PrivateKey, Role, World
from lending import caches, history, origins, tables
from lending.db import Database
from lending.record import Store, about, facts_about
from tests.factories import DIGEST, NOON, Scribe, inventoried, medium, registered, wiped
from tests.lending.house import PERSONAL, House, code


def count_events(db: Database) -> int:
    with db.read() as tx:
        return len(tx.s.scalars(select(tables.EventRow.n)).all())


def quarantined(db: Database) -> list[str]:
    with db.read() as tx:
        return sorted(tx.s.scalars(select(tables.Quarantine.why)))


CHANGES = [
    "UPDATE event SET kind = 'x' WHERE n = 1",
    "DELETE FROM event WHERE n = 1",
    "UPDATE event_mention SET subject = 'x'",
    "DELETE FROM event_mention",
    "UPDATE installation SET world = 'practice'",
    "DELETE FROM installation",
    "UPDATE attachment SET data = digest",
    "DELETE FROM attachment",
    "UPDATE quarantine SET why = 'x'",
    "DELETE FROM quarantine",
]


def _fill(house: House) -> None:
    house.make_ready(1)
    house.server.put_attachment(digest_of(b"evidence"), b"evidence")
    stranger = Scribe(Role.STATION, seed=99)
    stranger.say("device.registered", code(9), registered(code(9)))
    with pytest.raises(UnknownKey):
        house.server.receive(stranger.id, stranger.envelopes)


def digest_of(data: bytes) -> Digest:
    return Digest(hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize("statement", CHANGES)
def test_no_row_of_history_can_be_changed_or_deleted(house: House, statement: str) -> None:
    _fill(house)
    statement = statement.replace("data = digest", "data = data, size = 1")
    with house.db.engine.connect() as connection, pytest.raises(DBAPIError, match="append-only"):
        connection.execute(text(statement))


def _same_again(connection: Connection, engine: Engine, table: str) -> None:
    columns = [c.name for c in tables.Row.metadata.tables[table].columns]
    listed = ", ".join(columns)
    if engine.dialect.name == "sqlite":
        connection.execute(text(f"INSERT OR REPLACE INTO {table} ({listed}) SELECT {listed} FROM {table} LIMIT 1"))
        return
    keys = ", ".join(c.name for c in tables.Row.metadata.tables[table].primary_key)
    values = ", ".join(f"{name} = EXCLUDED.{name}" for name in columns)
    connection.execute(
        text(
            f"INSERT INTO {table} ({listed}) SELECT {listed} FROM {table} LIMIT 1 "
            f"ON CONFLICT ({keys}) DO UPDATE SET {values}"
        )
    )


@pytest.mark.parametrize("table", ["event", "event_mention", "attachment", "quarantine", "installation"])
def test_no_row_of_history_can_be_replaced(house: House, engine: Engine, table: str) -> None:
    _fill(house)
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA recursive_triggers = OFF")  # as another program would have it
        with pytest.raises(DBAPIError, match="append-only"):
            _same_again(connection, engine, table)


def test_a_table_of_history_cannot_be_emptied_on_postgresql(house: House, engine: Engine) -> None:
    if engine.dialect.name != "postgresql":
        pytest.skip("SQLite has no TRUNCATE")
    with engine.connect() as connection, pytest.raises(DBAPIError, match="append-only"):
        connection.execute(text("TRUNCATE event CASCADE"))


def test_arrival_numbers_have_no_hole(house: House) -> None:
    house.make_ready(1)
    with pytest.raises(Refused):
        house.hand_over("L-NONE", code(1))
    house.make_ready(2)
    with house.db.read() as tx:
        numbers = tx.s.scalars(select(tables.EventRow.n).order_by(tables.EventRow.n)).all()
    assert list(numbers) == list(range(1, len(numbers) + 1))


def test_a_refused_event_in_the_middle_of_a_chain_holds_nothing_up(house: House) -> None:
    name = code(1)
    house.bench.say("device.registered", name, registered(name))
    house.bench.forge("device.left", name, {"device": name, "why": "loan"})
    house.bench.say("device.inventoried", name, inventoried(name, None, medium(1)))
    ack = house.server.receive(house.bench.id, house.bench.envelopes)
    assert ack.through == 3
    assert [(one.seq, {reason.code for reason in one.reasons}) for one in ack.refused] == [(2, {"role", "meaning"})]
    with house.db.read() as tx:
        assert facts_about(tx, name).last_exit(name) is None
        assert [event.kind for event in about(tx, [name])] == ["device.registered", "device.inventoried"]
        query = select(tables.EventRow.seq).where(tables.EventRow.refused.is_not(None))
        assert tx.s.scalars(query).all() == [2]


@pytest.mark.parametrize("seed", range(3))
def test_hostile_bodies_are_stored_as_refused_and_jam_nothing(house: House, seed: int) -> None:
    rng = random.Random(seed)
    odd: list[Any] = [None, 1, -1, 2**80, 1.5, "", "x" * 5000, [], {}, [[]], {"a": None}, True, "\u0000", "é"]
    for _ in range(12):
        kind = rng.choice(["device.inventoried", "medium.wiped", "device.received", "new.kind", "k" * 3000])
        house.bench.forge(kind, rng.choice(["", "s" * 3000, code(1)]) or "s", {
            name: rng.choice(odd) for name in ("device", "media", "after", "medium", "wipe", "loan", "event", "code")
        })  # fmt: skip
    house.bench.say("device.registered", code(1), registered(code(1)))
    assert house.server.receive(house.bench.id, house.bench.envelopes).through == 13
    assert quarantined(house.db) == []


def test_an_impossible_clock_does_not_jam_a_chain(house: House) -> None:
    house.bench.clock = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))
    house.bench.forge("device.registered", code(1), registered(code(1)))
    assert house.server.receive(house.bench.id, house.bench.envelopes).through == 1


def test_sending_twice_is_harmless(house: House) -> None:
    house.make_ready(1)
    before = count_events(house.db)
    ack = house.server.receive(house.bench.id, house.bench.envelopes)
    assert (ack.through, count_events(house.db)) == (4, before)
    assert quarantined(house.db) == []


def test_a_gap_says_where_to_go_on_and_keeps_what_came(house: House) -> None:
    for number in (1, 2, 3):
        house.bench.say("device.registered", code(number), registered(code(number)))
    with pytest.raises(Gap) as gap:
        house.server.receive(house.bench.id, house.bench.envelopes[2:])
    assert gap.value.expected == 1
    assert quarantined(house.db) == ["gap"]
    assert house.server.receive(house.bench.id, house.bench.envelopes).through == 3


def test_of_a_fork_both_are_kept_and_the_origin_waits_for_a_person(house: House) -> None:
    house.make_ready(1)
    restored = Scribe(Role.STATION, seed=1, name="Bench 1")
    other = restored.say("device.registered", code(2), registered(code(2)))
    with pytest.raises(Fork) as fork:
        house.server.receive(house.bench.id, restored.envelopes)
    assert (fork.value.seq, fork.value.theirs) == (1, other.hash)
    assert quarantined(house.db) == ["fork"]
    house.bench.say("device.registered", code(3), registered(code(3)))
    before = count_events(house.db)
    with pytest.raises(SyncRefused, match="suspended"):
        house.server.receive(house.bench.id, house.bench.envelopes)
    assert count_events(house.db) == before
    with house.db.transaction() as tx:
        assert [one.state for one in origins.listing(tx) if one.id == house.bench.id] == ["suspended"]
        origins.resume(tx, house.bench.id, house.administrator, house.tick())
    assert house.server.receive(house.bench.id, house.bench.envelopes).through == 5


def test_an_altered_event_goes_to_quarantine_and_the_ones_before_it_stay(house: House) -> None:
    for number in (1, 2):
        house.bench.say("device.registered", code(number), registered(code(number)))
    data = json.loads(house.bench.envelopes[1])
    payload = base64.b64decode(data["payload"]).replace(b"ACME", b"EVIL")
    data["payload"] = base64.b64encode(payload).decode()
    with pytest.raises(BadSignature):
        house.server.receive(house.bench.id, [house.bench.envelopes[0], json.dumps(data).encode()])
    with house.db.read() as tx:
        assert Store(tx).head(house.bench.id) == Head(1, house.bench.events[0].hash)
    assert quarantined(house.db) == ["bad-event"]


def test_practice_events_never_enter_a_real_server(house: House) -> None:
    trainee = Scribe(Role.STATION, world=World.PRACTICE, seed=1, name="Bench 1")
    trainee.say("device.registered", code(1), registered(code(1)))
    with pytest.raises(BadSignature, match="practice and real never mix"):
        house.server.receive(house.bench.id, trainee.envelopes)


def test_strangers_cannot_fill_the_disk(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MOST_FROM_STRANGERS", 5)
    stranger = Scribe(Role.STATION, seed=50)
    for number in range(9):
        stranger.say("device.registered", code(number), registered(code(number)))
        with pytest.raises(UnknownKey):
            house.server.receive(stranger.id, stranger.envelopes[-1:])
    assert len(quarantined(house.db)) == 5
    house.make_ready(1)


def test_after_a_revocation_nothing_new_counts_and_the_old_stands(house: House) -> None:
    name = house.make_ready(1)
    with house.db.transaction() as tx:
        origins.revoke(tx, house.bench.id, "stolen", house.administrator, house.tick())
    house.bench.say("device.registered", code(2), registered(code(2)))
    ack = house.server.receive(house.bench.id, house.bench.envelopes)
    assert [{reason.code for reason in one.reasons} for one in ack.refused] == [{"revoked"}]
    house.hand_over(house.new_loan(), name)


def test_an_old_key_signs_nothing_after_a_new_one(house: House) -> None:
    house.make_ready(1)
    new = PrivateKey(random.Random("new").randbytes(32))
    with house.db.transaction() as tx:
        origins.rekey(tx, house.bench.id, new.public.hex, None, house.administrator, house.tick())
    thief = copy.deepcopy(house.bench)
    thief.say("device.registered", code(2), registered(code(2)))
    house.bench.say("device.registered", code(3), registered(code(3)), key=new)
    with pytest.raises(BadSignature, match="not valid at that number"):
        house.server.receive(thief.id, thief.envelopes)
    ack = house.server.receive(house.bench.id, house.bench.envelopes)
    assert (ack.through, ack.refused) == (5, ())


def test_the_server_refuses_to_write_what_its_own_rules_refuse(house: House) -> None:
    with pytest.raises(BadEvent), house.db.transaction() as tx:
        history.append(tx, "device.left", code(1), {"device": code(1)}, NOON)
    with pytest.raises(Refused), house.db.transaction() as tx:
        history.append(tx, "medium.wiped", medium(1).id, wiped(medium(1), None), NOON)


def test_the_feed_gives_everything_in_the_order_of_arrival(house: House) -> None:
    house.make_ready(1)
    house.hand_over(house.new_loan(), code(1))
    server, after = house.server, 0
    seen: list[bytes] = []
    while True:
        page = server.feed(after, 3)
        seen += page.envelopes
        after = page.position
        if not page.more:
            break
    with house.db.read() as tx:
        assert seen == tx.s.scalars(select(tables.EventRow.envelope).order_by(tables.EventRow.n)).all()
    assert server.feed(after, 3).envelopes == []


def test_a_checkpoint_names_every_head_and_is_renewed_after_a_day(house: House) -> None:
    house.make_ready(1)
    first = house.server.checkpoint()
    assert first == house.server.checkpoint()
    house.make_ready(2)
    house.now += timedelta(days=2)
    assert house.server.checkpoint() != first


def test_a_rebuild_gives_the_caches_byte_for_byte(house: House) -> None:
    name = house.make_ready(1)
    house.make_ready(2)
    house.hand_over(house.new_loan(), name)
    house.report(name)
    house.bench.say("medium.wiped", medium(7).id, wiped(medium(7), None))
    house.bench.say("device.registered", code(3), registered(code(3), serial="SER2"))
    house.bench.say("device.inventoried", code(3), inventoried(code(3), None, medium(1)))
    house.sync(house.bench)
    with house.db.transaction() as tx:
        before = caches.digest(tx)
        made = caches.rebuild(tx)
        assert (made.same, made.before, made.after) == (True, before, before)
        tx.s.execute(update(tables.DeviceRow).values(state="ready"))
        assert not caches.rebuild(tx).same
        assert caches.digest(tx) == before


def test_no_event_holds_a_person(house: House) -> None:
    name = house.make_ready(1)
    house.hand_over(house.new_loan(), name)
    house.take_back(name)
    with house.db.read() as tx:
        for envelope in tx.s.scalars(select(tables.EventRow.envelope)):
            statement = base64.b64decode(json.loads(envelope)["payload"]).decode()
            names = ("Ada", "Dee", "Pat", "Vic", "example.org", "Bride")
            assert not [word for word in (*PERSONAL, *names) if word in statement]


def test_no_table_of_history_points_to_a_person() -> None:
    for name in ("event", "event_mention", "attachment", "quarantine", "installation", "origin", "device", "medium"):
        for key in tables.Row.metadata.tables[name].foreign_keys:
            assert key.column.table.name in ("event", "origin")


def test_evidence_must_be_what_it_is_named(house: House) -> None:
    with pytest.raises(BadEvent):
        house.server.put_attachment(Digest(DIGEST), b"something else")
    digest = digest_of(b"proof")
    house.server.put_attachment(digest, b"proof")
    house.server.put_attachment(digest, b"proof")
    assert house.server.has_attachment(digest)
