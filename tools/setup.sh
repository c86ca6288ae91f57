#!/usr/bin/env bash
# Set everything up that `make run` or `make test` needs; quick when nothing has changed.
#   bash tools/setup.sh run|test
# As root it installs missing Debian packages itself; otherwise it goes on without and says what is left out.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

WHAT=${1:?say run or test}
STATE=.kitbank
LEFT_OUT=$STATE/left-out.txt
mkdir -p "$STATE"
: >"$LEFT_OUT"

# program:package; what the line itself uses, and what only tests use.
RUN_TOOLS="smartctl:smartmontools mkfs.ext4:e2fsprogs mkfs.vfat:dosfstools mcopy:mtools mkfs.ntfs:ntfs-3g
  photorec:testdisk udevadm:udev lsblk:util-linux sfdisk:fdisk"
TEST_TOOLS="chromium:chromium psql:postgresql pdftoppm:poppler-utils zbarimg:zbar-tools"

say() { printf '%s  %s\n' "$(date +%H:%M:%S)" "$*"; }
loud() {
    printf '\n  !!  %s\n\n' "$*" >&2
    printf '%s\n' "$*" >>"$LEFT_OUT"
}
here() { PATH="$PATH:/usr/sbin:/sbin:/usr/lib/postgresql/15/bin" command -v "$1" >/dev/null 2>&1; }

find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3 python3.11 /usr/bin/python3; do
        if [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    loud "Kitbank needs Python 3.11 or newer and found none; on Debian 12: apt-get install python3"
    exit 1
}

debian_packages() {
    local tools=$RUN_TOOLS pair missing=()
    [ "$WHAT" = test ] && tools="$tools $TEST_TOOLS"
    for pair in $tools; do
        here "${pair%%:*}" || missing+=("${pair#*:}")
    done
    "$BASE" -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
    if [ ${#missing[@]} -eq 0 ]; then return; fi
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        loud "Not root, so these Debian packages stay missing: ${missing[*]}. What needs them is left out."
        return
    fi
    say "installing Debian packages: ${missing[*]}"
    local apt=(apt-get -q -y -o DPkg::Lock::Timeout=180 -o Dpkg::Use-Pty=0) log=$STATE/apt.log package
    export DEBIAN_FRONTEND=noninteractive
    if ! "${apt[@]}" update </dev/null >"$log" 2>&1; then
        loud "apt-get update failed (see $log); trying with the package lists that are here."
    fi
    if "${apt[@]}" install --no-install-recommends "${missing[@]}" </dev/null >>"$log" 2>&1; then return; fi
    for package in "${missing[@]}"; do # one bad package must not keep the others away
        "${apt[@]}" install --no-install-recommends "$package" </dev/null >>"$log" 2>&1 ||
            loud "apt-get could not install $package (see $log); what needs it is left out."
    done
}

# stamped NAME "what it does" FILES... -- COMMAND: run the command unless it ran for these very files already.
stamped() {
    local name=$1 text=$2 files=() digest
    shift 2
    while [ "$1" != -- ]; do files+=("$1") && shift; done
    shift
    digest=$(cat "${files[@]}" | sha256sum | cut -d' ' -f1)
    if [ "$(cat ".venv/.stamp-$name" 2>/dev/null)" = "$digest" ]; then return; fi
    say "$text"
    "$@"
    printf '%s' "$digest" >".venv/.stamp-$name"
}

# Quiet but not silent: every tenth package is told, everything is in the log, and the end of it when pip fails.
install() {
    local log=$STATE/pip.log
    if ! .venv/bin/python -m pip install --progress-bar off --disable-pip-version-check --no-input "$@" </dev/null 2>&1 |
        tee "$log" | awk '/^Collecting/ { if (++n % 10 == 0) { print "          " n " packages found ..."; fflush() } }'; then
        tail -n 15 "$log" >&2
        loud "pip could not install what is needed; the whole log is $log"
        exit 1
    fi
}

BASE=$(find_python)
debian_packages
if [ ! -x .venv/bin/python ] || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    say "making .venv with $BASE"
    "$BASE" tools/bootstrap.py .venv
fi
LOCK=requirements/$WHAT.txt
stamped "$WHAT" "installing Python packages from $LOCK (exact versions, checked by hash)" "$LOCK" -- \
    install --require-hashes -r "$LOCK"
stamped checkout "installing Kitbank itself" setup.py CHANGELOG.md -- install --no-deps --no-build-isolation -e .
if ! command -v npm >/dev/null; then
    stamped npm "installing npm from its Python package" requirements/assets.txt -- \
        install --require-hashes -r requirements/assets.txt
fi
.venv/bin/python tools/assets.py ||
    loud "The web assets (style sheet, fonts) are missing: pages work, but look bare, and tests of them fail."
