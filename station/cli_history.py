"""The verbs about history: init, journal, verify-record, enrol, sync."""

import argparse
from collections.abc import Callable
from pathlib import Path

from custody.errors import RoadDown
from custody.events import KeyId, PublicKey, World
from custody.journal import Journal, Row
from custody.keyfile import read_key, read_public
from station import certificate, home
from station.cli_words import AddVerb, Session
from station.errors import ConfigError, NotDone, UsageError, WaitingToSync


def add_verbs(verb: AddVerb) -> None:
    """Add the verbs of this group."""
    new = verb("init", init, "make this station's home: journal, keys, work logs")
    new.add_argument("--practice", action="store_true", help="a station for training: another world, for ever")
    new.add_argument("--allow-loop", action="store_true", help="offer loop devices (practice only)")
    log = verb("journal", journal, "show what this station has recorded and heard")
    log.add_argument("--about", metavar="SUBJECT", help="a label code, a medium id, an event:HASH")
    log.add_argument("--kind", metavar="KIND")
    log.add_argument("--verify", action="store_true", help="check every signature and chain again")
    log.add_argument("--export", metavar="HASH", help="print one event with its evidence as a record file")
    record = verb("verify-record", verify_record, "check a record or a certificate (PDF): signature, evidence, claim")
    record.add_argument("file", type=Path, metavar="FILE")
    record.add_argument(
        "--key", metavar="HEX", action="append", help="the signer's public key, when no journal knows it; repeat"
    )
    record.add_argument("--world", choices=("real", "practice"), help="default: that of --home, else real")
    join = verb("enrol", enrol_here, "join a server with a one-time code")
    join.add_argument("url", metavar="URL")
    join.add_argument("code", metavar="CODE")
    join.add_argument("--fingerprint", help="the server's, as the administrator's screen shows it")
    join.add_argument("--root", metavar="HEX", help="join only a server that this root key of the organisation signed")
    talk = verb("sync", sync, "send what was recorded, fetch what others recorded")
    talk.add_argument("--stick", type=Path, metavar="DIR", help="over a USB stick mounted there")


def init(session: Session, arguments: argparse.Namespace) -> int:
    """Make a home; its world is decided for ever."""
    if arguments.home is None:
        raise UsageError("say where: --home DIR")
    world = World.PRACTICE if arguments.practice else World.REAL
    config = home.create(arguments.home, world, allow_loop=arguments.allow_loop)
    public, _ = read_public(config.event_key)
    with session.journal() as opened:
        origin = opened.origin
    data = {"home": str(config.home), "world": world.value, "origin": origin, "key": public.hex}
    session.answer(data, [])
    return 0


def journal(session: Session, arguments: argparse.Namespace) -> int:
    """List, verify or export."""
    with session.journal() as opened:
        if arguments.export:
            print(certificate.export(opened, arguments.export).decode(), file=session.out)
            return 0
        if arguments.verify:
            figures = opened.verify()
            told = (
                f"Every promise holds: {figures.events} events ({figures.refused} refused) of {len(figures.heads)} "
                f"writers, {figures.attachments} pieces of evidence, {figures.quarantined} put aside."
            )
            session.answer(vars(figures), [told])
            return 0
        rows = opened.events(about=arguments.about, kind=arguments.kind)
        data = {
            "origin": opened.origin,
            "world": opened.world.value,
            "unsent": opened.unsent_count(),
            "alarms": [vars(alarm) for alarm in opened.alarms()],
            "events": [_row(row) for row in rows],
        }
    session.answer(data, [_line(row) for row in rows])
    return 0


def _row(row: Row) -> dict[str, object]:
    event = row.event
    return {
        "n": row.n,
        "origin": event.origin,
        "seq": event.seq,
        "hash": event.hash,
        "kind": event.kind,
        "subject": event.subject,
        "at": event.at.isoformat(),
        "body": dict(event.body),
        "refused": [reason.to_json() for reason in row.refused],
    }


def _line(row: Row) -> str:
    event = row.event
    counts = " REFUSED: " + "; ".join(reason.text for reason in row.refused) if row.refused else ""
    what = " ".join(str(event.body[name]) for name in ("outcome", "claim", "grade") if name in event.body)
    return f"{row.n:5} {event.hash[:12]} {event.kind} {event.subject} {what}{counts}".rstrip()


def verify_record(session: Session, arguments: argparse.Namespace) -> int:
    """Check a record; exit 4 when anything in it does not hold."""
    try:
        data = arguments.file.read_bytes()
    except OSError as error:
        raise UsageError(f"{arguments.file} cannot be read ({error.strerror})") from error
    if arguments.key:
        given = {key.keyid: key for key in map(PublicKey.from_hex, arguments.key)}
        done = certificate.verify(data, World(arguments.world or "real"), given.get)
    else:
        done = _by_journal(session, arguments, data)
    lines = [f"{arguments.file}: {problem}" for problem in done.problems] or [_genuine(done), *done.notes]
    session.answer(done.to_json(), lines)
    if done.problems and session.json:
        session.say("; ".join(done.problems))
    return 4 if done.problems else 0


def _genuine(done: certificate.Checked) -> str:
    """Return what a record that holds says, in one line; a true record of a failed wipe is still no wipe."""
    if done.event is None:
        shown = done.statement.certificate if done.statement else {}
        what, said = "certificate", {name: shown.get(name) for name in ("outcome", "claim")}
    else:
        body = done.event.body
        what, said = f"{done.event.kind} {done.event.subject}", {n: body[n] for n in ("outcome", "claim") if n in body}
    standing = done.statement.certificate.get("standing") if done.statement else ""
    not_so = said.get("outcome", "DONE") != "DONE" or standing == "not-shown" or done.against
    no = ": NOT wiped" + "".join(f" ({text})" for text in done.against) if not_so else ""
    return f"The record holds. It says: {what} {' '.join(map(str, said.values()))}".rstrip() + no


def _by_journal(session: Session, arguments: argparse.Namespace, data: bytes) -> certificate.Checked:
    try:
        with session.journal() as opened:
            world = World(arguments.world) if arguments.world else opened.world
            return certificate.verify(data, world, keys_of(opened))
    except ConfigError:
        raise
    except UsageError as error:
        if arguments.home or arguments.config:
            raise
        raise UsageError(f"{error}; or give the signer's key with --key HEX (and --world)") from error


def keys_of(opened: Journal) -> Callable[[KeyId], PublicKey | None]:
    """Return a look-up of every key that this journal trusts or trusted."""
    keys = {span.key.keyid: span.key for writer in opened.writers().values() for span in writer.keys}
    return keys.get


def enrol_here(session: Session, arguments: argparse.Namespace) -> int:
    """Join a server; the fingerprint is printed to be compared aloud."""
    from custody.sync import enrol  # an HTTP client takes longer to load than most verbs to run

    config = session.config()
    with home.open_journal(config, readonly=False) as opened:
        joined = enrol(
            opened,
            arguments.url,
            arguments.code,
            key=read_public(config.event_key)[0],
            transport_key=read_public(config.transport_key)[0],
            now=session.now(),
            fingerprint=arguments.fingerprint,
            root=PublicKey.from_hex(arguments.root) if arguments.root else None,
        )
    data = {
        "origin": joined.origin,
        "name": joined.name,
        "server": joined.server.id,
        "fingerprint": joined.fingerprint,
        "root": joined.root,
        "url": joined.url,
    }
    said = [f"Enrolled as {joined.name}. Compare with the administrator's screen: {joined.fingerprint}"]
    if joined.root:
        said.append(f"The organisation's root key vouches for that server: {joined.root}")
    session.answer(data, said)
    return 0


def sync(session: Session, arguments: argparse.Namespace) -> int:
    """Exchange with the server; exit 6 when something still waits, 4 when a person must decide first."""
    from custody.sync import HttpRoad, StickRoad, exchange  # see enrol_here

    config = session.config()
    with home.open_journal(config, readonly=False) as opened:
        if arguments.stick:
            road: HttpRoad | StickRoad = StickRoad(arguments.stick, opened.origin)
        else:
            url = opened.url()
            if url is None:
                raise NotDone("this station is not enrolled with a server; use: kitbank-station enrol URL CODE")
            road = HttpRoad(url, opened.origin, read_key(config.transport_key).key, session.now)
        try:
            done = exchange(opened, road)
        except RoadDown as error:
            raise WaitingToSync(str(error)) from error
    data = {
        "sent": done.sent,
        "acked": done.acked,
        "taken": done.taken,
        "refused": [one.to_json() for one in done.refused],
        "waiting": done.waiting,
        "clock_offset_seconds": done.clock_offset_seconds,
        "messages": list(done.messages),
    }
    session.answer(data, [])
    for message in done.messages:
        session.say(message)
    if done.stuck:
        return 4
    return 6 if done.waiting else 0
