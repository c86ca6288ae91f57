"""`verify` finds every way in which somebody with the database in his hands could change what happened."""

import base64
import hashlib
import json

import pytest
from sqlalchemy import Connection, Engine, text

from custody.events import Digest, EventHash, mentions
from lending import audit, history, tables
from lending.db import Database
from lending.errors import BrokenPromise
from lending.record import Store
from tests.factories import NOON, inventoried, medium, passed
from tests.lending.house import House, code


def figures(db: Database, *witnesses: bytes) -> audit.Figures:
    with db.read() as tx:
        return audit.verify(tx, witnesses)


def disarm(connection: Connection) -> None:
    """Take the triggers away, as somebody would who owns the database."""
    if connection.dialect.name == "sqlite":
        names = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all()
        for name in names:
            connection.execute(text(f"DROP TRIGGER {name}"))
    else:
        connection.execute(text("DROP FUNCTION kitbank_append_only CASCADE"))


def tamper(engine: Engine, *statements: str, **values: object) -> None:
    with engine.execution_options(kitbank_write=True).begin() as connection:
        disarm(connection)
        for statement in statements:
            connection.execute(text(statement), values)


@pytest.fixture
def busy(house: House) -> House:
    """A house with a loan that was returned, wiped and lent again, and a second device out."""
    exit_event = house.hand_over(house.new_loan(), house.make_ready(1))
    house.report(code(1), exit_event.hash)
    house.take_back(code(1))
    house.make_ready(1, after=exit_event.hash)
    house.hand_over(house.new_loan(), code(1))
    house.hand_over(house.new_loan(), house.make_ready(2))
    house.bench.forge("device.left", code(2), {"device": code(2)})
    house.sync(house.bench)
    return house


def test_an_honest_history_holds_and_is_counted(busy: House) -> None:
    digest = evidence(busy)
    found = figures(busy.db)
    assert (found.exits, found.wipes, found.refused, found.loans, found.origins) == (3, 3, 1, 3, 3)
    assert found.attachments == 1
    assert digest


def evidence(house: House) -> str:
    digest = Digest(hashlib.sha256(b"canaries").hexdigest())
    house.server.put_attachment(digest, b"canaries")
    return digest


def alter(envelope: bytes, old: bytes, new: bytes) -> bytes:
    data = json.loads(envelope)
    data["payload"] = base64.b64encode(base64.b64decode(data["payload"]).replace(old, new)).decode()
    return json.dumps(data).encode()


def test_an_altered_envelope_is_found(busy: House, engine: Engine) -> None:
    with engine.connect() as connection:
        old = connection.execute(text("SELECT envelope FROM event WHERE kind = 'medium.wiped'")).scalar()
    assert old
    new = alter(bytes(old), b'"clear"', b'"purge"')
    tamper(engine, "UPDATE event SET envelope = :new WHERE envelope = :old", new=new, old=old)
    with pytest.raises(BrokenPromise) as broken:
        figures(busy.db)
    assert broken.value.code == "chain"


BREAKS: dict[str, tuple[str, ...]] = {
    "hole": (
        "DELETE FROM event_mention WHERE n = (SELECT min(n) FROM event WHERE kind = 'medium.wiped')",
        "DELETE FROM event WHERE n = (SELECT min(n) FROM event WHERE kind = 'medium.wiped')",
    ),
    "row": ("UPDATE event SET kind = 'device.tested' WHERE kind = 'medium.wiped'",),
    "refusal": ("UPDATE event SET refused = NULL WHERE refused IS NOT NULL",),
    "mention": ("DELETE FROM event_mention WHERE subject LIKE 'm-%'",),
    "end": (
        "DELETE FROM event_mention WHERE n = (SELECT max(n) FROM event)",
        "DELETE FROM event WHERE n = (SELECT max(n) FROM event)",
    ),
    "writer": ("UPDATE origin SET writer = REPLACE(CAST(writer AS TEXT), 'Bench 1', 'Bench 9')",),
    "evidence": ("UPDATE attachment SET data = envelope FROM (SELECT envelope FROM event WHERE n = 1) AS one",),
    "loan": ("UPDATE loan_item SET state = 'returned' WHERE state = 'out'",),
}


@pytest.mark.parametrize("code_wanted", BREAKS)
def test_each_way_of_cheating_is_found(busy: House, engine: Engine, code_wanted: str) -> None:
    evidence(busy)
    statements = BREAKS[code_wanted]
    if code_wanted == "writer" and engine.dialect.name == "postgresql":
        statements = tuple(s.replace("'Bench 9')", "'Bench 9')::json") for s in statements)
    tamper(engine, *statements)
    with pytest.raises(BrokenPromise) as broken:
        figures(busy.db)
    assert broken.value.code == code_wanted


def inject_exit(house: House, name: str, media: list[str]) -> EventHash:
    """Let the server itself sign an exit that the gate never saw, as somebody with its key could."""
    with house.db.transaction() as tx:
        body = {"device": name, "why": "loan", "loan": None, "media": media, "who": house.desk.who()}
        return history.append(tx, "device.left", name, body, house.tick()).hash


def test_an_exit_that_broke_the_rule_is_found_even_when_properly_signed(house: House) -> None:
    name = code(1)
    house.bench.say("device.registered", name, {
        "code": name, "make": "A", "model": "B", "serial": None, "donor": None, "donor_wants": None,
    })  # fmt: skip
    house.bench.say("device.inventoried", name, inventoried(name, None, medium(1)))
    house.bench.say("device.tested", name, passed(name, None))
    house.sync(house.bench)
    inject_exit(house, name, [medium(1).id])
    with pytest.raises(BrokenPromise, match="has no wipe that succeeded") as broken:
        figures(house.db)
    assert broken.value.code == "exit"


def test_an_exit_that_names_other_media_is_found(house: House) -> None:
    name = house.make_ready(1)
    inject_exit(house, name, [medium(2).id])
    with pytest.raises(BrokenPromise) as broken:
        figures(house.db)
    assert broken.value.code == "exit-media"


def test_a_weak_policy_written_into_an_exit_does_not_excuse_it(house: House) -> None:
    name = house.make_ready(1)
    with house.db.transaction() as tx:
        body: dict[str, object] = {
            "device": name, "why": "loan", "loan": None, "media": [medium(1).id], "who": house.desk.who(),
            "policy": {"claim": "none", "second_check": False, "tests": [], "grade": "D", "inventory_days": None},
        }  # fmt: skip
        assert audit.policy_of(history.append(tx, "device.left", name, body, NOON)).claim == "clear"


def test_a_kept_checkpoint_shows_that_the_end_was_cut_off_and_the_ends_were_adjusted(
    busy: House, engine: Engine
) -> None:
    kept = busy.server.checkpoint()
    assert kept is not None
    figures(busy.db, kept)
    with busy.db.read() as tx:
        exits = [n for (n,) in tx.s.query(tables.EventRow.n).where(tables.EventRow.kind == "device.left")]
        cut = max(exits)
    newest = "SELECT hash FROM event e WHERE e.origin = origin.id ORDER BY seq DESC LIMIT 1"
    tamper(
        engine,
        f"DELETE FROM event_mention WHERE n >= {cut}",
        f"DELETE FROM event WHERE n >= {cut}",
        "DELETE FROM loan_item WHERE exit NOT IN (SELECT hash FROM event)",
        "UPDATE origin SET head_seq = (SELECT count(*) FROM event e WHERE e.origin = origin.id), "
        f"head_hash = coalesce(({newest}), head_hash)",
    )
    figures(busy.db)
    with pytest.raises(BrokenPromise) as broken:
        figures(busy.db, kept)
    assert broken.value.code in ("checkpoint", "witness")


def test_what_is_no_checkpoint_is_no_witness(busy: House) -> None:
    with pytest.raises(BrokenPromise):
        figures(busy.db, busy.bench.envelopes[0])
    with pytest.raises(BrokenPromise):
        figures(busy.db, b"nothing")


def test_an_exit_without_a_loan_item_is_found(busy: House, engine: Engine) -> None:
    tamper(engine, "DELETE FROM loan_item WHERE state = 'out'")
    with pytest.raises(BrokenPromise, match="no such item"):
        figures(busy.db)


def test_mentions_are_stored_as_the_events_say(busy: House) -> None:
    with busy.db.read() as tx:
        assert Store(tx).heads()
        assert mentions(busy.bench.events[0]) >= {code(1)}
