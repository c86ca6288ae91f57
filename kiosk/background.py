"""What goes on behind the screens: closing visits that were left alone, and syncing, whether or not a server is there.

Nothing here can stop a return: it is journalled before any of this runs, and waits in the outbox.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from custody.errors import CustodyError, RoadDown, SyncError
from custody.events import PrivateKey
from custody.journal import Journal
from custody.sync import Exchanged, HttpRoad, Road, StickRoad, exchange

PAUSE = 2.0  # seconds between two looks


@dataclass(frozen=True)
class SyncReport:
    """How the last sync went: when, whether it worked, and in a sentence."""

    at: datetime
    ok: bool
    text: str
    messages: tuple[str, ...] = ()


def sync(
    journal: Path, transport: PrivateKey, now: Callable[[], datetime], stick: Path | None = None
) -> tuple[SyncReport, Exchanged | None]:
    """Bring the journal and the server together once, over the network or a stick; never raises for a bad road."""
    try:
        with Journal.open(journal) as opened:
            done = exchange(opened, _road(opened, transport, now, stick))
    except SyncError as error:
        return SyncReport(now(), False, str(error)), None
    except CustodyError as error:
        return SyncReport(now(), False, f"The journal is in trouble: {error}"), None
    text = f"{done.sent} sent, {done.acked} confirmed, {done.taken} new here, {done.waiting} waiting."
    return SyncReport(now(), not done.stuck, text, tuple(done.messages)), done


def _road(journal: Journal, transport: PrivateKey, now: Callable[[], datetime], stick: Path | None) -> Road:
    if stick is not None:
        return StickRoad(stick, journal.origin)
    url = journal.url()
    if url is None:
        raise RoadDown("This kiosk is not enrolled yet: run `kitbank-kiosk enrol URL CODE`. Returns wait here")
    return HttpRoad(url, journal.origin, transport, now)


class Background(threading.Thread):
    """Sweeps every `pause` seconds and syncs every `every` seconds until it is stopped."""

    def __init__(
        self, sweep: Callable[[], None], sync_once: Callable[[], SyncReport], every: float, pause: float = PAUSE
    ) -> None:
        """Prepare; nothing runs before `start`."""
        super().__init__(name="kiosk-background", daemon=True)
        self._sweep, self._sync, self._every, self._pause = sweep, sync_once, every, pause
        self._stopped = threading.Event()
        self.last: SyncReport | None = None
        self.last_ok: datetime | None = None

    def run(self) -> None:
        """Sweep and sync until stopped."""
        waited = self._every
        while not self._stopped.is_set():
            try:
                self._sweep()
                if waited >= self._every:
                    waited = 0.0
                    self.sync_now()
            except Exception:  # this is the thread's main(): it may not die while the kiosk lives
                logging.getLogger(__name__).exception("the kiosk's background work failed; it goes on")
            waited += self._pause
            self._stopped.wait(self._pause)

    def sync_now(self) -> SyncReport:
        """Sync once and remember how it went."""
        self.last = self._sync()
        if self.last.ok:
            self.last_ok = self.last.at
        return self.last

    def stop(self) -> None:
        """Stop after the round that is going on."""
        self._stopped.set()
        if self.is_alive():
            self.join(70)
