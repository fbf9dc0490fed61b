#!/usr/bin/env bash
# Prints the path of a mitmdump; makes it first, in a virtual environment that stays in the tests' cache.
set -euo pipefail

VERSION=11.0.2
cache=${AIRUT_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/airut-tests}
mkdir -p "$cache"
dir=$cache/mitmproxy
exec 9>"$cache/mitmproxy.lock"
flock 9
if [ "$(cat "$dir/complete" 2>/dev/null)" != "$VERSION" ]; then
    rm -rf -- "$dir"
    python3 -m venv "$dir" >&2
    "$dir/bin/pip" install --quiet --disable-pip-version-check "mitmproxy==$VERSION" >&2
    echo "$VERSION" >"$dir/complete"
fi
echo "$dir/bin/mitmdump"
