"""How fast the ten most used pages and a scan's verdict are, beside an empty Flask page in the same run.

    KITBANK_HOME=… kitbank-lending init --world practice && kitbank-lending generate --devices 10000
    KITBANK_HOME=… python -m benchmarks.lending_pages [--requests 200] [--seconds 20] [--json]

The database is that of `KITBANK_HOME` (SQLite) or `DATABASE_URL` (PostgreSQL); it must be a practice one, since an
account is made in it and devices are received. Times are taken twice: by the clock, and as this process's CPU time,
which a machine that is busy with other things does not change much (PostgreSQL's own time is not in it).

A page's `ratio` is its time without rendering over the empty page's: the aim is at most 5.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from flask import Flask, before_render_template, template_rendered
from sqlalchemy import event, func, select, text

from custody.events import World
from lending import people, sessions, tables
from lending.app import create_app
from lending.config import Config, from_environment
from lending.db import Database
from lending.opening import open_database

ROLES = ("desk", "supervisor")
FORM = "benchmark"
WORKERS = 4
CLIENTS = 8


@dataclass
class Queries:
    """The statements of the requests that are measured: how many, and the slowest with its arguments."""

    count: int = 0
    slowest: float = 0.0
    sql: str = ""
    values: Any = None
    _since: float = 0.0

    def before(self, *_: object) -> None:
        """Note when a statement began."""
        self._since = time.perf_counter()

    def after(self, _c: object, _cursor: object, sql: str, values: Any, *_: object) -> None:
        """Note how long it took."""
        spent = time.perf_counter() - self._since
        self.count += 1
        if spent > self.slowest and sql.lstrip().upper().startswith("SELECT"):
            self.slowest, self.sql, self.values = spent, sql, values


@dataclass
class Rendering:
    """CPU seconds spent in templates."""

    spent: float = 0.0
    _since: float = 0.0

    def begin(self, _sender: object, **_: object) -> None:
        """Note when a template began."""
        self._since = time.process_time()

    def end(self, _sender: object, **_: object) -> None:
        """Note when it ended."""
        self.spent += time.process_time() - self._since


@dataclass
class Times:
    """Seconds of single requests: by the clock, in CPU, and of the CPU time what rendering took."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    rendering: list[float] = field(default_factory=list)
    queries: int = 0

    def figures(self, empty: float) -> dict[str, float]:
        """Return the figures in milliseconds, and the ratio to the empty page without rendering."""
        net = middle(self.cpu) - middle(self.rendering)
        return {
            "p50_ms": middle(self.wall) * 1000, "p95_ms": share(self.wall, 0.95) * 1000,
            "cpu_p50_ms": middle(self.cpu) * 1000, "cpu_p95_ms": share(self.cpu, 0.95) * 1000,
            "rendering_ms": middle(self.rendering) * 1000, "ratio": net / empty if empty else 0.0,
            "ratio_whole": middle(self.cpu) / empty if empty else 0.0,
            "queries": self.queries / max(1, len(self.wall)),
        }  # fmt: skip


def share(values: list[float], part: float) -> float:
    """Return the value below which this part of the values lies."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def middle(values: list[float]) -> float:
    """Return the median."""
    return share(values, 0.5)


def empty() -> Flask:
    """Return an application with one page that does nothing."""
    app = Flask("empty")
    app.add_url_rule("/", "page", lambda: "")
    return app


def signed_in(db: Database, app: Flask) -> str:
    """Make an account for this run and return the cookie of its session."""
    now = datetime.now(UTC)
    with db.transaction() as tx:
        email = f"benchmark-{now.timestamp()}@practice.example"
        account = people.create_account(tx, email, "Benchmark", ROLES, None, now)
        token = sessions.start(tx, account.id, now, strong=True)
    signer = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]
    value = signer.dumps({"token": token, "seen": now.timestamp(), "form": FORM})
    return f"{app.config['SESSION_COOKIE_NAME']}={value}"


def pages(db: Database) -> Mapping[str, list[str]]:
    """Return the ten most used pages, each with addresses that exist."""
    with db.read() as tx:
        device = tables.DeviceRow
        codes = list(tx.s.scalars(select(device.code).order_by(device.code).limit(50)))
        serials = list(tx.s.scalars(select(device.serial).order_by(device.code).limit(50)))
        loans = list(tx.s.scalars(select(tables.LoanRow.ref).order_by(tables.LoanRow.ref).limit(50)))
        referrals = list(tx.s.scalars(select(tables.ReferralRow.ref).order_by(tables.ReferralRow.ref).limit(50)))
    return {
        "first page": ["/"],
        "devices": ["/devices"],
        "devices, one state": ["/devices?state=ready"],
        "devices, searched": [f"/devices?q={one}" for one in serials],
        "device": [f"/devices/{one}" for one in codes],
        "find by scan": [f"/devices/find?code={one}" for one in codes],
        "loans": ["/loans"],
        "loan": [f"/loans/{one}" for one in loans],
        "receive": ["/receive"],
        "referral": [f"/referrals/{one}" for one in referrals],
    }


def timed(app: Flask, cookie: str, addresses: list[str], requests: int, queries: Queries) -> Times:
    """Ask for these pages in turn, within this process."""
    client, found, rendering = app.test_client(use_cookies=False), Times(), Rendering()
    headers = {"Cookie": cookie} if cookie else {}
    client.get(addresses[0], headers=headers)  # the first request compiles templates
    queries.count = 0
    with before_render_template.connected_to(rendering.begin), template_rendered.connected_to(rendering.end):
        for number in range(requests):
            rendering.spent = 0.0
            wall, cpu = time.perf_counter(), time.process_time()
            answer = client.get(addresses[number % len(addresses)], headers=headers)
            found.wall.append(time.perf_counter() - wall)
            found.cpu.append(time.process_time() - cpu)
            found.rendering.append(rendering.spent)
            if answer.status_code >= 400:
                raise SystemExit(f"{addresses[number % len(addresses)]} answered {answer.status_code}")
    found.queries = queries.count
    return found


def scanned(app: Flask, db: Database, cookie: str, requests: int, queries: Queries) -> Times:
    """Receive devices that are out, one scan after the other, each with its verdict."""
    with db.read() as tx:
        item = tables.LoanItem
        query = select(item.device).where(item.state == "out", item.device.is_not(None))
        out = list(tx.s.scalars(query.limit(requests)))
    client, found = app.test_client(use_cookies=False), Times()
    headers = {"Cookie": cookie, "X-Kitbank-Part": "1"}
    answer = client.post("/armed/scan", data={"form_token": FORM, "code": "KBM/RECEIVE"}, headers=headers)
    headers["Cookie"] = answer.headers.get("Set-Cookie", cookie).split(";")[0]
    queries.count = 0
    for code in out:
        wall, cpu = time.perf_counter(), time.process_time()
        said = client.post("/armed/scan", data={"form_token": FORM, "code": str(code)}, headers=headers)
        found.wall.append(time.perf_counter() - wall)
        found.cpu.append(time.process_time() - cpu)
        found.rendering.append(0.0)
        if "Received" not in said.get_data(as_text=True):
            raise SystemExit(f"the scan of {code} was not received: {said.status}")
    found.queries = queries.count
    return found


@contextmanager
def serving(application: str, port: int, environment: Mapping[str, str]) -> Any:
    """Serve with four workers until the block ends; yields the process."""
    command = [
        sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--workers", str(WORKERS), "--threads", "4",
        "--no-control-socket", "--log-level", "warning", application,
    ]  # fmt: skip
    process = subprocess.Popen(command, env={**os.environ, **environment})
    try:
        for _ in range(300):
            with suppress(OSError, HTTPException):
                connection = HTTPConnection("127.0.0.1", port, timeout=30)
                connection.request("GET", "/")
                connection.getresponse().read()
                break
            time.sleep(0.5)
        yield process
    finally:
        process.terminate()
        process.wait(30)


def rate(port: int, addresses: list[str], cookie: str, seconds: float) -> float:
    """Return how many requests a second are answered to `CLIENTS` that ask without a pause."""
    counts, stop = [0] * CLIENTS, time.monotonic() + seconds

    def ask(who: int) -> None:
        connection, number = HTTPConnection("127.0.0.1", port, timeout=60), who
        while time.monotonic() < stop:
            connection.request("GET", addresses[number % len(addresses)], headers={"Cookie": cookie})
            connection.getresponse().read()
            counts[who] += 1
            number += CLIENTS

    threads = [threading.Thread(target=ask, args=(who,)) for who in range(CLIENTS)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return sum(counts) / seconds


def memory(process: subprocess.Popen[bytes]) -> float:
    """Return the megabytes of a worker's own share of memory (PSS), the mean of the workers."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    shares = []
    for child in children:
        lines = Path(f"/proc/{child}/smaps_rollup").read_text().splitlines()
        shares.append(next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024)
    return sum(shares) / len(shares)


def size(db: Database, config: Config) -> float:
    """Return the database's size in megabytes."""
    if db.engine.dialect.name == "postgresql":
        with db.engine.connect() as connection:
            return float(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one()) / 1e6
    path = Path(config.database_url.removeprefix("sqlite:///"))
    return sum(one.stat().st_size for one in path.parent.glob(path.name + "*")) / 1e6


def plan(db: Database, queries: Queries) -> list[str]:
    """Return how the database goes about the slowest statement."""
    word = "EXPLAIN" if db.engine.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
    with db.engine.connect() as connection:
        return [" ".join(str(part) for part in row) for row in
                connection.exec_driver_sql(f"{word} {queries.sql}", queries.values)]  # fmt: skip


def measure(requests: int, seconds: float, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure everything. Times in milliseconds, sizes in megabytes."""
    config = from_environment(os.environ)
    db = open_database(config)
    if db.world is not World.PRACTICE:
        raise SystemExit("this measures a practice server only: it receives devices")
    app, queries = create_app(config, db=db), Queries()
    event.listen(db.engine, "before_cursor_execute", queries.before)
    event.listen(db.engine, "after_cursor_execute", queries.after)
    nothing = timed(empty(), "", ["/"], requests, queries)
    base = middle(nothing.cpu)
    with db.read() as tx:
        counts = {t.__tablename__: tx.s.scalar(select(func.count()).select_from(t)) for t in
                  (tables.DeviceRow, tables.EventRow, tables.ReferralRow, tables.LoanItem)}  # fmt: skip
    result: dict[str, Any] = {
        "database": db.engine.dialect.name, "rows": counts, "size_mb": size(db, config),
        "empty page": nothing.figures(base), "pages": {}, "slowest": {},
    }  # fmt: skip
    cookie, wanted = signed_in(db, app), pages(db)
    for name, addresses in wanted.items():
        queries.slowest = 0.0
        result["pages"][name] = timed(app, cookie, addresses, requests, queries).figures(base)
        result["slowest"][name] = {"ms": queries.slowest * 1000, "sql": queries.sql, "plan": plan(db, queries)}
        say(name)
    result["pages"]["scan to verdict"] = scanned(app, db, cookie, requests, queries).figures(base)
    if seconds and shutil.which("sh"):
        flat = [addresses[0] for addresses in wanted.values()]
        with serving("benchmarks.lending_pages:empty()", 18731, {}):
            result["empty_per_s"] = rate(18731, ["/"], "", seconds)
        with serving("lending.cli:application()", 18732, {}) as process:
            result["requests_per_s"] = rate(18732, flat, cookie, seconds)
            result["worker_mb"] = memory(process)
    db.close()
    return result


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=200, help="of each page")
    parser.add_argument("--seconds", type=float, default=20.0, help="of serving with four workers; 0: do not")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    found = measure(args.requests, args.seconds, lambda name: print(name, file=sys.stderr, flush=True))
    if args.json:
        print(json.dumps(found, indent=1))
        return 0
    print(f"{found['database']}, {found['size_mb']:.0f} MB, {found['rows']}")
    columns = ("p50_ms", "p95_ms", "cpu_p50_ms", "cpu_p95_ms", "rendering_ms", "ratio", "ratio_whole", "queries")
    print(f"{'page':<20}" + "".join(f"{name:>13}" for name in columns))
    for name, one in {"empty page": found["empty page"], **found["pages"]}.items():
        print(f"{name:<20}" + "".join(f"{one[column]:13.2f}" for column in columns))
    if "requests_per_s" in found:
        print(f"{found['requests_per_s']:.1f} requests a second with {WORKERS} workers "
              f"(empty page: {found['empty_per_s']:.1f}), {found['worker_mb']:.0f} MB per worker")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
