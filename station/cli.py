"""`kitbank-station`: one verb per thing a person does at the bench; each calls one library function.

Exit status: 0 done · 1 unexpected · 2 usage · 3 refused by the guard or a lock · 4 not done · 5 unknown outcome ·
6 waiting to be synced. Quiet on success unless `--json` or the verb is a question; progress goes to standard error.
"""

import argparse
import json
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from custody.errors import CustodyError, JournalError, Refused, RoadDown, SyncRefused
from custody.keyfile import KeyFileError
from station import cli_badges, cli_bays, cli_certificate, cli_devices, cli_drives, cli_health, cli_history, cli_screen
from station.cli_words import Session
from station.config import Config, at_home, load
from station.errors import StationError, UsageError
from wipe_profiles import ProfileError

USAGE, REFUSED, NOT_DONE, UNKNOWN, WAITING = 2, 3, 4, 5, 6


def parser() -> argparse.ArgumentParser:
    """Return the whole command line: verbs from the groups, and what every verb understands."""
    top = argparse.ArgumentParser(
        prog="kitbank-station",
        description="Inventory, wipe and prove storage media, offline.",
        epilog="Exit status: 0 done, 1 unexpected, 2 usage, 3 refused, 4 not done, 5 unknown, 6 not synced yet.",
    )
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    for each in (top, common):  # before or after the verb, as people type it
        each.add_argument("--home", type=Path, help="folder with journal, keys, work logs and station.toml")
        each.add_argument("--config", type=Path, help="configuration file (or KITBANK_STATION_CONFIG)")
        each.add_argument("--json", action="store_true", help="print JSON on standard output")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, does: Callable[[Session, argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, parents=[common], help=text, description=text)
        added.set_defaults(does=does)
        return added

    for group in (cli_drives, cli_health, cli_bays, cli_devices, cli_history, cli_certificate, cli_badges, cli_screen):
        group.add_verbs(verb)
    return top


def config_of(arguments: argparse.Namespace, environment: dict[str, str]) -> Config:
    """Return the configuration that was asked for; raises UsageError when none was, ConfigError when it is wrong."""
    if arguments.home and arguments.config:
        raise UsageError("give either --home or --config, not both")
    named = arguments.config or environment.get("KITBANK_STATION_CONFIG")
    if arguments.home:
        return at_home(arguments.home)
    if named:
        return load(Path(named))
    raise UsageError("say where this station lives: --home DIR, --config FILE, or KITBANK_STATION_CONFIG")


def main(words: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit status; the only place that catches every error."""
    arguments = parser().parse_args(words)
    session = Session(
        config=lambda: config_of(arguments, dict(os.environ)),
        now=lambda: datetime.now(UTC),
        out=sys.stdout,
        err=sys.stderr,
        json=arguments.json,
        input=sys.stdin,
    )
    try:
        done: int = arguments.does(session, arguments)
        return done
    except (StationError, CustodyError, ProfileError) as error:
        return _told(session, error, _status(error))
    except KeyboardInterrupt:
        text = "Stopped. Nothing is called wiped; the same command goes on where the drive's work log ends."
        return _told(session, UsageError(text), UNKNOWN if arguments.verb == "wipe" else 1)
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except Exception as error:  # noqa: BLE001  # the one place; a person gets a sentence, and the details below it
        if os.environ.get("KITBANK_DEBUG"):
            traceback.print_exc()
        return _told(session, StationError(f"unexpected: {type(error).__name__}: {error}"), 1)


def _status(error: Exception) -> int:
    """Return the exit status of an error."""
    if isinstance(error, StationError):
        return error.exit_code
    if isinstance(error, RoadDown):
        return WAITING
    if isinstance(error, ProfileError | KeyFileError):
        return USAGE
    if isinstance(error, Refused | SyncRefused):
        return REFUSED
    return NOT_DONE if isinstance(error, JournalError | CustodyError) else 1


def _told(session: Session, error: Exception, status: int) -> int:
    reasons = [reason.to_json() for reason in getattr(error, "reasons", ())]
    if session.json:
        answer: dict[str, Any] = {"error": str(error), "reasons": reasons, "exit": status}
        print(json.dumps(answer, indent=1), file=session.out)
    for text in [one["text"] for one in reasons] or [str(error)]:
        print(text, file=session.err)
    return status


if __name__ == "__main__":
    sys.exit(main())
