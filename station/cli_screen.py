"""The verb `screen`: the volunteer's screen over a running bench."""

import argparse
import os
from pathlib import Path

from station.cli_words import AddVerb, Session

PORT = 8071


def add_verbs(verb: AddVerb) -> None:
    """Add the verb."""
    screen = verb("screen", show, "show the bays in a browser on this machine; it needs no rights on drives")
    screen.add_argument("--folder", type=Path, metavar="DIR", help="the bench's screen folder, for who sees no home")
    screen.add_argument("--port", type=int, default=PORT, help=f"on loopback; default {PORT}")


def show(session: Session, arguments: argparse.Namespace) -> int:
    """Serve until a signal stops it."""
    from station.web.serve import serve  # the web framework is needed by this verb only

    folder = arguments.folder or session.config().screen
    address = f"http://127.0.0.1:{arguments.port}/"
    session.say(f"The bays are at {address}")
    if os.geteuid() == 0:
        session.say("The screen needs no rights: run it as a member of the bench's screen group instead of root.")
    serve(folder.absolute(), arguments.port)
    return 0
