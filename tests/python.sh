# Sourced by tests/run and tests/conformance/run, which set -euo pipefail and define `say`. Finds or installs Python:
#
#     install_packages REQUIREMENTS VENV     the packages of this file in this virtual environment, which is kept
#
# shellcheck shell=bash

python_is_usable() {
    python3 -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

ensure_python() {
    if ! python_is_usable && command -v apt-get >/dev/null && [[ $EUID -eq 0 ]]; then
        say "no Python 3.11 with venv found: installing python3-venv from the system's packages"
        apt-get update -q >&2
        DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends python3-venv >&2
    fi
    if ! python_is_usable; then
        say "Python 3.11 or later with its module venv is needed as python3 (Debian's package is python3-venv)"
        exit 1
    fi
}

# The virtual environment is made anew when the file or Python is another one.
install_packages() {
    local requirements=$1 venv=$2 stamp
    ensure_python
    stamp=$(python3 -c 'import sys; print(sys.version, sys.base_prefix)' && cat "$requirements")
    if [[ -f $venv/stamp && $(<"$venv/stamp") == "$stamp" ]]; then
        return
    fi
    say "installing the packages of $requirements in $venv"
    rm -rf "$venv"
    mkdir -p "$(dirname "$venv")"
    python3 -m venv "$venv"
    # The file names everything: pip shall not look for a newer version of what somebody needs with an extra.
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
        --requirement "$requirements"
    "$venv/bin/python" -m pip check --quiet --disable-pip-version-check >&2
    printf '%s\n' "$stamp" >"$venv/stamp"
}
