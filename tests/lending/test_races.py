"""Many at once, and death in the middle: one hand-over per device, all or nothing."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlalchemy import Engine, select

from custody.errors import Refused
from lending import audit, history, tables
from tests.factories import registered
from tests.lending.conftest import SERVER_KEY
from tests.lending.house import House, code

THREADS, DEVICES = 40, 5


def test_forty_people_and_five_devices_make_five_hand_overs(house: House) -> None:
    names = [house.make_ready(number) for number in range(DEVICES)]
    contests = [(house.new_loan(), names[number % DEVICES]) for number in range(THREADS)]
    start = threading.Barrier(THREADS)

    def try_it(contest: tuple[str, str]) -> str:
        start.wait()
        try:
            house.hand_over(*contest)
        except Refused:
            return "refused"
        return "done"

    with ThreadPoolExecutor(THREADS) as pool:
        results = list(pool.map(try_it, contests))
    assert (results.count("done"), results.count("refused")) == (DEVICES, THREADS - DEVICES)
    with house.db.read() as tx:
        assert len(tx.s.scalars(select(tables.LoanItem)).all()) == DEVICES
        assert audit.verify(tx).exits == DEVICES


CHILD = """
import sys
from datetime import UTC, datetime
from custody.events import PrivateKey
from lending import loans, people
from lending.db import connect, opened
db = opened(connect(sys.argv[1]), PrivateKey(bytes.fromhex(sys.argv[2])))
print("ready", flush=True)
for line in sys.stdin:
    loan, device = line.split()
    with db.transaction() as tx:
        by = people.actor(tx, int(sys.argv[3]))
        loans.hand_over(tx, loan, device, by, datetime.now(UTC))
    print("done", flush=True)
"""


def test_killed_in_the_middle_of_a_hand_over_nothing_is_half_done(house: House, engine: Engine) -> None:
    rng = random.Random(7)
    for number in range(6):
        name, loan = house.make_ready(number), house.new_loan()
        child = subprocess.Popen(
            [
                sys.executable, "-c", CHILD, engine.url.render_as_string(hide_password=False), SERVER_KEY.raw.hex(),
                str(house.desk.account_id),
            ],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).resolve().parents[2],
        )  # fmt: skip
        with child:
            assert child.stdin and child.stdout and child.stdout.readline() == "ready\n"
            child.stdin.write(f"{loan} {name}\n")
            child.stdin.flush()
            time.sleep(rng.uniform(0.0, 0.05))
            os.kill(child.pid, signal.SIGKILL)
        with house.db.read() as tx:
            left = tx.s.scalars(
                select(tables.EventRow.hash).where(
                    tables.EventRow.kind == "device.left", tables.EventRow.subject == name
                )
            ).all()
            items = tx.s.scalars(select(tables.LoanItem.exit).where(tables.LoanItem.device == name)).all()
            cached = tx.s.scalar(select(tables.DeviceRow.state).where(tables.DeviceRow.code == name))
            assert list(left) == list(items)
            assert cached == ("out" if left else "ready")
            audit.verify(tx)
        if not left:
            house.hand_over(loan, name)


def test_two_writers_never_give_out_one_number(house: House) -> None:
    def register(number: int) -> None:
        with house.db.transaction() as tx:
            history.append(tx, "device.registered", code(number), registered(code(number)), house.now)

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(register, range(100, 136)))
    with house.db.read() as tx:
        assert audit.verify(tx).events == 40
