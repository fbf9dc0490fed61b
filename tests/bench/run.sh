#!/usr/bin/env bash
# Times what airut adds, side by side in one run:
#   - `airut --version` against `true`
#   - a no-op task through `airut run` against a bare `podman run --network=none` of the same image
#   - the proxy, from its start to the line that says it is ready, and its memory then
#
#   tests/bench/run.sh [ROUNDS]      default 20; wants root, or an ordinary user with rootless Podman
#
# A task through `run` is: looking at the remote, the repository's files, the image's age, the proxy, the container with its
# init and five mounts, the events, the record on disk.
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds=${1:-20}

cargo build --quiet --release --locked
airut=${CARGO_TARGET_DIR:-$PWD/target}/release/airut
dir=$(mktemp -d "${TMPDIR:-/tmp}/airut-bench.XXXXXX")
clean_up() {
    bash tests/support/images.sh drop "$dir/podman" || true
    rm -rf "$dir"
}
trap clean_up EXIT

bash tests/support/images.sh fetch >&2
bash tests/support/images.sh store "$dir/podman" >&2
export CONTAINERS_CONF=$dir/podman/containers.conf CONTAINERS_STORAGE_CONF=$dir/podman/storage.conf
export XDG_RUNTIME_DIR=$dir/podman/xdg XDG_STATE_HOME=$dir/state HOME=$dir

now() { date +%s%N; }
timed() { # NAME COMMAND...
    local name=$1 before after
    shift
    before=$(now)
    "$@" >/dev/null 2>"$dir/stderr" || { cat "$dir/stderr" >&2; exit 1; }
    after=$(now)
    echo $(((after - before) / 1000)) >>"$dir/$name.us"
}
nth() { sort -n "$dir/$1.us" | sed -n "${2}p"; }
ms() { awk -v us="$1" 'BEGIN { printf "%9.2f", us / 1000 }'; }
line() { # NAME TITLE
    printf '%-34s %s %s %s\n' "$2" "$(ms "$(nth "$1" 1)")" "$(ms "$(nth "$1" $(((rounds + 1) / 2)))")" "$(ms "$(nth "$1" "$rounds")")"
}

# A repository whose agent does nothing, and a mail for each round.
git init --quiet --initial-branch=main "$dir/work"
mkdir -p "$dir/work/.airut/container"
printf 'domains:\n  - api.example.com\n' >"$dir/work/.airut/network-allowlist.yaml"
printf 'FROM localhost/airut-test-busybox\nCOPY --chmod=755 claude /usr/local/bin/claude\n' >"$dir/work/.airut/container/Dockerfile"
cat >"$dir/work/.airut/container/claude" <<'AGENT'
#!/bin/sh
echo '{"type":"result","is_error":false,"result":"done","session_id":"11111111-2222-3333-4444-555555555555"}'
AGENT
git -C "$dir/work" add -A
git -C "$dir/work" -c user.name=a -c user.email=a@example.com commit --quiet -m one
git clone --quiet --bare "$dir/work" "$dir/remote.git"
cat >"$dir/airut.toml" <<CONFIG
[repos.bench]
git_url = "$dir/remote.git"
authorized_senders = ["a@example.com"]
trusted_authserv_id = "mx.example.com"
[repos.bench.mail]
from = "bench@example.org"
reply_maildir = "$dir/answers"
CONFIG
a() { "$airut" --config "$dir/airut.toml" "$@"; }
for ((i = 0; i <= rounds; i++)); do
    printf '%s\n' 'Authentication-Results: mx.example.com; dmarc=pass' 'From: a@example.com' "Message-ID: <$i@example.com>" \
        'Subject: nothing' '' "$i" | a fetch --stdin >/dev/null
done
a authorize >/dev/null
mapfile -t tasks < <(a session open)

for ((i = 0; i <= rounds; i++)); do
    # The first round builds the image and warms the caches.
    [ "$i" != 1 ] || rm -f "$dir"/*.us
    timed run a run "${tasks[$i]}"
    timed podman podman run --rm --network=none localhost/airut-test-busybox true
    timed version "$airut" --version
    timed true /bin/true
    mkdir -p "$dir/proxy"
    settings='{"runtime_dir":"'$dir/proxy'","log":"'$dir/proxy/log'","tied":true,"allowlist":{"rules":[]},"masked":[],"resolve":{},"allow_private":[],"upstream_proxy":null,"upstream_ca":null}'
    before=$(now)
    coproc PROXY { exec "$airut" proxy serve; }
    # shellcheck disable=SC2153 # coproc sets PROXY_PID
    pid=$PROXY_PID
    printf '%s\n' "$settings" >&"${PROXY[1]}"
    read -r ready <&"${PROXY[0]}"
    after=$(now)
    case $ready in *'"ready":true'*) ;; *) echo "the proxy said: $ready" >&2; exit 1 ;; esac
    echo $(((after - before) / 1000)) >>"$dir/proxy.us"
    awk '/^VmRSS/ { print $2 }' "/proc/$pid/status" >>"$dir/rss.us"
    kill "$pid"
    wait "$pid" 2>/dev/null || true
done

printf '%-34s %9s %9s %9s   ms, %s rounds\n' "" min median max "$rounds"
line version "airut --version"
line true "true"
line run "a no-op task through airut run"
line podman "podman run --network=none"
line proxy "proxy, start to ready"
printf '%-34s %s\n' "proxy, resident memory when ready" "$(awk -v kb="$(nth rss "$rounds")" 'BEGIN { printf "%.1f MiB", kb / 1024 }')"
awk -v ours="$(nth run $(((rounds + 1) / 2)))" -v theirs="$(nth podman $(((rounds + 1) / 2)))" \
    'BEGIN { printf "run: %.2f times podman run (aim: at most 1.2)\n", ours / theirs }'
