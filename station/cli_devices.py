"""The verbs about devices: register, inventory, test, receive, check, show."""

import argparse

from custody import rules
from station import devices
from station.bench import look_at
from station.cli_badges import add_badge, operator_of
from station.cli_words import AddVerb, Session, counts, table
from station.devices import scanned
from station.errors import UsageError
from station.probe import snapshot
from station.run import Run


def add_verbs(verb: AddVerb) -> None:
    """Add the verbs of this group."""
    new = verb("register", register, "record that a label now is this device")
    new.add_argument("code", metavar="CODE")
    for name in ("make", "model", "serial", "donor"):
        new.add_argument(f"--{name}", default="")
    new.add_argument("--donor-wants", default="", choices=("", "none", "clear", "purge", "destroy"))
    look = verb("inventory", inventory, "record which media are in a device since it last came in")
    look.add_argument("--media", action="append", default=[], metavar="TARGET", help="a drive of the device; repeat")
    look.add_argument("--no-media", action="store_true", help="somebody looked, and there is none")
    look.add_argument(
        "--gone", action="append", default=[], metavar="REF", help="who says that an expected drive is gone; two people"
    )
    look.add_argument("--this-machine", action="store_true", help="this station runs on the device itself")
    done = verb("test", test, "record how the hardware did")
    done.add_argument("--result", action="append", default=[], metavar="NAME=pass|fail|not-tested")
    done.add_argument("--grade", required=True, choices=("A", "B", "C", "D"))
    got = verb("receive", receive, "record that a device is in our hands again")
    got.add_argument("--condition", default="")
    got.add_argument("--item", action="append", default=[], metavar="NAME=NUMBER")
    why = verb("show", show, "show what is known of a device here, and why it may not be lent")
    for one in (look, done, got, why):
        one.add_argument("device", metavar="DEVICE", help="its label, or its return slip")
    for one in (done, got):
        one.add_argument("--operator", default="", metavar="REF")
        add_badge(one)
    second = verb("check", check, "record that a second person or tool looked at a wiped medium")
    second.add_argument("wipe", metavar="HASH", help="the wipe's event, or its first 8 characters or more")
    second.add_argument("--method", required=True, help="how it was looked at")
    second.add_argument("--disagree", action="store_true", help="it was not as the record says")
    second.add_argument("--tool", default="", metavar="NAME", help="with what: another program than Kitbank")
    second.add_argument("--operator", default="", metavar="REF")
    add_badge(second)


def register(session: Session, arguments: argparse.Namespace) -> int:
    """Register a device under a label."""
    with session.bench() as bench:
        event = devices.register(
            bench,
            scanned(arguments.code).code,
            make=arguments.make,
            model=arguments.model,
            serial=arguments.serial,
            donor=arguments.donor,
            donor_wants=arguments.donor_wants,
        )
    session.answer({"event": event.hash, "code": event.subject}, [])
    return 0


def inventory(session: Session, arguments: argparse.Namespace) -> int:
    """Record an inventory; no media must be said, not left out."""
    if bool(arguments.media) == arguments.no_media and not arguments.this_machine:
        raise UsageError("name every drive of the device with --media, or say --no-media when there is none")
    with session.bench() as bench:
        media = [look_at(bench, path) for path in arguments.media]
        seen = snapshot(Run(), now=session.now()) if arguments.this_machine else None
        event = devices.inventory(bench, scanned(arguments.device), media, seen, arguments.gone)
    session.answer({"event": event.hash, "after": event.body["after"], "media": event.body["media"]}, [])
    return 0


def test(session: Session, arguments: argparse.Namespace) -> int:
    """Record hardware tests."""
    with session.bench() as bench:
        results = table(arguments.result, "test results")
        operator = operator_of(session, arguments, bench)
        event = devices.test(bench, scanned(arguments.device), results, arguments.grade, operator)
    session.answer({"event": event.hash, "after": event.body["after"]}, [])
    return 0


def receive(session: Session, arguments: argparse.Namespace) -> int:
    """Record that a device came back into our hands."""
    with session.bench() as bench:
        label, items = scanned(arguments.device), counts(arguments.item)
        event = devices.receive(bench, label, arguments.condition, items, operator_of(session, arguments, bench))
    session.answer({"event": event.hash, "after": event.body["after"], "loan": event.body["loan"]}, [])
    return 0


def show(session: Session, arguments: argparse.Namespace) -> int:
    """Show a device by what is known here; exit 0 whether or not it may be lent."""
    code = scanned(arguments.device).code
    with session.journal() as journal:
        facts = journal.facts_about(code)
        waiting = journal.unsent_count()
    state = rules.state_of(facts, code)
    reasons = rules.why_not_lendable(facts, code, rules.Policy(), session.now())
    data = {
        "device": code,
        "registered": state.registered,
        "in_hand": state.in_hand,
        "exit": state.exit,
        "media": [one.to_json() | {"id": one.id} for one in state.media] if state.media is not None else None,
        "locks": list(state.locks),
        "lendable": not reasons,
        "reasons": [reason.to_json() for reason in reasons],
        "unsent": waiting,
    }
    media = "nobody has looked inside" if state.media is None else f"{len(state.media)} media"
    lines = [f"{code}: {'in hand' if state.in_hand else 'not in hand'}, {media}"]
    lines += [f"  not lendable: {reason.text}" for reason in reasons] or ["  lendable, as far as is known here"]
    session.answer(data, lines)
    return 0


def check(session: Session, arguments: argparse.Namespace) -> int:
    """Record a second look."""
    with session.bench() as bench:
        wipe = devices.find_wipe(bench, arguments.wipe)
        agreed = not arguments.disagree
        operator = operator_of(session, arguments, bench)
        event = devices.check(bench, wipe, agreed, arguments.method, operator, arguments.tool)
    session.answer({"event": event.hash, "wipe": wipe.hash, "agreed": agreed}, [])
    return 0
