"""Whatever happens in whatever order - work, syncs, crashes, pulled sticks, dead networks - histories converge."""

import errno
import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from custody import stickfile
from custody.disk import store_file
from custody.errors import SyncError
from custody.events import Digest, Role
from custody.roads import Road
from custody.stick import StickRoad, serve_stick
from custody.sync import HttpRoad, exchange
from tests.custody.simulators import CODE, NOW, Bench, SimulatedServer, Site, locked, served


class Crash(Exception):
    """The power went."""


class Failing:
    """A road during whose n-th step the machine loses power."""

    def __init__(self, road: Road, steps: int) -> None:
        self._road, self._steps = road, steps

    def __getattr__(self, name: str) -> Any:
        self._steps -= callable(value := getattr(self._road, name))
        if self._steps < 0:
            raise Crash
        return value


@contextmanager
def pulled_out(after: int) -> Iterator[None]:
    """Pull the stick while its n-th file is being written, leaving half of it under its final name."""

    def tearing(path: Path, data: bytes, **_: Any) -> None:
        nonlocal after
        after -= 1
        if after < 0:
            path.write_bytes(data[: len(data) // 2])
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        store_file(path, data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stickfile, "store_file", tearing)
        yield


class Story:
    """Two benches and a kiosk, a server and two sticks, and what may happen to them."""

    def __init__(self, folder: Path, server: SimulatedServer, site: Site, rng: random.Random) -> None:
        self.server, self.site, self.rng = server, site, rng
        roles = {"bench": Role.STATION, "second": Role.STATION, "kiosk": Role.KIOSK}
        self.benches = [Bench(folder / name, role).meet(server, site.url) for name, role in roles.items()]
        self.sticks = [folder / "red", folder / "blue"]
        for stick in self.sticks:
            stick.mkdir()
        self.evidence: set[Digest] = set()

    def work(self) -> None:
        """Somebody works."""
        bench = self.rng.choice(self.benches)
        if self.rng.random() < 0.3:
            self.evidence.add(bench.journal.attach(self.rng.randbytes(100), "text/plain"))
        for _ in range(self.rng.randint(1, 4)):
            bench.say(f"{self.rng.random()}")

    def office(self) -> None:
        """The server says something of its own."""
        if self.rng.random() < 0.5:
            self.server.sign_checkpoint()
        else:
            self.server.say("device.locked", CODE, locked(f"{self.rng.random()}"))

    def network(self) -> None:
        """A sync over a network that may die, on a machine that may crash."""
        bench = self.rng.choice(self.benches)
        self.site.hang_up_after = self.rng.choice([None, None, 0, 1, 2, 3, 4, 5])
        self._sync(bench, HttpRoad(self.site.url, bench.origin, bench.transport, lambda: NOW))
        self.site.hang_up_after = None

    def carry(self) -> None:
        """A stick in a bench, perhaps pulled out too early."""
        bench, stick = self.rng.choice(self.benches), self.rng.choice(self.sticks)
        with pulled_out(self.rng.choice([99, 99, 0, 1, 2])):
            self._sync(bench, StickRoad(stick, bench.origin))

    def serve(self) -> None:
        """A stick in the server, perhaps pulled out too early."""
        with pulled_out(self.rng.choice([99, 99, 0, 1, 2, 3])):
            try:
                serve_stick(self.rng.choice(self.sticks), self.server)
            except SyncError as error:
                assert "nothing is lost" in str(error)  # noqa: PT017 - it may also have been through

    def lose(self) -> None:
        """A stick is lost for good; a new one takes its place."""
        stick = self.rng.choice(self.sticks)
        shutil.rmtree(stick)
        stick.mkdir()

    def stop(self) -> None:
        """A machine is switched off and on."""
        self.rng.choice(self.benches).crash()

    def end(self) -> None:
        """Let everybody sync in peace, by either road, and compare."""
        for _ in range(2):
            for bench in self.benches:
                exchange(bench.journal, HttpRoad(self.site.url, bench.origin, bench.transport, lambda: NOW))
        for _ in range(3):
            for bench in self.benches:
                exchange(bench.journal, StickRoad(self.sticks[0], bench.origin))
            serve_stick(self.sticks[0], self.server)
        for bench in self.benches:
            journal = bench.journal
            exchange(journal, StickRoad(self.sticks[0], bench.origin))
            assert {row.envelope for row in journal.events()} == set(self.server.arrivals)
            assert journal.unsent_count() == 0
            assert journal.unsent_attachments() == []
            assert journal.alarms() == []
            assert journal.verify().heads == self.server.ledger.heads()
        assert set(self.server.attachments) == self.evidence
        assert len(set(self.server.arrivals)) == len(self.server.arrivals)

    def _sync(self, bench: Bench, road: Road) -> None:
        before = bench.journal.head()
        try:
            exchange(bench.journal, Failing(road, self.rng.choice([99, 99, 99, 0, 1, 2, 3, 5])))
        except Crash:
            bench.crash()
        except SyncError as error:
            assert "none is lost" in str(error)  # noqa: PT017 - it may also have been through
        assert bench.journal.head() == before


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_any_interleaving_ends_in_identical_histories(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    rng = random.Random(seed)
    server = SimulatedServer()
    with served(server) as site:
        story = Story(tmp_path_factory.mktemp("story"), server, site, rng)
        try:
            steps: list[Callable[[], None]] = [
                story.work, story.work, story.office, story.network, story.carry, story.serve, story.stop, story.lose
            ]  # fmt: skip
            weights = [4, 4, 2, 3, 5, 5, 1, 1]
            for step in rng.choices(steps, weights, k=rng.randint(5, 40)):
                step()
            story.end()
        finally:
            for bench in story.benches:
                bench.journal.close()
