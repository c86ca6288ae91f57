"""An authenticator with behaviour: it makes and uses passkeys as Web Authentication says, and lies on request."""

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import bytes_to_base64url as text

PRESENT, VERIFIED, BACKUP_ELIGIBLE, BACKED_UP, WITH_KEY = 0x01, 0x04, 0x08, 0x10, 0x40
"""Flags of authenticator data (Web Authentication, section 6.1)."""


@dataclass
class Authenticator:
    """One key on one device. `origin` is the page it believes to be on; what it says can be bent."""

    origin: str = "http://localhost"
    host: str = "localhost"
    verifies: bool = True
    counts: bool = True
    synced: bool = False
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    id: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    uses: int = 0
    handle: str = ""

    def make(self, options: Mapping[str, Any]) -> str:
        """Answer the question for a new passkey."""
        self.handle = str(options["user"]["id"])
        numbers = self.key.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        held = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + cbor2.dumps(cose)
        data = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": self._data(WITH_KEY) + held})
        client = self._client("webauthn.create", str(options["challenge"]))
        return self._answer({"clientDataJSON": text(client), "attestationObject": text(data), "transports": []})

    def use(self, options: Mapping[str, Any], *, handle: str | None = None) -> str:
        """Answer the question for signing in."""
        data, client = self._data(0), self._client("webauthn.get", str(options["challenge"]))
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer({
            "clientDataJSON": text(client), "authenticatorData": text(data), "signature": text(signature),
            "userHandle": self.handle if handle is None else handle,
        })  # fmt: skip

    def _data(self, more: int) -> bytes:
        self.uses += 1 if self.counts else 0
        flags = PRESENT | more | (VERIFIED if self.verifies else 0)
        flags |= (BACKUP_ELIGIBLE | BACKED_UP) if self.synced else 0
        return hashlib.sha256(self.host.encode()).digest() + bytes([flags]) + self.uses.to_bytes(4, "big")

    def _client(self, kind: str, challenge: str) -> bytes:
        said = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps(said).encode()

    def _answer(self, response: Mapping[str, Any]) -> str:
        return json.dumps({
            "id": text(self.id), "rawId": text(self.id), "type": "public-key", "response": response,
            "clientExtensionResults": {}, "authenticatorAttachment": "platform",
        })  # fmt: skip
