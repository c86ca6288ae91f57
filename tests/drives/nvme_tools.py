"""An in-process stand-in for nvme-cli 2.3 and smartctl: a `station.run.Runner` over simulated controllers.

    run = NvmeTools({"nvme0": Controller(...)})
    run(["nvme", "get-log", "/dev/nvme0", "--log-id=0x81", "--log-len=512", "-b"], 10)

It answers the forms that the station uses, with the exit statuses and sentences of nvme-cli 2.3 as seen over our own
NVMe/TCP target (tests/captures/nvme-sim); any other form raises `UnknownForm`, so that a test cannot pass on an
answer that nobody has seen. A command that the drive never answers comes back as `timed_out`.
"""

import getopt
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from station.run import MISSING, Result, Watch
from tests.drives import nvme_words as words
from tests.drives.nvme import Controller
from tests.drives.nvme_words import ALL_NAMESPACES, Answer, NeverAnswers, entry

CAPTURES = Path(__file__).parent.parent / "captures" / "nvme-sim"
VERSION = b"nvme version 2.3 (git 2.3)\nlibnvme version 1.3 (git 1.3)\n"

# What libnvme 1.3 says of each status, without its "do not retry" bit (nvme_status_to_string).
SENTENCES = {
    0x001: "Invalid Command Opcode: A reserved coded value or an unsupported value in the command opcode field",
    0x002: "Invalid Field in Command: A reserved coded value or an unsupported value in a defined field",
    0x006: "Internal Error: The command was not completed successfully due to an internal error",
    0x00B: "Invalid Namespace or Format: The namespace or the format of that namespace is invalid",
    0x01C: "Sanitize Failed: The most recent sanitize operation failed and no recovery action has been "
    "successfully completed",
    0x01D: "Sanitize In Progress: The requested function is prohibited while a sanitize operation is in progress",
    0x109: "Invalid Log Page: The log page indicated is invalid",
    0x10A: "Invalid Format: The LBA Format specified is not supported",
    0x11D: "Device Self-test In Progress: The controller or NVM subsystem already has a device self-test operation "
    "in process",
}

# Long options that take a value, and their letters; then those that take none (nvme SUBCOMMAND --help of 2.3).
_VALUED = {
    "id-ctrl": {"output-format": "o"},
    "id-ns": {"namespace-id": "n", "output-format": "o"},
    "list-ns": {"namespace-id": "n", "output-format": "o"},
    "get-log": {"namespace-id": "n", "log-id": "i", "log-len": "l", "lpo": "o", "lsp": "s"},
    "format": {"namespace-id": "n", "timeout": "t", "lbaf": "l", "ses": "s", "pi": "i", "pil": "p", "ms": "m"},
    "admin-passthru": {"opcode": "o", "namespace-id": "n", "cdw10": "4", "data-len": "l"},
    "sanitize": {"sanact": "a", "owpass": "n", "ovrpat": "p"},
    "device-self-test": {"namespace-id": "n", "self-test-code": "s"},
    "reset": {},
    "ns-rescan": {},
    "flush": {"namespace-id": "n"},
}
_FLAGS = {
    "id-ctrl": {"raw-binary": "b"},
    "id-ns": {"force": "", "raw-binary": "b"},
    "list-ns": {"all": "a"},
    "get-log": {"rae": "r", "raw-binary": "b"},
    "format": {"reset": "r", "force": ""},
    "sanitize": {"no-dealloc": "d", "oipbp": "i", "ause": "u"},
    "device-self-test": {},
    "admin-passthru": {"read": "r", "raw-binary": "b"},
}


_PASSED = b"Admin Command Identify is Success and result: 0x00000000\n"  # on standard error, though all is well


class UnknownForm(AssertionError):
    """A form of a command line that this stand-in has not learnt from the real tool."""


class _Trouble(Exception):
    """The tool ends with this exit status, saying this on standard error."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence if "\n" in sentence[:-1] else f"{sentence}\n"


class NvmeTools:
    """Runs `nvme` and `smartctl` against controllers by name ("nvme0"); keeps a transcript like `station.run.Run`."""

    def __init__(self, drives: Mapping[str, Controller]) -> None:
        self.drives = dict(drives)
        self._done: list[Result] = []

    @property
    def transcript(self) -> tuple[Result, ...]:
        """Return everything that was asked, in order."""
        return tuple(self._done)

    def __call__(self, argv: Sequence[str], deadline: float, *, watch: Watch | None = None) -> Result:
        """Answer one command line; raises `UnknownForm` for one that it has not learnt."""
        self._done.append(self._answer(tuple(argv), deadline))
        return self._done[-1]

    def _answer(self, argv: tuple[str, ...], deadline: float) -> Result:
        try:
            if argv[0] == "nvme":
                return Result(argv, 0, self._nvme(argv[1:]), _PASSED if argv[1] == "admin-passthru" else b"", 0.0)
            if argv[0] == "smartctl":
                return Result(argv, *self._smartctl(argv[1:]), b"", 0.0)
        except NeverAnswers:
            return Result(argv, -9, b"", b"", deadline, timed_out=True)
        except _Trouble as trouble:
            return Result(argv, trouble.status, b"", trouble.sentence.encode(), 0.0)
        return Result(argv, MISSING, b"", b"no such tool in this laboratory", 0.0, missing=True)

    # --- nvme ---

    def _nvme(self, line: Sequence[str]) -> bytes:
        if list(line) in (["--version"], ["version"]):
            return VERSION
        verb, given, device = _parse(line)
        drive, own = self._drive(device, _usage(verb))
        if verb in {"id-ctrl", "get-log"}:
            return self._binary(verb, drive, given, own)
        verbs: dict[str, Callable[[Controller, dict[str, str], int], bytes]] = {
            "id-ns": _id_ns,
            "list-ns": _list_ns,
            "format": _format,
            "sanitize": _sanitize,
            "device-self-test": _self_test,
            "reset": _reset,
            "ns-rescan": lambda *_: b"",
            "flush": _flush,
            "admin-passthru": _identify,
        }
        return verbs[verb](drive, given, own)

    def _drive(self, device: str, usage: str) -> tuple[Controller, int]:
        """Return the controller behind a device file, and the namespace that the file names (0 for none).

        For one that is not there, nvme prints a sentence and then how it is to be used.
        """
        name = device.removeprefix("/dev/")
        head, _, nsid = name.removeprefix("nvme").partition("n")
        drive = self.drives.get(f"nvme{head}")
        if drive is None or not drive.powered or (nsid and int(nsid) not in drive.media.namespaces):
            raise _Trouble(1, f"{device}: No such file or directory\n{usage}")
        return drive, int(nsid or 0)

    def _binary(self, verb: str, drive: Controller, given: dict[str, str], own: int) -> bytes:
        if verb == "id-ctrl":
            _need(verb, given.get("output-format") == "binary" or "raw-binary" in given)
            return _data(drive.admin(entry(words.IDENTIFY, 0, 1)))
        _need(verb, "raw-binary" in given and "log-id" in given and "log-len" in given)
        nsid = _number(given.get("namespace-id", "0xffffffff"))
        return _log(drive, _number(given["log-id"]), _number(given["log-len"]), nsid, _number(given.get("lpo", "0")))

    # --- smartctl ---

    def _smartctl(self, line: Sequence[str]) -> tuple[int, bytes]:
        """Answer `smartctl -x -j DEVICE` with the fields of smartctl 7.3 that tell who the drive is and how it is."""
        options, device = list(line[:-1]), line[-1]
        if sorted(option for option in options if option not in {"-d", "nvme"}) not in (["-j", "-x"], ["-a", "-j"]):
            raise UnknownForm(f"smartctl {' '.join(line)}")
        try:
            drive, own = self._drive(device, "")
        except _Trouble:
            words = {"string": f"Smartctl open device: {device} failed: No such device", "severity": "error"}
            gone = {"smartctl": {"version": [7, 3], "messages": [words], "exit_status": 2}}
            return 2, json.dumps(gone, indent=2).encode() + b"\n"
        facts, status = _smart(drive, device, own)
        return status, json.dumps(facts, indent=2).encode() + b"\n"


def _parse(line: Sequence[str]) -> tuple[str, dict[str, str], str]:
    """Take a command line apart as getopt_long does: verb, options by their long names, device."""
    verb = line[0] if line else ""
    if verb not in _VALUED:
        raise UnknownForm(f"nvme {' '.join(line)}")
    valued, flags = _VALUED[verb], _FLAGS.get(verb, {})
    letters = "".join(f"{letter}:" for letter in valued.values()) + "".join(flags.values())
    try:
        options, rest = getopt.gnu_getopt(list(line[1:]), letters, [*(f"{name}=" for name in valued), *flags])
    except getopt.GetoptError as error:
        raise UnknownForm(f"nvme {' '.join(line)}: {error}") from error
    names = {letter: name for name, letter in (valued | flags).items() if letter}
    given = {names.get(key.lstrip("-"), key.lstrip("-")): value for key, value in options}
    if len(rest) != 1:
        raise UnknownForm(f"nvme {' '.join(line)}: it takes one device")
    return verb, given, rest[0]


def _usage(verb: str) -> str:
    """Return how the real tool explains itself, as it was recorded; some verbs do not."""
    for result in json.loads((CAPTURES / "missing.json").read_text("utf-8")):
        if result["argv"][1] == verb:
            return str(result["stderr"]).partition("\n")[2]
    return ""


def _number(text: str) -> int:
    return int(text, 0)


def _need(verb: str, right: bool) -> None:
    if not right:
        raise UnknownForm(f"nvme {verb}: only its binary output is known here")


def _data(answer: Answer) -> bytes:
    """Return the data of a completion, or end as the tool does on a status."""
    if answer.status:
        raise _Trouble(1, _status(answer))
    return answer.data


def _status(answer: Answer) -> str:
    return f"NVMe status: {SENTENCES.get(answer.status & 0x7FF, 'Unknown')}({answer.status:#x})"


def _log(drive: Controller, page: int, length: int, nsid: int, offset: int) -> bytes:
    if length <= 0 or length % 4:
        raise UnknownForm(f"nvme get-log --log-len={length}: a log is read in whole dwords")
    dwords = length // 4 - 1
    return _data(drive.admin(entry(words.GET_LOG, nsid, page | (dwords & 0xFFFF) << 16, dwords >> 16, offset)))


def _id_ns(drive: Controller, given: dict[str, str], own: int) -> bytes:
    _need("id-ns", given.get("output-format") == "binary" or "raw-binary" in given)
    return _data(drive.admin(entry(words.IDENTIFY, _number(given.get("namespace-id", str(own))), 0)))


def _list_ns(drive: Controller, given: dict[str, str], _own: int) -> bytes:
    after = _number(given.get("namespace-id", "1")) - 1
    page = _data(drive.admin(entry(words.IDENTIFY, after, 2)))
    found = [int.from_bytes(page[at : at + 4], "little") for at in range(0, 4096, 4)]
    found = [nsid for nsid in found if nsid]
    if given.get("output-format") == "json":
        listed = {"nsid_list": [{"nsid": nsid} for nsid in found]}
        return json.dumps(listed, indent=2, separators=(",", ":")).encode() + b"\n"
    return "".join(f"[{index:4}]:{nsid:#x}\n" for index, nsid in enumerate(found)).encode()


def _identify(drive: Controller, given: dict[str, str], _own: int) -> bytes:
    """Pass an Identify through, as raw bytes; no other passed-through command is known here."""
    _need("admin-passthru", {"read", "raw-binary"} <= set(given) and _number(given["opcode"]) == words.IDENTIFY)
    _need("admin-passthru", _number(given["data-len"]) == 4096)
    return _data(drive.admin(entry(words.IDENTIFY, _number(given["namespace-id"]), _number(given["cdw10"]))))


def _format(drive: Controller, given: dict[str, str], own: int) -> bytes:
    """Format as 2.3 does: without `--lbaf` the current format stays, without `--ses` nothing is erased."""
    if "force" not in given:
        raise UnknownForm("nvme format without --force waits ten seconds for a person")
    if "namespace-id" not in given and not own:
        raise _Trouble(1, "get-namespace-id: Inappropriate ioctl for device")
    nsid = _number(given.get("namespace-id", str(own)))
    lbaf = 0
    if nsid != ALL_NAMESPACES:
        found = drive.admin(entry(words.IDENTIFY, nsid, 0))
        if found.status:
            raise _Trouble(1, f"identify failed\n{_status(found)}\n")
        lbaf = found.data[26] & 0xF
    elif "lbaf" not in given:
        raise UnknownForm("nvme format of all namespaces without --lbaf")
    lbaf = _number(given["lbaf"]) if "lbaf" in given else lbaf
    _data(drive.admin(entry(words.FORMAT, nsid, lbaf | _number(given.get("ses", "0")) << 9)))
    if "reset" in given:
        drive.reset()
    return f"Success formatting namespace:{nsid:x}\n".encode()


def _sanitize(drive: Controller, given: dict[str, str], _own: int) -> bytes:
    actions = {"exit-failure": 1, "start-block-erase": 2, "start-overwrite": 3, "start-crypto-erase": 4}
    action = given.get("sanact", "0")
    number = actions[action] if action in actions else _number(action)
    if not 1 <= number <= 4:
        raise _Trouble(1, "Invalid Sanitize Action")
    word = number | ("ause" in given) << 3 | _number(given.get("owpass", "0")) << 4
    word |= ("oipbp" in given) << 8 | ("no-dealloc" in given) << 9
    return _data(drive.admin(entry(words.SANITIZE, 0, word, _number(given.get("ovrpat", "0")))))


def _self_test(drive: Controller, given: dict[str, str], own: int) -> bytes:
    code = _number(given.get("self-test-code", "0"))
    nsid = _number(given.get("namespace-id", str(own or ALL_NAMESPACES)))
    said = {1: "Short Device self-test started\n", 2: "Extended Device self-test started\n"}
    said[0xF] = "Aborting device self-test operation\n"
    if code not in said:
        raise UnknownForm(f"nvme device-self-test --self-test-code={code}")
    _data(drive.admin(entry(words.SELF_TEST, nsid, code)))
    return said[code].encode()


def _reset(drive: Controller, _given: dict[str, str], _own: int) -> bytes:
    drive.reset()
    return b""


def _flush(drive: Controller, given: dict[str, str], own: int) -> bytes:
    _data(drive.io(entry(words.FLUSH, _number(given.get("namespace-id", str(own))))))
    return b"NVMe Flush: success\n"


def _smart(drive: Controller, device: str, own: int) -> tuple[dict[str, object], int]:
    """Return the facts and the exit status; sizes are those of a namespace, if the device file names one."""
    health = drive.health
    page = _log(drive, words.LOG_HEALTH, 512, ALL_NAMESPACES, 0)
    wide = {
        "data_units_read": 32, "data_units_written": 48, "host_reads": 64, "host_writes": 80,
        "controller_busy_time": 96, "power_cycles": 112, "power_on_hours": 128, "unsafe_shutdowns": 144,
        "media_errors": 160, "num_err_log_entries": 176,
    }  # fmt: skip
    log = {"critical_warning": page[0], "temperature": int.from_bytes(page[1:3], "little") - 273}
    log |= {"available_spare": page[3], "available_spare_threshold": page[4], "percentage_used": page[5]}
    log |= {name: int.from_bytes(page[at : at + 16], "little") for name, at in wide.items()}
    status = 8 if health.warning else 0
    facts: dict[str, object] = {
        "json_format_version": [1, 0],
        "smartctl": {"version": [7, 3], "exit_status": status},
        "device": {"name": device, "info_name": device, "type": "nvme", "protocol": "NVMe"},
        "model_name": drive.make.model,
        "serial_number": drive.serial,
        "firmware_version": drive.make.firmware,
        "nvme_total_capacity": sum(ns.size for ns in drive.media.all()),
        "nvme_number_of_namespaces": len(drive.media.namespaces),
        "smart_status": {"passed": status == 0, "nvme": {"value": health.warning}},
        "nvme_smart_health_information_log": log,
        "temperature": {"current": log["temperature"]},
        "power_cycle_count": health.power_cycles,
        "power_on_time": {"hours": health.power_on_hours},
    }
    if len(drive.media.namespaces) == 1:
        own = 1
    if own:
        space = drive.media.namespaces[own]
        facts["user_capacity"] = {"blocks": space.size // drive.media.lba(space), "bytes": space.size}
        facts["logical_block_size"] = drive.media.lba(space)
    return facts, status
