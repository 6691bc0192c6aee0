#!/bin/sh
# See that there is a rabbitmq-server for the tests of the distributed exchange.
#
# It is installed when this runs as root on Debian or Ubuntu; otherwise a message says what to
# do. Without it those tests are skipped, but they fail where the variable CI is set.
set -eu

say() { printf '%s\n' "$*" >&2; }

if [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || command -v rabbitmq-server >/dev/null; then
    exit 0
fi

advice="A rabbitmq-server is needed for some of the tests"
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "$advice: installing it"
    # The tests start servers of their own: the system's need not run.
    if apt-get update -qq && DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
        apt-get install -y -qq --no-install-recommends rabbitmq-server >/dev/null; then
        exit 0
    fi
    say "rabbitmq-server could not be installed; those tests will be skipped"
    exit 0
fi
say "$advice; they are skipped until there is one."
say "Debian, Ubuntu: sudo apt-get install rabbitmq-server    Fedora: sudo dnf install rabbitmq-server"
say "macOS: brew install rabbitmq"
