"""The first page: for each role, what waits for it, as figures that lead there."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from flask import Blueprint, render_template, url_for
from flask.typing import ResponseReturnValue

from lending import auth, drafts, lists, loans, origins, quarantine, sims, slots
from lending.db import Tx
from lending.people import Actor
from lending.views.words import local

blueprint = Blueprint("home", __name__)

SEES_DEVICES = ("volunteer", "supervisor", "desk", "administrator", "auditor")


@dataclass(frozen=True)
class Card:
    """One figure of the first page. `waits`: somebody should do something about it."""

    number: int
    words: str
    hint: str
    href: str
    waits: bool = False


@blueprint.get("/")
@auth.roles(*auth.EVERYONE)
def home() -> ResponseReturnValue:
    """Show what waits for whoever is signed in."""
    services, by = auth.services(), auth.actor()
    with services.db.read() as tx:
        cards = [*_office(tx, by), *_desk(tx, by), *_tomorrow(tx, by), *_stock(tx, by)]
    return render_template("home.html", cards=cards, scans=bool(by.roles & set(SEES_DEVICES)))


def _office(tx: Tx, by: Actor) -> Iterator[Card]:
    if "administrator" in by.roles:
        lines = [line for line in origins.listing(tx) if line.role != "server"]
        stopped = sum(line.state == "suspended" for line in lines)
        here = url_for("office.machines")
        yield Card(stopped, "machines suspended", "Decide about them", here, waits=stopped > 0)
        kept = len(quarantine.listing(tx))
        yield Card(kept, "messages in quarantine", "Kept, never believed", here + "#quarantine")
        yield Card(sum(line.state == "active" for line in lines), "machines at work", "Stations and kiosks", here)


def _desk(tx: Tx, by: Actor) -> Iterator[Card]:
    if by.roles & {"desk", "supervisor", "partner", "data-protection"}:
        waiting = lists.referral_counts(tx, by).get("waiting", 0)
        hint = "Approve or decline" if by.roles & {"desk", "supervisor"} else "With the device bank"
        decides = bool(by.roles & {"desk", "supervisor"})
        here = url_for("partners.listing", state="waiting")
        yield Card(waiting, "referrals waiting", hint, here, waits=waiting > 0 and decides)
    if by.roles & {"desk", "partner"}:
        begun = drafts.count(tx, by)
        if begun:
            yield Card(begun, "referrals begun", "Not sent yet: go on", url_for("refer.start"), waits=True)
    if by.roles & {"desk", "supervisor", "volunteer"}:
        back = len(loans.awaiting_receipt(tx))
        here = url_for("desk.receive")
        yield Card(back, "reported returned", "Not yet in our hands: receive them", here, waits=back > 0)
    if by.roles & {"desk", "supervisor", "partner"}:
        counts = lists.loan_counts(tx, by)
        ready, out = counts.get("approved", 0), counts.get("out", 0)
        late = lists.late_count(tx, by, auth.services().now().date())
        staff = bool(by.roles & {"desk", "supervisor"})
        hint = "Nothing handed over yet"
        yield Card(ready, "loans approved", hint, url_for("desk.listing", state="approved"), waits=ready > 0 and staff)
        hint = f"{late} past the day agreed" if late else "None late"
        yield Card(out, "loans out", hint, url_for("desk.listing", state="out"), waits=late > 0 and staff)


def _tomorrow(tx: Tx, by: Actor) -> Iterator[Card]:
    today = local(auth.services().now())[0].date()
    if by.roles & {"desk", "supervisor", "volunteer"}:
        day = today + timedelta(days=1)
        number = slots.count_on_day(tx, day)
        yield Card(number, "to pack for tomorrow", "What must be on the table", url_for("preparation.day", day=day))
    if by.roles & {"desk", "supervisor"}:
        number = sims.ending_count(tx, today)
        hint = f"Within {sims.WARN_DAYS} days: renew or end"
        yield Card(number, "SIMs end soon", hint, url_for("sims.listing"), waits=number > 0)


def _stock(tx: Tx, by: Actor) -> Iterator[Card]:
    if by.roles & set(SEES_DEVICES):
        counts = lists.model_counts(tx)
        here = url_for("devices.listing", state="not-ready")
        yield Card(counts.get("not-ready", 0), "devices not ready", "Need the bench before they go out", here)
        here = url_for("devices.listing", state="ready")
        yield Card(counts.get("ready", 0), "devices ready to lend", "Wiped, tested, in hand", here)
