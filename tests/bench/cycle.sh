#!/usr/bin/env bash
# Times airut's own part of answering: so many mails in a Maildir, each for a session of its own, through fetch, authorize,
# session open, run (four at once) and reply, with a stand-in for Podman that answers at once. Then the same beside old
# sessions on disk, which must cost nothing.
#
#   tests/bench/cycle.sh [MAILS [OLD-SESSIONS]]      default 100 10000
#
# Wall time and CPU time (of airut and all it starts) in seconds. The clone of each workspace, git's look at the remote
# before each run, and the proxy of each run are in it.
#
# On an ext4 without a journal the figures are good only where little was removed in the last six minutes, by this script
# too: the kernel looks at each inode that was freed since before it gives out another (recently_deleted), which nearly
# doubles the time. TMPDIR=/dev/shm is without a disk.
set -euo pipefail
cd "$(dirname "$0")/../.."
mails=${1:-100} old=${2:-10000}

cargo build --quiet --release --locked
airut=${CARGO_TARGET_DIR:-$PWD/target}/release/airut
dir=$(mktemp -d "${TMPDIR:-/tmp}/airut-bench.XXXXXX")
# In memory, as each user's is.
runtime=$(mktemp -d /dev/shm/airut-bench.XXXXXX)
trap 'rm -rf "$dir" "$runtime"' EXIT
export HOME=$dir XDG_STATE_HOME=$dir/state XDG_RUNTIME_DIR=$runtime
mkdir -p "$dir"/{bin,work/.airut/container,in/{new,cur,tmp},out}

cat >"$dir/bin/podman" <<'PODMAN'
#!/bin/sh
[ "$1" != ps ] || echo '[]'
[ "$1" = run ] || exit 0
cat >/dev/null
echo '{"type":"result","is_error":false,"result":"done","session_id":"11111111-2222-3333-4444-555555555555"}'
PODMAN
chmod 755 "$dir/bin/podman"
PATH=$dir/bin:$PATH

printf 'domains:\n  - api.example.com\n' >"$dir/work/.airut/network-allowlist.yaml"
echo 'FROM scratch' >"$dir/work/.airut/container/Dockerfile"
git init --quiet --initial-branch=main "$dir/work"
git -C "$dir/work" add -A
git -C "$dir/work" -c user.name=a -c user.email=a@example.com commit --quiet -m one
git clone --quiet --bare "$dir/work" "$dir/remote.git"
cat >"$dir/airut.toml" <<CONFIG
max_concurrent = 4
[repos.bench]
git_url = "$dir/remote.git"
authorized_senders = ["*@example.com"]
trusted_authserv_id = "mx.example.com"
max_sessions = 100000
max_storage = "1m"
[repos.bench.limits]
sender_mails_per_day = 1000000
[repos.bench.mail]
from = "bench@example.org"
maildir = "$dir/in"
reply_maildir = "$dir/out"
CONFIG

deliver() { # COUNT NAME
    local i
    for ((i = 0; i < $1; i++)); do
        printf '%s\n' 'Authentication-Results: mx.example.com; dmarc=pass' "From: a$i@example.com" \
            "Message-ID: <$2.$i@example.com>" 'Subject: A question' '' "What is $i?" >"$dir/in/new/$2.$i"
    done
}
sent() { find "$dir/out/new" -type f | wc -l; }
# seconds of wall time, and of user and system time with all children: the shell's own `times` would be of bash.
timed() { # NAME COMMAND...
    local name=$1 TIMEFORMAT='%R %U %S'
    shift
    { time "$@" >"$dir/said" 2>&1 || { cat "$dir/said" >&2; exit 1; }; } 2>"$dir/time"
    awk -v name="$name" '{ printf "%-44s %7.2f %7.2f\n", name, $1, $2 + $3 }' "$dir/time"
}
a() { "$airut" --config "$dir/airut.toml" "$@"; }
steps() { # TITLE: each step by itself
    timed "$1: fetch" a fetch
    timed "$1: authorize" a authorize
    timed "$1: session open" a session open
    timed "$1: run" a run
    timed "$1: reply" a reply
}

# The mirror and the image's stamp are made by the first mail.
deliver 1 first
a cycle >/dev/null 2>&1
printf '%-44s %7s %7s\n' '' 'wall s' 'CPU s'
deliver "$mails" whole
timed "$mails mails, one cycle" a cycle
deliver "$mails" step
steps "$mails mails"
[ "$(sent)" = $((2 * (2 * mails + 1))) ] || { echo "only $(sent) mails came back" >&2; exit 1; }

# Sessions as they lie there: copies of one, without the workspace.
session=$(find "$dir/state/airut/bench/sessions" -mindepth 1 -maxdepth 1 -print -quit)
mv "$session/workspace" "$dir/workspace"
for ((i = 0; i < old; i++)); do
    printf -v id '%08x' "$i"
    cp -r "$session" "$dir/state/airut/bench/sessions/$id"
    sed "s/\"id\": \"[0-9a-f]*\"/\"id\": \"$id\"/" "$session/session.json" >"$dir/state/airut/bench/sessions/$id/session.json"
done
mv "$dir/workspace" "$session/workspace"
sync
deliver "$mails" beside
timed "$mails mails beside $old sessions" a cycle
timed "nothing to do beside $old sessions" a cycle
timed "status beside $old sessions" a status
timed "session list beside $old sessions" a session list
timed "gc that measures $old sessions" a gc
timed "gc beside $old sessions" a gc
