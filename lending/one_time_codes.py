"""One-time codes from an authenticator app (RFC 6238), and recovery codes for the day the telephone is lost.

Rules:

- the secret is sealed with the key outside the database and shown once, as a QR code that this server draws;
- it counts only after its owner typed a first right code, so that nobody is shut out by a code that was never stored;
- a code works once: whoever reads it over a shoulder comes too late; a neighbouring half minute is allowed for clocks;
- `TRIES` wrong codes within the window make the account's codes wait, in the database like passwords;
- recovery codes work once each; only a keyed hash of each is kept.
"""

import hmac
import io
import secrets
from dataclasses import dataclass
from datetime import datetime

import pyotp
import qrcode
import qrcode.image.svg
from sqlalchemy import delete, func, select

from lending import people, tables
from lending.access_tables import OneTimeCodeRow, RecoveryCodeRow
from lending.db import Tx
from lending.errors import refused
from lending.people import Actor

SECONDS = 30
NEIGHBOURS = (-1, 0, 1)
TRIES = 5
RECOVERY_CODES = 10
RECOVERY_LENGTH = 10
PURPOSE = "one-time-code"


@dataclass(frozen=True, repr=False)
class Setup:
    """What the app needs: the secret to type, and the address behind the QR code. Shown once, never logged."""

    secret: str
    address: str

    def __repr__(self) -> str:
        """Show nothing of it."""
        return "Setup(…)"

    def picture(self) -> bytes:
        """Return the QR code as an SVG picture."""
        made = qrcode.make(self.address, image_factory=qrcode.image.svg.SvgPathImage, border=4)
        out = io.BytesIO()
        made.save(out)
        return out.getvalue()


@dataclass(frozen=True)
class State:
    """Whether an account's codes are on, since when, and how many recovery codes are left."""

    on: bool
    since: datetime | None
    recovery_left: int


def begin(tx: Tx, by: Actor, title: str, now: datetime) -> Setup:
    """Make a new secret that waits for its first code; codes that are on stay on until then.

    Raises `Refused` with code `codes` when they are on already.
    """
    row = tx.s.get(OneTimeCodeRow, by.account_id)
    if row is not None and row.confirmed_at is not None:
        raise refused("codes", "one-time codes are on already; switch them off first to use another telephone")
    secret = pyotp.random_base32()
    sealed = tx.vault.seal(PURPOSE, str(by.account_id), {"secret": secret})
    tx.s.merge(OneTimeCodeRow(account_id=by.account_id, sealed=sealed, step=0, made_at=now, confirmed_at=None))
    tx.s.flush()
    return _setup(tx, by, secret, title)


def waiting(tx: Tx, by: Actor, title: str) -> Setup | None:
    """Return the set-up that waits for its first code, None when there is none."""
    row = tx.s.get(OneTimeCodeRow, by.account_id)
    if row is None or row.confirmed_at is not None:
        return None
    return _setup(tx, by, _secret(tx, row), title)


def confirm(tx: Tx, by: Actor, code: str, now: datetime) -> list[str]:
    """Switch codes on with a first right code; return the recovery codes, to be shown once.

    Raises `Refused`: `code` (wrong, or nothing waits).
    """
    row = tx.s.get(OneTimeCodeRow, by.account_id)
    step = None if row is None or row.confirmed_at is not None else _step(tx, row, code, now)
    if row is None or step is None:
        raise refused("code", "that is not the code the app shows now; type the six digits again")
    row.confirmed_at, row.step = now, step
    tx.s.flush()
    return new_recovery_codes(tx, by)


def switch_off(tx: Tx, account_id: int) -> None:
    """Take away an account's codes and recovery codes."""
    tx.s.execute(delete(OneTimeCodeRow).where(OneTimeCodeRow.account_id == account_id))
    tx.s.execute(delete(RecoveryCodeRow).where(RecoveryCodeRow.account_id == account_id))


def new_recovery_codes(tx: Tx, by: Actor) -> list[str]:
    """Return new recovery codes, to be shown once; older ones stop working."""
    tx.s.execute(delete(RecoveryCodeRow).where(RecoveryCodeRow.account_id == by.account_id))
    made = [_random_code() for _ in range(RECOVERY_CODES)]
    rows = (RecoveryCodeRow(code_hash=_digest(tx, by.account_id, one), account_id=by.account_id) for one in made)
    tx.s.add_all(rows)
    tx.s.flush()
    return made


def replaced(tx: Tx, by: Actor) -> list[str]:
    """Return new recovery codes for codes that are on. Raises `Refused` with code `codes` when they are not."""
    if not has_any(tx, by.account_id):
        raise refused("codes", "one-time codes are not on; recovery codes belong to them")
    return new_recovery_codes(tx, by)


def has_any(tx: Tx, account_id: int) -> bool:
    """Tell whether an account's codes are on."""
    row = tx.s.get(OneTimeCodeRow, account_id)
    return row is not None and row.confirmed_at is not None


def state(tx: Tx, account_id: int) -> State:
    """Return whether codes are on and how many recovery codes are left."""
    row = tx.s.get(OneTimeCodeRow, account_id)
    unused = select(func.count()).select_from(RecoveryCodeRow).where(
        RecoveryCodeRow.account_id == account_id, RecoveryCodeRow.used_at.is_(None)
    )  # fmt: skip
    since = row.confirmed_at if row else None
    return State(since is not None, since, tx.s.scalar(unused) or 0)


def check(tx: Tx, account_id: int, typed: str, now: datetime) -> str | None:
    """Return "code" or "recovery" for a right one-time or recovery code, which is then used up, else None.

    A wrong one is counted: call this in a transaction that commits. Raises `Refused` with code `throttled`.
    """
    key = f"code:{account_id}"
    people.refuse_if_throttled(tx, key, now, TRIES)
    row = tx.s.get(OneTimeCodeRow, account_id)
    if row is not None and row.confirmed_at is not None:
        step = _step(tx, row, typed, now)
        if step is not None:
            row.step = step
            people.forget_tries(tx, key)
            return "code"
    spare = tx.s.get(RecoveryCodeRow, _digest(tx, account_id, typed))
    if spare is not None and spare.used_at is None:
        spare.used_at = now
        people.forget_tries(tx, key)
        return "recovery"
    people.count_try(tx, key, now)
    return None


def _step(tx: Tx, row: OneTimeCodeRow, typed: str, now: datetime) -> int | None:
    """Return the half minute whose code was typed, None when it is wrong or was used already."""
    code = "".join(typed.split())
    if not (code.isascii() and code.isdecimal() and len(code) == 6):
        return None
    maker, this, found = pyotp.TOTP(_secret(tx, row)), int(now.timestamp()) // SECONDS, None
    for step in (this + offset for offset in NEIGHBOURS):
        if hmac.compare_digest(maker.generate_otp(step), code) and step > row.step:
            found = step
    return found


def _secret(tx: Tx, row: OneTimeCodeRow) -> str:
    return tx.vault.open_(PURPOSE, str(row.account_id), row.sealed)["secret"]


def _setup(tx: Tx, by: Actor, secret: str, title: str) -> Setup:
    email = tx.s.get_one(tables.AccountRow, by.account_id).email
    return Setup(secret, pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=title))


def _random_code() -> str:
    code = "".join(secrets.choice(people.SYMBOLS) for _ in range(RECOVERY_LENGTH))
    return f"{code[:5]}-{code[5:]}"


def _digest(tx: Tx, account_id: int, code: str) -> str:
    """Return what is kept of a recovery code: a keyed hash, since fifty bits could be tried out by a thief.

    Letters that look like digits are read as those (Crockford).
    """
    plain = "".join(code[:40].split()).replace("-", "").upper().translate(str.maketrans("OIL", "011"))
    return tx.vault.fingerprint("recovery-code", f"{account_id}:{plain}")
