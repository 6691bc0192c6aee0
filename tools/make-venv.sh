#!/bin/sh
# Make the virtual environment $1, so that nothing else on the machine is touched.
#
# What the system must give (Python 3.11 or newer with venv, a C compiler, Python's headers)
# is installed when this runs as root on Debian or Ubuntu; otherwise a message says what to do.
set -eu
venv=$1

say() { printf '%s\n' "$*" >&2; }

# Install Debian packages, or end with the advice given in $1; the packages are the rest.
need() {
    advice=$1
    shift
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "$advice: installing $*"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -qq --no-install-recommends "$@" >/dev/null
    else
        say "$advice. Debian, Ubuntu: sudo apt-get install $*"
        say "Fedora: sudo dnf install gcc python3-devel    macOS: xcode-select --install"
        exit 1
    fi
}

python_is_new_enough() {
    command -v "$1" >/dev/null &&
        "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    for python in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
        if python_is_new_enough "$python"; then
            printf '%s\n' "$python"
            return
        fi
    done
}

python=$(find_python)
if [ -z "$python" ]; then
    need "Python 3.11 or newer is needed" python3 python3-venv python3-dev
    python=$(find_python)
    if [ -z "$python" ]; then
        say "This system's python3 is older than 3.11: install a newer one and name it: make PYTHON=python3.12"
        exit 1
    fi
fi

if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    need "Python's venv module is missing" python3-venv
fi
if ! command -v "${CC:-cc}" >/dev/null && ! command -v gcc >/dev/null; then
    need "A C compiler is needed" gcc libc6-dev
fi
if ! "$python" -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))'; then
    need "Python's C headers are missing" python3-dev
fi

"$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
