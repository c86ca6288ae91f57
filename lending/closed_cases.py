"""What is left of a household when its data is erased: one row for counting that leads to nobody.

No reference, no partner, no day: months only, the ward but neither postcode nor LSOA, bands instead of numbers, and of
the language only whether it is English. A ward has some 5,000 to 15,000 people; figures that are *published* from
these rows still go through disclosure control, since a count of one in a ward is one household.
"""

import random
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from sqlalchemy import func, select

from lending import tables
from lending.db import Tx
from lending.privacy_tables import ClosedCase
from lending.referral_tables import ReferralDetail

MANY = 3
"""Adults and children are counted up to this number; above it "3+"."""


def keep_count(tx: Tx, ended: Mapping[str, datetime]) -> None:
    """Write a row for each referral (reference -> when its household ended), in an order that says nothing."""
    rows = [_case(tx, ref, at) for ref, at in ended.items()]
    random.SystemRandom().shuffle(rows)  # else the order of the rows would be that of the referrals
    tx.s.add_all(rows)
    tx.s.flush()


def _case(tx: Tx, ref: str, at: datetime) -> ClosedCase:
    row = tx.s.get(tables.ReferralRow, ref)
    if row is None:
        raise LookupError(f"referral {ref} went while it was being counted")
    detail = tx.s.get(ReferralDetail, ref)
    outcome, devices, months = _loan(tx, ref, row.state)
    return ClosedCase(
        referred=_month(row.created_at), ended=_month(at), outcome=outcome, area=row.postcode.split(" ", 1)[0],
        ward=(detail and detail.ward) or "", authority=(detail and detail.authority) or "", adults=_band(row.adults),
        children={band: _band(number) for band, number in _children(row.children).items() if number},
        need=row.need, internet=row.internet, purpose=row.purpose, ground=row.ground,
        language="English" if row.language.strip().lower() == "english" else "another", devices=devices,
        months_out=months,
    )  # fmt: skip


def _loan(tx: Tx, ref: str, state: str) -> tuple[str, int, int]:
    """Return how it ended, how many devices were out, and for how many whole months (30 days) the longest was."""
    loan = tx.s.scalars(select(tables.LoanRow).where(tables.LoanRow.referral == ref)).one_or_none()
    if loan is None:
        return state, 0, 0
    item = tables.LoanItem
    items = tx.s.scalars(select(item).where(item.loan == loan.ref, item.out_at.is_not(None))).all()
    ways = sorted({one.closed_how or one.state for one in items})
    days = [(one.closed_at - one.out_at).days for one in items if one.closed_at is not None and one.out_at is not None]
    devices = sum(1 for one in items if one.device is not None)
    return "+".join(ways) or "not-taken", devices, max(days, default=0) // 30


def _children(counts: Mapping[str, Any]) -> dict[str, int]:
    return {band: int(number) for band, number in counts.items()}


def _band(number: int) -> str:
    return str(number) if number < MANY else f"{MANY}+"


def _month(at: datetime) -> date:
    return date(at.year, at.month, 1)


def cases(tx: Tx) -> int:
    """Return how many households are counted."""
    return tx.s.scalar(select(func.count()).select_from(ClosedCase)) or 0
