"""The command lines for NVMe drives: built here and nowhere else, and refused here when they could do the wrong thing.

`nvme format` without `--ses` erases nothing and says "Success" (STATION.md section 5: fleets were "wiped" like that
for years), and without `--lbaf` its default differs between versions. So `format_argv` has no defaults, and raises
`ValueError` rather than build such a line. Options are those of nvme-cli 2.3 and of every 1.x and 2.x since.
"""

from station.wipe.nvme_decode import BLOCK, CRYPTO, EXIT_FAILURE, LOG_BYTES, OVERWRITE, Namespace

USER, CRYPTOGRAPHIC = 1, 2
"""Secure erase settings of Format NVM (Base 1.4 section 5.23, SES); 0 erases nothing and cannot be asked for here."""

ALL = 0xFFFFFFFF
LONGEST = 12 * 3600
"""Seconds the kernel waits for a format. Its own 60 would reset the controller in the middle of one."""


def id_ctrl(device: str) -> tuple[str, ...]:
    """Identify Controller as raw bytes."""
    return ("nvme", "id-ctrl", device, "--output-format=binary")


def id_ns(device: str, nsid: int) -> tuple[str, ...]:
    """Identify Namespace as raw bytes."""
    return ("nvme", "id-ns", device, f"--namespace-id={_one_namespace(nsid)}", "--output-format=binary")


def list_ns(device: str, *, unattached: bool = False) -> tuple[str, ...]:
    """Identify, list of active namespaces (CNS 02h) or of all (10h), as raw bytes, which `nvme list-ns` has not."""
    return (
        *("nvme", "admin-passthru", device, "--opcode=0x06", "--namespace-id=0"),
        "--cdw10=0x10" if unattached else "--cdw10=0x02",
        *("--data-len=4096", "--read", "--raw-binary"),
    )


def sanitize_log(device: str) -> tuple[str, ...]:
    """Log page 81h as raw bytes. RAE is left alone: the event is nobody else's business here."""
    return ("nvme", "get-log", device, "--log-id=0x81", f"--log-len={LOG_BYTES}", "--raw-binary")


def discover_lock(device: str) -> tuple[str, ...]:
    """Security Receive of TCG level 0 discovery (protocol 01h, ComID 0001h) as raw bytes."""
    return ("nvme", "security-recv", device, "--secp=1", "--spsp=1", "--size=2048", "--al=2048", "--raw-binary")


def sanitize(device: str, action: int, *, no_deallocate: bool) -> tuple[str, ...]:
    """Start a sanitize, with AUSE: a failure must leave a drive that can be brought back. Raises `ValueError`."""
    if action not in (BLOCK, OVERWRITE, CRYPTO):
        raise ValueError(f"sanitize action {action} erases nothing; there are {BLOCK}, {OVERWRITE} and {CRYPTO}")
    words = ["nvme", "sanitize", _device(device), f"--sanact={action}", "--ause"]
    if action == OVERWRITE:  # one pass of zeros; the default, 0, means 16 passes
        words += ["--owpass=1", "--ovrpat=0"]
    if no_deallocate:
        words.append("--no-dealloc")
    return tuple(words)


def leave_failure(device: str) -> tuple[str, ...]:
    """Leave failure mode after a sanitize with AUSE failed; erases nothing."""
    return ("nvme", "sanitize", _device(device), f"--sanact={EXIT_FAILURE}")


def dword10(argv: tuple[str, ...]) -> int:
    """Return dword 10 of the Sanitize command that this line sends (Base 1.4 figure 334), which log 81h repeats.

    Bits 2:0 action, 3 AUSE, 7:4 overwrite passes, 8 invert, 9 no deallocation. Raises `ValueError` for another line.
    """
    if argv[:2] != ("nvme", "sanitize"):
        raise ValueError(f"{' '.join(argv[:2])} is no sanitize")
    given = dict(word.removeprefix("--").partition("=")[::2] for word in argv[3:])
    word = int(given["sanact"], 0) | ("ause" in given) << 3 | ("no-dealloc" in given) << 9
    return word | int(given.get("owpass", "0"), 0) << 4 | ("oipbp" in given) << 8


def format_argv(device: str, *, ses: int, nsid: int, now: Namespace) -> tuple[str, ...]:
    """Format one namespace as it is formatted already (`now`), erasing it; `ses` is USER or CRYPTOGRAPHIC.

    Raises `ValueError` for any other setting, for "all namespaces" and for a namespace without a size. `--force` takes
    nvme-cli's ten seconds of countdown away, which wait for a person who is not there.
    """
    if isinstance(ses, bool) or ses not in (USER, CRYPTOGRAPHIC):
        raise ValueError(f"no format with secure erase setting {ses!r} is built here: only {USER} and {CRYPTOGRAPHIC}")
    if not 0 <= now.lbaf <= 63 or now.size <= 0:
        raise ValueError(f"LBA format {now.lbaf} of a namespace of {now.size} bytes cannot be kept")
    return (
        *("nvme", "format", _device(device), f"--namespace-id={_one_namespace(nsid)}"),
        *(f"--ses={ses}", f"--lbaf={now.lbaf}", f"--pi={now.protection}", f"--ms={int(now.extended)}"),
        *(("--pil=1",) if now.first else ()),
        *(f"--timeout={LONGEST * 1000}", "--force"),
    )


def _device(device: str) -> str:
    if not device.startswith("/"):
        raise ValueError(f"{device!r} is no path of a device")
    return device


def _one_namespace(nsid: int) -> int:
    if isinstance(nsid, bool) or not 0 < nsid < ALL:
        raise ValueError(f"namespace {nsid:#x} is not one namespace")
    return nsid
