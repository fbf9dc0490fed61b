#!/usr/bin/env bash
# The main job, to look at: a mail comes in, an agent works on it in its sandbox, the answer is mailed back, and a
# reply goes on with the same conversation. On a Debian machine (12 or later), as root or by somebody who may sudo.
#
#   examples/demo.sh            leaves everything in a directory to look around in, and says how to remove it
#   examples/demo.sh --clean    removes it at the end
#
# It needs no account and no key: mail comes and goes by Maildir, the git remote is a directory, and the agent is a
# stand-in, a shell script (examples/stand-in-agent) in an image of 2 MB. With ANTHROPIC_API_KEY set, the agent is
# the real Claude Code, and your key pays for two short answers.
#
# It uses a Podman storage and a configuration of its own; AIRUT_BIN names an airut that is built already.
set -euo pipefail
cd "$(dirname "$0")/.."

REPO=my-project
AUTHSERV_ID=mail.example.com
ME=you@example.com
CLEAN=${1:-}
DEMO=

say() { printf '\n\033[1m# %s\033[0m\n' "$*"; }

# shellcheck disable=SC2317 # the trap calls it
clean_up() {
    local status=$?
    [ -n "$DEMO" ] || exit "$status"
    if [ "$CLEAN" = --clean ]; then remove; else
        say "To look around: $DEMO  ·  to remove it all: $DEMO/remove"
    fi
    exit "$status"
}

# Files made in a container belong to other users, and only Podman can remove them.
remove() {
    podman unshare rm -rf "$DEMO/state" 2>/dev/null || rm -rf "$DEMO/state"
    bash tests/support/images.sh drop "$DEMO/podman"
    rm -rf --one-file-system "$DEMO"
}

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

install_packages() {
    local wanted=(git podman runc crun catatonit uidmap fuse-overlayfs busybox-static ca-certificates) missing=() package
    [ -n "${AIRUT_BIN:-}" ] || wanted+=(gcc libc6-dev)
    [ -z "${ANTHROPIC_API_KEY:-}" ] || wanted+=(mmdebstrap)
    [ -z "${ANTHROPIC_API_KEY:-}" ] || command -v npm >/dev/null || wanted+=(npm)
    for package in "${wanted[@]}"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
    done
    [ ${#missing[@]} != 0 ] || return 0
    say "Installing ${missing[*]}"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null
}

build() {
    if [ -z "${AIRUT_BIN:-}" ]; then
        say "Building airut"
        PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
        command -v cargo >/dev/null || { echo "There is no cargo: install Rust (Cargo.toml names the version)."; exit 1; }
        cargo build --release --locked
        AIRUT_BIN=${CARGO_TARGET_DIR:-target}/release/airut
    fi
    mkdir "$DEMO/bin"
    ln -s "$(realpath "$AIRUT_BIN")" "$DEMO/bin/airut"
}

# A git remote with what airut wants to find on its default branch.
make_remote() {
    local work=$DEMO/work airut=$DEMO/work/.airut
    git init -q --bare -b main "$DEMO/remote.git"
    git clone -q "$DEMO/remote.git" "$work" 2>/dev/null
    mkdir -p "$airut/container"
    echo "A small project." >"$work/README.md"
    if [ -n "${ANTHROPIC_API_KEY:-}" ]; then
        printf '%s\n' "default_model: haiku" "timeout: 300" "container_env:" \
            "  ANTHROPIC_API_KEY: !secret ANTHROPIC_API_KEY" >"$airut/airut.yaml"
        printf '%s\n' "domains:" "  - api.anthropic.com" >"$airut/network-allowlist.yaml"
        echo "FROM localhost/airut-test-claude" >"$airut/container/Dockerfile"
    else
        echo "timeout: 60" >"$airut/airut.yaml"
        echo "domains: []" >"$airut/network-allowlist.yaml"
        printf '%s\n' "FROM localhost/airut-test-busybox" "COPY stand-in-agent /usr/local/bin/claude" \
            >"$airut/container/Dockerfile"
        cp examples/stand-in-agent "$airut/container/"
    fi
    git -C "$work" add -A
    git -C "$work" -c user.name=You -c user.email="$ME" commit -q -m "Begin"
    git -C "$work" push -q origin HEAD:main
    rm -rf "$work"
}

configure() {
    mkdir -p "$DEMO"/{maildir,answers}/{new,cur,tmp} "$DEMO/config/airut" "$DEMO/state"
    {
        cat <<TOML
[repos.$REPO]
git_url = "$DEMO/remote.git"
authorized_senders = ["$ME"]
trusted_authserv_id = "$AUTHSERV_ID"

[repos.$REPO.mail]
from = "My project <$REPO@example.com>"
maildir = "$DEMO/maildir"
reply_maildir = "$DEMO/answers"
TOML
        [ -z "${ANTHROPIC_API_KEY:-}" ] ||
            printf '\n[repos.%s.secrets]\nANTHROPIC_API_KEY = { env = "ANTHROPIC_API_KEY" }\n' "$REPO"
    } >"$DEMO/config/airut/airut.toml"
    export XDG_CONFIG_HOME=$DEMO/config XDG_STATE_HOME=$DEMO/state PATH="$DEMO/bin:$PATH"
    {
        echo '#!/bin/sh'
        sed 's/^/export /' "$DEMO/podman/env"
        echo "podman unshare rm -rf '$DEMO/state' 2>/dev/null || rm -rf '$DEMO/state'"
        echo "bash '$PWD/tests/support/images.sh' drop '$DEMO/podman'"
        echo "rm -rf --one-file-system '$DEMO'"
    } >"$DEMO/remove"
    chmod +x "$DEMO/remove"
}

# A mail as it lies in the mailbox after the own mail server has checked it.
deliver() { # NAME; headers and body on standard input
    { echo "Authentication-Results: $AUTHSERV_ID; dmarc=pass header.from=example.com"; cat; } >"$DEMO/maildir/tmp/$1"
    sed 's/^/    /' "$DEMO/maildir/tmp/$1"
    mv "$DEMO/maildir/tmp/$1" "$DEMO/maildir/new/$1"
}

run() {
    printf '\n\033[1m$ %s\033[0m\n' "$*"
    "$@"
}

latest_answer() {
    local file latest=
    for file in "$DEMO"/answers/new/*; do
        if [ -z "$latest" ] || [ "$file" -nt "$latest" ]; then latest=$file; fi
    done
    echo "$latest"
}

# The mail without its HTML half and the bytes of its attachments.
show() {
    awk 'tolower($0) ~ /^content-type: text\/html/ { html = 1 }
         /^--/ { html = 0; attached = 0 }
         tolower($0) ~ /^content-disposition: attachment/ { attached = 1 }
         attached && /^\r?$/ { print "    (its content)"; attached = 2 }
         !html && attached < 2 { sub(/\r$/, ""); print "    " $0 }' "$1" |
        perl -0pe 's/=\n +//g; s/=([0-9A-F]{2})/chr hex $1/ge' # quoted-printable, for the eye
}

install_packages
DEMO=$(mktemp -d /tmp/airut-demo.XXXXXX)
trap clean_up EXIT
build
say "Podman, with a storage of its own"
agent="the stand-in agent"
images=busybox
if [ -n "${ANTHROPIC_API_KEY:-}" ]; then
    agent="the real Claude Code"
    images=
fi
# shellcheck disable=SC2086 # no word where there is none
bash tests/support/images.sh store "$DEMO/podman" $images
set -a
# shellcheck source=/dev/null
. "$DEMO/podman/env"
set +a
make_remote
configure

say "A mail arrives for $REPO@example.com"
deliver 1700000001.first <<MAIL
From: You <$ME>
To: $REPO@example.com
Subject: What is in this repository?
Date: $(date -R)
Message-ID: <first@example.com>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=demo

--demo
Content-Type: text/plain; charset=utf-8

Please have a look and tell me in one sentence.

--demo
Content-Type: text/plain
Content-Disposition: attachment; filename=notes.txt

Some notes of mine.
--demo--
MAIL

say "Each step by itself; they meet only on disk ($agent answers)"
run airut fetch
run airut authorize
run airut session open
run airut run
run airut reply

first=$(latest_answer)
say "The answer, as it lies in the sender's mailbox"
show "$first"

say "You press reply"
answer_id=$(sed -n 's/^Message-ID: *\(<.*>\).*/\1/p' "$first")
subject=$(sed -n 's/^Subject: *//p' "$first" | tr -d '\r')
deliver 1700000002.second <<MAIL
From: You <$ME>
To: $REPO@example.com
Subject: $subject
Date: $(date -R)
Message-ID: <second@example.com>
In-Reply-To: $answer_id
References: <first@example.com> $answer_id

And what did I ask before?
MAIL

say "The same steps in a pipe: each prints what it moved on"
printf '\n\033[1m$ airut fetch | airut authorize - | airut session open - | airut run - | airut reply -\033[0m\n'
airut fetch | airut authorize - | airut session open - | airut run - | airut reply -

second=$(latest_answer)
[ "$second" != "$first" ] || { echo "There is no second answer."; exit 1; }
say "The second answer: the same conversation"
show "$second"

run airut status

say "What is on disk now"
(cd "$DEMO/state/airut" && find . -name .git -prune -print -o -path '*/git-mirror/*' -prune -o -path '*/seen/*' -prune -o -print) |
    LC_ALL=C sort | sed -e 's#^\./##' -e 's#[^/]*/#    #g'
