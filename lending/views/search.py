"""The search box of every page: an exact hit is opened at once, anything else is listed in groups."""

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from custody.badges import looks_like_a_badge
from lending import auth, forms
from lending import search as finding
from lending.search import Hit

blueprint = Blueprint("search", __name__)

TITLES = {"device": "Devices", "loan": "Loans", "referral": "Referrals", "partner": "Partners", "account": "Accounts"}


@blueprint.get("/search")
@auth.roles(*auth.EVERYONE)
def search() -> ResponseReturnValue:
    """Find anything that the reader may see by what is printed or written somewhere."""
    typed = forms.text(request.args, "q")
    if looks_like_a_badge(typed):
        return render_template("search.html", q="", badge=True, groups=[], more=False, offer=""), 422
    with auth.services().db.read() as tx:
        found = finding.search(tx, auth.actor(), typed)
    hits = [(hit, href(hit)) for hit in found.hits]
    only = found.only
    if only is not None and href(only):
        return redirect(href(only), 303)
    groups = [(title, [one for one in hits if one[0].kind == kind]) for kind, title in TITLES.items()]
    scan = forms.read_scan(typed) if auth.may("devices.find") and not hits else forms.Scan("")
    return render_template(
        "search.html", q=typed, groups=[one for one in groups if one[1]], more=found.more,
        offer=scan.suggestion if scan.problem else "",
    )  # fmt: skip


def href(hit: Hit) -> str:
    """Return the address of what was found, "" where the reader may not open it."""
    places: dict[str, tuple[str, dict[str, Any]]] = {
        "device": ("devices.device", {"code": hit.target}),
        "loan": ("desk.loan", {"ref": hit.target}),
        "referral": ("partners.referral", {"ref": hit.target}),
        "partner": ("partners.listing", {"partner": hit.target}),
        "account": ("people.listing", {"_anchor": f"account-{hit.target}"}),
    }
    endpoint, values = places[hit.kind]
    return url_for(endpoint, **values) if auth.may(endpoint) else ""
