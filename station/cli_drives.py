"""The verbs about drives: practice, probe, plan, wipe, verify, worklog."""

import argparse
import os
import random
from dataclasses import replace
from pathlib import Path

from custody.claims import Outcome
from custody.events import EventHash
from station.badges import Person, reference
from station.bench import Bench, Order, Report, exit_code, plan_for, would_resume
from station.cli_badges import add_badge, operator_of, supervisor_of
from station.cli_words import AddVerb, Session, mebibytes, shown_on
from station.devices import scanned, verify
from station.errors import UsageError
from station.media import medium_at
from station.ours import why_ours
from station.probe import snapshot
from station.run import Run
from station.wipe.acting import Means
from station.wiping import wipe_one
from station.worklog import read


def add_verbs(verb: AddVerb) -> None:
    """Add the verbs of this group."""
    made = verb("practice", make_practice, "make three practice drives with planted files in a folder")
    made.add_argument("folder", type=Path, metavar="DIR")
    made.add_argument("--size", type=int, default=64, metavar="MIB", help="size of each in MiB, 16 to 127")
    verb("probe", probe, "show this machine and every drive in it, and whose each drive is")
    planned = verb("plan", show_plan, "show what a wipe would do; touches nothing")
    wiped = verb("wipe", wipe, "wipe one drive, prove it, and record what became of it")
    for one in (planned, wiped):
        one.add_argument("target", metavar="TARGET", help="a whole drive, or a practice drive's file")
        one.add_argument("--profile", metavar="NAME", help="purge, clear, overwrite3, or a TOML file")
    wiped.add_argument("--operator", default="", metavar="REF", help="who does it: a reference, never a name")
    wiped.add_argument("--confirm", default="", metavar="LAST4", help="last four of the serial, read off the drive")
    wiped.add_argument("--accept-lower", default="", metavar="REF", help="supervisor who accepts a lower claim")
    wiped.add_argument("--despite-health", default="", metavar="REF", help="supervisor who has a failing drive wiped")
    add_badge(wiped, supervisor=True)
    wiped.add_argument("--device", metavar="CODE", help="label of the device that the drive is from")
    wiped.add_argument("--slip", metavar="TEXT", help="what the return slip's QR says")
    wiped.add_argument("--exit", metavar="HASH", help="hash of the exit that this wipe answers")
    again = verb("verify", verify_drive, "read a wiped drive again in full and record whether it is as recorded")
    again.add_argument("target", metavar="TARGET")
    again.add_argument("--operator", default="", metavar="REF")
    add_badge(again)
    again.add_argument("--wipe", default="", metavar="HASH", help="which record to compare with; default: the last")
    log = verb("worklog", show_worklog, "show what the work log of a drive vouches for")
    log.add_argument("target", metavar="TARGET")


def make_practice(session: Session, arguments: argparse.Namespace) -> int:
    """Make practice drives and say what to type next."""
    from station import practice  # drawing photographs takes a library that nothing else here needs

    if not 16 <= arguments.size <= 127:
        raise UsageError(f"--size {arguments.size}: practice drives have 16 to 127 MiB")
    rng = random.Random(os.urandom(16))
    size = arguments.size * practice.MEBIBYTE
    drives = practice.make_drives(arguments.folder, Run(), rng, session.now(), size)
    lines = [
        f"{one.path}: {one.filesystem} (made by {one.made_by}), {len(one.planted)} files planted, serial {one.serial}"
        for one in drives
    ]
    first = drives[0].path
    lines += [
        "Next, with a practice home:",
        "  kitbank-station init --practice --home HOME",
        f"  kitbank-station plan {first} --profile clear --home HOME",
        (
            f"  kitbank-station wipe {first} --profile clear --operator YOUR-REF "
            f"--confirm {medium_at(first).confirm} --home HOME"
        ),
    ]
    data = [
        {
            "path": str(one.path),
            "serial": one.serial,
            "confirm": medium_at(one.path).confirm,
            "filesystem": one.filesystem,
            "made_by": one.made_by,
            "planted": list(one.planted),
        }
        for one in drives
    ]
    session.answer(data, lines)
    return 0


def probe(session: Session, arguments: argparse.Namespace) -> int:
    """Show the machine; needs no home, but knows what is ours better with one."""
    try:
        config = session.config()
        protect, loops, bays, second = config.ours, config.allow_loop, config.bays, config.second_opinion
    except UsageError:
        if arguments.home or arguments.config:
            raise
        protect, loops, bays, second = (), False, (), True
    seen = snapshot(Run(), now=session.now(), second=second)
    offered = {one.path: why_ours(one.path, allow_loop=loops, protect=protect, bays=bays) for one in seen.media}
    data = seen.to_json()
    for one in data["media"]:
        one["why_ours"] = [reason.to_json() for reason in offered[one["path"]]]
    lines = [f"{seen.machine.make} {seen.machine.model}".strip() or "A machine that does not say what it is"]
    for medium in seen.media:
        why = "; ".join(reason.text for reason in offered[medium.path]) or "offered"
        lines.append(f"{medium.path}: {medium.name}, {mebibytes(medium.size)}, {medium.kind}: {why}")
    lines += [f"Unknown: {one.what}: {one.why}" for one in seen.unknown]
    session.answer(data, lines)
    return 0


def show_plan(session: Session, arguments: argparse.Namespace) -> int:
    """Show the plan; exit 3 with every reason when the drive is ours or of the other world."""
    with session.bench() as bench:
        name = arguments.profile or _default_profile(session, arguments.target)
        _, planned = plan_for(bench, arguments.target, name)
        resume = would_resume(bench, planned)
    lines = planned.lines()
    if resume is not None:
        lines.append(f"An unfinished wipe by this profile would go on at byte {resume:,}.")
    session.answer({**planned.to_json(), "would_resume_at": resume}, lines)
    return 0 if planned.method else 2


def _default_profile(session: Session, target: str) -> str:
    """Return the configured profile, and `clear` for practice drives, for which an overwrite is all there is."""
    return "clear" if medium_at(target).practice else session.config().profile


def wipe(session: Session, arguments: argparse.Namespace) -> int:
    """Wipe one drive; the exit status says what became of it."""
    label = scanned(arguments.slip or arguments.device) if arguments.slip or arguments.device else None
    if arguments.slip and arguments.device and scanned(arguments.device).code != scanned(arguments.slip).code:
        raise UsageError("the return slip and --device name different devices; nothing was touched")
    if arguments.exit and (len(arguments.exit) != 64 or set(arguments.exit) - set("0123456789abcdef")):
        raise UsageError("--exit takes the 64 hexadecimal digits of a `device.left`; nothing was touched")
    order = Order(
        profile=arguments.profile or _default_profile(session, arguments.target),
        operator=arguments.operator,
        confirm=arguments.confirm,
        accept_lower=arguments.accept_lower,
        device=label.code if label else None,
        answers=EventHash(arguments.exit) if arguments.exit else label.exit if label else None,
        despite_health=arguments.despite_health,
    )
    means = Means(os.urandom, show=shown_on(session.err, session.now))
    with session.bench(means) as bench:
        order = _with_people(session, arguments, bench, order)
        report = wipe_one(bench, arguments.target, order, announce=session.say)
    session.answer(report.to_json(), [_told(report)])
    for reason in report.verdict.reasons:
        session.say(reason.text)
    return exit_code(report.verdict)


def _with_people(session: Session, arguments: argparse.Namespace, bench: Bench, order: Order) -> Order:
    """Return the order with whoever signs in now. A supervisor's badge accepts what the plan needs accepted."""
    operator = operator_of(session, arguments, bench)
    supervisor = supervisor_of(session, arguments, bench)
    person = operator if isinstance(operator, Person) else None
    order = replace(order, operator=reference(operator), person=person, supervisor=supervisor)
    if supervisor is None:
        return order
    _, planned = plan_for(bench, arguments.target, order.profile)
    lower = order.accept_lower or (supervisor.ref if planned.needs_supervisor else "")
    health = order.despite_health or (supervisor.ref if planned.not_worth_it else "")
    if not lower and not health:
        raise UsageError("a supervisor signed in, and this plan needs none; leave --supervisor-badge out")
    return replace(order, accept_lower=lower, despite_health=health)


def _told(report: Report) -> str:
    """Return the outcome in one line: what a wipe is asked for is its answer, so it is never silent."""
    medium = report.evidence.medium
    call = f"{medium.model} {medium.serial}".strip() or medium.id
    if report.verdict.outcome is not Outcome.DONE:
        return f"{report.verdict.outcome}: {call} does not count as wiped; keep it apart."
    read = sum(one.bytes_read for one in report.evidence.readbacks)
    return f"DONE, {report.verdict.claim}: {call}, {read:,} bytes read back, record {report.event[:12]}"


def verify_drive(session: Session, arguments: argparse.Namespace) -> int:
    """Read again and record; exit 4 when the drive is not as recorded."""
    with session.bench() as bench:
        done = verify(bench, arguments.target, operator_of(session, arguments, bench), arguments.wipe)
    text = "is as recorded" if done.agreed else "is NOT as recorded: treat it as not wiped"
    session.answer(done.to_json(), [f"{arguments.target} {text}."])
    return 0 if done.agreed else 4


def show_worklog(session: Session, arguments: argparse.Namespace) -> int:
    """Show the entries of a drive's work log."""
    medium = medium_at(arguments.target)
    entries = read(session.config().worklogs, medium.identity.id)
    lines = []
    for entry in entries:
        rest = {
            name: value for name, value in entry.items() if name not in ("kind", "at", "evidence", "offsets", "seed")
        }
        lines.append(f"{entry['at']} {entry['kind']} " + " ".join(f"{name}={value}" for name, value in rest.items()))
    session.answer(entries, lines or [f"{arguments.target} has no work log here"])
    return 0
