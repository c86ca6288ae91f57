"""What a partner may ask for now: pools per borough and kind of device, quotas, stock and the usual wait.

- A pool is OFF (closed), ON (open, whatever the stock) or AUTO (open while more is ready than waits for it). It is
  worked out here, at the moment of asking, never in a browser. No pool set means ON.
- `kept` devices of a pool are for its borough alone: others do not count them as stock.
- A quota is an exception for one partner: so many open referrals, for one kind or for all. No quota means no limit.
- The wait that is shown is measured: from referral to hand-over in the last `LOOK_BACK`; with fewer than `LEAST`
  hand-overs nothing is claimed.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select

from custody.errors import Reason, Refused
from lending import tables
from lending.db import Tx
from lending.errors import refused
from lending.office_tables import DeviceCount
from lending.people import Actor, need
from lending.referral_form import NEEDS
from lending.referral_tables import PartnerDetail, PartnerQuota, Pool

MODES: Mapping[str, str] = {
    "ON": "Open",
    "AUTO": "Open while there is stock",
    "OFF": "Closed",
}
KINDS: Mapping[str, tuple[str, ...]] = {
    "tablet": ("ipad", "tablet", "galaxy tab", "tab ", "surface go", "kindle", "lenovo tab", "mediapad"),
    "phone": ("iphone", "galaxy s", "galaxy a", "pixel", "smartphone", "redmi", "moto g"),
    "desktop": (
        "optiplex", "prodesk", "elitedesk", "thinkcentre", "imac", "mac mini", "desktop", "tower", "nuc", "veriton",
        "esprimo", "all-in-one",
    ),
}  # fmt: skip
"""Words in a make and model that tell its kind; whatever has none of them is a laptop."""

LOOK_BACK = timedelta(days=90)
LEAST = 5
MOST_LOOKED_AT = 2000
LARGEST = 9999


@dataclass(frozen=True)
class Offer:
    """One kind of device as it stands now. `weeks` is the usual wait, median and nine of ten; None is not known."""

    need: str
    words: str
    open: bool
    mode: str
    ready: int | None
    waiting: int
    weeks: tuple[int, int] | None


@dataclass(frozen=True)
class Standing:
    """One partner's borough (GSS code or ""), whether it is paused, and what it has open against its quotas."""

    borough: str
    paused: bool
    open: Mapping[str, int]
    most: Mapping[str, int]


def kind_of(make: str, model: str) -> str:
    """Return which kind of device a make and model is, by its name."""
    name = f"{make} {model} ".casefold()
    return next((kind for kind, words in KINDS.items() if any(word in name for word in words)), "laptop")


def offers(tx: Tx, borough: str, now: datetime) -> list[Offer]:
    """Return every kind of device as a partner of a borough finds it now."""
    stock, waiting, waits = _stock(tx), _waiting(tx), _weeks(tx, now)
    pools = {(one.borough, one.need): one for one in tx.s.scalars(select(Pool))}
    found = []
    for kind, words in NEEDS.items():
        pool = pools.get((borough, kind)) or pools.get(("", kind))
        mode = pool.mode if pool else "ON"
        kept = sum(one.kept for key, one in pools.items() if key[1] == kind and key[0] not in ("", borough))
        ready = _ready(stock, kind, kept)
        ahead = sum(waiting.values()) if kind == "any" else waiting.get(kind, 0)
        is_open = mode == "ON" or (mode == "AUTO" and (ready is None or ready > ahead))
        found.append(Offer(kind, words, is_open, mode, ready, ahead, waits.get(kind)))
    return found


def standing(tx: Tx, partner: int) -> Standing:
    """Return how one partner stands."""
    row = tx.s.get(PartnerDetail, partner)
    most = {one.need: one.most for one in tx.s.scalars(select(PartnerQuota).where(PartnerQuota.partner_id == partner))}
    return Standing((row and row.borough) or "", bool(row and row.paused), _open(tx, partner), most)


def refuse_beyond(tx: Tx, partner: int | None, kind: str, now: datetime) -> None:
    """Raise `Refused` when a partner may not refer for this kind now: `paused`, `pool`, `quota` (all that hold)."""
    if partner is None:
        return
    found, reasons = standing(tx, partner), []
    if found.paused:
        reasons.append(Reason("paused", "Your organisation is paused. Ask the loan desk what is open between you"))
    closed = [one for one in offers(tx, found.borough, now) if one.need == kind and not one.open]
    if closed:
        text = f"{NEEDS[kind]}: there is none to give at the moment. Choose another device"
        reasons.append(Reason("pool", text, "need"))
    for about, count in (("", sum(found.open.values())), (kind, found.open.get(kind, 0))):
        if about in found.most and count >= found.most[about]:
            words = f" for: {NEEDS[about].lower()}" if about else ""
            text = (
                f"Your organisation has {count} open referrals{words}, and {found.most[about]} is its most. Wait until "
                "one is answered, or ask the loan desk"
            )
            reasons.append(Reason("quota", text, "need"))
    if reasons:
        raise Refused(reasons)


def pools(tx: Tx) -> dict[tuple[str, str], tuple[str, int]]:
    """Return what was set: borough ("" for all others) and kind, to mode and how many are kept."""
    return {(one.borough, one.need): (one.mode, one.kept) for one in tx.s.scalars(select(Pool))}


def set_pool(tx: Tx, by: Actor, borough: str, kind: str, mode: str, kept: int) -> None:
    """Set one pool; desk or supervisor. Raises `Refused`: `role`, `pool` (unknown kind or mode, a wrong number)."""
    need(by, "desk", "supervisor")
    if kind not in NEEDS or mode not in MODES or not 0 <= kept <= LARGEST:
        raise refused("pool", f"a pool is a kind of device, one of {', '.join(MODES)} and a number from 0 to {LARGEST}")
    row = tx.s.get(Pool, (borough, kind))
    if row is None:
        tx.s.add(Pool(borough=borough, need=kind, mode=mode, kept=kept))
    else:
        row.mode, row.kept = mode, kept
    tx.s.flush()


def set_partner(
    tx: Tx, by: Actor, partner: int, borough: str, most: Mapping[str, int | None], *, paused: bool
) -> None:
    """Set a partner's borough, pause and quotas (None takes one away); desk or supervisor.

    Raises `Refused`: `role`, `unknown-partner`, `quota` (unknown kind or a wrong number).
    """
    need(by, "desk", "supervisor")
    if tx.s.get(tables.Partner, partner) is None:
        raise refused("unknown-partner", f"there is no partner organisation {partner}")
    if any(kind and kind not in NEEDS for kind in most) or any(
        number is not None and not 0 <= number <= LARGEST for number in most.values()
    ):
        raise refused("quota", f"a quota is a whole number from 0 to {LARGEST}, or empty for none")
    tx.s.merge(PartnerDetail(partner_id=partner, borough=borough or None, paused=paused))
    for kind, number in most.items():
        row = tx.s.get(PartnerQuota, (partner, kind))
        if number is None:
            if row is not None:
                tx.s.delete(row)
        else:
            tx.s.merge(PartnerQuota(partner_id=partner, need=kind, most=number))
    tx.s.flush()


def _ready(stock: Mapping[str, int], kind: str, kept: int) -> int | None:
    if kind == "internet-only":
        return None
    whole = sum(stock.values()) if kind == "any" else stock.get(kind, 0)
    return max(0, whole - kept)


def _stock(tx: Tx) -> dict[str, int]:
    """Count ready devices per kind, less those kept for a loan already."""
    found: Counter[str] = Counter()
    count = DeviceCount
    for row in tx.s.execute(select(count.make, count.model, count.n).where(count.state == "ready")):
        found[kind_of(row.make, row.model)] += row.n
    item, device = tables.LoanItem, tables.DeviceRow
    held = (
        select(device.make, device.model, func.count().label("n"))
        .join(item, item.device == device.code)
        .where(item.state == "reserved", device.state == "ready")
        .group_by(device.make, device.model)
    )
    for row in tx.s.execute(held):
        found[kind_of(row.make, row.model)] -= row.n
    return {kind: max(0, number) for kind, number in found.items()}


def _waiting(tx: Tx) -> dict[str, int]:
    row = tables.ReferralRow
    query = select(row.need, func.count().label("n")).where(row.state == "waiting").group_by(row.need)
    return {row.need: row.n for row in tx.s.execute(query)}


def _open(tx: Tx, partner: int) -> dict[str, int]:
    """Count a partner's referrals that wait, or are approved and nothing was handed over."""
    row, loan = tables.ReferralRow, tables.LoanRow
    query = (
        select(row.need, func.count().label("n"))
        .outerjoin(loan, loan.referral == row.ref)
        .where(row.partner_id == partner, (row.state == "waiting") | (loan.state == "approved"))
        .group_by(row.need)
    )
    return {row.need: row.n for row in tx.s.execute(query)}


def _weeks(tx: Tx, now: datetime) -> dict[str, tuple[int, int]]:
    """Return the usual wait in whole weeks per kind; kinds with too few hand-overs take the wait of all."""
    item, loan, row = tables.LoanItem, tables.LoanRow, tables.ReferralRow
    query = (
        select(row.need, row.created_at, item.out_at)
        .join(loan, loan.ref == item.loan)
        .join(row, row.ref == loan.referral)
        .where(item.out_at >= now - LOOK_BACK)
        .order_by(item.out_at.desc())
        .limit(MOST_LOOKED_AT)
    )
    days: dict[str, list[float]] = {}
    for kind, asked, out in tx.s.execute(query):
        if out is not None:
            days.setdefault(kind, []).append(max(0.0, (out - asked).total_seconds() / 86400))
    everything = [one for some in days.values() for one in some]
    found = {}
    for kind in NEEDS:
        sample = days.get(kind, [])
        sample = sample if len(sample) >= LEAST else everything
        if len(sample) >= LEAST and kind != "internet-only":
            found[kind] = (_at(sample, 0.5), _at(sample, 0.9))
    return found


def _at(sample: Sequence[float], share: float) -> int:
    """Return the number of weeks, rounded up and at least one, within which this share was served."""
    ordered = sorted(sample)
    place = max(0, math.ceil(share * len(ordered)) - 1)
    return max(1, math.ceil(ordered[place] / 7))
