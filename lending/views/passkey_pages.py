"""What pages need to ask a browser for a passkey: our site, and the challenges that this browser was given.

Challenges stand in the browser's signed cookie, a few at a time so that two open pages do not disturb each other; that
each is answered once is kept in the database (`lending.passkeys`).
"""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

from flask import request, session

from custody.events import World
from lending import auth, forms, passkeys
from lending.access_config import is_loopback
from lending.db import Tx
from lending.errors import refused
from lending.passkeys import Challenge, Site
from lending.views.words import PRODUCT

MOST_OPEN = 4


@dataclass(frozen=True)
class Ask:
    """What a page hands to the script: the options of the browser's call as JSON, and the challenge to send back."""

    options: str
    challenge: str


def site() -> Site | None:
    """Return our site as authenticators know it, None where browsers allow no passkeys (see `passkeys.site`)."""
    made = auth.services()
    address = made.config.host_address
    if request.host.split(":")[0] == "localhost" and (made.db.world is World.PRACTICE or is_loopback(_bare(address))):
        address = f"{request.scheme}://{request.host}"
    return passkeys.site(address, PRODUCT)


def to_sign_in(tx: Tx, account_id: int | None = None) -> Ask | None:
    """Return the question for signing in, None where passkeys are not possible."""
    at = site()
    if at is None:
        return None
    made = _challenge("sign-in")
    return Ask(passkeys.question(tx, at, made, account_id), made.text)


def to_register(tx: Tx) -> Ask | None:
    """Return the question for a new passkey of whoever is signed in, None where passkeys are not possible."""
    at = site()
    if at is None:
        return None
    made = _challenge("register")
    return Ask(passkeys.registration(tx, auth.actor(), at, made), made.text)


def answered(purpose: str) -> tuple[Site, Challenge, str]:
    """Return site, challenge and answer of a form that the script filled.

    Raises `Refused` with code `passkey` when this browser was not given that challenge.
    """
    text, at = forms.text(request.form, "challenge"), site()
    held = _held()
    found = next((one for one in held if one[0] == purpose and secrets.compare_digest(one[1], text)), None)
    if found is None or at is None:
        raise refused("passkey", "the page was open too long; open it again and use the passkey once more")
    session["passkeys"] = [one for one in held if one != found]
    return at, Challenge(text, datetime.fromtimestamp(float(found[2]), UTC)), request.form.get("answer", "")


def _challenge(purpose: str) -> Challenge:
    text, now = secrets.token_urlsafe(32), auth.services().now()
    session["passkeys"] = [*_held(), [purpose, text, int(now.timestamp())]][-MOST_OPEN:]
    return Challenge(text, now)


def _held() -> list[list[str]]:
    found: list[list[str]] = session.get("passkeys") or []
    return found


def _bare(address: str) -> str:
    return address.split("://", 1)[-1]
