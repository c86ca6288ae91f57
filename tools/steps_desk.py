"""The steps of the line that happen in a browser: partner, loan desk, kiosk; each returns what it saw."""

from collections.abc import Mapping
from dataclasses import replace

from tools.browser import Browser, Page, Unexpected
from tools.scene import Scene, expect, found, saw, wait_for
from tools.steps_bench import texts

CONVERGES_WITHIN = 45.0

HOUSEHOLD: Mapping[str, Mapping[str, str]] = {
    "reference": {"client_reference": "PRACTICE-0001"},
    "postcode": {"postcode": "L1 8JQ"},
    "place": {"borough": "anyway"},
    "household": {"adults": "1", "children_5-10": "2"},
    "device": {"need": "laptop"},
    "internet": {"internet": "phone-only"},
    "purpose": {"purpose": "school"},
    "fit": {},
    "ground": {"ground": "school-meals"},
    "contact": {"via_partner": "no", "contact_name": "Robin Practice", "contact_phone": "0151 496 0000"},
    "safe": {"safe_contact": "yes"},
    "language": {"language": "English"},
    "support": {},
    "told": {"told_how": "explained"},
}
"""A household that does not exist, page by page, with a telephone number that is reserved for fiction."""


def referred(scene: Scene) -> str:
    """The partner answers the questions one by one, checks the answers and sends them."""
    with scene.person("partner") as browser:
        start = browser.open("/referrals/new")
        page = browser.send(start, start.form(action="/referrals/new"))
        for _ in HOUSEHOLD:
            form = page.form(action="/referrals/drafts/")
            asked = form.action.rsplit("/", 1)[-1]
            if asked == "send":
                break
            page = browser.send(page, form, HOUSEHOLD[asked])
        sent = browser.send(page, page.form(action="/send"))
    scene.referral = found(sent, r"R-[0-9A-Z]{6}")
    return f"{scene.referral}: one adult, two children, needs a laptop for school"


def approved(scene: Scene) -> str:
    """The desk approves the referral, which makes a loan."""
    with scene.person("desk") as browser:
        page = browser.open(f"/referrals/{scene.referral}")
        loan = browser.send(page, page.form(action="/approve"))
    scene.loans.append(found(loan, r"L-[0-9A-Z]{6}"))
    return f"loan {scene.loans[-1]}"


def reserved(scene: Scene) -> str:
    """The desk scans the device for the loan."""
    with scene.person("desk") as browser:
        page = loan_page(scene, browser)
        page = browser.send(page, page.form("code", action="/reserve"), {"code": scene.code})
    saw(page, "is kept for this loan")
    return f"{scene.code} for {scene.loans[-1]}"


def handed_over(scene: Scene) -> str:
    """The desk tries the content filter, since children live there, and hands the device over: the only way out."""
    with scene.person("desk") as browser:
        page = browser.open(f"/loans/{scene.loans[-1]}/filter/{scene.code}")
        answers = {"way": "family-dns", "how": "three test pages, all blocked", "works": "yes"}
        page = browser.send(page, page.form("way", action="/filter/"), answers)
        saw(page, "content filter")
        page = loan_page(scene, browser)
        page = browser.send(page, page.form("code", action="/hand-over"), {"code": scene.code})
    saw(page, "is handed over")
    return f"{scene.code} left on {scene.loans[-1]}"


def server_stopped(scene: Scene) -> str:
    """Let the kiosk fetch the news, then switch the lending service off."""
    scene.kiosk("sync")
    scene.programs.stop("lending")
    try:
        Browser(scene.address).open("/sign-in")
    except OSError:
        return "the service answers no more; the kiosk is on its own"
    raise Unexpected(f"{scene.address} still answers after the service was stopped")


def returned_at_kiosk(scene: Scene) -> str:
    """A household brings the device back while the server is down; the kiosk thanks after it has recorded it."""
    browser = Browser(scene.kiosk_address)
    page = browser.open("/")
    page = browser.send(page, page.form("text", action="/scan"), {"text": scene.code})
    page = browser.send(page, page.form("device", action="/count"), {"device": "1", "charger": "1"})
    page = browser.send(page, page.form("condition", action="/answer"), {"condition": "fine", "agreed": "yes"})
    page = browser.send(page, page.form(action="/finish"))
    saw(page, "thank you")
    browser.close()
    status = scene.kiosk("status", "--json").json()
    expect(status["waiting"] >= 1, f"the kiosk says that nothing waits to be sent: {status}")
    return f"thanked; {status['waiting']} signed return waits on the kiosk"


def converged(scene: Scene) -> str:
    """Start the service again: the kiosk delivers by itself, and the desk sees the device as reported returned."""
    scene.start_server()
    seconds = wait_for(
        lambda: scene.kiosk("status", "--json").json()["waiting"] == 0, CONVERGES_WITHIN, "the kiosk still waits"
    )
    with scene.person("desk") as browser:
        page = browser.open("/receive")
        expect(scene.code in page.text.replace("-", ""), f"the desk does not see the return: {page.gist()}")
        loan = loan_page(scene, browser)
        saw(loan, "out")
    return f"delivered {seconds:.1f} s after the service was back; reported, and still on loan until in hand"


def received(scene: Scene) -> str:
    """The desk takes the device in hand; this alone closes the loan."""
    with scene.person("desk") as browser:
        page = browser.open("/receive")
        seen = {"code": scene.code, "condition": "good", "item_charger": "1"}
        page = browser.send(page, page.form("code", "condition", action="/receive"), seen)
    saw(page, "is received")
    return "in hand, loan closed as returned; to be wiped before it is lent again"


def second_lending_refused(scene: Scene) -> str:
    """The desk tries to lend it on at once: nobody looked inside since it came back, and it must be refused."""
    refuse(scene)
    expect(len(scene.reasons) >= 2, f"only one reason: {texts(scene.reasons)}")
    return f"{len(scene.reasons)} reasons: {texts(scene.reasons)}"


def refused_until_wiped(scene: Scene) -> str:
    """The bench has looked inside and tested; what is left is the old certificate, and the filter for the children."""
    refuse(scene)
    codes = [reason["code"] for reason in scene.reasons]
    wanted = ["wipe-before-exit", "filter-not-verified"]
    expect(codes == wanted, f"the reasons are {codes}, not {wanted}: {texts(scene.reasons)}")
    return texts(scene.reasons)


def refuse(scene: Scene) -> None:
    """Try a reservation and a hand-over; both must say no with the same reasons, on the page and to a program."""
    with scene.person("desk") as browser:
        page = loan_page(scene, browser)
        for way in ("/reserve", "/hand-over"):
            form = replace(page.form("code", action="/reserve"), action=f"/loans/{scene.loans[-1]}{way}")
            shown = browser.send(page, form, {"code": scene.code}, expect=(409,))
            answer = browser.send_for_json(page, form, {"code": scene.code}, expect=(409,))
            scene.reasons = answer["reasons"]
            for reason in scene.reasons:
                saw(shown, reason["text"])


def history_holds(scene: Scene) -> str:
    """Check every signature, chain and exit again."""
    said = scene.lending("verify").out.strip()
    return " ".join(said.split()) or "verified, exit 0"


def caches_rebuilt(scene: Scene) -> str:
    """Build the caches again from history: they must come out as they were."""
    said = scene.lending("rebuild").out.strip()
    return " ".join(said.split()) or "rebuilt, exit 0"


def loan_page(scene: Scene, browser: Browser) -> Page:
    """Open the newest loan."""
    return browser.open(f"/loans/{scene.loans[-1]}")
