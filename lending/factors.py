"""Who must have a second factor, who has one, and until when one may go on without.

A passkey or one-time codes both do. The roles and the days of grace are settings; the days begin when an account gets
such a role. After them the account still signs in, and can do nothing but set one up: nobody is locked out for good,
and nobody works on without. Only a practice server that listens on its own machine asks nobody.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from lending import audit_log, one_time_codes, passkeys, people, sessions, tables
from lending.access_config import AccessConfig
from lending.access_tables import AccountNoteRow, OneTimeCodeRow, PasskeyRow
from lending.db import Tx
from lending.errors import refused
from lending.people import Actor, need


@dataclass(frozen=True)
class Standing:
    """How an account stands: which factors it has, whether its roles ask for one, and until when it may wait."""

    passkey: bool
    codes: bool
    asked: bool
    due: datetime | None

    @property
    def has_one(self) -> bool:
        """Tell whether there is a second factor."""
        return self.passkey or self.codes

    def is_shut(self, now: datetime) -> bool:
        """Tell whether the account may do nothing now but set one up."""
        return self.asked and not self.has_one and self.due is not None and now >= self.due


def standing(tx: Tx, by: Actor, config: AccessConfig) -> Standing:
    """Return how an account stands today."""
    asked = bool(by.roles & config.factor_roles)
    note = tx.s.get(AccountNoteRow, by.account_id) if asked else None
    made = tx.s.get_one(tables.AccountRow, by.account_id).created_at if asked else None
    begun = note.asked_from if note else made
    return Standing(
        passkeys.has_any(tx, by.account_id), one_time_codes.has_any(tx, by.account_id), asked,
        begun + config.grace if begun else None,
    )  # fmt: skip


def has_one(tx: Tx, account_id: int) -> bool:
    """Tell whether signing in with a password or a link must be followed by a second step."""
    return passkeys.has_any(tx, account_id) or one_time_codes.has_any(tx, account_id)


def held(tx: Tx) -> Mapping[int, str]:
    """Return which second factor each account has, in words; accounts without one are missing."""
    keys = set(tx.s.scalars(select(PasskeyRow.account_id).distinct()))
    row = OneTimeCodeRow
    codes = set(tx.s.scalars(select(row.account_id).where(row.confirmed_at.is_not(None))))
    names = ((keys, "passkey"), (codes, "one-time codes"))
    return {number: " and ".join(word for has, word in names if number in has) for number in keys | codes}


def ask_from(tx: Tx, account_id: int, now: datetime) -> None:
    """Begin the days of grace of an account anew: it got a role that asks for a second factor."""
    tx.s.merge(AccountNoteRow(account_id=account_id, asked_from=now))
    tx.s.flush()


def take_away(tx: Tx, account_id: int, by: Actor, reason: str, now: datetime) -> None:
    """Remove every factor of an account whose owner lost them, and sign it out everywhere. Administrator.

    The days of grace begin anew. Raises `Refused`: `role`, `own-account`, `reason` (none), `unknown-account`.
    """
    need(by, "administrator")
    row = tx.s.get(tables.AccountRow, account_id)
    if row is None:
        raise refused("unknown-account", f"there is no account number {account_id}")
    if account_id == by.account_id:
        raise refused("own-account", "another administrator does this for your account")
    if not reason.strip():
        raise refused("reason", "say how you know that it is them who ask, for example: came to the desk in person")
    passkeys.remove_all(tx, account_id)
    one_time_codes.switch_off(tx, account_id)
    people.end_sessions(tx, account_id, now)
    ask_from(tx, account_id, now)
    audit_log.note(tx, by, "factors-removed", f"account:{row.ref}", reason.strip(), now=now)


def still_enough(tx: Tx, by: Actor, config: AccessConfig, *, asks: bool) -> None:
    """Raise `Refused` with code `last-factor` when a role needs a second factor and none would be left.

    Called after one was removed and in the same transaction, which the refusal undoes. `asks`: the rule holds here.
    """
    if asks and by.roles & config.factor_roles and not has_one(tx, by.account_id):
        raise refused("last-factor", "your role needs a passkey or one-time codes; add another before you remove this")


def settled(tx: Tx, by: Actor, token: str, now: datetime) -> int:
    """A factor was added in the session with `token`: that session counts as strong, every other one ends.

    Returns how many ended.
    """
    sessions.prove(tx, token, now, strong=True)
    ended = sessions.end_all(tx, by.account_id, now, but=token)
    if ended:
        audit_log.note(tx, by, "sessions-ended", f"account:{by.ref}", "a factor was added", now=now)
    return ended
