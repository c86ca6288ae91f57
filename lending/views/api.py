"""What stations and kiosks ask over HTTP: `receive.Server` behind signed requests, errors as JSON.

Only `POST /api/enrol` is unsigned: it is authorised by a one-time code, and wrong codes are counted per address.
Every other request carries an origin's signature over method, path, body and time. Answers never say more to a
stranger than that they are one.
"""

import base64
import binascii
import json
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from custody.errors import BadEvent, CustodyError, Refused, SyncRefused, UnknownKey
from custody.events import Digest, OriginId
from custody.signing import UnknownOrigin, answer_for, check_request
from lending import auth, history, people
from lending.origins import EnrolRequest
from lending.receive import LARGEST_ATTACHMENT, Server

LARGEST_BODY = 16 << 20
"""Bytes of a request that is not evidence."""

MOST_EVENTS = 1000
MOST_KEPT_FROM_STRANGERS = 50
"""Envelopes of one request by an unknown machine that are put into quarantine."""

blueprint = Blueprint("api", __name__, url_prefix="/api")


@blueprint.post("/events")
@auth.machines
def events() -> Response:
    """Take a batch of envelopes in chain order and say what is now held of their origin."""
    body = _body(LARGEST_BODY)
    try:
        origin = _authorised(body)
    except UnknownOrigin as stranger:
        _keep(body, stranger)
        raise
    return jsonify(_server().receive(origin, _envelopes(body)).to_json())


@blueprint.put("/attachments/<digest>")
@auth.machines
def put_attachment(digest: str) -> Response:
    """Keep a piece of evidence: 200, or 204 when it is here already."""
    body = _body(LARGEST_ATTACHMENT)
    origin = _authorised(body)
    server = _server()
    if server.has_attachment(Digest(digest)):
        return Response(status=HTTPStatus.NO_CONTENT)
    server.put_attachment(Digest(digest), body, origin)
    return jsonify({"digest": digest, "size": len(body)})


@blueprint.get("/attachments/<digest>")
@auth.machines
def has_attachment(digest: str) -> Response:
    """Tell whether a piece of evidence is here: 204 or 404, never its bytes."""
    _authorised(_body(0))
    held = _server().has_attachment(Digest(digest))
    return Response(status=HTTPStatus.NO_CONTENT if held else HTTPStatus.NOT_FOUND)


@blueprint.get("/feed")
@auth.machines
def feed() -> Response:
    """Return history after a position in the order of arrival."""
    _authorised(_body(0))
    page = _server().feed(_number("after", 0), _number("limit", 500))
    envelopes = [base64.b64encode(one).decode() for one in page.envelopes]
    return jsonify({"envelopes": envelopes, "position": page.position, "more": page.more, "server": page.server})


@blueprint.get("/checkpoint")
@auth.machines
def checkpoint() -> Response:
    """Return the newest signed checkpoint."""
    _authorised(_body(0))
    found = _server().checkpoint()
    return jsonify({"envelope": base64.b64encode(found).decode() if found else None})


@blueprint.get("/roster")
@auth.machines
def roster() -> Response:
    """Return the newest roster to a station: who may sign in there."""
    found = _server().roster(_authorised(_body(0)))
    return jsonify({"document": base64.b64encode(found).decode() if found else None})


@blueprint.post("/enrol")
@auth.machines
def enrol() -> Response:
    """Enrol a machine that holds a one-time code; answer with whom to trust."""
    services = auth.services()
    key = f"enrol:{request.remote_addr}"
    with services.db.transaction() as tx:
        people.refuse_if_throttled(tx, key, services.now())
    data = _json(_body(LARGEST_BODY))
    wanted = EnrolRequest(
        role=_text(data, "role"), key=_text(data, "key"), transport_key=_text(data, "transport_key"),
        world=_text(data, "world"), name=_text(data, "name", ""),
    )  # fmt: skip
    try:
        enrolled = _server().enrol(_text(data, "code"), wanted)
    except Refused:
        with services.db.transaction() as tx:
            people.count_try(tx, key, services.now())
        raise
    return jsonify(
        {"origin": enrolled.origin, "name": enrolled.name, "server": dict(enrolled.server),
         "url": services.config.host_address}
    )  # fmt: skip


@blueprint.errorhandler(CustodyError)
def refused(error: CustodyError) -> tuple[Response, int]:
    """Say no as JSON: what it was, the sentence, and what the machine needs to go on."""
    if isinstance(error, Refused):
        reasons = [reason.to_json() for reason in error.reasons]
        status = 429 if error.reasons and error.reasons[0].code == "throttled" else 403
        code = error.reasons[0].code if error.reasons else "refused"
        return jsonify({"error": code, "message": str(error), "reasons": reasons}), status
    status, said = answer_for(error)
    return jsonify(said), status


@blueprint.errorhandler(HTTPException)
def problem(error: HTTPException) -> tuple[Response, int]:
    """Say what Flask refuses (too large, wrong method) as JSON too."""
    return jsonify({"error": error.name, "message": error.description}), error.code or 500


def _server() -> Server:
    services = auth.services()
    return Server(services.db, services.now)


def _authorised(body: bytes) -> OriginId:
    query = request.query_string.decode("ascii", "replace")
    path = request.path + (f"?{query}" if query else "")
    return check_request(
        dict(request.headers), request.method, path, body, _server().transport_key, auth.services().now()
    )


def _body(most: int) -> bytes:
    if (request.content_length or 0) > most:
        raise SyncRefused(f"{request.content_length} bytes are too many for this request; send at most {most}")
    return request.get_data(cache=False)


def _json(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise BadEvent("the request is not a JSON object")
    return data


def _envelopes(body: bytes) -> list[bytes]:
    listed = _json(body).get("envelopes")
    if not isinstance(listed, list) or len(listed) > MOST_EVENTS:
        raise BadEvent(f"the request needs a list `envelopes` of at most {MOST_EVENTS}")
    try:
        return [base64.b64decode(one, validate=True) for one in listed]
    except (binascii.Error, ValueError, TypeError) as error:
        raise BadEvent(f"an envelope is not base64: {error}") from error


def _keep(body: bytes, stranger: UnknownOrigin) -> None:
    """Put what an unknown machine sent into quarantine, as far as it is readable and there is room."""
    try:
        envelopes = _envelopes(body)
    except BadEvent:
        return
    services = auth.services()
    with services.db.transaction() as tx:
        for envelope in envelopes[:MOST_KEPT_FROM_STRANGERS]:
            history.quarantine(tx, envelope, UnknownKey(str(stranger)), services.now())


def _number(name: str, default: int) -> int:
    text = request.args.get(name, "")
    return min(int(text), 2**62) if text.isascii() and text.isdecimal() else default


def _text(data: dict[str, Any], name: str, default: str | None = None) -> str:
    value = data.get(name, default)
    if not isinstance(value, str):
        raise BadEvent(f"the field {name!r} must be a text")
    return value[:1000]
