"""Kill the worker without warning, again and again, under load: nothing lost, nothing sent twice.

    python -m tests.lending.kill_worker --rounds 50

Real processes (`kitbank-lending worker`), killed with SIGKILL at a random moment of their work; messages are added
all the while. Transports: a folder; a house that refuses a second message of a key; a house that does not, and can
only be asked. The houses also dawdle, refuse, hang up, and hang up after they accepted. Both databases.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import func, select, update

from lending import loans, outbox, referrals
from lending.config import from_environment
from lending.db import Database
from lending.message_tables import MessageRow, OutboxWorker
from lending.messages import counts
from lending.opening import open_database
from lending.outbox import Draft
from lending.people import actor, create_account
from tests.conftest import REPOSITORY
from tests.lending.conftest import Cluster, running_cluster
from tests.lending.house import FORM
from tests.lending.nursery import Nursery, gone, nursery
from tests.lending.post_office import PostOffice, open_house

WORKER = ("worker", "--idle", "0.05")
TRANSPORTS = ("file", "http-keyed", "http-asked")
HTTP = """
[transports.house]
kind = "http"
url = "{url}/sms"
fields = {{ to = "{{to}}", message = "{{body}}", ref = "{{ref}}" }}
status_url = "{url}/sms?reference={{ref}}"
id_field = "id"
settle = 1.0
timeout = 5
{key}
"""


@dataclass(frozen=True)
class Outcome:
    """What one run found. `lost` and `twice` are the figures; the others say that something happened."""

    database: str
    transport: str
    rounds: int
    messages: int
    lost: int
    twice: int
    unknown: int
    cut_short: int
    states: dict[str, int]
    seconds: float


def run(database: str, transport: str, rounds: int, seed: int, cluster: Cluster | None, folder: Path) -> Outcome:
    """Kill the worker `rounds` times and count."""
    rng, started = random.Random(f"{database}{transport}{seed}"), time.monotonic()
    wild = random.Random(seed) if transport != "file" else None
    with open_house(keyed=transport == "http-keyed", wild=wild) as house, nursery() as home:
        environment = set_up(database, transport, house, cluster, folder)
        db = open_database(from_environment(environment))
        loan = _loan(db)
        made, cut = 0, 0
        for _ in range(rounds):
            made += _add(db, loan, made, rng.randint(4, 12))
            before = _fence(db)
            child = home.start(environment, *WORKER)
            _wait_for_work(db, before, rng)
            os.kill(child, signal.SIGKILL)
            gone(child)
            cut += _in_the_middle(db)
            _no_patience(db)
        house.wild = None
        _finish(home, environment, db)
        sent = _sent(transport, house, folder)
        with db.read() as tx:
            refs = set(tx.s.scalars(select(MessageRow.ref)))
            states = counts(tx)
        db.close()
    assert set(sent) <= refs, "something was sent that nobody asked for"
    return Outcome(
        database, transport, rounds, made, lost=len(refs - set(sent)), twice=sum(n - 1 for n in sent.values()),
        unknown=states.get("unknown", 0), cut_short=cut, states=states,
        seconds=round(time.monotonic() - started, 1),
    )  # fmt: skip


def set_up(
    database: str, transport: str, house: PostOffice, cluster: Cluster | None, folder: Path
) -> dict[str, str]:
    """Found a real-world server with a configuration of its own and return its environment."""
    home = folder / "home"
    home.mkdir(parents=True)
    if transport == "file":
        text = f'[transports.house]\nkind = "file"\nfolder = "{folder / "sent"}"\n'
    else:
        key = 'idempotency_header = "Idempotency-Key"' if transport == "http-keyed" else ""
        text = HTTP.format(url=house.url, key=key)
    (home / "messages.toml").write_text('channels.sms = "house"\n' + text, encoding="utf-8")
    url = f"sqlite:///{home / 'lending.sqlite'}"
    if database == "postgresql":
        assert cluster is not None
        name = f"kill_{os.getpid()}_{transport.replace('-', '_')}"
        cluster.run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", f"CREATE DATABASE {name} TEMPLATE kitbank_template")
        url = cluster.url(name)
    environment = {
        "KITBANK_HOME": str(home), "DATABASE_URL": url, "KITBANK_MESSAGES": str(home / "messages.toml"),
        "PATH": os.environ["PATH"], "HOME": str(folder),
    }  # fmt: skip
    subprocess.run(
        [sys.executable, "-m", "lending.cli", "init"], env=environment, cwd=REPOSITORY, check=True,
        capture_output=True, timeout=300,
    )  # fmt: skip
    return environment


def _loan(db: Database) -> str:
    now = datetime.now(UTC)
    with db.transaction() as tx:
        account = create_account(tx, "desk@example.org", "Dee", ["desk"], None, now)
        by = actor(tx, account.id)
        assert by is not None
        return loans.approve(tx, referrals.refer(tx, by, FORM, now), by, now)


def _add(db: Database, loan: str, before: int, count: int) -> int:
    from lending import recipients

    with db.transaction() as tx:
        home = recipients.household(tx, loan)
        for number in range(before, before + count):
            draft = Draft(
                cause=f"load:{number}", kind="help", channel="sms", language="en", to=home.ways["sms"], subject="",
                body=f"message {number}", address=home.address_key(tx, "sms"), loan=loan, segments=1, cost=0,
                due_at=datetime.now(UTC),
            )  # fmt: skip
            assert outbox.enqueue(tx, draft, datetime.now(UTC))
    return count


def _fence(db: Database) -> int:
    with db.read() as tx:
        return tx.s.scalar(select(func.max(OutboxWorker.fence))) or 0


def _wait_for_work(db: Database, before: int, rng: random.Random) -> None:
    """Wait until the new worker has taken a message, then a moment more: the kill falls anywhere in its work."""
    ends = time.monotonic() + 120
    while True:
        with db.read() as tx:
            if tx.s.scalar(select(MessageRow.id).where(MessageRow.fence > before).limit(1)) is not None:
                break
        if time.monotonic() > ends:
            raise TimeoutError("the worker does not start")
        time.sleep(0.002)
    time.sleep(rng.uniform(0.0, 0.15))


def _in_the_middle(db: Database) -> int:
    with db.read() as tx:
        query = select(func.count()).where(MessageRow.state.in_(("claimed", "handed-over")))
        return tx.s.scalar(query) or 0


def _no_patience(db: Database) -> None:
    """Bring the retries forward: a minute's wait would only make the run longer. What is asked after keeps its wait."""
    with db.transaction() as tx:
        tx.s.execute(update(MessageRow).where(MessageRow.state == "queued").values(due_at=datetime.now(UTC)))


def _finish(home: Nursery, environment: dict[str, str], db: Database) -> None:
    ends, waiting = time.monotonic() + 300, 1
    child = home.start(environment, *WORKER)
    while waiting:
        if time.monotonic() > ends:
            raise TimeoutError(f"{waiting} messages still wait")
        _no_patience(db)
        time.sleep(0.2)
        with db.read() as tx:
            waiting = tx.s.scalar(select(func.count()).where(MessageRow.state.in_(outbox.OPEN))) or 0
    os.kill(child, signal.SIGTERM)
    gone(child)


def _sent(transport: str, house: PostOffice, folder: Path) -> Counter[str]:
    if transport != "file":
        return house.counted()
    files = [json.loads(path.read_text(encoding="utf-8")) for path in (folder / "sent").glob("[!.]*.json")]
    return Counter(str(one["ref"]) for one in files)


def main() -> int:
    """Run every combination and print the figures; exit 1 if a message was lost or sent twice."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), action="append")
    parser.add_argument("--transport", choices=TRANSPORTS, action="append")
    args = parser.parse_args()
    bad = 0
    with contextlib.ExitStack() as stack:
        wanted = args.database or ["sqlite", "postgresql"]
        cluster = stack.enter_context(running_cluster()) if "postgresql" in wanted else None
        for database in wanted:
            for transport in args.transport or TRANSPORTS:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kitbank-kill-")))
                found = run(database, transport, args.rounds, args.seed, cluster, folder)
                print(json.dumps(found.__dict__), flush=True)
                bad += found.lost + found.twice
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
