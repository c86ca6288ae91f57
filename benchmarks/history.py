"""How fast history is sealed, opened and verified, beside the raw Ed25519 work that nobody can save.

`python benchmarks/history.py [--events 100000] [--json]` builds a long history in a temporary SQLite file with real
seals (inserted in bulk, since the point is to verify it), then runs `audit.verify` over it.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import insert

from custody.chain import START, Head
from custody.events import (
    Event,
    EventHash,
    MediumIdentity,
    OriginId,
    PrivateKey,
    PublicKey,
    Role,
    World,
    mentions,
    open_,
    origin_id,
    seal,
)
from labels import codes
from lending import audit, history, installation, origins, tables
from lending.db import Database, Tx, connect
from lending.origins import EnrolRequest
from lending.receive import Server
from lending.record import Store, facts_about

START_TIME = datetime(2026, 1, 1, tzinfo=UTC)
DIGEST = "d" * 64
WHO: dict[str, Any] = {"ref": "S-BENCH1", "authenticated": True}
EVENTS_PER_DEVICE = 10
"""Registered, looked into, tested, wiped; lent; received, looked into, tested, wiped, sealed."""


class Writer:
    """One origin that seals events in order and keeps them for the bulk insert."""

    def __init__(self, origin: OriginId, key: PrivateKey, head: Head) -> None:
        """Go on from this head."""
        self.origin, self.key, self.head = origin, key, head

    def say(self, kind: str, subject: str, body: dict[str, Any], at: datetime) -> tuple[bytes, Event]:
        """Seal the next event."""
        envelope, event = seal(
            origin=self.origin, seq=self.head.seq + 1, prev=self.head.hash, kind=kind, subject=subject, at=at,
            body=body, key=self.key, world=World.REAL,
        )  # fmt: skip
        self.head = Head(event.seq, event.hash)
        return envelope, event


def lives(bench: Writer, server: Writer, count: int) -> Iterator[tuple[bytes, Event]]:
    """Yield the events of devices that are lent once and made ready again, until there are `count`."""
    rng = random.Random(1)
    number, at = 0, START_TIME
    while number * EVENTS_PER_DEVICE < count:
        number += 1
        at += timedelta(minutes=1)
        code = codes.new(rng)
        disk = MediumIdentity("ata", "ACME Disk", f"SN{number:08d}", "", "", 256 << 30)
        named = {"code": code, "make": "ACME", "model": "Book", "serial": f"S{number}", "donor": None}
        yield bench.say("device.registered", code, {**named, "donor_wants": None}, at)
        yield from _ready(bench, code, disk, None, at)
        body = {"device": code, "why": "gift", "loan": None, "media": [disk.id], "who": WHO}
        envelope, left = server.say("device.left", code, body, at)
        yield envelope, left
        taken = {"device": code, "after": left.hash, "loan": None, "condition": "good", "items": {}, "who": WHO}
        yield bench.say("device.received", code, taken, at)
        yield from _ready(bench, code, disk, left.hash, at)
        sealed = {"device": code, "after": left.hash, "seal": f"SEAL{number}", "snapshot": DIGEST}
        yield bench.say("device.sealed", code, sealed, at)


def _ready(
    bench: Writer, code: str, disk: MediumIdentity, after: EventHash | None, at: datetime
) -> Iterator[tuple[bytes, Event]]:
    inside: dict[str, Any] = {"device": code, "after": after, "media": [disk.to_json()], "hardware": {}}
    inside["snapshot"] = DIGEST
    yield bench.say("device.inventoried", code, inside, at)
    tests = {"device": code, "after": after, "results": {"electrical": "pass"}, "grade": "B", "who": WHO}
    yield bench.say("device.tested", code, tests, at)
    wipe: dict[str, Any] = {
        "after": after, "device": code, "medium": disk.to_json(), "profile": "clear", "profile_digest": DIGEST,
        "evidence": DIGEST, "outcome": "DONE", "claim": "clear", "rules": "benchmark", "who": WHO, "exceptions": [],
    }  # fmt: skip
    yield bench.say("medium.wiped", disk.id, wipe, at)


def per_second(work: Callable[[], object], seconds: float = 2.0) -> float:
    """Return how often `work` runs in a second of this process's CPU time, which a busy machine does not change."""
    done, start = 0, time.process_time()
    while (spent := time.process_time() - start) < seconds:
        work()
        done += 1
    return done / spent


def found(folder: Path) -> tuple[Database, Writer, Writer]:
    """Found a server with one enrolled station."""
    key, bench_key = PrivateKey(b"s" * 32), PrivateKey(b"b" * 32)
    engine = connect(f"sqlite:///{folder / 'history.sqlite'}")
    db = installation.found(engine, world=World.REAL, name="Benchmark", key=key, now=START_TIME).db
    with db.transaction() as tx:
        secret = origins.make_code(tx, "station", "Bench", None, START_TIME)
        request = EnrolRequest("station", bench_key.public.hex, PrivateKey(b"t" * 32).public.hex, "real")
        origins.enrol(tx, secret, request, START_TIME)
        server = Writer(db.server, key, Store(tx).head(db.server))
    return db, Writer(origin_id(Role.STATION, bench_key.public), bench_key, START), server


def build(db: Database, bench: Writer, server: Writer, count: int) -> tuple[int, float]:
    """Insert a history in bulk; return its length and the seconds it took to seal and store."""
    begun = time.perf_counter()
    with db.transaction() as tx:
        n = 2
        rows: list[dict[str, Any]] = []
        named: list[dict[str, Any]] = []
        for envelope, event in lives(bench, server, count):
            n += 1
            rows.append(history.row_of(n, envelope, event, (), event.at))
            named.extend({"subject": subject, "n": n} for subject in mentions(event))
            if len(rows) == 2000:
                _put(tx, rows, named)
        _put(tx, rows, named)
        for writer in (bench, server):
            row = tx.s.get_one(tables.Origin, writer.origin)
            row.head_seq, row.head_hash = writer.head.seq, writer.head.hash
    return n, time.perf_counter() - begun


def _put(tx: Tx, rows: list[dict[str, Any]], named: list[dict[str, Any]]) -> None:
    if rows:
        tx.s.execute(insert(tables.EventRow), rows)
        tx.s.execute(insert(tables.Mention), named)
    rows.clear()
    named.clear()


def measure(count: int) -> dict[str, float]:
    """Run everything and return the figures; times in seconds, rates of single steps per CPU second."""
    raw = Ed25519PrivateKey.from_private_bytes(b"r" * 32)
    public, message = raw.public_key(), b"m" * 900
    signature = raw.sign(message)
    figures = {
        "raw_ed25519_sign_per_s": per_second(lambda: raw.sign(message)),
        "raw_ed25519_verify_per_s": per_second(lambda: public.verify(signature, message)),
    }
    with tempfile.TemporaryDirectory(prefix="kitbank-bench-") as name:
        db, bench, server = found(Path(name))
        trial = Writer(bench.origin, bench.key, START)
        envelope, _ = next(lives(trial, server, 1))
        known: PublicKey = bench.key.public
        tests = {"device": "X" * 12, "after": None, "results": {"electrical": "pass"}, "grade": "B", "who": WHO}
        figures["events_sealed_per_s"] = per_second(lambda: trial.say("device.tested", "X" * 12, tests, START_TIME))
        figures["events_opened_per_s"] = per_second(lambda: open_(envelope, lambda _: known, World.REAL))
        bench, server = Writer(bench.origin, bench.key, START), Writer(db.server, server.key, server.head)
        events, seconds = build(db, bench, server, count)
        figures |= {"history_events": events, "history_sealed_and_stored_s": seconds}
        begun, cpu = time.perf_counter(), time.process_time()
        with db.read() as tx:
            checked = audit.verify(tx)
        figures["verify_s"], figures["verify_cpu_s"] = time.perf_counter() - begun, time.process_time() - cpu
        figures |= {"verify_exits": checked.exits, "verify_events_per_s": events / figures["verify_s"]}
        figures["verify_to_raw_signatures"] = (events / figures["raw_ed25519_verify_per_s"]) / figures["verify_cpu_s"]
        figures["ingest_per_s"] = ingest_rate(db, bench)
        begun = time.perf_counter()
        with db.read() as tx:
            device = next(iter(tx.s.execute(tables.Mention.__table__.select().limit(1))))
            facts_about(tx, str(device.subject))
        figures["facts_of_one_device_s"] = time.perf_counter() - begun
        db.close()
    return figures


def ingest_rate(db: Database, bench: Writer, count: int = 100) -> float:
    """Return how many events a second `receive` takes into that long history, each in its own transaction."""
    rng = random.Random(2)
    envelopes = []
    for _ in range(count // 4):
        code, disk = codes.new(rng), MediumIdentity("ata", "ACME Disk", f"NEW{rng.random()}", "", "", 256 << 30)
        named = {"code": code, "make": "ACME", "model": "Book", "serial": code, "donor": None, "donor_wants": None}
        envelopes.append(bench.say("device.registered", code, named, START_TIME)[0])
        envelopes.extend(envelope for envelope, _ in _ready(bench, code, disk, None, START_TIME))
    begun = time.perf_counter()
    Server(db, lambda: START_TIME).receive(bench.origin, envelopes)
    return len(envelopes) / (time.perf_counter() - begun)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    figures = measure(args.events)
    if args.json:
        print(json.dumps(figures, indent=1))
    else:
        for name, value in figures.items():
            print(f"{value:>14,.2f}  {name.replace('_', ' ')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
