#!/usr/bin/env bash
# Measures `fetch --watch` beside a real Dovecot:
#   - its memory when it has connected, after 100 mails, and after one of 15 MB
#   - the way of a mail, from Dovecot's notice to the answer in the hands of an SMTP server, for a new conversation and for
#     a reply: the chain of the systemd units, each step started when the one before it has something for it; then the
#     same beside 10,000 old sessions
#
#   tests/bench/watch.sh [ROUNDS]      default 20; wants root, for the mail server, and a C compiler
#
# Stand-ins for git (which calls the real one) and Podman (which answers at once) note when they began and ended: airut's
# own time is the rest. TMPDIR=/dev/shm shows what is left of it without waiting for the disk.
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds=${1:-20}

cargo build --quiet --release --locked
airut=${CARGO_TARGET_DIR:-$PWD/target}/release/airut
dir=$(mktemp -d "${TMPDIR:-/tmp}/airut-bench.XXXXXX")
# The mail server has users of its own.
chmod 755 "$dir"
clean_up() {
    bash tests/support/mailserver.sh stop "$dir/mail" || true
    rm -rf "$dir"
}
trap clean_up EXIT
bash tests/support/mailserver.sh start "$dir/mail"

mkdir -p "$dir"/{bin,xdg,work/.airut/container}
chmod 700 "$dir/xdg"
for program in git podman; do
    cc -O2 -DNAME="\"$program\"" -DREAL="\"$(command -v "$program" || echo none)\"" -DLOG="\"$dir/others\"" \
        -o "$dir/bin/$program" tests/bench/watch.c
done
printf 'domains:\n  - api.example.com\n' >"$dir/work/.airut/network-allowlist.yaml"
echo 'FROM scratch' >"$dir/work/.airut/container/Dockerfile"
git init --quiet --initial-branch=main "$dir/work"
git -C "$dir/work" add -A
git -C "$dir/work" -c user.name=a -c user.email=a@example.com commit --quiet -m one
git clone --quiet --bare "$dir/work" "$dir/remote.git"

python3 tests/bench/watch.py "$airut" "$dir" "$rounds"
