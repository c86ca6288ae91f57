"""Lists as files: the same list as on the screen, as CSV or Excel, streamed."""

from collections.abc import Callable
from typing import cast

from flask import Blueprint, Response, abort, request
from flask.typing import ResponseReturnValue

from lending import auth, exports, sheets

blueprint = Blueprint("exports", __name__)


def _view(what: str) -> Callable[[str], ResponseReturnValue]:
    export = exports.EXPORTS[what]

    def download(form: str) -> ResponseReturnValue:
        if form not in sheets.KINDS:
            abort(404)
        services, by = auth.services(), auth.actor()
        state = request.args.get("state", "")[:40]
        with services.db.transaction() as tx:
            exports.begin(tx, by, what, state, form, services.now())
        rows = export.rows(services.db, by, state)
        name = f"{what}-{services.now():%Y-%m-%d}.{form}"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        if form == "csv":
            return Response(sheets.csv_lines(export.columns, rows), mimetype=sheets.KINDS[form], headers=headers)
        pieces = sheets.excel(export.title, export.columns, rows)
        return Response(pieces, mimetype=sheets.KINDS[form], headers=headers)

    download.__doc__ = f"Give the list of {what} as a file."
    return cast(Callable[[str], ResponseReturnValue], auth.roles(*export.roles)(download))


for _what in exports.EXPORTS:
    blueprint.add_url_rule(f"/export/{_what}.<form>", _what, _view(_what))
