"""From records to the JSON of the programming interface, and back; nothing is decided here."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import select

from labels.codes import pretty
from lending import paging, tables
from lending.db import Tx
from lending.devices import DeviceLine, DevicePage
from lending.lists import LoanLine, ReferralLine
from lending.loans import Loan
from lending.referrals import Referral, ReferralForm


def page(items: Iterable[Mapping[str, Any]], after: str) -> dict[str, Any]:
    """Return one page of a list."""
    return {"items": list(items), "after": after or None}


def device(one: DeviceLine | DevicePage) -> dict[str, Any]:
    """Return a device as a list shows it."""
    return {
        "code": one.code, "label": pretty(one.code), "make": one.make, "model": one.model, "serial": one.serial,
        "state": one.state,
    }  # fmt: skip


def device_detail(one: DevicePage) -> dict[str, Any]:
    """Return a device with what its history says."""
    reasons = [{"code": reason.code, "text": reason.text} for reason in one.reasons]
    return {**device(one), "grade": one.grade, "lendable": not reasons, "reasons": reasons}


def loan(one: Loan | LoanLine) -> dict[str, Any]:
    """Return a loan."""
    return {
        "ref": one.ref, "state": one.state, "client_reference": one.client_reference, "partner": one.partner,
        "due": one.due.isoformat() if one.due else None, "created_at": one.created_at.isoformat(),
        "items": [
            {"kind": item.kind, "device": item.device, "label": item.label, "state": item.state} for item in one.items
        ],
    }  # fmt: skip


def referral_line(one: ReferralLine) -> dict[str, Any]:
    """Return a referral as a list shows it."""
    return {
        "ref": one.ref, "state": one.state, "client_reference": one.client_reference, "partner": one.partner,
        "need": one.need, "adults": one.adults, "children": dict(one.children),
        "created_at": one.created_at.isoformat(), "loan": one.loan,
    }  # fmt: skip


def referral(one: Referral) -> dict[str, Any]:
    """Return a referral, without contact data."""
    form = one.form
    return {
        "ref": one.ref, "state": one.state, "client_reference": form.client_reference, "partner": one.partner,
        "need": form.need, "adults": form.adults, "children": dict(form.children),
        "created_at": one.created_at.isoformat(), "loan": one.loan,
    }  # fmt: skip


def form(body: Mapping[str, Any], kind: type[ReferralForm]) -> ReferralForm:
    """Return a checked body as the form that the use case takes; what may be left out is empty."""
    values: dict[str, Any] = {"contact_name": "", "contact_phone": "", "children": {}, **body}
    values["adults"] = int(values["adults"])
    values["children"] = {band: int(count) for band, count in values["children"].items()}
    values |= {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return kind(**values)


def partner_page(tx: Tx, after: str, limit: int) -> dict[str, Any]:
    """Return partners by number. Raises `Refused` `cursor`."""
    row, last = tables.Partner, 0
    if after:
        (typed,) = paging.decode(after, 1)
        if not (typed.isascii() and typed.isdecimal() and len(typed) < 10):
            raise paging.bad_cursor()
        last = int(typed)
    rows = tx.s.execute(select(row.id, row.name).where(row.id > last).order_by(row.id).limit(limit + 1)).all()
    kept, more = paging.cut(rows, limit)
    items = [{"id": number, "name": name} for number, name in kept]
    return page(items, paging.encode(str(kept[-1][0])) if more else "")


def partner(tx: Tx, number: int) -> dict[str, Any] | None:
    """Return one partner, None where there is none."""
    name = tx.s.scalar(select(tables.Partner.name).where(tables.Partner.id == number))
    return None if name is None else {"id": number, "name": name}
