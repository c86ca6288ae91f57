"""The simulated drive can be used over NVMe/TCP as a host driver uses it, and told what to do meanwhile."""

import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.drives import nvme_pdu as pdu
from tests.drives import nvme_words as words
from tests.drives.clock import SimulatedClock
from tests.drives.nvme import Controller
from tests.drives.nvme_control import Control, tell
from tests.drives.nvme_host import flush, format_nvm, identify, log81, read, sanitize, serial, size, write
from tests.drives.nvme_identity import Make
from tests.drives.nvme_initiator import Initiator, Queue
from tests.drives.nvme_lies import Lie
from tests.drives.nvme_tcp import Target
from tests.drives.nvme_words import ALL_NAMESPACES, BLOCK_ERASE, OK, NeverAnswers, entry

MIB = 1 << 20
NQN = Make().nqn


class Plug:
    """A drive of 4 MiB behind a socket, and a host that can be connected to it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock = folder, SimulatedClock()
        self.image = folder / "one.img"
        self.content = os.urandom(4 * MIB)
        self.image.write_bytes(self.content)
        self.switch_on()

    def switch_on(self) -> None:
        """Start the drive, or start it again as after a power cut that took the process."""
        drive = Controller([(self.image, 512)], clock=self.clock.now)
        self.target = Target(drive, self.folder / "state.json")
        Control(self.target, self.folder / "control.sock").start()
        self._thread = threading.Thread(target=self.target.serve, daemon=True)
        self._thread.start()

    def switch_off(self) -> None:
        """Stop it without a word to anybody."""
        self.target.close()
        self._thread.join()

    def host(self, deadline: float = 5.0) -> Initiator:
        """Connect a host."""
        return Initiator(self.target.port, NQN, deadline)

    def tell(self, *order: str) -> object:
        """Give an order over the control socket."""
        return tell(self.folder / "control.sock", *order)


@pytest.fixture
def plug(tmp_path: Path) -> Iterator[Plug]:
    plug = Plug(tmp_path)
    yield plug
    plug.switch_off()


def soon(true: Callable[[], bool]) -> bool:
    """Wait up to five seconds for something that another thread does."""
    end = time.monotonic() + 5
    while not true() and time.monotonic() < end:
        time.sleep(0.01)
    return true()


def test_a_host_reads_and_writes_through_it(plug: Plug) -> None:
    with plug.host() as host:
        assert serial(host) == "KBSIM0001" and size(host, 1) == 4 * MIB
        assert read(host, 1, 0, 2048).data == plug.content[:MIB]
        fresh = os.urandom(MIB)
        assert write(host, 1, 2048, fresh) == OK and flush(host, 1) == OK
        assert read(host, 1, 2048, 2048).data == fresh == plug.image.read_bytes()[MIB : 2 * MIB]
        assert read(host, 1, 8191, 2).status == words.OUT_OF_RANGE


def test_data_that_come_inside_the_capsule_are_taken(plug: Plug) -> None:
    with plug.host() as host:
        queue = host.io_queue
        assert queue.wait(queue.send(entry(words.WRITE, 1, 8, 0, 7), b"i" * 4096, inside=True)).status == OK
        assert read(host, 1, 8).data == b"i" * 4096


def test_other_commands_may_come_between_the_request_for_data_and_the_data(plug: Plug) -> None:
    """The host driver sends what it has; a target that waits for the data of one command only loses the thread."""
    with plug.host() as host:
        queue = host.io_queue
        first, second = os.urandom(8192), os.urandom(4096)
        early = queue.send(entry(words.WRITE, 1, 0, 0, 15), first)
        late = queue.send(entry(words.WRITE, 1, 64, 0, 7), second)
        between = queue.send(entry(words.READ, 1, 512, 0, 7))
        answers = {between: queue.wait(between)}
        for cid in (late, early):
            answers[cid] = queue.known(cid) or queue.wait(cid)
        assert [answers[cid].status for cid in (early, late, between)] == [OK] * 3
        assert answers[between].data == plug.content[512 * 512 :][:4096]
        assert read(host, 1, 0, 16).data == first and read(host, 1, 64).data == second


def test_data_may_come_in_several_pieces_and_out_of_turn(plug: Plug) -> None:
    with plug.host() as host:
        sock = host.io_queue._sock
        sent = {cid: os.urandom(8192) for cid in (901, 902)}
        for cid in sent:
            sgl = struct.pack("<QI3xB", 0, 8192, 0x5A)
            sqe = entry(words.WRITE, 1, 16 * (cid - 901), 0, 15, cid=cid)
            pdu.send(sock, pdu.command(sqe[:24] + sgl + sqe[40:]))
        requests = [host.io_queue._reader.head() for _ in sent]
        assert [head.kind for head in requests] == [pdu.R2T, pdu.R2T]
        for cid, half in ((901, 0), (902, 4096), (902, 0), (901, 4096)):
            piece = sent[cid][half : half + 4096]
            pdu.send(sock, pdu.data_header(pdu.H2C_DATA, 0, cid, cid, half, 4096), piece)
        done = [host.io_queue._reader.head() for _ in sent]
        assert [struct.unpack_from("<QHHHH", head.rest)[3] for head in done] == [902, 901]
        assert read(host, 1, 0, 32).data == sent[901] + sent[902]


def test_a_stranger_is_refused(plug: Plug) -> None:
    with pytest.raises(ConnectionError, match="0x4182"):
        Queue(plug.target.port, 0, "nqn.2014-08.org.nvmexpress:uuid:another")
    with socket.create_connection(("127.0.0.1", plug.target.port), 5) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: there\r\n\r\n")
        assert sock.recv(100) == b""


def test_a_sanitize_runs_while_the_host_looks_on(plug: Plug) -> None:
    with plug.host() as host:
        assert sanitize(host, BLOCK_ERASE) == OK
        plug.clock.pass_time(5)
        assert log81(host)[:2] == (32768, words.WORKING)
        assert read(host, 1, 0).status == words.SANITIZE_IN_PROGRESS
        plug.clock.pass_time(5)
        assert log81(host).state == words.SUCCEEDED
        assert read(host, 1, 0, 2048).data == bytes(MIB)
        assert plug.tell("chip-off", "1", "0", str(4 * MIB))["not_zero"] == 0  # type: ignore[index]


def test_a_sanitize_survives_the_death_of_the_whole_process(plug: Plug) -> None:
    with plug.host() as host:
        assert sanitize(host, BLOCK_ERASE) == OK
        plug.clock.pass_time(5)
        assert log81(host).progress == 32768
    plug.switch_off()
    plug.switch_on()
    with plug.host() as host:
        assert log81(host)[:2] == (32768, words.WORKING)
        plug.clock.pass_time(5)
        assert log81(host).state == words.SUCCEEDED
    assert plug.image.read_bytes() == bytes(4 * MIB)


def test_switching_off_keeps_the_cache_and_a_power_cut_does_not(plug: Plug) -> None:
    with plug.host() as host:
        assert write(host, 1, 0, b"k" * 4096) == OK
        host.set_property(0x14, 0x00464001)
        assert host.get_property(0x1C) & 0xC == 0x8
    with plug.host() as host:
        assert read(host, 1, 0).data == b"k" * 4096
        assert write(host, 1, 0, b"l" * 4096) == OK
        plug.tell("power-cut")
        with pytest.raises((pdu.Closed, OSError)):
            read(host, 1, 0)
    with pytest.raises((pdu.Closed, OSError)):
        plug.host()
    plug.tell("plug")
    with plug.host() as host:
        assert read(host, 1, 0).data == b"k" * 4096
        assert plug.target.drive.health.power_cycles == 43 and plug.target.drive.health.unsafe_shutdowns == 8


def test_a_reset_is_told_from_a_shutdown(plug: Plug) -> None:
    plug.tell("lie", "identity-after-reset")
    with plug.host() as host:
        assert serial(host) == "KBSIM0001" and host.get_property(0x1C) == 1
        host.set_property(0x14, 0x00460000)
        assert host.get_property(0x1C) == 0
        assert plug.target.drive.health.power_cycles == 41
    with plug.host() as host:
        assert serial(host) == "X1000MISBK"


def test_a_drive_that_hangs_keeps_silent_and_answers_others(plug: Plug) -> None:
    with plug.host(deadline=0.3) as host:
        plug.tell("lie", "hangs")
        with pytest.raises(NeverAnswers):
            sanitize(host, BLOCK_ERASE)
        assert log81(host).state == words.NEVER
        plug.tell("honest", "hangs")
        assert sanitize(host, BLOCK_ERASE) == OK


def test_a_change_of_a_namespace_is_announced_once(plug: Plug) -> None:
    with plug.host() as host:
        queue = host.admin_queue
        waiting = queue.send(entry(words.ASYNC_EVENT))
        assert format_nvm(host, 1, 1, lbaf=1) == OK
        event = queue.known(waiting) or queue.wait(waiting)
        assert event.dw0 == 0x00040002
        page = host.admin(entry(words.GET_LOG, ALL_NAMESPACES, 4 | 1023 << 16)).data
        assert page[:8] == bytes([1, 0, 0, 0, 0, 0, 0, 0])
        assert identify(host, 0, 1)[26] == 1 and not plug.target.drive.events()


def test_orders_that_make_no_sense_are_refused_with_a_sentence(plug: Plug) -> None:
    with pytest.raises(ValueError, match="no such order"):
        plug.tell("dance")
    with pytest.raises(ValueError, match="is not a valid"):
        plug.tell("lie", "politely")
    with pytest.raises(ValueError, match="no field"):
        plug.tell("health", "happiness", "3")
    for lie in Lie:
        plug.tell("lie", lie)
    assert plug.tell("status")["lies"] == sorted(Lie)  # type: ignore[index]


def test_health_and_faults_can_be_ordered(plug: Plug) -> None:
    with plug.host() as host:
        plug.tell("bad", "1", "100")
        assert read(host, 1, 96).status == words.UNRECOVERED_READ
        plug.tell("health", "spare", "4")
        assert host.admin(entry(words.GET_LOG, ALL_NAMESPACES, 2 | 127 << 16)).data[3] == 4
        plug.tell("fail-at", "0.5")
        assert sanitize(host, BLOCK_ERASE) == OK
        plug.clock.pass_time(10)
        assert log81(host).state == words.FAILED


def test_the_program_says_when_it_is_ready_and_stops_when_told(tmp_path: Path) -> None:
    (tmp_path / "a.img").write_bytes(bytes(MIB))
    control = tmp_path / "c.sock"
    argv = [sys.executable, "-m", "tests.drives.nvme_tcp", "--image", f"{tmp_path}/a.img:4096", "--serial", "S9"]
    argv += ["--port", "0", "--control", str(control), "--lie", "drops-writes", "--set", "sanicap=0x2"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as program:
        assert program.stdout is not None
        ready = dict(word.partition("=")[::2] for word in program.stdout.readline().split()[1:])
        with Initiator(int(ready["port"]), ready["nqn"]) as host:
            assert serial(host) == "S9" and identify(host, 1)[328] == 2 and identify(host, 0, 1)[26] == 1
            assert write(host, 1, 0, b"x" * 4096, 4096) == OK and read(host, 1, 0, 1).data == bytes(4096)
        tell(control, "stop")
        assert program.wait(10) == 0
