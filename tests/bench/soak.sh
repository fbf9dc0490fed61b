#!/usr/bin/env bash
# Two hours' worth of mixed mail in ten minutes, against real parts (Postfix and Dovecot, git, Podman with a stand-in for
# Claude Code), while processes are killed and services are away; then everything is let run, and an account is made of
# every mail: answered once, refused, or lost. The logic is in bench/soak/.
#
#   tests/bench/soak.sh [MINUTES [SEED]]      default 10 minutes and a seed of the moment; wants root, for the mail server
#
# Exit status 1, and the directory is kept, where something is lost, answered twice or left over, or anything else that
# must not be; each has a line below the table. A seed gives the same row of mails, faults and kills; which process a
# kill meets, and to which answer a reply goes, depends on the machine.
#
# AIRUT_BIN names another airut than the release build.
set -euo pipefail
cd "$(dirname "$0")/../.."
minutes=${1:-10} seed=${2:-$(date +%s)}

if [ -z "${AIRUT_BIN:-}" ]; then
    cargo build --quiet --release --locked
    AIRUT_BIN=${CARGO_TARGET_DIR:-$PWD/target}/release/airut
fi
program=$(cargo build --quiet --locked --bench soak --message-format=json |
    sed -n '/"kind":\["bench"\]/s/.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)
# A short path: a socket's has 107 bytes.
dir=$(mktemp -d /tmp/airut-soak.XXXXXX)
# The mail server has users of its own.
chmod 755 "$dir"

# shellcheck disable=SC2317 # the trap calls it
clean_up() {
    local status=$? pid
    set +e
    trap - EXIT INT TERM
    # The program ends what it began; of what began that, whatever is left runs on this very file.
    for pid in /proc/[0-9]*; do
        [ "$(readlink "$pid/exe")" != "$dir/bin/airut" ] || kill -KILL "${pid#/proc/}"
    done 2>/dev/null
    bash tests/support/mailserver.sh stop "$dir/mail"
    bash tests/support/images.sh drop "$dir/podman"
    case $status in
    0 | 130) ;;
    *) cp -r "$dir/state" "$dir/kept" ;;
    esac
    umount "$dir/state"
    if [ -d "$dir/kept" ]; then
        rmdir "$dir/state"
        mv "$dir/kept" "$dir/state"
        echo "everything is kept in $dir: mail/mail, state/airut, log; seed $seed" >&2
    else
        rm -rf --one-file-system -- "$dir"
    fi
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

mkdir "$dir/bin" "$dir/state"
# What can be filled without harm to anybody.
mount -t tmpfs -o size=600m,mode=700 airut-soak "$dir/state"
cp "$AIRUT_BIN" "$dir/bin/airut"
bash tests/support/images.sh fetch busybox >&2
bash tests/support/images.sh store "$dir/podman" busybox >&2
bash tests/support/mailserver.sh start "$dir/mail"
echo "$minutes minutes, seed $seed; $(nproc) cores, load $(cut -d' ' -f1-3 /proc/loadavg)"
"$program" soak "$dir" "$minutes" "$seed"
