"""The verb `generate`: fills a practice server with invented devices and households."""

import argparse
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from lending import generate
from lending.config import Config
from lending.opening import open_database

Said = tuple[Mapping[str, Any] | list[Any], str]
Verb = Callable[[str, Callable[[argparse.Namespace, Config], Said], str], argparse.ArgumentParser]


def add(verb: Verb) -> None:
    """Add the verb of this module to the command line."""
    made = verb("generate", run, "Fill a practice server with invented devices, households and signed history.")
    made.add_argument("--devices", type=int, required=True, metavar="N", help="how many there shall be in the end")
    made.add_argument("--households", type=int, metavar="N", help="default: three for every ten devices")
    made.add_argument("--portion", type=int, default=500, metavar="N", help="devices per transaction (default 500)")


def run(args: argparse.Namespace, config: Config) -> Said:
    """Generate, saying on standard error how far it is; run again to go on after a stop."""

    def say(progress: generate.Progress) -> None:
        for line in generate.lines(progress):
            print(line, file=sys.stderr)

    db = open_database(config)
    new = generate.generate(
        db, config.home, args.devices, args.households, lambda: datetime.now(UTC), portion=args.portion, say=say
    )
    db.close()
    return {"new": new}, f"{new} devices are new."
