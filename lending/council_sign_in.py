"""Signing in at one's own council (OpenID Connect Core 1.0): authorisation code, PKCE (RFC 7636), state and nonce.

Rules:

- it signs in accounts that exist; it makes none and gives no role;
- at first use the account is found by an e-mail address that the council says is verified and whose domain is one of
  those this council answers for; from then on only the council's subject counts, whatever address it names;
- an answer counts once, in the browser that asked, from the issuer that was asked (RFC 9207), and its token is signed
  with a key of that issuer by a method with two keys: no shared secret, no "none";
- nothing of the token is kept but the subject.

The network is asked outside any transaction: `discover` and `identity`. Addresses that the issuer names must be HTTPS.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import requests
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.base import OAuth2Error
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from sqlalchemy import select

from custody.errors import Refused
from lending import audit_log, people, sign_in_steps, tables
from lending.access_config import is_loopback
from lending.access_tables import CouncilSubjectRow
from lending.councils import Council
from lending.db import Tx
from lending.errors import refused
from lending.people import Actor
from lending.sign_in_steps import Step

TIMEOUT = (5.0, 10.0)
"""Seconds to wait for the connection, and between two pieces of an answer."""
LEEWAY = 60
"""Seconds that two clocks may differ."""
ALGORITHMS = ("RS256", "PS256", "ES256")
WELL_KNOWN = "/.well-known/openid-configuration"
KIND = "council"


@dataclass(frozen=True)
class Provider:
    """Where a council's sign-in is asked."""

    authorise: str
    token: str
    keys: str


@dataclass(frozen=True)
class Identity:
    """Who somebody is at their council: its lasting name for them, and an address if the council says it is theirs."""

    subject: str
    email: str


def discover(council: Council) -> Provider:
    """Ask the issuer where its sign-in is (OpenID Connect Discovery 1.0).

    Raises `Refused` with code `council` when it does not answer, or answers for another issuer.
    """
    found = _fetch(council, council.issuer.rstrip("/") + WELL_KNOWN)
    places = [str(found.get(name, "")) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
    local = is_loopback(urlsplit(council.issuer).netloc)
    if found.get("issuer") != council.issuer:
        raise _unusable(council, "it calls itself by another name")
    for place in places:
        parts = urlsplit(place)
        if not (parts.scheme == "https" or (local and is_loopback(parts.netloc))):
            raise _unusable(council, "it names an address without HTTPS")
    return Provider(*places)


def begin(tx: Tx, council: Council, provider: Provider, back: str, wanted: str, now: datetime) -> tuple[str, str]:
    """Return the address at the council to send the browser to, and the token of the step for its cookie.

    `back` is our address to which the council sends the browser again; `wanted` the page to go on to.
    """
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    address, _ = _client(council, "", back).create_authorization_url(
        provider.authorise, state=state, code_verifier=verifier, nonce=nonce, prompt="select_account"
    )
    data = {"council": council.id, "state": state, "nonce": nonce, "verifier": verifier, "next": wanted}
    return str(address), sign_in_steps.begin(tx, KIND, None, data, now)


def is_answer(step: Step | None, council: Council, asked: Mapping[str, str]) -> bool:
    """Tell whether what came back answers this step: same council, same state, same issuer where it is named."""
    if step is None or step.data["council"] != council.id:
        return False
    same = secrets.compare_digest(str(step.data["state"]).encode(), asked.get("state", "").encode())
    return same and asked.get("iss", council.issuer) == council.issuer


def identity(council: Council, secret: str, step: Step, code: str, back: str, now: datetime) -> Identity:
    """Exchange the code for the token and read it. Raises `Refused` with code `council` when anything is not right."""
    provider = discover(council)
    try:
        answer = _client(council, secret, back).fetch_token(
            provider.token, code=code, code_verifier=step.data["verifier"], timeout=TIMEOUT, allow_redirects=False
        )
    except (OAuthError, OAuth2Error, requests.RequestException, ValueError) as error:
        raise _unusable(council, "it did not take the code") from error
    keys = _fetch(council, provider.keys)
    claims = _claims(council, str(answer.get("id_token", "")), keys, str(step.data["nonce"]), now)
    # `email_verified` is the standard's claim; Microsoft says `xms_edov` (email domain owner verified) instead.
    verified = claims.get("email_verified") is True or claims.get("xms_edov") in (True, 1, "1", "true")
    email = str(claims.get("email", "")).strip().casefold()
    return Identity(str(claims["sub"]), email if verified else "")


def admit(tx: Tx, council: Council, who: Identity, now: datetime) -> Actor:
    """Return the account of an identity, binding the two at first use.

    Raises `Refused` with code `council`: nobody with that address is invited, or the council does not answer for it.
    """
    bound = tx.s.get(CouncilSubjectRow, (council.id, who.subject))
    if bound is not None:
        found = people.actor(tx, bound.account_id)
        if found is None:
            raise _nobody(council)
        return found
    if not who.email or who.email.rpartition("@")[2] not in council.domains:
        raise _nobody(council)
    number = tx.s.scalar(select(tables.AccountRow.id).where(tables.AccountRow.email == who.email))
    found = people.actor(tx, number) if number is not None else None
    row = CouncilSubjectRow
    taken = found and tx.s.scalar(
        select(row.subject).where(row.council_id == council.id, row.account_id == found.account_id)
    )
    if found is None or taken:  # one account, one person at the council: a re-used address opens nothing
        raise _nobody(council)
    tx.s.add(row(council_id=council.id, subject=who.subject, account_id=found.account_id, bound_at=now))
    tx.s.flush()
    audit_log.note(tx, found, "council-bound", f"account:{found.ref}", council.name, now=now)
    return found


def unbind(tx: Tx, account_id: int) -> int:
    """Forget whom a council calls this account, so that it is bound anew at next use; return how many were."""
    rows = tx.s.scalars(select(CouncilSubjectRow).where(CouncilSubjectRow.account_id == account_id)).all()
    for row in rows:
        tx.s.delete(row)
    tx.s.flush()
    return len(rows)


def _client(council: Council, secret: str, back: str) -> OAuth2Session:
    return OAuth2Session(
        client_id=council.client_id, client_secret=secret, scope="openid email", redirect_uri=back,
        code_challenge_method="S256", token_endpoint_auth_method="client_secret_basic",  # noqa: S106 (a method)
    )  # fmt: skip


def _fetch(council: Council, address: str) -> dict[str, Any]:
    try:
        answer = requests.get(address, timeout=TIMEOUT, allow_redirects=False)
        answer.raise_for_status()
        found = answer.json()
    except (requests.RequestException, ValueError) as error:
        raise _unusable(council, "it does not answer") from error
    if answer.status_code != 200 or not isinstance(found, dict):
        raise _unusable(council, "it answers something else")
    return found


def _claims(council: Council, text: str, keys: dict[str, Any], nonce: str, now: datetime) -> dict[str, Any]:
    """Return the claims of an ID token after every check of OpenID Connect Core 1.0, section 3.1.3.7."""
    checks = jwt.JWTClaimsRegistry(
        now=int(now.timestamp()), leeway=LEEWAY, iss={"essential": True, "value": council.issuer},
        aud={"essential": True, "value": council.client_id}, nonce={"essential": True, "value": nonce},
        exp={"essential": True}, iat={"essential": True}, sub={"essential": True},
    )  # fmt: skip
    try:
        usable = [one for one in keys["keys"] if one.get("kty") in ("RSA", "EC")]
        found = jwt.decode(text, KeySet.import_key_set({"keys": usable}), algorithms=list(ALGORITHMS)).claims
        checks.validate(found)
    except (JoseError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unusable(council, "its answer is not genuine, or not for us") from error
    several = isinstance(found["aud"], list) and len(found["aud"]) > 1
    if (several or "azp" in found) and found.get("azp") != council.client_id:
        raise _unusable(council, "its answer is for another service")
    return dict(found)


def _unusable(council: Council, why: str) -> Refused:
    return refused("council", f"signing in at {council.name} did not work: {why}; try again, or use another way")


def _nobody(council: Council) -> Refused:
    return refused(
        "council", f"{council.name} knows you, but nobody has invited you here yet, or not with this address; "
        "ask your administrator"
    )
