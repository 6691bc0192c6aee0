#!/bin/sh
# See that there is a browser for the tests of the page that a replay writes.
#
# Chromium is installed when this runs as root on Debian; otherwise a message says what to
# do. The tests do not need it to pass: without a browser those of the page are skipped.
set -eu

say() { printf '%s\n' "$*" >&2; }

for browser in chromium chromium-browser google-chrome google-chrome-stable chrome \
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"; do
    if command -v "$browser" >/dev/null; then
        exit 0
    fi
done

advice="A browser is needed for some of the tests"
# Ubuntu's package is no browser but the wish for a snap.
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && ! grep -qs '^ID=ubuntu' /etc/os-release
then
    say "$advice: installing chromium"
    if apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends chromium >/dev/null; then
        exit 0
    fi
    say "chromium could not be installed; those tests will be skipped"
    exit 0
fi
say "$advice; they are skipped until there is one. Debian: sudo apt-get install chromium"
say "Fedora: sudo dnf install chromium    Ubuntu, macOS: install Google Chrome"
