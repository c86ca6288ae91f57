"""`kitbank-lending`: founding, serving and checking a server. Each verb calls one function of the library.

Exit codes: 0 done · 1 unexpected · 2 wrong usage or set-up · 3 refused by the rules · 4 a promise is broken.
"""

import argparse
import json
import os
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask import Flask

from custody.errors import CustodyError, Refused
from custody.events import PrivateKey, World
from custody.keyfile import read_key, write_key
from custody.stick import serve_stick
from lending import (
    audit,
    audit_log,
    caches,
    cli_generate,
    cli_places,
    cli_privacy,
    contact_keys,
    devices,
    history,
    installation,
    migrations,
    origins,
    people,
)
from lending.access_config import is_loopback
from lending.app import create_app
from lending.config import Config, from_environment
from lending.db import connect
from lending.errors import BrokenPromise, LendingError
from lending.opening import open_database
from lending.receive import Server
from lending.worker_cli import arguments, drain, dry_run

OK, UNEXPECTED, WRONG_SET_UP, REFUSED, BROKEN = 0, 1, 2, 3, 4
Said = tuple[Mapping[str, Any] | list[Any], str]
"""What a verb answers: as data for `--json`, and in words."""

DEMO = (
    ("volunteer", "Vic Volunteer"),
    ("supervisor", "Sue Supervisor"),
    ("partner", "Pat Partner"),
    ("desk", "Dee Desk"),
    ("administrator", "Ada Administrator"),
    ("auditor", "Ali Auditor"),
    ("data-protection", "Dot Data-Protection"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit code."""
    args = _parser().parse_args(argv)
    try:
        data, words = args.verb(args, from_environment(os.environ))
    except BrokenPromise as error:
        print(json.dumps({"ok": False, "code": error.code, "message": str(error)}) if args.json else f"BROKEN: {error}")
        return BROKEN
    except Refused as error:
        print("Refused:", *(f"  {reason.text}" for reason in error.reasons), sep="\n", file=sys.stderr)
        return REFUSED
    except (LendingError, CustodyError, OSError) as error:
        print(f"kitbank-lending: {error}", file=sys.stderr)
        return WRONG_SET_UP
    if args.json:
        print(json.dumps(data, indent=1, default=str))
    elif words:
        print(words)
    return OK


def _now() -> datetime:
    return datetime.now(UTC)


def _init(args: argparse.Namespace, config: Config) -> Said:
    world = World(args.world) if args.world else config.world or World.REAL
    if config.world is not None and config.world is not world:
        raise LendingError(f"KITBANK_WORLD says {config.world}, --world says {world}; a server has one world")
    config.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    engine = connect(config.database_url)
    root = read_key(Path(args.root_key)) if args.root_key else None
    if root is not None and root.world is not world:
        raise LendingError(f"{args.root_key} is a key of the {root.world} world; this server is to be {world}")
    if not config.key_file.exists():
        write_key(config.key_file, PrivateKey.generate(), world)
    stored = read_key(config.key_file)
    if stored.world is not world:
        raise LendingError(f"{config.key_file} is a key of the {stored.world} world; this server is to be {world}")
    made = installation.found(
        engine, world=world, name=args.name, key=stored.key, now=_now(), root=root.key if root else None,
        policy=config.policy,
    )  # fmt: skip
    contact_keys.ready(made.db, config.contact_keys_file, _now())
    made.db.close()
    data = {"world": str(world), "server": made.db.server, "fingerprint": made.fingerprint}
    return data, f"A {world} server was founded.\nFingerprint, to compare when enrolling: {made.fingerprint}"


def _make_root_key(args: argparse.Namespace, config: Config) -> Said:
    key = PrivateKey.generate()
    write_key(Path(args.file), key, World(args.world))
    words = f"Keep {args.file} and its .json offline. Fingerprint: {key.public.fingerprint}"
    return {"file": args.file, "fingerprint": key.public.fingerprint}, words


def _migrate(args: argparse.Namespace, config: Config) -> Said:
    engine = connect(config.database_url)
    before = migrations.current(engine)
    migrations.upgrade(engine)
    engine.dispose()
    return {"from": before, "to": migrations.newest()}, ""


def _create_admin(args: argparse.Namespace, config: Config) -> Said:
    db = open_database(config)
    with db.transaction() as tx:
        account = people.create_account(tx, args.email, args.name, ["administrator"], None, _now())
        token = people.create_link(tx, account.id, "set-password", _now())
        audit_log.note(tx, None, "account-made", f"account:{account.ref}", "administrator, by create-admin", now=_now())
    db.close()
    link = f"{config.host_address}/set-password/{token}"
    return {"email": account.email, "link": link}, f"Open this once, within 24 hours, to set the password:\n{link}"


def application() -> Flask:
    """Make the web application from the environment: what the serving processes start with."""
    return create_app(from_environment(os.environ))


def _serve(args: argparse.Namespace, config: Config) -> Said:
    """Become gunicorn. It writes no access log: addresses hold one-time links, and who looked is nobody's business."""
    open_database(config).close()
    command = [
        sys.executable, "-m", "gunicorn", "--bind", config.listen, "--workers", str(config.workers), "--threads", "4",
        "--worker-tmp-dir", str(config.home), "--no-control-socket", "--log-level", "warning",
        "lending.cli:application()",
    ]  # fmt: skip
    os.execv(sys.executable, command)  # noqa: S606 (a list, no shell)


def _verify(args: argparse.Namespace, config: Config) -> Said:
    db = open_database(config)
    witnesses = [Path(name).read_bytes() for name in args.witness]
    with db.read() as tx:
        figures = audit.verify(tx, witnesses)
    db.close()
    words = "\n".join(f"{count:>8} {name}" for name, count in figures.to_json().items())
    return {"ok": True, **figures.to_json()}, f"Every promise holds.\n{words}"


def _rebuild(args: argparse.Namespace, config: Config) -> Said:
    db = open_database(config)
    with db.transaction() as tx:
        made = caches.rebuild(tx)
    db.close()
    data = {"devices": made.devices, "media": made.media, "before": made.before, "after": made.after, "same": made.same}
    was = "the same, byte for byte" if made.same else "DIFFERENT from what they were"
    return data, f"{made.devices} devices and {made.media} media, {was} ({made.after[:16]})"


def _stick(args: argparse.Namespace, config: Config) -> Said:
    db = open_database(config)
    reports = serve_stick(Path(args.folder), Server(db, _now))
    db.close()
    data = [
        {"origin": one.origin, "through": one.through, "received": one.received, "refused": one.refused,
         "attachments": one.attachments, "given": one.given, "messages": list(one.messages)}
        for one in reports
    ]  # fmt: skip
    lines = [
        f"{one.origin}: {one.received} events taken, {one.refused} refused, {one.attachments} pieces of evidence, "
        f"{one.given} events given{''.join(f'{chr(10)}  {text}' for text in one.messages)}"
        for one in reports
    ]
    return data, "\n".join(lines) or f"There is nothing for this server on {args.folder}."


def _checkpoint(args: argparse.Namespace, config: Config) -> Said:
    db = open_database(config)
    with db.transaction() as tx:
        envelope = history.checkpoint(tx, _now())
    db.close()
    if args.out:
        Path(args.out).write_bytes(envelope)
        return {"file": args.out}, ""
    return json.loads(envelope), envelope.decode()


def _enrol_code(args: argparse.Namespace, config: Config) -> Said:
    db = open_database(config)
    with db.transaction() as tx:
        code = origins.make_code(tx, args.role, args.name, None, _now())
        server = origins.server(tx)
    db.close()
    data = {"code": code, "role": args.role, "name": args.name, "fingerprint": server.fingerprint}
    return data, f"{code}   (once, within 48 hours)\nServer's fingerprint: {server.fingerprint}"


def _demo_users(args: argparse.Namespace, config: Config) -> Said:
    db = open_database(config)
    if db.world is not World.PRACTICE or not is_loopback(config.listen):
        raise LendingError("demo users are for a practice server that listens on this machine only; nothing was made")
    with db.transaction() as tx:
        partner = people.create_partner(tx, "St Bride's Family Centre", _now())
        held = {account.email: account.id for account in people.list_accounts(tx)}
        made = []
        for role, name in DEMO:
            email = f"{role}@practice.example"
            belongs = partner if role == "partner" else None
            number = held.get(email) or people.create_account(tx, email, name, [role], belongs, _now()).id
            password = "-".join(secrets.choice(_WORDS) for _ in range(3)) + f"-{secrets.randbelow(90) + 10}"
            people.set_password(tx, number, password)
            made.append({"role": role, "name": name, "email": email, "password": password})
    db.close()
    return made, "\n".join(f"{one['role']:<16} {one['email']:<34} {one['password']}" for one in made)


def _show(args: argparse.Namespace, config: Config) -> Said:
    db = open_database(config)
    with db.read() as tx:
        page = devices.page(tx, devices.find(tx, args.code), _now())
    db.close()
    data = {
        "code": page.code, "make": page.make, "model": page.model, "state": page.state,
        "reasons": [reason.to_json() for reason in page.reasons],
        "media": None if page.media is None else [
            {"id": one.id, "model": one.model, "serial": one.serial, "size": one.size,
             "counts": any(wipe.counts for wipe in one.wipes)} for one in page.media
        ],
        "history": [
            {"n": one.n, "kind": one.kind, "origin": one.origin_name, "at": one.at, "words": one.words,
             "hash": one.hash, "refused": [reason.to_json() for reason in one.refused]} for one in page.history
        ],
    }  # fmt: skip
    lines = [f"{page.pretty}  {page.make} {page.model}: {page.words}"]
    lines += [f"  - {reason.text}" for reason in page.reasons]
    lines += [f"  {one.n:>6}  {one.at:%Y-%m-%d %H:%M}  {one.origin_name}: {one.words}" for one in page.history]
    return data, "\n".join(lines)


_WORDS = (
    "amber", "badge", "cedar", "delta", "ember", "fable", "grape", "hazel", "ivory", "jolly", "kiosk", "lemon", "maple",
    "north", "olive", "pearl", "quilt", "river", "solar", "tulip", "umber", "violet", "willow", "yarrow", "zephyr",
)  # fmt: skip


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kitbank-lending", description="Kitbank's lending server.")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, run: Callable[[argparse.Namespace, Config], Said], text: str) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=text, description=text)
        made.add_argument("--json", action="store_true", help="print data instead of words")
        made.set_defaults(verb=run)
        return made

    init = verb("init", _init, "Found a server: its key, its database and its world, once and for good.")
    init.add_argument("--world", choices=("real", "practice"), help="practice never mixes with real (default: real)")
    init.add_argument("--name", default="Kitbank server", help="what machines show as the server's name")
    init.add_argument("--root-key", metavar="FILE", help="the organisation's offline key, which signs the server's")
    root = verb("make-root-key", _make_root_key, "Make an organisation's offline root key.")
    root.add_argument("file")
    root.add_argument("--world", choices=("real", "practice"), default="real")
    verb("migrate", _migrate, "Bring the database to this version.")
    admin = verb("create-admin", _create_admin, "Make an administrator and print a one-time link for the password.")
    admin.add_argument("email")
    admin.add_argument("name")
    verb("serve", _serve, "Serve over HTTP until stopped.")
    check = verb("verify", _verify, "Check every promise of the whole history; exit 4 at the first broken one.")
    check.add_argument("--witness", action="append", default=[], metavar="FILE", help="a checkpoint that others kept")
    verb("rebuild", _rebuild, "Make the caches again from history.")
    stick = verb("stick", _stick, "Take in and answer what machines left on a stick.")
    stick.add_argument("folder")
    point = verb("checkpoint", _checkpoint, "Sign the heads of all chains and print the envelope.")
    point.add_argument("--out", metavar="FILE")
    code = verb("enrol-code", _enrol_code, "Make a one-time code that enrols a station or kiosk.")
    code.add_argument("role", choices=origins.ROLES)
    code.add_argument("name")
    verb("demo-users", _demo_users, "Make one account per role, with passwords, on a practice server on loopback.")
    cli_privacy.add(verb)
    cli_generate.add(verb)
    show = verb("show", _show, "Show one device: what it is, why it may not be lent, its history.")
    show.add_argument("code")
    cli_places.add(verb)
    arguments(
        verb("worker", drain, "Send what waits in the outbox, until stopped; one worker at a time."),
        verb("reminders", dry_run, "Say who would be reminded of what tomorrow, and who would not and why."),
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
