"""Passkeys (W3C Web Authentication, level 3): registered, named, removed, and enough alone for signing in.

Rules:

- the authenticator must have verified its owner (fingerprint, face, PIN): a passkey is two factors in one, and signing
  in with it asks for nothing else;
- a passkey answers for this service's own name and address only, so no other site can pass an answer on (phishing);
- a challenge is answered once and within `CHALLENGE_LIFE`; a counter that went backwards is a copy and is refused;
- no attestation is asked for: which make of authenticator somebody owns is not our business.

Registering and checking are done by the library `webauthn`; here stands only what is ours to decide.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from urllib.parse import urlsplit

from sqlalchemy import delete, func, select
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from custody.errors import Refused
from lending import people, sign_in_steps, tables
from lending.access_tables import PasskeyRow
from lending.db import Tx
from lending.errors import refused
from lending.people import Actor

CHALLENGE_LIFE = timedelta(minutes=5)
MOST = 20
LONGEST_NAME = 60
LONGEST_ANSWER = 20_000
"""Characters; an honest answer has about 1,000."""


@dataclass(frozen=True)
class Site:
    """Who we are to an authenticator: our host name, and the address that pages have (scheme, host, port)."""

    host: str
    origin: str
    title: str


@dataclass(frozen=True)
class Challenge:
    """What an authenticator was asked to sign, and when it was asked."""

    text: str
    at: datetime


@dataclass(frozen=True)
class Passkey:
    """One passkey as its owner sees it. `synced`: kept by a password manager on several devices."""

    id: int
    name: str
    synced: bool
    created_at: datetime
    used_at: datetime | None


def site(address: str, title: str) -> Site | None:
    """Return the site that an address of ours makes, None where browsers allow no passkeys.

    They allow them for names over HTTPS and for `localhost` (Secure Contexts), never for bare IP addresses (Web
    Authentication, section 5.1.3: the effective domain must be a valid domain).
    """
    parts = urlsplit(address)
    host = parts.hostname or ""
    try:
        ip_address(host)
    except ValueError:
        allowed = bool(host) and (parts.scheme == "https" or host == "localhost")
        return Site(host, f"{parts.scheme}://{parts.netloc}", title) if allowed else None
    return None


def registration(tx: Tx, by: Actor, at: Site, challenge: Challenge) -> str:
    """Return what the browser is asked in order to make a passkey for `by`, as JSON."""
    account = tx.s.get_one(tables.AccountRow, by.account_id)
    options = generate_registration_options(
        rp_id=at.host, rp_name=at.title, user_name=account.email, user_display_name=account.name,
        user_id=account.ref.encode(), challenge=base64url_to_bytes(challenge.text),
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=_known(tx, by.account_id),
    )  # fmt: skip
    return options_to_json(options)


def register(tx: Tx, by: Actor, at: Site, challenge: Challenge, answer: str, name: str, now: datetime) -> Passkey:
    """Keep the passkey that an authenticator made.

    Raises `Refused`: `name` (none, or used already), `passkey` (not made for us, not verified, too late, too many).
    """
    name = " ".join(name.split())[:LONGEST_NAME]
    held = listing(tx, by)
    if not name or name.casefold() in {one.name.casefold() for one in held}:
        raise refused("name", "give this passkey a name that none of your others has, for example My phone")
    if len(held) >= MOST:
        raise refused("passkey", f"you have {MOST} passkeys; remove one that you no longer use")
    _use(tx, challenge, now)
    try:
        made = verify_registration_response(
            credential=answer[:LONGEST_ANSWER], expected_challenge=base64url_to_bytes(challenge.text),
            expected_rp_id=at.host, expected_origin=at.origin, require_user_verification=True,
        )  # fmt: skip
    except (WebAuthnException, ValueError, KeyError) as error:
        raise _not_accepted() from error
    credential = bytes_to_base64url(made.credential_id)
    if tx.s.scalar(select(PasskeyRow.id).where(PasskeyRow.credential == credential)):
        raise refused("passkey", "this passkey is registered already")
    row = PasskeyRow(
        account_id=by.account_id, credential=credential, public_key=made.credential_public_key, uses=made.sign_count,
        synced=made.credential_backed_up, name=name, created_at=now, used_at=None,
    )  # fmt: skip
    tx.s.add(row)
    tx.s.flush()
    return _passkey(row)


def question(tx: Tx, at: Site, challenge: Challenge, account_id: int | None = None) -> str:
    """Return what the browser is asked in order to sign in, as JSON; for an account that is known, only its own."""
    allowed = None if account_id is None else _known(tx, account_id)
    options = generate_authentication_options(
        rp_id=at.host, challenge=base64url_to_bytes(challenge.text), allow_credentials=allowed,
        user_verification=UserVerificationRequirement.REQUIRED,
    )  # fmt: skip
    return options_to_json(options)


def check(tx: Tx, at: Site, challenge: Challenge, answer: str, now: datetime) -> Actor:
    """Return whose passkey signed the challenge.

    Raises `Refused` with code `passkey`, and the same words whatever was wrong.
    """
    _use(tx, challenge, now)
    try:
        said = json.loads(answer[:LONGEST_ANSWER])
        credential, handle = str(said["id"]), said["response"].get("userHandle")
        row = tx.s.scalar(select(PasskeyRow).where(PasskeyRow.credential == credential))
        if row is None:
            raise _not_accepted()
        proved = verify_authentication_response(
            credential=said, expected_challenge=base64url_to_bytes(challenge.text), expected_rp_id=at.host,
            expected_origin=at.origin, credential_public_key=row.public_key, credential_current_sign_count=row.uses,
            require_user_verification=True,
        )  # fmt: skip
    except (WebAuthnException, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _not_accepted() from error
    found = people.actor(tx, row.account_id)
    if found is None or (handle is not None and base64url_to_bytes(str(handle)) != found.ref.encode()):
        raise _not_accepted()
    row.uses, row.used_at, row.synced = proved.new_sign_count, now, proved.credential_backed_up
    tx.s.flush()
    return found


def listing(tx: Tx, by: Actor) -> list[Passkey]:
    """Return one's own passkeys, oldest first."""
    query = select(PasskeyRow).where(PasskeyRow.account_id == by.account_id).order_by(PasskeyRow.id)
    return [_passkey(row) for row in tx.s.scalars(query)]


def has_any(tx: Tx, account_id: int) -> bool:
    """Tell whether an account has a passkey."""
    query = select(func.count()).select_from(PasskeyRow).where(PasskeyRow.account_id == account_id)
    return bool(tx.s.scalar(query))


def rename(tx: Tx, by: Actor, number: int, name: str) -> None:
    """Give one's own passkey another name. Raises `Refused`: `name`, `unknown-passkey`."""
    row, name = _own(tx, by, number), " ".join(name.split())[:LONGEST_NAME]
    others = {one.name.casefold() for one in listing(tx, by) if one.id != number}
    if not name or name.casefold() in others:
        raise refused("name", "give this passkey a name that none of your others has, for example My phone")
    row.name = name
    tx.s.flush()


def remove(tx: Tx, by: Actor, number: int) -> str:
    """Remove one's own passkey and return its name. Raises `Refused` with code `unknown-passkey`."""
    row = _own(tx, by, number)
    name = row.name
    tx.s.delete(row)
    tx.s.flush()
    return name


def unknown(number: int) -> Refused:
    """Return the refusal for a number that is no passkey of one's own."""
    return refused("unknown-passkey", f"you have no passkey number {number}")


def remove_all(tx: Tx, account_id: int) -> None:
    """Remove every passkey of an account."""
    tx.s.execute(delete(PasskeyRow).where(PasskeyRow.account_id == account_id))


def _use(tx: Tx, challenge: Challenge, now: datetime) -> None:
    """Take a challenge once; raise `Refused` when it is too old or was answered already."""
    fresh = abs(now - challenge.at) <= CHALLENGE_LIFE
    if not fresh or not sign_in_steps.is_first_use(tx, challenge.text, now + 2 * CHALLENGE_LIFE, now):
        raise refused("passkey", "the page was open too long; open it again and use the passkey once more")


def _known(tx: Tx, account_id: int) -> list[PublicKeyCredentialDescriptor]:
    query = select(PasskeyRow.credential).where(PasskeyRow.account_id == account_id)
    return [PublicKeyCredentialDescriptor(id=base64url_to_bytes(one)) for one in tx.s.scalars(query)]


def _own(tx: Tx, by: Actor, number: int) -> PasskeyRow:
    row = tx.s.get(PasskeyRow, number)
    if row is None or row.account_id != by.account_id:
        raise unknown(number)
    return row


def _not_accepted() -> Refused:
    return refused("passkey", "this passkey was not accepted; try again, or use another way to sign in")


def _passkey(row: PasskeyRow) -> Passkey:
    return Passkey(row.id, row.name, row.synced, row.created_at, row.used_at)
