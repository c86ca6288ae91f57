"""`kitbank-lending worker` and `kitbank-lending reminders`: sending what waits, and saying what would be sent."""

import argparse
import signal
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any

from lending import message_config, reminders, transports, webhooks, worker
from lending.config import Config
from lending.db import Database
from lending.opening import open_database
from lending.reminders import ZONE, Post
from lending.worker import Worker

WEBHOOKS_AT_ONCE = 5  # a round stays shorter than the lease of the worker's office
Said = tuple[Mapping[str, Any] | list[Any], str]


def post_of(config: Config, db: Database) -> Post:
    """Return how messages leave this installation. Raises `ConfigError`."""
    return Post(message_config.load(config.messages, db.world, config.home), config.host_address)


def drain(args: argparse.Namespace, config: Config) -> Said:
    """Drain the outbox until SIGTERM or Ctrl-C (or, `--once`, until nothing is due). Raises `Busy`, `ConfigError`."""
    db = open_database(config)
    post = post_of(config, db)
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda which, _frame: asked.append(which))
    with worker.only_one_here(config.home) as place:
        one = Worker(
            db, transports.build(post.config), reminders.verdict,
            lambda tx, now: reminders.enqueue_day(tx, post, now), place, _now,
            besides=lambda now: webhooks.deliver_due(db, now, private=config.webhooks_private, most=WEBHOOKS_AT_ONCE),
        )  # fmt: skip
        worker.work(one, once=args.once, wait=not args.no_wait, idle=args.idle, stop=lambda: bool(asked))
    db.close()
    return one.counts, ""


def dry_run(args: argparse.Namespace, config: Config) -> Said:
    """Say who would get what on one day (tomorrow), and who would not and why; addresses are masked."""
    db = open_database(config)
    day = datetime.now(ZONE).date() + timedelta(days=args.days)
    with db.read() as tx:
        found = reminders.plan(tx, post_of(config, db), datetime.combine(day, time(0, 1), ZONE).astimezone(UTC))
    db.close()
    data = [
        {"loan": one.loan, "type": one.loan_type, "day": one.day, "step": one.step, "way": one.way, "to": one.shown_to,
         "language": one.language, "text": one.body, "parts": one.size.parts, "cost_pence": one.cost / 100,
         "at": one.at, "why_not": one.why_not} for one in found
    ]  # fmt: skip
    lines = [
        f"{one.loan}  {one.step:+d} days  " + (f"NOT: {one.why_not}" if one.why_not else f"{one.way}: {one.body}")
        for one in found
    ]
    return data, "\n".join(lines) or f"Nothing would be sent on {day}."


def arguments(drain_verb: argparse.ArgumentParser, dry_verb: argparse.ArgumentParser) -> None:
    """Add the options of the two verbs."""
    drain_verb.add_argument("--once", action="store_true", help="end when nothing is due")
    drain_verb.add_argument("--no-wait", action="store_true", help="refuse at once where another worker is at work")
    drain_verb.add_argument("--idle", type=float, default=2.0, metavar="S", help="seconds between looks (default 2)")
    dry_verb.add_argument("--days", type=int, default=1, metavar="N", help="days from today (default 1: tomorrow)")


def _now() -> datetime:
    return datetime.now(UTC)
