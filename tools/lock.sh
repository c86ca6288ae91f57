#!/usr/bin/env bash
# Pin the newest versions that setup.py allows into requirements/*.txt, with digests and without any address.
# Run it on the system that the lock is for (Debian 12, Python 3.11, x86_64).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# What this machine adds to pip's configuration must not leak into the lock.
unset PIP_FIND_LINKS PIP_EXTRA_INDEX_URL
export PIP_CONFIG_FILE=${KITBANK_LOCK_PIP_CONFIG:-/dev/null}
export CUSTOM_COMPILE_COMMAND="make lock"

compile() {
    .venv/bin/pip-compile --quiet --upgrade --generate-hashes --strip-extras --allow-unsafe \
        --no-emit-index-url --no-emit-trusted-host --no-emit-find-links "$@"
}

compile --all-build-deps --extra postgres -o requirements/run.txt setup.py
compile --all-build-deps --extra postgres --extra test -c requirements/run.txt -o requirements/test.txt setup.py
compile -o requirements/assets.txt requirements/assets.in
