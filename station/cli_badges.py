"""Signing in on the command line, and the verbs about people: badge, accept, checks-due.

A badge and a PIN are never arguments of a program: arguments stand in the shell's history and in the list of
processes. They come from a prompt that does not show them, or from a file or file descriptor.
"""

import argparse
import stat
from datetime import timedelta
from pathlib import Path
from typing import Any, TextIO

from custody import checks, rosters, rules
from custody.badges import BadRoster
from custody.kinds import DESTINATIONS
from labels import codes
from station import devices
from station.badges import Operator, Person, reference, sign_in
from station.bench import Bench
from station.cli_words import AddVerb, Session
from station.errors import UsageError

LONGEST_LINE = 400


def add_verbs(verb: AddVerb) -> None:
    """Add the verbs of this group."""
    shown = verb("badge", try_badge, "try a badge and its PIN, and show what it may do here")
    add_badge(shown)
    yes = verb("accept", accept, "decide whether a wipe is good enough, and where the medium goes")
    yes.add_argument("wipe", metavar="HASH", help="the wipe's event, or its first 8 characters or more")
    yes.add_argument("--destination", default="reuse", choices=DESTINATIONS, help="default: reuse")
    yes.add_argument("--refuse", action="store_true", help="it is not good enough: closes the gate until it is wiped")
    yes.add_argument("--note", default="", help="why; no names")
    yes.add_argument("--operator", default="", metavar="REF", help="who decides, when there is no badge")
    add_badge(yes)
    listed = verb("checks-due", show_due, "show which wipes another person must look at with another tool")
    listed.add_argument("--days", type=int, default=7, metavar="N", help="today and the days before it; default: 7")


def add_badge(parser: argparse.ArgumentParser, supervisor: bool = False) -> None:
    """Add the arguments by which somebody signs in, for the operator and where wanted for a supervisor as well."""
    parser.add_argument("--badge", action="store_true", help="sign in: asks for badge and PIN without showing them")
    parser.add_argument("--badge-file", metavar="FILE", help="badge and PIN as two lines, from FILE, /dev/fd/N or -")
    if supervisor:
        parser.add_argument("--supervisor-badge", action="store_true", help="a supervisor signs in and accepts")
        parser.add_argument("--supervisor-badge-file", metavar="FILE", help="as --badge-file, for the supervisor")


def operator_of(session: Session, arguments: argparse.Namespace, bench: Bench) -> Operator:
    """Return who does it: whoever signs in now, or the reference that was typed. Raises UsageError, GuardRefused."""
    typed = reference(arguments.operator)
    person = _signed_in(session, bench, arguments.badge, arguments.badge_file, "your badge")
    if person is not None and typed not in ("", person.ref):
        raise UsageError(f"{person.ref} signed in, and --operator names {typed}; leave --operator out")
    return typed if person is None else person


def supervisor_of(session: Session, arguments: argparse.Namespace, bench: Bench) -> Person | None:
    """Return the supervisor who signs in now, None when none does. Raises UsageError, GuardRefused."""
    flag, file = arguments.supervisor_badge, arguments.supervisor_badge_file
    return _signed_in(session, bench, flag, file, "the supervisor's badge")


def _signed_in(session: Session, bench: Bench, flag: bool, file: str | None, whose: str) -> Person | None:
    if not flag and not file:
        return None
    badge, pin = _scanned(session, flag, file, whose)
    return sign_in(bench.journal, badge, pin, bench.now(), record=bench.append)


def badge_of(session: Session, arguments: argparse.Namespace, whose: str) -> tuple[str, str]:
    """Return badge and PIN as scanned and typed, for the bench to check; two empty texts when nobody signs in."""
    return _scanned(session, arguments.badge, arguments.badge_file, whose)


def _scanned(session: Session, flag: bool, file: str | None, whose: str) -> tuple[str, str]:
    if not flag and not file:
        return "", ""
    lines = _lines(file, session.input) if file else []
    badge = lines[0] if lines else session.ask(f"Scan {whose}: ")
    return badge, (lines[1] if len(lines) > 1 else session.ask("PIN: ")).strip()


def _lines(file: str, standard: TextIO) -> list[str]:
    """Read at most two lines. Raises UsageError, also for a file that others may read."""
    if file == "-":
        return [line for line in (standard.readline(LONGEST_LINE).strip() for _ in range(2)) if line]
    try:
        with Path(file).open(encoding="utf-8") as opened:
            about = Path(file).stat()
            if stat.S_ISREG(about.st_mode) and about.st_mode & 0o077:
                raise UsageError(f"{file} can be read by others; change that first: chmod 600 {file}")
            return [line for line in (opened.readline(LONGEST_LINE).strip() for _ in range(2)) if line]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the badge cannot be read from {file} ({error})") from error


def try_badge(session: Session, arguments: argparse.Namespace) -> int:
    """Sign in and out again; exit 3 when that does not work."""
    with session.bench() as bench:
        flag = arguments.badge or not arguments.badge_file
        person = _signed_in(session, bench, flag, arguments.badge_file, "your badge")
        roster = rosters.current(bench.journal, bench.now())
    assert person is not None
    data = {**person.to_json(), "not_after": roster.not_after.isoformat()}
    told = f"{person.ref}: {', '.join(sorted(person.roles))}, by roster {person.roster}, good until "
    session.answer(data, [told + f"{roster.not_after:%Y-%m-%d}"])
    return 0


def accept(session: Session, arguments: argparse.Namespace) -> int:
    """Record a decision about a wipe."""
    with session.bench() as bench:
        wipe = devices.find_wipe(bench, arguments.wipe)
        who = operator_of(session, arguments, bench)
        event = devices.accept(
            bench, wipe, arguments.destination, who, accepted=not arguments.refuse, note=arguments.note
        )
    session.answer({"event": event.hash, "wipe": wipe.hash, **_decided(event.body)}, [])
    return 0


def _decided(body: Any) -> dict[str, Any]:
    return {name: body[name] for name in ("accepted", "destination", "who")}


def show_due(session: Session, arguments: argparse.Namespace) -> int:
    """Show what is to be looked at; exit 0 also when there is something."""
    if not 1 <= arguments.days <= 366:
        raise UsageError(f"--days {arguments.days}: 1 to 366 days can be looked back")
    with session.journal() as journal:
        rows = [row for kind in checks.KINDS for row in journal.events(kind=kind)]
        facts = rules.fold(row.event for row in rows if not row.refused)
        try:
            roster = rosters.current(journal, session.now())
            seed, share = roster.seed, roster.share
        except BadRoster:
            seed, share = "", rules.Policy().check_share
    since = session.now().date() - timedelta(days=arguments.days - 1)
    found = checks.due(facts, seed, share, since)
    session.answer(
        [{"wipe": one.wipe.hash, "medium": one.wipe.body["medium"], "device": one.wipe.body["device"],
          "day": one.day.isoformat(), "by": one.wipe.body["who"]["ref"], "so_far": one.so_far} for one in found],
        [_told(one) for one in found] or [f"Nothing of the last {arguments.days} days is waiting for another person."],
    )  # fmt: skip
    return 0


def _told(one: checks.Due) -> str:
    medium, device = one.wipe.body["medium"], one.wipe.body["device"]
    call = f"{medium['model']} {medium['serial']}".strip() or one.wipe.subject
    of = f" of {codes.pretty(device)}" if device else ""
    by = one.wipe.body["who"]["ref"] or "somebody"
    return f"{one.day} {one.wipe.hash[:12]} {call}{of}, wiped by {by}" + (f": {one.so_far}" if one.so_far else "")
