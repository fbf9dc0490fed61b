#!/usr/bin/env bash
# Times mail on its way in, from a real Dovecot to a session's inbox/, step by step, and says how much memory each
# step took at most:
#   - one mail with a file of 20 MB
#   - COUNT ordinary answers (8 KB, text and HTML with quotes) to conversations that are there; their workspaces are
#     made beforehand, since cloning is timed by workspace.sh
#   - reading alone, of the tests' mails and of the large one; its memory also of mails made to take much
#
#   tests/bench/mail.sh [COUNT]      default 1000; wants root, for the mail server
#
# Most of the time goes to the disk: every step is durable before the one before it is undone. Before all stands how
# long one sync of a small file and its directory takes here; TMPDIR=/dev/shm shows what is left without it.
set -euo pipefail
cd "$(dirname "$0")/../.."
count=${1:-1000}

cargo build --quiet --release --locked
airut=${CARGO_TARGET_DIR:-$PWD/target}/release/airut
bench=$(cargo bench --quiet --bench mail --no-run --message-format=json |
    sed -n '/"kind":\["bench"\]/s/.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)
dir=$(mktemp -d "${TMPDIR:-/tmp}/airut-bench.XXXXXX")
# The mail server has users of its own.
chmod 755 "$dir"
clean_up() {
    bash tests/support/mailserver.sh stop "$dir/mail" || true
    rm -rf "$dir"
}
trap clean_up EXIT
bash tests/support/mailserver.sh start "$dir/mail"
# shellcheck disable=SC1091 # written just now
. "$dir/mail/ports"
export HOME=$dir XDG_STATE_HOME=$dir/state

git init --quiet --initial-branch=main "$dir/work"
git -C "$dir/work" -c user.name=a -c user.email=a@example.com commit --quiet --allow-empty -m one
git clone --quiet --bare "$dir/work" "$dir/remote.git"
cat >"$dir/airut.toml" <<CONFIG
[repos.bench]
git_url = "$dir/remote.git"
authorized_senders = ["you@example.com"]
trusted_authserv_id = "mx.example.com"
[repos.bench.mail]
from = "bench@example.com"
reply_maildir = "$dir/answers"
imap = { host = "localhost", port = $IMAPS, username = "bench", password = { env = "BENCH_PASSWORD" }, ca_file = "$dir/mail/ca.pem" }
[repos.bench.limits]
session_mails_per_hour = 1000000
sender_mails_per_hour = 1000000
sender_mails_per_day = 1000000
CONFIG
export BENCH_PASSWORD=$PASSWORD
a() { "$airut" --config "$dir/airut.toml" "$@"; }

# Runs a command; prints how long it took, its CPU time (both in seconds) and its greatest resident memory in MB.
measured() {
    python3 - "$@" <<'MEASURE'
import resource, subprocess, sys, time
start = time.monotonic()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
seconds, used = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
print(f"{seconds:.3f} {used.ru_utime + used.ru_stime:.3f} {used.ru_maxrss / 1024:.1f}")
MEASURE
}
deliver() { # FILE...: into Dovecot's Maildir, as its LMTP would put them there
    local inbox=$dir/mail/mail/bench/Maildir/new
    install -d -o mail -g mail "$dir/mail/mail/bench" "$dir/mail/mail/bench/Maildir" "$inbox" "$dir/mail/mail/bench/Maildir"/{cur,tmp}
    chown mail:mail "$@"
    mv -- "$@" "$inbox/"
}
steps() { # COUNT: how many mails are on their way
    local step seconds cpu memory total=0
    for step in fetch authorize "session open"; do
        # shellcheck disable=SC2086 # two words
        read -r seconds cpu memory < <(measured "$airut" --config "$dir/airut.toml" $step)
        total=$(awk -v a="$total" -v b="$seconds" 'BEGIN { print a + b }')
        printf '  %-14s %8.3f s %10.0f mails/s %8.3f s of CPU %8.1f MB at most\n' "$step" "$seconds" \
            "$(awk -v n="$1" -v s="$seconds" 'BEGIN { print n / s }')" "$cpu" "$memory"
    done
    printf '  %-14s %8.3f s %10.0f mails/s\n' together "$total" "$(awk -v n="$1" -v s="$total" 'BEGIN { print n / s }')"
}

printf 'one sync of a small file and of its directory: %s ms\n' "$(python3 - "$dir" <<'SYNC'
import os, sys, time
directory = os.open(sys.argv[1], os.O_RDONLY)
start = time.monotonic()
for number in range(200):
    file = os.open(os.path.join(sys.argv[1], "sync"), os.O_WRONLY | os.O_CREAT)
    os.write(file, b"x" * 500)
    os.fsync(file)
    os.close(file)
    os.fsync(directory)
print(f"{(time.monotonic() - start) * 5:.2f}")
SYNC
)"

mkdir "$dir/mails"
{
    printf '%s\r\n' 'Authentication-Results: mx.example.com; dmarc=pass header.from=example.com' 'From: you@example.com' \
        'To: bench@example.com' 'Message-ID: <large@example.com>' 'Subject: large' 'MIME-Version: 1.0' \
        'Content-Type: multipart/mixed; boundary=b' '' '--b' 'Content-Type: text/plain' '' 'Look at it.' '--b' \
        'Content-Type: application/octet-stream; name=large.bin' 'Content-Transfer-Encoding: base64' ''
    head -c 15000000 /dev/urandom | base64 -w 76 | sed 's/$/\r/'
    printf -- '--b--\r\n'
} >"$dir/mails/large.eml"
cp "$dir/mails/large.eml" "$dir/large.eml"
echo "one mail of $(($(stat -c %s "$dir/large.eml") / 1000000)) MB, a new conversation"
deliver "$dir/mails/large.eml"
steps 1
stat -c '  inbox/%n: %s bytes' "$dir"/state/airut/bench/sessions/*/inbox/large.bin | sed "s|inbox/.*/inbox/|inbox/|"

# Conversations to answer to, with one mail each.
for ((i = 0; i < 50; i++)); do
    printf '%s\r\n' 'Authentication-Results: mx.example.com; dmarc=pass header.from=example.com' 'From: you@example.com' \
        "Message-ID: <first.$i@example.com>" 'Subject: nothing' '' "$i" >"$dir/mails/first.$i.eml"
done
deliver "$dir"/mails/first.*.eml
a fetch >/dev/null
a authorize >/dev/null
mapfile -t sessions < <(a session open | sed 's/.*:\([0-9a-f]*\)\..*/\1/')
"$bench" reply "$dir/mails" "$count" "${sessions[@]}"
echo "$count ordinary answers to ${#sessions[@]} conversations"
deliver "$dir"/mails/*.eml
steps "$count"

echo "reading alone, one thread"
printf '  the mails of the tests: %s\n' "$("$bench" read 3 tests/fixtures/mail/*.eml)"
printf '  the large one:          %s\n' "$("$bench" read 3 "$dir/large.eml")"
echo "what reading alone takes of the heap, the mail itself included (aim: at most 10 times its size, or 16 MiB)"
"$bench" memory tests/fixtures/mail/*.eml "$dir/large.eml"
