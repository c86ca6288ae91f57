"""The screen leaves orders and nothing else; whatever lies in the file, the bench answers with a sentence."""

import json
import os
import sqlite3
import stat
import threading
from pathlib import Path

import pytest

from station.errors import NotDone, UsageError
from station.orders import STALE, Answer, Clock, Order, Orders

ARM = Order("arm", bay="Bay 1", typed="AB12")


class Ticking:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def clock(self, boot: str = "this-start") -> Clock:
        return Clock(lambda: self.seconds, boot)


def put(file: Path, body: object, at: object = 1_000.0, boot: object = "this-start") -> None:
    """Write a row as a broken or hostile screen might."""
    with sqlite3.connect(file) as db:
        db.execute("INSERT INTO orders VALUES ('x1', ?, ?, ?, -1, '')", [body, at, boot])


def test_an_order_is_left_taken_and_answered_with_a_sentence(tmp_path: Path) -> None:
    bench = Orders.create(tmp_path / "orders/orders.sqlite")
    screen = Orders(tmp_path / "orders/orders.sqlite")
    name = screen.leave(ARM)
    assert screen.answer_to(name) is None
    (waiting,) = bench.waiting()
    assert (waiting.id, waiting.order, waiting.why_not) == (name, ARM, "")
    bench.answer(name, Answer(True, "Bay 1 is armed."))
    assert screen.answer_to(name) == Answer(True, "Bay 1 is armed.")
    assert bench.waiting() == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("[]", "an object"),
        ("{", "no order"),
        ("[" * 100_000, "no order"),
        ('{"kind": "format-everything"}', "no kind of order"),
        ('{"kind": "arm", "bay": "Bay 1"}', "must say: typed"),
        ('{"kind": "arm", "bay": 1, "typed": "AB12"}', "bay of an order must be one line"),
        ('{"kind": "arm", "bay": "Bay\\n1", "typed": "AB12"}', "one line of text"),
        ('{"kind": "arm", "bay": "Bay 1", "typed": "AB12", "force": "yes"}', "no field force"),
        (json.dumps({"kind": "arm", "bay": "x" * 501, "typed": "AB12"}), "at most 500"),
        ('{"kind": "resolve", "medium": "m-1", "operator": "s-1", "how": "forget"}', "again or destroy"),
        ('{"kind": "start", "bay": "Bay 1", "operator": " "}', "must say: operator or badge"),
    ],
)
def test_what_is_no_order_is_answered_and_crashes_nothing(tmp_path: Path, body: str, words: str) -> None:
    file = tmp_path / "orders/orders.sqlite"
    bench = Orders.create(file, clock=Ticking().clock())
    put(file, body)
    (waiting,) = bench.waiting()
    assert waiting.order is None
    assert words in waiting.why_not
    assert "Nothing was done" in waiting.why_not


def test_an_order_from_before_is_not_obeyed(tmp_path: Path) -> None:
    file, time = tmp_path / "orders/orders.sqlite", Ticking()
    bench = Orders.create(file, clock=time.clock())
    Orders(file, clock=time.clock()).leave(ARM)
    Orders(file, clock=time.clock("the start before")).leave(ARM)
    assert [one.order for one in bench.waiting()] == [ARM, None]
    time.seconds += STALE + 1
    assert [one.order for one in bench.waiting()] == [None, None]
    assert all("Too old" in one.why_not for one in bench.waiting())


def test_the_writer_is_told_at_once_what_is_no_order(tmp_path: Path) -> None:
    orders = Orders.create(tmp_path / "orders/orders.sqlite")
    with pytest.raises(UsageError, match="must say: typed"):
        orders.leave(Order("arm", bay="Bay 1"))


def test_a_damaged_file_is_put_aside_and_made_anew(tmp_path: Path) -> None:
    file = tmp_path / "orders/orders.sqlite"
    Orders.create(file).close()
    file.write_bytes(b"somebody scribbled here " * 400)
    bench = Orders.create(file)
    bench.answer(bench.leave(ARM), Answer(False, "No."))
    assert file.with_name("orders.sqlite.damaged").exists()


def test_a_file_with_a_trigger_of_somebody_elses_is_not_used(tmp_path: Path) -> None:
    file = tmp_path / "orders/orders.sqlite"
    Orders.create(file).close()
    with sqlite3.connect(file) as db:
        db.execute("CREATE TRIGGER nasty AFTER UPDATE ON orders BEGIN DELETE FROM orders; END")
    with pytest.raises(NotDone, match="more than orders"):
        Orders(file)
    Orders.create(file).close()
    assert file.with_name("orders.sqlite.damaged").exists()


def test_a_locked_file_keeps_nobody_waiting_long(tmp_path: Path) -> None:
    file = tmp_path / "orders/orders.sqlite"
    bench = Orders.create(file)
    name = bench.leave(ARM)
    other = sqlite3.connect(file)
    other.execute("BEGIN IMMEDIATE")
    try:
        assert [one.order for one in bench.waiting()] == [ARM]
        with pytest.raises(NotDone, match="locked"):
            bench.answer(name, Answer(True, "Yes."))
    finally:
        other.rollback()
        other.close()
    bench.answer(name, Answer(True, "Yes."))


def test_a_link_or_an_open_folder_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "orders/orders.sqlite"
    Orders.create(file).close()
    elsewhere = tmp_path / "elsewhere.sqlite"
    file.rename(elsewhere)
    file.symlink_to(elsewhere)
    with pytest.raises(NotDone, match="no plain file"):
        Orders.create(file)
    file.unlink()
    elsewhere.rename(file)
    file.parent.chmod(0o777)
    with pytest.raises(NotDone, match="not sticky"):
        Orders(file)


@pytest.mark.root
def test_the_group_may_leave_orders_and_cannot_replace_the_file(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file to a group")
    file, group = tmp_path / "orders/orders.sqlite", 65_432
    Orders.create(file, group).close()
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o1770
    assert (stat.S_IMODE(file.stat().st_mode), file.stat().st_gid) == (0o660, group)
    for up in (tmp_path, *tmp_path.parents[:3]):
        up.chmod(up.stat().st_mode | 0o011)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setgroups([])
            os.setgid(group)
            os.setuid(65_431)
            Orders(file).leave(ARM)
            try:
                file.unlink()
            except PermissionError:
                status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    bench = Orders.create(file, group)
    assert [one.order for one in bench.waiting()] == [ARM]
    bench.answer(bench.waiting()[0].id, Answer(True, "Yes."))


def test_nobody_may_read_them_without_a_group(tmp_path: Path) -> None:
    file = tmp_path / "orders/orders.sqlite"
    Orders.create(file).close()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_pin_is_not_left_in_the_file_once_the_order_is_answered(tmp_path: Path) -> None:
    file = tmp_path / "orders/orders.sqlite"
    bench = Orders.create(file)
    order = Order("start", bay="Bay 1", badge="KB-SECRET-BADGE", pin="739164")
    name = bench.leave(order)
    assert bench.waiting()[0].order == order
    assert "739164" not in repr(order)
    bench.answer(name, Answer(True, "Bay 1 starts."))
    left = b"".join(one.read_bytes() for one in file.parent.iterdir() if one.is_file())
    assert b"739164" not in left
    assert b"SECRET" not in left


def test_a_screen_that_looks_at_any_moment_finds_no_file_or_a_whole_one(tmp_path: Path) -> None:
    broken: list[str] = []

    def look(file: Path) -> None:
        while not file.exists():
            pass
        try:
            Orders(file).close()
        except NotDone as error:
            broken.append(str(error))

    for number in range(20):
        file = tmp_path / f"{number}/orders.sqlite"
        screen = threading.Thread(target=look, args=(file,))
        screen.start()
        Orders.create(file).close()
        screen.join(10)
    assert broken == []


def test_half_a_character_in_an_order_is_answered_and_does_not_end_the_bench(tmp_path: Path) -> None:
    bench = Orders.create(tmp_path / "orders/orders.sqlite", clock=Ticking().clock())
    put(bench.file, '{"kind": "arm", "\\ud800": "x"}')
    (waiting,) = bench.waiting()
    bench.answer(waiting.id, Answer(False, waiting.why_not))
    assert bench.waiting() == []


def test_bytes_that_are_no_text_are_answered_and_keep_no_other_order_out(tmp_path: Path) -> None:
    bench = Orders.create(tmp_path / "orders/orders.sqlite", clock=Ticking().clock())
    with sqlite3.connect(bench.file) as db:
        db.execute("INSERT INTO orders VALUES ('x1', CAST(x'ff' AS TEXT), 1000.0, 'this-start', -1, '')")
    (waiting,) = bench.waiting()
    assert "no order" in waiting.why_not
    bench.answer(waiting.id, Answer(False, waiting.why_not))
    assert bench.waiting() == []
