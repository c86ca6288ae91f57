"""A station whose server has issued rosters, for tests of signing in."""

from pathlib import Path

from custody import rosters
from custody.badges import Roster
from custody.events import PublicKey, Role
from station.config import Config
from station.home import open_journal
from tests.badges import Holder
from tests.custody.simulators import SimulatedServer


def join(config: Config, server: SimulatedServer) -> None:
    """Enrol a station's home at a server."""
    with open_journal(config, readonly=False) as journal:
        key: PublicKey = next(iter(journal.writers().values())).keys[0].key
        server.enrol(journal.origin, Role.STATION, key)
        journal.enrol(server.writer, "https://server.invalid")
        journal.take(server.arrivals, len(server.arrivals))


def bring(config: Config, server: SimulatedServer, roster: Roster | None = None) -> None:
    """Issue a roster, if one is given, and let history and roster come to the station."""
    if roster is not None:
        server.issue(roster)
    with open_journal(config, readonly=False) as journal:
        journal.take(server.arrivals[journal.position() :], len(server.arrivals))
        assert rosters.keep(journal, server.document) == ""


def card_file(folder: Path, holder: Holder, pin: str | None = None) -> str:
    """Return a file with a badge and a PIN that only its owner can read."""
    file = folder / f"{holder.badge.ref}.card"
    file.touch(mode=0o600)
    file.write_text(f"{holder.card}\n{holder.pin if pin is None else pin}\n", encoding="utf-8")
    return str(file)
