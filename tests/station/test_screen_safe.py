"""The screen shows nothing that is no longer so, and takes orders from nobody but the bench's own people."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from station.bays_state import PULSE, boot_id
from station.web.app import create_app
from station.web.peers import Peers, uid_of
from station.web.window import CANNOT_WRITE, STOPPED, Window
from tests.station.bays_bench import REPOSITORY, make_home, stepped
from tests.station.benches import practice_file
from tests.station.test_screen import bench_in_every_state, every_state, everybody

NOBODY = 65534  # a user with no rights, and a group, on every Linux
HERE = {"Host": "127.0.0.1"}
ASK = (
    "import http.client, sys\n"
    "c = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1]), timeout=10)\n"
    "c.request('GET', '/tiles')\n"
    "print(c.getresponse().status)\n"
)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def serving(folder: Path) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    """Serve a screen folder with the server that is used in earnest, as a program of its own."""
    port = free_port()
    code = f"from pathlib import Path; from station.web.serve import serve; serve(Path({str(folder)!r}), {port})"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen([sys.executable, "-c", code], env=environment, start_new_session=True) as server:
        try:
            end = time.monotonic() + 30
            while time.monotonic() < end:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    time.sleep(0.1)
            yield port, server
        finally:
            os.killpg(server.pid, signal.SIGCONT)
            os.killpg(server.pid, signal.SIGKILL)
            server.wait(30)


def slow_order(port: int) -> socket.socket:
    """Begin an order whose body never comes."""
    one = socket.create_connection(("127.0.0.1", port), 5)
    head = "POST /order/arm HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n"
    one.sendall(f"{head}Content-Type: application/x-www-form-urlencoded\r\n\r\ntoken=".encode())
    return one


@pytest.mark.browser
def test_a_server_that_hangs_leaves_no_tile_on_the_screen(chromium: Browser, tmp_path: Path) -> None:
    context = chromium.new_context()
    with bench_in_every_state(tmp_path / "screen"), serving(tmp_path / "screen") as (port, server):
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{port}/")
        assert page.locator("li.tile.green").count() == 1
        os.killpg(server.pid, signal.SIGSTOP)  # it accepts, and answers nothing
        page.wait_for_selector("text=This screen has lost the bench", timeout=15_000)
        assert page.locator("li.tile").count() == 0
        os.killpg(server.pid, signal.SIGCONT)
        page.wait_for_selector("li.tile.green", timeout=30_000)
        assert page.locator("text=This screen has lost the bench").count() == 0
    context.close()


@pytest.mark.browser
def test_old_data_are_taken_away_by_a_clock_that_waits_for_nothing(chromium: Browser, tmp_path: Path) -> None:
    context = chromium.new_context()
    with bench_in_every_state(tmp_path / "screen"), serving(tmp_path / "screen") as (port, _):
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{port}/")
        page.route("**/tiles", lambda route: None)  # never answered, never failed
        page.evaluate("AbortSignal.timeout = () => new AbortController().signal")
        page.wait_for_selector("text=This screen has lost the bench", timeout=15_000)
        assert page.locator("li.tile").count() == 0
    context.close()


@pytest.mark.browser
def test_a_screen_that_slept_shows_no_tile_when_it_wakes(chromium: Browser, tmp_path: Path) -> None:
    context = chromium.new_context()
    with bench_in_every_state(tmp_path / "screen"), serving(tmp_path / "screen") as (port, _):
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{port}/")
        page.route("**/tiles", lambda route: None)
        seen = "document.querySelectorAll('li.tile').length"
        page.evaluate("const was = Date.now; Date.now = () => was() + 3600e3; window.dispatchEvent(new Event('focus'))")
        assert page.evaluate(seen) == 0, "at once, before any timer"
    context.close()


def test_slow_orders_keep_the_screen_from_nobody(tmp_path: Path) -> None:
    every_state(tmp_path / "screen")
    with serving(tmp_path / "screen") as (port, _), ExitStack() as held:
        for _ in range(16):
            held.enter_context(slow_order(port))
        done = subprocess.run([sys.executable, "-c", ASK, str(port)], capture_output=True, text=True, check=False)
        assert done.stdout.strip() == "200", done.stderr
        first = held.enter_context(slow_order(port))
        first.settimeout(40)
        begun = time.monotonic()
        assert b" 200 " not in first.recv(1000)
        assert time.monotonic() - begun < 30, "it is cut off"


@pytest.mark.root
def test_who_may_not_leave_orders_sees_and_orders_nothing(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can be somebody else")
    folder = tmp_path / "screen"
    every_state(folder)
    (folder / "orders").mkdir(mode=0o700)

    def asked(uid: int) -> int:
        """Ask as somebody else, and return the status of the answer."""
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.setgroups([])
                os.setresuid(uid, uid, uid)
                asking = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
                asking.request("GET", "/tiles")
                os.write(writer, str(asking.getresponse().status).encode())
            finally:
                os._exit(0)
        os.close(writer)
        os.waitpid(pid, 0)
        with os.fdopen(reader, "rb") as answer:
            return int(answer.read() or b"0")

    with serving(folder) as (port, _):
        assert asked(NOBODY) == 403, "whoever is in no screen group"
        assert asked(0) == 200
        os.chown(folder / "orders", 0, NOBODY)
        assert asked(NOBODY) == 403, "the group of a folder that is closed to it"
        os.chmod(folder / "orders", 0o1770)
        assert asked(NOBODY) == 200, "a member of the screen group"


def test_a_connection_that_its_owner_left_is_nobodys(tmp_path: Path) -> None:
    head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    row = "   0: 0100007F:{:04X} 0100007F:1F87 {} 00000000:00000000 00:00000000 00000000  {}        0 {} 1 0 20 4\n"
    table = tmp_path / "tcp"
    rows = ((5000, "06", 0, 0), (5001, "01", 1000, 77), (5002, "05", 0, 0))
    table.write_text(head + "".join(row.format(*one) for one in rows))
    assert uid_of(5000, 0x1F87, table) is None, "the kernel shows what is left of it as root's"
    assert uid_of(5001, 0x1F87, table) == 1000
    assert uid_of(5002, 0x1F87, table) is None
    peers = Peers(tmp_path, table)
    assert not peers.may({"REMOTE_PORT": "5000", "SERVER_PORT": str(0x1F87)})
    assert not peers.may({"SERVER_PORT": "80"})


def test_a_token_of_other_letters_is_a_bad_request_and_no_crash(tmp_path: Path) -> None:
    every_state(tmp_path / "screen")
    client = create_app(Window.into(tmp_path / "screen"), everybody).test_client()
    form = {"token": "gültig €", "bay": "Dock 6", "here": "Dock 6", "typed": "1234"}
    assert client.post("/order/arm", data=form, headers=HERE).status_code == 400


def test_a_bench_that_cannot_write_is_not_called_stopped(tmp_path: Path) -> None:
    every_state(tmp_path / "screen", age=30)
    client = create_app(Window.into(tmp_path / "screen"), everybody).test_client()
    assert STOPPED in client.get("/", headers=HERE).text
    (tmp_path / "screen" / PULSE).touch()
    text = client.get("/", headers=HERE).text.replace("&#39;", "'")
    assert CANNOT_WRITE in text
    assert "green" not in text


@pytest.mark.root
def test_a_full_disk_is_told_and_what_a_drive_became_is_shown_once_there_is_room(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=32m", "kitbank-test", str(small)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        drive = practice_file(tmp_path / "d.img", serial="FULLDISK1A17")
        config = make_home(small, {"Bay 1": f"file:{drive}"})
        window = Window.into(config.screen)
        with stepped(config) as bench:
            bench.until_state("Bay 1", "ready")
            assert boot_id()
            with (small / "ballast").open("wb", buffering=0) as out:
                try:
                    while out.write(bytes(4096)):
                        pass
                except OSError:
                    pass
            end = time.monotonic() + 9
            while time.monotonic() < end:
                bench.daemon.step(0.1)
            assert window.look() == (None, CANNOT_WRITE)
            (small / "ballast").unlink()
            bench.until(lambda: window.look()[0] is not None, 5)
        time.sleep(7)
        assert window.look() == (None, STOPPED)
    finally:
        subprocess.run(["umount", "-l", str(small)], check=False)
