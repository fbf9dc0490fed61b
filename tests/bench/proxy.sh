#!/usr/bin/env bash
# Measures the proxy: no proxy, airut's, and mitmdump with a script that judges and swaps the same, in one run, with
# the same server and the same load generator (bench/proxy/).
#
#   tests/bench/proxy.sh [ROUNDS [SECONDS]]      default 3 rounds of 4 seconds for each kind of request
#
# Everything runs on this machine at once and shares its cores. mitmdump is installed into the tests' cache.
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds=${1:-3} seconds=${2:-4}

mitmdump=$(bash tests/support/mitmproxy.sh)
program=$(cargo bench --quiet --locked --bench proxy --no-run --message-format=json |
    sed -n '/"kind":\["bench"\]/s/.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)
# A short path: a socket's has 107 bytes.
dir=$(mktemp -d /tmp/airut-bench.XXXXXX)
trap 'rm -rf "$dir"' EXIT
echo "$(nproc) cores, load $(cut -d' ' -f1-3 /proc/loadavg), $("$mitmdump" --version | head -1)"
"$program" compare "$dir" "$mitmdump" "$rounds" "$seconds"
