"""A council's sign-in service with behaviour: real HTTP on loopback, real keys and tokens, and lies on request."""

import base64
import hashlib
import hmac
import json
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

CLIENT, SECRET = "kitbank-client", "the council's secret"


@dataclass
class TownHall:
    """The service. `claims` and `header` override what a token says; `now` is its clock in seconds."""

    now: int
    address: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    called: str = ""
    token_at: str = ""
    signs_with: Any = None
    person: dict[str, Any] = field(default_factory=dict)
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one", "use": "sig"}))
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def sign_in(self, address: str) -> str:
        """Do what a person does at the council: sign in there; return the address the browser is sent back to."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert address.startswith(self.address + "/authorise?")
        assert asked["response_type"] == "code"
        assert (asked["client_id"], asked["scope"], asked["code_challenge_method"]) == (CLIENT, "openid email", "S256")
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        return asked["redirect_uri"] + "?" + urlencode({"code": code, "state": asked["state"], "iss": self.address})

    def answer(self, request: Request) -> Response:
        """Answer one request."""
        self.asked.append(request.path)
        if request.path == "/.well-known/openid-configuration":
            return _json({
                "issuer": self.called or self.address, "authorization_endpoint": self.address + "/authorise",
                "token_endpoint": self.token_at or self.address + "/token", "jwks_uri": self.address + "/keys",
            })  # fmt: skip
        if request.path == "/keys":
            strange = {"kty": "unheard-of", "kid": "zero"}
            return _json({"keys": [strange, self.key.as_dict(private=False)]})
        if request.path == "/token":
            return self._token(request)
        return Response(status=404)

    def _token(self, request: Request) -> Response:
        asked = self.codes.pop(request.form.get("code", ""), None)
        known = request.authorization
        right = known is not None and (known.username, known.password) == (CLIENT, SECRET)
        verifier = hashlib.sha256(request.form.get("code_verifier", "").encode()).digest()
        if asked is None or not right or _text(verifier) != asked["code_challenge"]:
            return _json({"error": "invalid_grant"}, 400)
        assert request.form["redirect_uri"] == asked["redirect_uri"]
        said = {
            "iss": self.address, "aud": CLIENT, "sub": "subject-1", "nonce": asked["nonce"], "iat": self.now,
            "exp": self.now + 300, **self.person, **self.claims,
        }  # fmt: skip
        said = {name: value for name, value in said.items() if value is not None}
        header = {"alg": "RS256", "kid": "one", **self.header}
        return _json({"access_token": "unused", "token_type": "Bearer", "id_token": self._signed(header, said)})

    def _signed(self, header: Mapping[str, Any], said: Mapping[str, Any]) -> str:
        if header["alg"] in ("none", "HS256"):  # by hand: the library makes no such token
            plain = ".".join(_text(json.dumps(dict(one)).encode()) for one in (header, said))
            shared = hmac.new(self.key.as_pem(private=False), plain.encode(), hashlib.sha256).digest()
            return plain + "." + (_text(shared) if header["alg"] == "HS256" else "")
        return jwt.encode(dict(header), dict(said), self.signs_with or self.key, algorithms=[header["alg"]])


class Quiet(WSGIRequestHandler):
    """Writes no line per request."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


@contextmanager
def open_town_hall(now: int) -> Iterator[TownHall]:
    """Serve a council's sign-in on loopback."""
    made = TownHall(now)

    @Request.application
    def app(request: Request) -> Response:
        return made.answer(request)

    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    made.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _json(data: object, status: int = 200) -> Response:
    return Response(json.dumps(data), status=status, mimetype="application/json")
