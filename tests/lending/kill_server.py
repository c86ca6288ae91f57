"""Kill the web server without warning, again and again, under load: what was answered is there.

    python -m tests.lending.kill_server --rounds 50

`kitbank-lending serve` (gunicorn with two workers) is killed with SIGKILL, all of it at once, while four people press
a button on the pages of many loans. Whoever read "Thank you" must find the answer in the database afterwards; nothing
may be there twice; and the whole history must verify. Both databases.
"""

import argparse
import contextlib
import json
import random
import re
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import requests
from sqlalchemy import select

from lending import audit, cards, tables
from lending.config import from_environment
from lending.db import Database
from lending.message_tables import MessageSaid
from lending.opening import open_database
from tests.lending.conftest import Cluster, running_cluster
from tests.lending.kill_worker import set_up
from tests.lending.nursery import killed, nursery
from tests.lending.post_office import open_house

TOKEN = re.compile(r'name="form_token" value="([^"]+)"')
PEOPLE = 4


@dataclass(frozen=True)
class Outcome:
    """What one run found. `lost`: answered and not there; `twice`: there more than once."""

    database: str
    rounds: int
    acknowledged: int
    lost: int
    twice: int
    unanswered_but_kept: int
    seconds: float


def run(database: str, rounds: int, seed: int, cluster: Cluster | None, folder: Path) -> Outcome:
    """Kill the server `rounds` times and count."""
    rng, started = random.Random(seed), time.monotonic()
    with open_house() as house, nursery() as home:
        environment = set_up(database, "file", house, cluster, folder)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            environment["KITBANK_LISTEN"] = f"127.0.0.1:{free.getsockname()[1]}"
        address = f"http://{environment['KITBANK_LISTEN']}"
        db = open_database(from_environment(environment))
        pages = _loans(db, rounds * 200)
        done: list[str] = []
        for _ in range(rounds):
            child = home.start(environment, "serve")
            stop = threading.Event()
            crowd = [threading.Thread(target=_press, args=(address, pages, done, stop)) for _ in range(PEOPLE)]
            for person in crowd:
                person.start()
            before, ends = len(done), time.monotonic() + 120
            while len(done) == before and time.monotonic() < ends:
                time.sleep(0.01)
            time.sleep(rng.uniform(0.0, 0.3))
            killed(child)
            stop.set()
            for person in crowd:
                person.join()
        with db.read() as tx:
            there = Counter(tx.s.scalars(select(MessageSaid.loan)))
            audit.verify(tx)
        db.close()
    return Outcome(
        database, rounds, len(done), lost=len(set(done) - set(there)), twice=sum(n - 1 for n in there.values()),
        unanswered_but_kept=len(set(there) - set(done)), seconds=round(time.monotonic() - started, 1),
    )  # fmt: skip


def _loans(db: Database, count: int) -> list[tuple[str, str]]:
    """Make loans with a page each; return reference and token, to be used up from the end."""
    now = datetime.now(UTC)
    found = []
    with db.transaction() as tx:
        for number in range(count):
            ref = f"L-{number:06d}"
            tx.s.add(tables.LoanRow(ref=ref, referral=None, state="out", due=None, created_at=now, closed_at=None))
            tx.s.flush()
            found.append((ref, cards.keep(tx, ref, now)))
    return found


def _press(address: str, pages: list[tuple[str, str]], done: list[str], stop: threading.Event) -> None:
    """Press the button on one page after another; note whose "Thank you" was read to its end."""
    while not stop.is_set() and pages:
        loan, token = pages.pop()
        form = None
        with requests.Session() as person:
            person.trust_env = False
            with contextlib.suppress(requests.RequestException):
                form = TOKEN.search(person.get(f"{address}/l/{token}", timeout=20).text)
            if form is None:  # nothing was asked for yet
                pages.append((loan, token))
                time.sleep(0.05)
                continue
            with contextlib.suppress(requests.RequestException):
                answers = {"form_token": form.group(1), "what": "longer"}
                said = person.post(f"{address}/l/{token}", data=answers, timeout=20)
                if said.status_code == 200 and 'id="thanks"' in said.text:
                    done.append(loan)


def main() -> int:
    """Run on both databases and print the figures; exit 1 if an answer was lost or is there twice."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), action="append")
    args = parser.parse_args()
    bad = 0
    with contextlib.ExitStack() as stack:
        wanted = args.database or ["sqlite", "postgresql"]
        cluster = stack.enter_context(running_cluster()) if "postgresql" in wanted else None
        for database in wanted:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kitbank-kill-")))
            found = run(database, args.rounds, args.seed, cluster, folder)
            print(json.dumps(found.__dict__), flush=True)
            bad += found.lost + found.twice
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
