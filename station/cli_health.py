"""The verbs about whether a drive is worth it: health, selftest, destroy."""

import argparse
from pathlib import Path

from custody.events import MediumIdentity
from station.bench import look_at
from station.cli_words import AddVerb, Session
from station.destroying import Destruction, destroy
from station.devices import scanned
from station.errors import UsageError
from station.health import BAD, Health, health_at
from station.media import medium_at
from station.probe_selftest import KINDS
from station.run import Run
from station.selftest import self_test

NOT_DONE, UNKNOWN = 4, 5


def add_verbs(verb: AddVerb) -> None:
    """Add the verbs of this group."""
    well = verb("health", health, "show how a drive is, and whether it is worth wiping")
    test = verb("selftest", selftest, "have a drive test itself; nothing on it is changed")
    for one in (well, test):
        one.add_argument("target", metavar="TARGET", help="a whole drive")
    test.add_argument("--kind", choices=KINDS, default="short", help="short: about 2 minutes; long: hours")
    gone = verb("destroy", destroyed, "record that two people saw a drive destroyed; no drive is touched")
    gone.add_argument("target", nargs="?", metavar="TARGET", help="the drive, while it still answers")
    gone.add_argument("--model", default="", help="printed on a drive that does not answer any more")
    gone.add_argument("--serial", default="", help="printed on a drive that does not answer any more")
    gone.add_argument("--wwn", default="")
    gone.add_argument("--by", action="append", default=[], metavar="REF", help="who saw it: twice, two people")
    gone.add_argument("--reason", default="", help="why it was not wiped")
    gone.add_argument("--method", default="", help="how it was destroyed, and by whom")
    gone.add_argument("--photo", type=Path, metavar="FILE", help="JPEG or PNG of the destroyed drive")
    gone.add_argument("--confirm", default="", metavar="LAST4", help="last four of the serial, read off the drive")
    gone.add_argument("--device", metavar="CODE", help="label of the device that it was in")


def health(session: Session, arguments: argparse.Namespace) -> int:
    """Show a drive's health; exit 4 when it is not worth wiping."""
    medium = medium_at(arguments.target)
    found = health_at(Run(), medium.path)
    session.answer({"path": medium.path, "name": medium.name, **found.to_json()}, _lines(medium.name, found))
    return NOT_DONE if found.verdict == BAD else 0


def _lines(name: str, found: Health) -> list[str]:
    say = {
        "good": "good",
        "watch": "worth wiping; watch it",
        "bad": "NOT WORTH WIPING: destroy it",
        "unknown": "unknown",
    }[found.verdict]
    return [f"{name}: {say}", *(f"  {reason}" for reason in found.reasons)]


def selftest(session: Session, arguments: argparse.Namespace) -> int:
    """Run a self-test; exit 0 passed, 4 failed, 5 unknown."""
    medium = medium_at(arguments.target)

    def tell(percent: float | None) -> None:
        session.say("self-test running" if percent is None else f"self-test: {percent:.0f} %")

    done = self_test(Run(), medium.path, arguments.kind, tell=tell)
    session.answer(done.to_json(), [f"{medium.name}: {done.words}", *(f"  {one}" for one in done.health.reasons)])
    return {"passed": 0, "failed": NOT_DONE}.get(done.result, UNKNOWN)


def destroyed(session: Session, arguments: argparse.Namespace) -> int:
    """Record a destruction by two people."""
    if arguments.photo is None:
        raise UsageError("a destruction is recorded with a photograph: --photo FILE")
    try:
        photo = arguments.photo.read_bytes()
    except OSError as error:
        raise UsageError(f"{arguments.photo} cannot be read ({error.strerror})") from error
    with session.bench() as bench:
        if arguments.target:
            medium = look_at(bench, arguments.target)
            if not medium.confirmed_by(arguments.confirm):
                raise UsageError("type the last four of the serial number printed on the drive: --confirm LAST4")
            identity, found = medium.identity, None if medium.practice else health_at(Run(), medium.path)
        else:
            identity, found = _printed(arguments), None
        said = Destruction(
            medium=identity,
            people=arguments.by,
            reason=arguments.reason,
            method=arguments.method,
            photo=photo,
            device=scanned(arguments.device).code if arguments.device else None,
            health=found,
        )
        event = destroy(bench, said)
    text = f"DESTROYED: {identity.model} {identity.serial}, before {' and '.join(event.body['names'])}"
    session.answer({"event": event.hash, "medium": identity.id}, [f"{text}; record {event.hash[:12]}"])
    return 0


def _printed(arguments: argparse.Namespace) -> MediumIdentity:
    if not arguments.serial.strip():
        raise UsageError("name the drive (TARGET), or give what is printed on it: --model and --serial")
    printed = "".join(letter for letter in arguments.serial if letter.isalnum())[-4:].upper()
    if arguments.confirm.strip().upper() != printed:
        raise UsageError("read the last four of the serial off the drive once more and give them: --confirm LAST4")
    return MediumIdentity("unknown", arguments.model.strip(), arguments.serial.strip(), arguments.wwn.strip(), "", 0)
