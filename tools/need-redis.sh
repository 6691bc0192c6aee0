#!/bin/sh
# See that there is a redis-server (7 or newer) for the tests of the ledger on Redis.
#
# It is installed when this runs as root on Debian or Ubuntu; otherwise a message says what to
# do. Without it those tests are skipped, but they fail where the variable CI is set.
set -eu

say() { printf '%s\n' "$*" >&2; }

if command -v redis-server >/dev/null; then
    exit 0
fi

advice="A redis-server is needed for some of the tests"
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "$advice: installing it"
    if apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends redis-server >/dev/null; then
        exit 0
    fi
    say "redis-server could not be installed; those tests will be skipped"
    exit 0
fi
say "$advice; they are skipped until there is one. Debian, Ubuntu: sudo apt-get install redis-server"
say "Fedora: sudo dnf install redis    macOS: brew install redis"
