"""`kitbank-kiosk`: set up, enrol and run one return kiosk.

Exit codes: 0 done, 1 unexpected, 2 wrong usage or settings, 3 refused, 6 waiting to be synced.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from custody.errors import CustodyError, SyncError
from custody.events import PrivateKey, Role, World
from custody.journal import Journal
from custody.keyfile import StoredKey, read_key, write_key
from custody.sync import enrol
from kiosk.background import sync
from kiosk.config import Config, ConfigError, Home, load, template
from kiosk.staff import status

USAGE, REFUSED, WAITING = 2, 3, 6


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; the console script."""
    args = parser(os.environ).parse_args(argv)
    try:
        return int(args.verb(args))
    except ConfigError as error:
        print(f"kitbank-kiosk: {error}", file=sys.stderr)
        return USAGE
    except SyncError as error:
        print(f"kitbank-kiosk: {error}", file=sys.stderr)
        return WAITING
    except CustodyError as error:
        print(f"kitbank-kiosk: {error}", file=sys.stderr)
        return REFUSED


def parser(environ: Mapping[str, str]) -> argparse.ArgumentParser:
    """Return the parser; `KITBANK_KIOSK_HOME` in the environment is the usual home."""
    top = argparse.ArgumentParser(prog="kitbank-kiosk", description="The return kiosk.")
    verbs = top.add_subparsers(required=True, metavar="VERB")
    home = environ.get("KITBANK_KIOSK_HOME")

    def verb(name: str, does: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        one = verbs.add_parser(name, help=text)
        one.add_argument("--home", default=home, required=not home, type=Path, help="folder (or KITBANK_KIOSK_HOME)")
        one.set_defaults(verb=does)
        return one

    made = verb("init", init, "make keys, journal and settings")
    made.add_argument("--world", choices=[str(world) for world in World], default=str(World.REAL))
    made.add_argument("--name", default=Config.name, help="what this kiosk is called on slips")
    made.add_argument("--host", default=environ.get("KITBANK_HOST_ADDRESS", ""), help="host that our labels name")
    enrolled = verb("enrol", enrol_here, "join a server with a one-time code")
    enrolled.add_argument("url")
    enrolled.add_argument("code")
    enrolled.add_argument("--fingerprint", help="refuse any server but the one with this fingerprint")
    run_ = verb("run", run, "serve the screens on this machine")
    run_.add_argument("--port", type=int, help="instead of the one in the settings")
    synced = verb("sync", sync_once, "send what waits and fetch what is new, once")
    synced.add_argument("--stick", type=Path, metavar="DIR", help="over a USB stick mounted there")
    synced.add_argument("--json", action="store_true")
    told = verb("status", show_status, "what waits, how far we are, what needs a person")
    told.add_argument("--json", action="store_true")
    return top


def now() -> datetime:
    """Return this machine's time, with its zone."""
    return datetime.now(UTC).astimezone()


def keys(home: Home) -> tuple[PrivateKey, PrivateKey]:
    """Return the event key and the transport key; raises `CustodyError` when they do not belong together."""
    event, transport = read_key(home.event_key), read_key(home.transport_key)
    with Journal.open(home.journal) as journal:
        for stored in (event, transport):
            _same_world(stored, journal)
    return event.key, transport.key


def _same_world(stored: StoredKey, journal: Journal) -> None:
    if stored.world is not journal.world:
        raise CustodyError(f"a key here is of the {stored.world} world and the journal of the {journal.world} one")


def init(args: argparse.Namespace) -> int:
    """Make a home: keys, journal and settings; nothing that exists is touched."""
    home, world = Home(args.home), World(args.world)
    try:
        home.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigError(f"{home.folder} cannot be made: {error.strerror}") from error
    event = PrivateKey.generate()
    write_key(home.event_key, event, world)
    write_key(home.transport_key, PrivateKey.generate(), world)
    with Journal.create(home.journal, role=Role.KIOSK, world=world, key=event) as journal:
        origin = journal.origin
    if not home.settings.exists():
        home.settings.write_text(template(Config(name=args.name, host=args.host)), encoding="utf-8")
    print(origin)
    return 0


def enrol_here(args: argparse.Namespace) -> int:
    """Join a server; prints its fingerprint, to be compared with the administrator's screen."""
    home = Home(args.home)
    event, transport = keys(home)
    with Journal.open(home.journal) as journal:
        done = enrol(journal, args.url, args.code, key=event.public, transport_key=transport.public,
                     now=now(), fingerprint=args.fingerprint)  # fmt: skip
    print(f"Enrolled as {done.name} ({done.origin}). Compare with the server's screen: {done.fingerprint}")
    return 0


def run(args: argparse.Namespace) -> int:
    """Serve the screens until stopped, syncing in the background."""
    from kiosk.serve import serve

    home = Home(args.home)
    config = load(home.settings)
    event, transport = keys(home)
    serve(home, config, event, transport, args.port or config.port)
    return 0


def sync_once(args: argparse.Namespace) -> int:
    """Sync once; what waits then is said, and is the exit code."""
    home = Home(args.home)
    _, transport = keys(home)
    report, done = sync(home.journal, transport, now, args.stick)
    waiting = done.waiting if done else status(home.journal).waiting
    if args.json:
        told = {"ok": report.ok, "text": report.text, "messages": list(report.messages), "waiting": waiting}
        print(json.dumps(told, ensure_ascii=False))
    else:
        for sentence in (report.text, *report.messages):
            print(sentence, file=sys.stdout if report.ok else sys.stderr)
    return 0 if report.ok and not waiting else WAITING


def show_status(args: argparse.Namespace) -> int:
    """Print the kiosk's own view of itself."""
    home = Home(args.home)
    seen = status(home.journal).to_json()
    if args.json:
        print(json.dumps(seen, ensure_ascii=False))
    else:
        print("\n".join(f"{name}: {value}" for name, value in seen.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
