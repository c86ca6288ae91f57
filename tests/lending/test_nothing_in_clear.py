"""After a day of work nobody who gets the database, a log, an address or a cookie learns who a household is.

A household with a name, number and postcode that exist nowhere else is referred, approved, looked at, written to,
exported and complained for; then every place is searched for them, in every spelling and encoding that occurs.
"""

import base64
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from lending import complaints, contacts, referrals, retention, schema, tables
from lending.complaints import Words
from lending.referrals import ReferralForm
from tests.lending.house import FORM
from tests.lending.screens import Town

NAME, PHONE, POSTCODE = "Zebulon Quartermaine", "07700 900987", "L8 7QW"
REFERENCE = "PLANT-4711"
PLANTED = ("Zebulon", "Quartermaine", "07700 900987", "07700900987", "900987", "L8 7QW", "L87QW")
HOUSEHOLD: ReferralForm = replace(
    FORM, client_reference=REFERENCE, contact_name=NAME, contact_phone=PHONE, postcode=POSTCODE
)


def spellings(text: str) -> set[bytes]:
    """Return the bytes that a text may stand as: other case, UTF-16, hexadecimal, base64 at each of three offsets."""
    found = set()
    for one in (text, text.lower(), text.upper()):
        plain = one.encode()
        found |= {plain, one.encode("utf-16-le"), plain.hex().encode(), one.replace(" ", "%20").encode()}
        found |= {_in_base64(plain, shift) for shift in (0, 1, 2)}
    return found


def _in_base64(plain: bytes, before: int) -> bytes:
    """Return the characters that are the same whatever stands before (that many bytes, modulo 3) and after."""
    whole = base64.b64encode(b"x" * before + plain)
    return whole[-(-8 * before // 6) : 8 * (before + len(plain)) // 6]


def found_in(data: bytes) -> list[str]:
    return [text for text in PLANTED if any(one in data for one in spellings(text))]


def rows(town: Town) -> Iterator[tuple[str, bytes]]:
    """Return every value of every row of the database, as bytes, with its column."""
    with town.house.db.read() as tx:
        for table in schema.metadata().sorted_tables:
            for row in tx.s.execute(select(table)).mappings():
                for column, value in row.items():
                    data = value if isinstance(value, bytes) else str(value).encode()
                    yield f"{table.name}.{column}", data


def files(town: Town) -> Iterator[tuple[str, bytes]]:
    """Return the files of a SQLite database with their bytes: what a thief of the disk or of a backup has."""
    name = town.house.db.engine.url.database
    if town.house.db.engine.dialect.name == "sqlite" and name:
        for path in sorted(Path(name).parent.glob(Path(name).name + "*")):
            yield path.name, path.read_bytes()


def places(town: Town) -> list[str]:
    """Return every place of the database in which something planted stands, and what."""
    return [f"{where}: {what}" for source in (rows, files) for where, data in source(town) for what in found_in(data)]


def work(town: Town) -> tuple[str, list[bytes]]:
    """Do a day's work on the household; return its referral and every address, header and cookie that was used."""
    house, seen = town.house, []
    with house.db.transaction() as tx:
        ref = referrals.refer(tx, house.partner, HOUSEHOLD, house.tick())
    desk, lead = town.browser("desk"), town.browser("data-protection")
    for browser, path, answers in (
        (desk, f"/referrals/{ref}", None), (desk, f"/referrals/{ref}/contact", None),
        (desk, f"/referrals/{ref}/contact", {"reason": "call"}), (desk, f"/referrals/{ref}/approve", {}),
        (desk, "/referrals", None), (lead, "/privacy/access", {"wanted": PHONE}), (lead, f"/privacy/access/{ref}", {}),
        (lead, "/privacy/looks", None), (lead, "/privacy/due", None),
    ):  # fmt: skip
        answer = browser.get(path, follow=False) if answers is None else browser.post(path, answers, follow=False)
        assert answer.status_code in (200, 303, 422), path
        seen += [path.encode(), str(answer.headers).encode()]
        seen += [_readable(str(cookie)) for cookie in answer.headers.getlist("Set-Cookie")]
        if answers == {"reason": "call"}:
            assert NAME in answer.get_data(as_text=True), "the desk could not see whom to call"
    with house.db.transaction() as tx:
        words = Words(NAME, PHONE, f"You wrote to {NAME} at {POSTCODE}.")
        complaints.receive(tx, words, "phone", house.tick())
    return ref, seen


def _readable(cookie: str) -> bytes:
    """Return what stands in a signed cookie, which is not secret."""
    value = cookie.split("=", 1)[-1].split(".", 1)[0]
    return cookie.encode() + base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))


def test_a_day_of_work_leaves_nothing_in_clear_anywhere(town: Town, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    ref, seen = work(town)
    assert places(town) == []
    assert [text for data in seen for text in found_in(data)] == []
    assert found_in(caplog.text.encode()) == []
    with town.house.db.read() as tx:
        assert contacts.opened(tx, ref).name == NAME, "it was not even there"
        envelopes = tx.s.scalars(select(tables.EventRow.envelope)).all()
    assert envelopes
    assert [text for data in envelopes for text in found_in(data)] == []


def test_the_search_finds_what_is_in_clear(town: Town) -> None:
    with town.house.db.transaction() as tx:
        ref = referrals.refer(tx, town.house.partner, HOUSEHOLD, town.house.tick())
        tx.s.execute(update(tables.ReferralRow).where(tables.ReferralRow.ref == ref).values(contact_name=NAME.upper()))
    found = places(town)
    assert any(one.startswith("referral.contact_name") for one in found)
    if town.house.db.engine.dialect.name == "sqlite":
        assert any(one.startswith("lending.sqlite") for one in found)
    coded = base64.b64encode(f'{{"n": "{NAME}"}}'.encode())
    assert found_in(coded) == ["Zebulon", "Quartermaine"]


def test_what_is_erased_is_gone_from_the_bytes_of_the_file(town: Town) -> None:
    house = town.house
    with house.db.transaction() as tx:
        ref = referrals.refer(tx, house.partner, HOUSEHOLD, house.tick())
        referrals.decline(tx, ref, house.desk, house.tick())
    before = [name for name, data in files(town) if REFERENCE.encode() in data]
    with house.db.transaction() as tx:
        assert retention.run(tx, house.now + timedelta(days=366)).cases >= 1
    contacts.forget_log(house.db.engine)
    assert [name for name, data in files(town) if REFERENCE.encode() in data] == []
    if house.db.engine.dialect.name == "sqlite":
        assert before, "it never stood in a file"
    assert not any(REFERENCE.encode() in data for _, data in rows(town))
