"""The verbs about bays: `bench` (the daemon), and `bays`: what the tiles say, and orders as a screen leaves them."""

import argparse
import time

from station.bays_state import BenchState, Tile, beats, boot_id, now_beat, read_state
from station.cli_badges import add_badge, badge_of
from station.cli_words import AddVerb, Session, mebibytes
from station.errors import NotDone, UsageError
from station.orders import Answer, Order, Orders

ONCE = 200.0  # seconds within which every drive was looked at, with `bench --once`
ANSWERED_WITHIN = 10.0  # seconds
EXITS = {"red": 5, "amber": 4}
"""Colour -> exit status of `bays`: something is not known to be wiped, something waits for a person."""


def add_verbs(verb: AddVerb) -> None:
    """Add the verbs of this group."""
    bench = verb("bench", run_bench, "mind the bays: the daemon that wipes several drives at once")
    bench.add_argument("--once", action="store_true", help="look at every bay once, say how they are, and end")
    bays = verb("bays", show_or_order, "show every bay, or leave an order: arm, start, cancel, acknowledge, resolve")
    bays.add_argument(
        "action",
        nargs="?",
        choices=("show", "arm", "start", "cancel", "acknowledge", "resolve"),
        default="show",
        help="default: show",
    )
    bays.add_argument("bay", nargs="?", default="", help="the bay's name; for resolve the drive's id or its bay")
    bays.add_argument("typed", nargs="?", default="", metavar="LAST4", help="for arm: last four, read off the drive")
    bays.add_argument("--operator", default="", metavar="REF", help="who does it: a reference, never a name")
    bays.add_argument("--profile", default="", metavar="NAME", help="for start, when another one is wanted")
    bays.add_argument("--accept-lower", default="", metavar="REF", help="supervisor who accepts a lower claim")
    bays.add_argument("--despite-health", default="", metavar="REF", help="supervisor who has a failing drive wiped")
    bays.add_argument("--device", default="", metavar="CODE", help="label, or return slip, of the device it is from")
    bays.add_argument("--exit", default="", metavar="HASH", help="hash of the exit that this wipe answers")
    add_badge(bays)
    bays.add_argument("--how", default="", choices=("", "again", "destroy"), help="for resolve")


def run_bench(session: Session, arguments: argparse.Namespace) -> int:
    """Run the daemon until it is told to end."""
    from station.bays import Daemon  # pyudev and the rest of the bench are needed by this verb only

    daemon = Daemon(session.config(), session.now)
    try:
        if not arguments.once:
            daemon.run()
            return 0
        daemon.begin()
        daemon.until_looked(ONCE)
        return _show(session, daemon.state())
    finally:
        daemon.close()


def show_or_order(session: Session, arguments: argparse.Namespace) -> int:
    """Show the tiles, or leave one order and wait for its answer."""
    config = session.config()
    if arguments.action == "show":
        return _show(session, _state(session))
    order = _order(session, arguments)
    orders = Orders(config.orders)
    try:
        answer = _wait(orders, orders.leave(order))
    finally:
        orders.close()
    session.answer({"obeyed": answer.obeyed, "sentence": answer.sentence}, [answer.sentence])
    return 0 if answer.obeyed else 3


def _order(session: Session, arguments: argparse.Namespace) -> Order:
    """Return the order that was typed; raises UsageError."""
    kind, bay = arguments.action, arguments.bay
    if kind == "resolve":
        badge, pin = badge_of(session, arguments, "the supervisor's badge")
        words = {"operator": arguments.operator, "how": arguments.how, "supervisor_badge": badge, "supervisor_pin": pin}
        return Order(kind, medium=_medium(_state(session), bay), **words)
    order = Order(
        kind,
        bay=bay,
        typed=arguments.typed,
        operator=arguments.operator,
        profile=arguments.profile,
        accept_lower=arguments.accept_lower,
        despite_health=arguments.despite_health,
        device=arguments.device,
        exit=arguments.exit,
    )
    return Order.from_json(order.to_json())


def _medium(state: BenchState, named: str) -> str:
    """Return the id of the one drive that is waiting for a supervisor and was named by its id or its bay."""
    tiles = [one for one in (*state.tiles, *state.aside) if one.medium and "resolve" in one.can]
    found = {one.medium.id for one in tiles if one.medium and named in (one.medium.id, one.bay)}
    if len(found) != 1:
        known = ", ".join(f"{one.medium.id} ({one.bay})" for one in tiles if one.medium) or "none"
        raise UsageError(f"{named!r} names {len(found)} drives that wait for a supervisor; there are: {known}")
    return found.pop()


def _wait(orders: Orders, name: str) -> Answer:
    """Wait for the answer; raises NotDone when nobody answers."""
    end = time.monotonic() + ANSWERED_WITHIN
    while time.monotonic() < end:
        answer = orders.answer_to(name)
        if answer is not None:
            return answer
        time.sleep(0.05)
    raise NotDone("the bench does not answer; is it running? (kitbank-station bench). The order is not obeyed later")


def _state(session: Session) -> BenchState:
    """Return what the bench says now; raises NotDone when it does not say anything, or said it too long ago."""
    file = session.config().bays_state
    try:
        state = read_state(file)
    except (OSError, ValueError) as error:
        raise NotDone(f"there is no state of the bays at {file} ({error}); start it: kitbank-station bench") from error
    fresh = state.fresh(now_beat(), boot_id())
    if not fresh and beats(file):
        raise NotDone(
            f"the bench runs and cannot write what its bays are like (is the disk full?); what it said at {state.at} "
            "says nothing about now. Make room; wipes go on by themselves"
        )
    if not fresh or not state.by_a_running_bench():
        raise NotDone(
            f"the bench has stopped; what it said at {state.at} says nothing about now. Wipes that it started go on "
            "by themselves; start it again: kitbank-station bench"
        )
    return state


def _show(session: Session, state: BenchState) -> int:
    tiles = (*state.tiles, *state.aside)
    session.answer(state.to_json(), [*(line(one) for one in tiles), *state.trouble])
    return max((EXITS.get(one.colour, 0) for one in tiles), default=0)


def line(tile: Tile) -> str:
    """Return a tile as one line."""
    medium, words = tile.medium, [f"{tile.bay}: {tile.word}"]
    if tile.code:
        words[0] += f" ({tile.code})"
    if medium:
        words.append(f"{medium.make} {medium.model} {medium.serial}".strip() + f", {mebibytes(medium.size)}")
    if tile.percent is not None and tile.state != "done":
        words.append(f"{tile.percent:.0f} %")
    if tile.rate:
        words.append(f"{mebibytes(tile.rate)}/s")
    if tile.finish_at:
        words.append(f"finished at about {tile.finish_at[11:16]}")
    if tile.claim:
        words.append(f"{tile.claim}, record {tile.event[:12]}")
    return "; ".join(words) + f". {tile.instruction}"
