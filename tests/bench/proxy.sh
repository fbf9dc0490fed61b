#!/usr/bin/env bash
# Measures the proxy: no proxy, airut's, and mitmdump with a script that judges and swaps the same, in one run, with
# the same server and the same load generator (bench/proxy/).
#
#   tests/bench/proxy.sh [ROUNDS [SECONDS]]      default 3 rounds of 4 seconds for each kind of request
#
# Over HTTP/2 mitmdump is left out: the load generator's h2 breaks its connection off ("too_many_data_frames").
# Everything runs on this machine at once and shares its cores. mitmdump is installed into the tests' cache.
#
# How to read it:
#   - Load, proxy and server are one thread each. On two cores "no proxy" has one each for its two; with a proxy three
#     share them, so that the requests/s fall by more than the proxy itself is slow.
#   - On a busy machine requests/s and times say little. The CPU time of one request is steadier: "CPU of the proxy" is
#     the proxy's process alone, "CPU of all" that of load, proxy and server together. "% by CPU" is no proxy's "CPU of
#     all" against airut's: what would be left of the requests/s were all cores busy without a pause.
#   - Behind a proxy each request is encrypted and decrypted twice as often, and crosses the kernel twice as often.
#   - The delay of a streamed piece holds what the kernel takes to wake up whoever is next; its p99 follows the machine's
#     other load. Only its distance to no proxy in the same run is the proxy's.
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
