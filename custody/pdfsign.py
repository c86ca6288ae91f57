"""The signature on a PDF that any reader can check, and the key that makes it. The one place that knows pyHanko.

A PDF reader understands RSA and X.509, not Ed25519 and not our envelopes. So a station has a document key of its own:
RSA-3072 with a self-signed X.509 certificate, made when the first certificate is printed. It signs papers and nothing
else; which document key is the station's is said by the event key (`custody.statement`), so a reader who trusts the
event key needs no authority and no network.

- `signed` puts the attachments in, then signs the whole file: one signature (ETSI.CAdES.detached), nothing after it;
- `opened` believes a file only when that one signature fits, covers every byte of the file and fills its place exactly,
  so that neither a changed byte nor anything added later goes through.
"""

import hashlib
import io
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from pyhanko.keys import load_certs_from_pemder_data, load_private_key_from_pemder_data
from pyhanko.pdf_utils import embed
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign import fields, signers
from pyhanko.sign.general import UnacceptableSignerError
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko.sign.validation.errors import SignatureValidationError
from pyhanko.sign.validation.status import SignatureCoverageLevel
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.registry import SimpleCertificateStore

from custody.disk import store_file
from custody.errors import BadEvent, BadSignature
from custody.keyfile import KeyFileError, read_private

logging.getLogger("pyhanko").addHandler(logging.NullHandler())  # what it thinks of a bad file, we say ourselves

LARGEST = 32 * 1024 * 1024
"""Bytes of a PDF that is looked at."""

BITS = 3072
FIELD = "Kitbank"
T = TypeVar("T")
FOREVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""No well-defined expiry (RFC 5280, 4.1.2.5): a bench clock may be wrong, and a certificate is read years later."""


@dataclass(frozen=True)
class DocumentKey:
    """The key that signs papers. `fingerprint` is the SHA-256 of its X.509 certificate (DER), in hex."""

    signer: Any
    fingerprint: str


@dataclass(frozen=True)
class Opened:
    """A PDF whose signature fits every byte of it: its attachments by name, and by which X.509 certificate."""

    attachments: Mapping[str, bytes]
    fingerprint: str


def make_document_key(path: Path, name: str) -> None:
    """Store a new document key with its certificate in one PEM file, 0600; `name` is shown by PDF readers.

    Raises KeyFileError when there is one already or the folder refuses.
    """
    key = rsa.generate_private_key(65537, BITS)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    no = dict.fromkeys(("key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign"), False)
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=True, encipher_only=False, decipher_only=False, **no
    )
    made = (
        x509.CertificateBuilder(subject_name=subject, issuer_name=subject, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(FOREVER)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    try:
        store_file(path, pem + made.public_bytes(serialization.Encoding.PEM), mode=0o600, replace=False)
    except FileExistsError as error:
        raise KeyFileError(f"{path} exists already and is never overwritten") from error
    except OSError as error:
        raise KeyFileError(f"the document key {path} cannot be stored: {error.strerror}") from error


def read_document_key(path: Path) -> DocumentKey:
    """Read the document key; raises KeyFileError when it is missing, open to others, or damaged."""
    raw = read_private(path, 64 * 1024)
    try:
        key = serialization.load_pem_private_key(raw, None)
        cert = x509.load_pem_x509_certificate(raw)
        if key.public_key() != cert.public_key():
            raise ValueError("key and certificate do not belong together")
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyFileError(
            f"the document key {path} is damaged ({error}); move it away and a new one is made"
        ) from error
    key_der = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    cert_der = cert.public_bytes(serialization.Encoding.DER)
    signer = signers.SimpleSigner(
        signing_cert=next(iter(load_certs_from_pemder_data(cert_der))),
        signing_key=load_private_key_from_pemder_data(key_der, passphrase=None),
        cert_registry=SimpleCertificateStore(),  # type: ignore[no-untyped-call]
    )
    return DocumentKey(signer, hashlib.sha256(cert_der).hexdigest())


def signed(pdf: bytes, attachments: Mapping[str, bytes], key: DocumentKey, reason: str) -> bytes:
    """Attach these files (by name, stored as they are) and sign the whole; `reason` is shown by PDF readers."""
    draft = _apart(lambda: _signed(pdf, attachments, key, reason, None))
    room = _der_length(_embedded(draft).pkcs7_content)
    # An RSA signature always has one length: the second time its place is cut to size, and nothing fits beside it.
    return _apart(lambda: _signed(pdf, attachments, key, reason, 2 * room))


def opened(pdf: bytes) -> Opened:
    """Check the signature on a PDF and return what is attached to it.

    Raises BadEvent for what is no signed PDF of ours, BadSignature for one that was changed or added to.
    """
    if len(pdf) > LARGEST:
        raise BadEvent(f"a PDF of {len(pdf)} bytes is too large; {LARGEST} is the limit")
    try:
        found = _embedded(pdf)
        trust = ValidationContext(trust_roots=[found.signer_cert], allow_fetching=False)
        status = _apart(lambda: validate_pdf_signature(found, trust))
        fits = status.intact and status.valid and status.coverage == SignatureCoverageLevel.ENTIRE_FILE
        _, before, after, _ = (int(number) for number in found.byte_range)
        cms = _as_it_must_be(found)
        exact = pdf[before:after] == b"<" + cms.hex().upper().encode() + b">"
        attachments = _attachments(found.reader)
    except _BROKEN as error:
        raise BadEvent(f"this is no PDF that Kitbank signed ({type(error).__name__}: {error})") from error
    if not (fits and exact):
        raise BadSignature("the PDF was changed, or something was added to it, after it was signed")
    return Opened(attachments, hashlib.sha256(found.signer_cert.dump()).hexdigest())


_BROKEN = (
    *(PdfError, SignatureValidationError, UnacceptableSignerError, ValueError, LookupError, TypeError, AttributeError),
    *(AssertionError, RecursionError, NotImplementedError, OSError),
)
"""What a hostile or broken file may raise inside pyHanko; whatever it is, the file is not believed."""


def _apart(work: Callable[[], T]) -> T:
    """Do the work in a thread of its own: pyHanko starts an event loop, and a thread with one cannot start another."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def _signed(pdf: bytes, attachments: Mapping[str, bytes], key: DocumentKey, reason: str, room: int | None) -> bytes:
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
    for name, data in sorted(attachments.items()):  # a name tree is sorted (PDF 32000-1, 7.9.6)
        stored = embed.EmbeddedFileObject.from_file_data(
            writer, data=data, compress=False, mime_type="application/json"
        )
        embed.embed_file(writer, embed.FileSpec(file_spec_string=name, file_name=name, embedded_data=stored))
    about = signers.PdfSignatureMetadata(
        field_name=FIELD, md_algorithm="sha256", subfilter=fields.SigSeedSubFilter.PADES, reason=reason
    )
    out: io.BytesIO = signers.PdfSigner(about, signer=key.signer).sign_pdf(writer, bytes_reserved=room)
    return out.getvalue()


def _embedded(pdf: bytes) -> Any:
    found = PdfFileReader(io.BytesIO(pdf)).embedded_signatures
    if len(found) != 1:
        raise ValueError(f"it has {len(found)} signatures, not one")
    return found[0]


def _attachments(reader: Any) -> dict[str, bytes]:
    """Return the attached files by name."""
    try:
        listed = reader.root["/Names"]["/EmbeddedFiles"]["/Names"]
    except KeyError:
        return {}
    found = {}
    for place in range(0, len(listed), 2):  # only asking for one item resolves the reference that stands there
        found[str(listed[place])] = bytes(listed[place + 1]["/EF"]["/F"].data)
    return found


def _as_it_must_be(found: Any) -> bytes:
    """Return the signature's bytes (RFC 5652, 5.1 and 5.3) built anew: what is not signed itself has one value only.

    Versions, names of algorithms and the signer's name stand outside what is signed, and no reader looks at them all.
    """
    cert, signer = found.signer_cert, found.signer_info
    one, sha256 = b"\x02\x01\x01", bytes.fromhex("300d06096086480165030402010500")
    issued = _der(0x30, cert.issuer.dump(), cert["tbs_certificate"]["serial_number"].dump())
    rsa_sha256 = bytes.fromhex("300d06092a864886f70d01010b0500")
    attributes, signature = signer["signed_attrs"].dump(), signer["signature"].dump()
    signer_infos = _der(0x31, _der(0x30, one, issued, sha256, attributes, rsa_sha256, signature))
    data = bytes.fromhex("300b06092a864886f70d010701")
    inner = _der(0x30, one, _der(0x31, sha256), data, _der(0xA0, cert.dump()), signer_infos)
    return _der(0x30, bytes.fromhex("06092a864886f70d010702"), _der(0xA0, inner))


def _der(tag: int, *inside: bytes) -> bytes:
    """Return a DER value (X.690, 8.1) around these."""
    data = b"".join(inside)
    size = len(data).to_bytes((len(data).bit_length() + 7) // 8 or 1, "big")
    return bytes([tag]) + (size if len(data) < 128 else bytes([0x80 | len(size)]) + size) + data


def _der_length(der: bytes) -> int:
    """Return how many bytes a DER value takes that begins with its long-form length (X.690, 8.1.3.5)."""
    count = der[1] & 0x7F if der[1] & 0x80 else 0
    return 2 + count + (int.from_bytes(der[2 : 2 + count], "big") if count else der[1])
