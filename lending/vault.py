"""Contact data of households, sealed so that the database alone tells nobody who or where a household is.

What this module promises:

- what `seal` returns opens only with the key that is kept *outside* the database, only for the purpose and the row
  it was sealed for: a value that is copied to another row or column does not open (AES-256-GCM; purpose, row and the
  key's name are associated data);
- several keys stand side by side; the newest seals, any of them opens, so that a key can be replaced row by row;
- `fingerprint` is the same for the same text, and without its own separate key nobody can find out the text by
  trying all telephone numbers: HMAC-SHA-256, not a plain digest;
- how long a name is does not show: the text is padded to a multiple of 64 bytes before it is sealed.

The keys come from a function that is asked at every use, so that a running server follows a rotation at once.
"""

import hashlib
import hmac
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from lending.errors import LendingError

FORMAT = b"\x01"
ID_BYTES = 4
HEAD_BYTES = len(FORMAT) + ID_BYTES
"""Every sealed value begins with its format and the name of its key: what a rotation looks for."""
KEY_BYTES = 32
NONCE_BYTES = 12
"""96 bits, random: NIST SP 800-38D section 8.3 allows 2^32 values under one key, far more than a charity writes."""
PAD_BYTES = 64


class VaultError(LendingError):
    """Contact data cannot be sealed or opened: the key is not at hand, or the value was altered or moved."""


@dataclass(frozen=True)
class ContactKey:
    """One key that seals, and when it was made (aware, UTC)."""

    secret: bytes
    made_at: datetime

    @property
    def id(self) -> bytes:
        """Return the key's name: four bytes that say nothing about the key itself."""
        return hashlib.sha256(b"kitbank contact key\x00" + self.secret).digest()[:ID_BYTES]

    @property
    def head(self) -> bytes:
        """Return what every value that this key sealed begins with."""
        return FORMAT + self.id


@dataclass(frozen=True)
class Keys:
    """All keys of an installation: those that seal, oldest first, and the one for fingerprints."""

    sealing: tuple[ContactKey, ...]
    fingerprint: bytes

    @property
    def newest(self) -> ContactKey:
        """Return the key that seals from now on."""
        return self.sealing[-1]


def new_keys(now: datetime, random: Callable[[int], bytes] = os.urandom) -> Keys:
    """Return keys for a new installation. `random` gives that many unpredictable bytes."""
    return Keys((ContactKey(random(KEY_BYTES), now),), random(KEY_BYTES))


class Vault:
    """Seals and opens contact data. `keys` is asked at every use and may raise `VaultError`."""

    def __init__(self, keys: Callable[[], Keys]) -> None:
        """Take the function that gives the keys as they are now."""
        self.keys = keys

    def seal(self, purpose: str, row: str, values: Mapping[str, str]) -> bytes:
        """Seal some texts for one row of one table; `row` is what identifies it there.

        Raises `VaultError` when the keys are not at hand.
        """
        key, nonce = self.keys().newest, os.urandom(NONCE_BYTES)
        plain = json.dumps(dict(values), ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
        plain += b" " * (-len(plain) % PAD_BYTES)
        return key.head + nonce + AESGCM(key.secret).encrypt(nonce, plain, _about(key.head, purpose, row))

    def open_(self, purpose: str, row: str, sealed: bytes) -> dict[str, str]:
        """Return the texts that were sealed for this purpose and row.

        Raises `VaultError` when the key is missing, or the value was altered or belongs to another row or purpose.
        """
        head, nonce, rest = sealed[:HEAD_BYTES], sealed[HEAD_BYTES:][:NONCE_BYTES], sealed[HEAD_BYTES + NONCE_BYTES :]
        if head[:1] != FORMAT or len(nonce) < NONCE_BYTES:
            raise VaultError(f"the contact data of {row} is damaged; restore it from a backup")
        key = next((one for one in self.keys().sealing if one.head == head), None)
        if key is None:
            raise VaultError(
                f"the contact data of {row} was sealed with key {head[1:].hex()}, which is not in the file of contact "
                "keys; restore that file from its backup"
            )
        try:
            plain = AESGCM(key.secret).decrypt(nonce, rest, _about(head, purpose, row))
        except InvalidTag as error:
            raise VaultError(f"the contact data of {row} was altered, or belongs to another row") from error
        found: dict[str, str] = json.loads(plain)
        return found

    def fingerprint(self, purpose: str, text: str) -> str:
        """Return a keyed hash of `text` (64 hexadecimal digits) for finding the same text again without keeping it.

        Write the text the same way first (case, spaces): other spelling, other fingerprint.
        """
        return hmac.new(self.keys().fingerprint, _joined(purpose, text), hashlib.sha256).hexdigest()

    def head(self) -> bytes:
        """Return what every value that is sealed now begins with."""
        return self.keys().newest.head


def closed(why: str = "this program was started without the contact keys") -> Vault:
    """Return a vault that neither seals nor opens anything, saying why."""

    def refuse() -> Keys:
        raise VaultError(why)

    return Vault(refuse)


def in_memory(keys: Keys) -> Vault:
    """Return a vault over keys that are given once, for tests and tools."""
    return Vault(lambda: keys)


def _about(head: bytes, purpose: str, row: str) -> bytes:
    return head + _joined(purpose, row)


def _joined(first: str, second: str) -> bytes:
    """Put two texts together so that no other two give the same bytes."""
    start = first.encode()
    return len(start).to_bytes(4, "big") + start + second.encode()
