"""Verbs of data protection: `retention` and `contact-keys`. Each calls one function of the library."""

import argparse
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from lending import contact_keys, contacts, retention, webhooks
from lending.config import Config
from lending.opening import open_database

Said = tuple[Mapping[str, Any] | list[Any], str]
Verb = Callable[[str, Callable[[argparse.Namespace, Config], Said], str], argparse.ArgumentParser]


def add(verb: Verb) -> None:
    """Add the verbs of this module to the command line."""
    night = verb("retention", erase, "Erase what has had its time; for a timer, once a night.")
    night.add_argument("--dry-run", action="store_true", help="only say what would be erased")
    keys = verb("contact-keys", keys_verb, "Look at, rotate or thin out the keys of households' contact data.")
    keys.add_argument("what", choices=("show", "rotate", "drop-old"), nargs="?", default="show")


def erase(args: argparse.Namespace, config: Config) -> Said:
    """Run the nightly erasure and say what it did."""
    db = open_database(config)
    if args.dry_run:
        with db.read() as tx:
            report = retention.run(tx, datetime.now(UTC), dry=True)
    else:
        report = retention.night(db, datetime.now(UTC))
        contacts.forget_log(db.engine)
        with db.transaction() as tx:
            webhooks.forget(tx, datetime.now(UTC))
    db.close()
    data = {"dry_run": report.dry, "at": report.at, "erased": dict(report.counts), "closed_cases": report.cases,
            "waiting_over_a_year": report.long_waiting}  # fmt: skip
    lines = [f"{number:>8} {name}" for name, number in report.counts.items()]
    lines.append(f"{report.cases:>8} households became a statistic")
    if report.long_waiting:
        lines.append(f"{report.long_waiting:>8} referrals wait for over a year: decide about them")
    head = "Would be erased:" if report.dry else "Erased:"
    return data, "\n".join([head, *lines])


def keys_verb(args: argparse.Namespace, config: Config) -> Said:
    """Show the keys, make a new one and seal everything with it, or take the old ones out of the file."""
    db, path, now = open_database(config), config.contact_keys_file, datetime.now(UTC)
    try:
        if args.what == "rotate":
            number = contact_keys.rotate(db, path, now)
            words = f"{number} values are sealed with the new key. Copy {path.name} to where its backup is kept; when "
            return {"sealed": number}, words + "no backup needs the old key, run `contact-keys drop-old`."
        if args.what == "drop-old":
            gone = contact_keys.drop_old(db, path, now)
            return {"dropped": gone}, f"Taken out of the file: {', '.join(gone) or 'nothing'}."
        found = contact_keys.uses(db)
    finally:
        db.close()
    data = [{"id": one.id, "made_at": one.made_at, "newest": one.newest, "values": one.values} for one in found]
    lines = [f"{one.id}  {one.made_at:%Y-%m-%d}  {one.values:>8} values{'  seals now' * one.newest}" for one in found]
    return data, "\n".join(lines)
