"""The steps of the line that happen at the server's console and at the bench; each returns what it saw."""

import io
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from tools import carve
from tools.scene import OPERATOR, Scene, expect

MEBIBYTE = 1024 * 1024


def server_created(scene: Scene) -> str:
    """Make a practice server: keys, world, an empty history."""
    scene.lending("init", "--world", "practice")
    scene.lending("migrate")
    scene.lending("places", "import-default")
    return f"practice server in {scene.home / 'server'}, schema brought up to date"


def sign_ins_made(scene: Scene) -> str:
    """Make one sign-in for each role; only a practice server does that."""
    told = scene.lending("demo-users", "--json").json()
    for each in told:
        scene.accounts[each["role"]] = (each["email"], each["password"])
    expect({"partner", "desk", "administrator"} <= set(scene.accounts), f"roles missing: only {list(scene.accounts)}")
    return f"{len(told)} accounts: {', '.join(scene.accounts)}"


def server_running(scene: Scene) -> str:
    """Start the lending service."""
    scene.start_server()
    return f"answers at {scene.address}"


def station_enrolled(scene: Scene) -> str:
    """Make a practice station and join it to the server with a one-time code."""
    made = scene.station("init", "--practice")
    joined = scene.station("enrol", scene.address, scene.one_time_code("station", "Practice bench"))
    told = scene.station("sync")
    return f"{made['origin']} joined, server's fingerprint {joined['fingerprint']}, {told['taken']} events taken"


def kiosk_running(scene: Scene) -> str:
    """Make a kiosk, join it to the server with a one-time code, and start it."""
    folder = scene.home / "kiosk"
    origin = scene.kiosk("init", "--world", "practice", "--name", "Practice kiosk").out.strip()
    scene.kiosk("enrol", scene.address, scene.one_time_code("kiosk", "Practice kiosk"))
    settings = folder / "kiosk.toml"
    lines = [line for line in settings.read_text(encoding="utf-8").splitlines() if not line.startswith("sync_every")]
    settings.write_text("\n".join(["sync_every = 5.0", *lines]) + "\n", encoding="utf-8")
    scene.programs.start("kiosk", scene.kiosk_address, "kitbank-kiosk", "run", "--home", str(folder),
                         "--port", str(scene.kiosk_port))  # fmt: skip
    return f"{origin} joined and answers at {scene.kiosk_address}"


def drives_made(scene: Scene) -> str:
    """Make practice drives with real file systems and planted files."""
    scene.drives = scene.station("practice", str(scene.home / "drives"))
    kinds = ", ".join(f"{each['filesystem']} ({len(each['planted'])} files)" for each in scene.drives)
    return f"{len(scene.drives)} drives of {scene.image.stat().st_size // MEBIBYTE} MiB: {kinds}"


def files_found_before(scene: Scene) -> str:
    """Let a recovery tool look at the donated drive: it must find something, or its silence later proves nothing."""
    found = carve.files_on(scene.image, scene.home / "recovered-before")
    expect(found.files > 0, f"{found.tool} found no file on a drive with planted files")
    return f"{found.tool} recovers {found.files} files; {carve.bytes_not_zero(scene.image):,} bytes are not zero"


def label_made(scene: Scene) -> str:
    """Make a label code."""
    (scene.code,) = scene.programs.run("kitbank-labels", "new", "1", "--json").json()
    return scene.code


def registered(scene: Scene) -> str:
    """Record that the label now is this device."""
    done = scene.station("register", scene.code, "--make", "Lenovo", "--model", "ThinkPad X230", "--serial", "R9-TEST1")
    return f"event {done['event'][:12]}"


def inventoried(scene: Scene) -> str:
    """Probe the machine, look inside the device and record its media."""
    seen = scene.station("probe")
    done = scene.station("inventory", scene.code, "--media", str(scene.image))
    offered = [each for each in seen["media"] if not each["why_ours"]]
    after = (done["after"] or "never out")[:12]
    return (
        f"{len(done['media'])} medium, serial {done['media'][0]['serial']}, answers exit: {after}; this machine has "
        f"{len(seen['media'])} drives of its own, {len(offered)} of them offered"
    )


def planned(scene: Scene) -> str:
    """Show the plan, and see that it touches nothing."""
    before = carve.bytes_not_zero(scene.image)
    plan = scene.station("plan", str(scene.image), "--profile", "clear")
    expect(carve.bytes_not_zero(scene.image) == before, "the plan changed the drive")
    return f"method {plan['method']}; type {scene.drives[0]['confirm']} to go on; the drive is unchanged"


def wrong_confirmation_refused(scene: Scene) -> str:
    """Type the wrong four characters on another drive: nothing may happen to it."""
    other = scene.drives[1]
    wrong = "ZZZZ" if other["confirm"] != "ZZZZ" else "YYYY"
    before = carve.bytes_not_zero(Path(other["path"]))
    said = scene.station("wipe", other["path"], "--profile", "clear", "--operator", OPERATOR, "--confirm", wrong,
                         expect=(2, 3))  # fmt: skip
    expect(carve.bytes_not_zero(Path(other["path"])) == before, "the drive was changed all the same")
    return f"refused, exit {said['exit']}: {said['error']}"


def wiped(scene: Scene) -> str:
    """Wipe the drive and prove it."""
    drive = scene.drives[0]
    done = scene.station("wipe", drive["path"], "--profile", "clear", "--operator", OPERATOR,
                         "--confirm", drive["confirm"], "--device", scene.code)  # fmt: skip
    expect(done["outcome"] == "DONE", f"the outcome is {done['outcome']}: {done['reasons']}")
    scene.wipes.append(done["event"])
    read = done["readbacks"][-1]
    expect(read["bytes_wrong"] == 0 and read["separate_process"], f"the read-back does not prove it: {read}")
    canaries = done["canaries"] or {}
    return (
        f"{done['outcome']}, claim {done['claim']}; {read['bytes_read']:,} bytes read back by a separate process, "
        f"{read['bytes_wrong']} wrong; {canaries.get('planted', 0)} canaries planted, {canaries.get('surviving', 0)} "
        f"survive; evidence {done['evidence'][:12]}"
    )


def nothing_found(scene: Scene) -> str:
    """Let the same recovery tool look again."""
    found = carve.files_on(scene.image, scene.home / f"recovered-after-{len(scene.wipes)}")
    left = carve.bytes_not_zero(scene.image)
    expect(found.files == 0 and left == 0, f"{found.tool} found {found.files} files, {left:,} bytes are not zero")
    return f"{found.tool} recovers 0 files; 0 of {scene.image.stat().st_size:,} bytes are not zero"


def record_checked(scene: Scene) -> str:
    """Export the wipe with its evidence as a file and have it checked as an outsider would."""
    record = scene.home / "wipe-record.json"
    shown = scene.programs.run("kitbank-station", "journal", "--export", scene.wipes[0],
                               "--home", str(scene.home / "station"))  # fmt: skip
    record.write_text(shown.out, encoding="utf-8")
    scene.station("verify-record", str(record))
    return f"{record.name}, {len(shown.out):,} bytes: signature, evidence and claim hold for somebody else too"


def tested(scene: Scene) -> str:
    """Record the hardware tests and the grade."""
    done = scene.station("test", scene.code, "--result", "electrical=pass", "--result", "keyboard=pass",
                         "--grade", "B", "--operator", OPERATOR)  # fmt: skip
    return f"electrical and keyboard pass, grade B, event {done['event'][:12]}"


def label_printed(scene: Scene) -> str:
    """Render the label as a PDF sheet."""
    sheet = scene.home / "label.pdf"
    scene.programs.run("kitbank-labels", "render", scene.code, "--title", "ThinkPad X230", "--as", "pdf:avery-l7160",
                       "--to", f"file:{sheet}")  # fmt: skip
    data = sheet.read_bytes()
    expect(data.startswith(b"%PDF-") and b"%%EOF" in data[-16:], "that is no whole PDF")
    return f"{sheet.name}, {len(data):,} bytes"


def synced(scene: Scene) -> str:
    """Send what the station recorded, fetch what others did; then nothing speaks against lending."""
    told = scene.station("sync")
    expect(told["waiting"] == 0, f"{told['waiting']} events still wait")
    reasons = scene.why_not_lendable()
    expect(not reasons, f"the station would not lend it: {texts(reasons)}")
    return f"{told['sent']} sent, {told['taken']} taken, 0 waiting; nothing speaks against lending"


def news_fetched(scene: Scene) -> str:
    """Sync the station and see that it now knows, offline, why the device may not go out again."""
    told = scene.station("sync")
    reasons = scene.why_not_lendable()
    expect(reasons, "the station knows of nothing against lending a device that was not wiped again")
    return f"{told['taken']} taken; the bench says: {texts(reasons)}"


def household_used_it(scene: Scene) -> str:
    """The household saves a photograph on the drive: something that the second wipe has to remove."""
    picture = Image.new("RGB", (640, 480), "#7a4")
    ImageDraw.Draw(picture).text((40, 40), "Our holiday (made up for practice)", fill="white")
    data = io.BytesIO()
    picture.save(data, "JPEG")
    with scene.image.open("r+b") as drive:
        drive.seek(8 * MEBIBYTE)
        drive.write(data.getvalue())
    found = carve.files_on(scene.image, scene.home / "recovered-from-household")
    expect(found.files > 0, f"{found.tool} does not find the photograph")
    return f"a photograph of {len(data.getvalue()):,} bytes; {found.tool} recovers {found.files} file"


def texts(reasons: list[dict[str, Any]]) -> str:
    """Return the sentences of reasons, one after the other."""
    return "; ".join(each["text"] for each in reasons)
