#!/usr/bin/env bash
# The one test command. On a Debian machine (12 or later), as root or by somebody who may sudo:
#
#   tests/run.sh             everything
#   tests/run.sh FILTER...   the same, with only the tests whose names hold a FILTER
#
# It installs what is missing (with apt-get; it starts no service), makes the images, starts the mail server, then
# checks form (fmt, clippy, shellcheck, systemd-analyze), runs all tests as root, and those that send mails through
# the whole or start containers once more as an ordinary user with rootless Podman. It removes what it made; the packages and the
# images' root file systems (in ${XDG_CACHE_HOME:-~/.cache}/airut-tests) stay, and the next run is quick.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "$(id -u)" != 0 ]; then
    # Rust may be this user's own.
    exec sudo env PATH="$PATH" CI="${CI:-}" CARGO_HOME="${CARGO_HOME:-$HOME/.cargo}" \
        RUSTUP_HOME="${RUSTUP_HOME:-$HOME/.rustup}" bash "tests/run.sh" "$@" </dev/null
fi

export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-auto}
PATH=$PATH:/usr/sbin:/sbin:${CARGO_HOME:-${HOME:=/root}/.cargo}/bin
PACKAGES=(
    ca-certificates curl gcc git libc6-dev openssl procps shellcheck strace systemd util-linux        # to build and to check
    podman runc crun catatonit uidmap fuse-overlayfs busybox-static mmdebstrap          # containers and images
    postfix dovecot-imapd dovecot-lmtpd                                                 # the mail server
    python3-venv python3-pip                                                            # mitmproxy, wheels
)
WORK=
USER_NAME=

step() { printf '[%4ds] %s\n' "$SECONDS" "$*"; }
fail() { step "$*"; exit 1; }

# shellcheck disable=SC2317 # the trap calls it
clean_up() {
    local status=$?
    set +e
    trap - EXIT INT TERM
    jobs -pr | xargs -r kill
    if [ -n "$WORK" ]; then
        bash tests/support/mailserver.sh stop "$WORK/mail" 2>/dev/null
        bash tests/support/images.sh drop "$WORK/podman"
        if [ -n "$USER_NAME" ]; then
            as_user bash "$WORK/support/images.sh" drop "$WORK/user/podman"
            # What a broken test left behind, of a user that exists for this run only.
            ps -o pid= -u "$USER_NAME" | xargs -r kill -KILL
            # -f: what was killed just now may still count as running.
            userdel -f "$USER_NAME" 2>/dev/null
        fi
        rm -rf --one-file-system -- "$WORK"
    fi
    if [ -n "${SUDO_UID:-}" ]; then
        chown -R "$SUDO_UID:${SUDO_GID:-$SUDO_UID}" target "${CARGO_HOME:-$HOME/.cargo}/registry" 2>/dev/null
    fi
    exit "$status"
}

install_packages() {
    local missing=() package policy=/usr/sbin/policy-rc.d
    command -v npm >/dev/null || PACKAGES+=(npm)
    for package in "${PACKAGES[@]}"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
    done
    [ ${#missing[@]} != 0 ] || return 0
    step "install ${missing[*]}"
    # Nothing that is installed here is to be started, nor asks anything.
    if [ -e "$policy" ]; then policy=; else printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"; fi
    if command -v debconf-set-selections >/dev/null; then
        echo 'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections
    fi
    local log=$WORK/apt.log ok=0
    {
        apt-get -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 update &&
            apt-get -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 install -y --no-install-recommends "${missing[@]}"
    } >"$log" 2>&1 </dev/null || ok=$?
    [ -z "$policy" ] || rm -f "$policy"
    [ "$ok" = 0 ] || { tail -30 "$log"; fail "apt-get could not install ${missing[*]}"; }
}

need_rust() {
    if ! command -v cargo >/dev/null; then
        step "install rustup"
        apt-get install -y --no-install-recommends rustup >"$WORK/apt.log" 2>&1 </dev/null ||
            fail "there is no cargo, and this Debian has no rustup: install Rust (see Cargo.toml for the version)"
        rustup default stable
    fi
    if ! { cargo fmt --version && cargo clippy --version; } >/dev/null 2>&1; then rustup component add rustfmt clippy; fi
}

in_background() { # NAME COMMAND...: its output is shown by `joined NAME` if it fails
    local name=$1
    shift
    "$@" >"$WORK/$name.log" 2>&1 </dev/null &
    BACKGROUND[$name]=$!
}

joined() {
    wait "${BACKGROUND[$1]}" || { cat "$WORK/$1.log"; fail "$1 failed"; }
}

shell_scripts() {
    find tests examples .ci systemd -type f 2>/dev/null | while read -r file; do
        if head -c 60 "$file" | head -1 | grep -qaE '^#!.*\b(sh|bash)$'; then echo "$file"; fi
    done
}

as_user() { # COMMAND...: as the ordinary user, in an environment of its own
    (cd "$WORK/user" && runuser -u "$USER_NAME" -- env -i PATH="$PATH" LC_ALL=C.UTF-8 HOME="$WORK/user" \
        TMPDIR="$WORK/user/tmp" AIRUT_TEST_CACHE="$WORK/cache" AIRUT_TEST_MAIL="$WORK/mail" \
        AIRUT_TEST_PODMAN="$WORK/user/podman" AIRUT_BIN="$WORK/bin/airut" "$@")
}

make_user() {
    local cache=${XDG_CACHE_HOME:-$HOME/.cache}/airut-tests
    USER_NAME=airut-tests-$$
    install -d "$WORK/cache" "$WORK/bin" "$WORK/support"
    # Where it can read: the checkout and root's home may be closed to it.
    cp tests/support/*.sh "$WORK/support/"
    cp -l "$cache"/*.tar "$WORK/cache/" 2>/dev/null || cp "$cache"/*.tar "$WORK/cache/"
    useradd --home-dir "$WORK/user" --create-home --shell /bin/sh "$USER_NAME"
    # Rootless Podman needs a range of user numbers; not every useradd gives one.
    grep -q "^$USER_NAME:" /etc/subuid || usermod --add-subuids 900000-965535 "$USER_NAME"
    grep -q "^$USER_NAME:" /etc/subgid || usermod --add-subgids 900000-965535 "$USER_NAME"
    install -d -o "$USER_NAME" "$WORK/user/tmp"
    as_user bash "$WORK/support/images.sh" store "$WORK/user/podman"
}

trap clean_up EXIT
trap 'exit 130' INT TERM
WORK=$(mktemp -d /var/tmp/airut-tests.XXXXXX)
chmod 755 "$WORK"
declare -A BACKGROUND

install_packages
need_rust
step "make the images beside the build"
in_background images bash tests/support/images.sh fetch
in_background mitmproxy bash tests/support/mitmproxy.sh

step "cargo fmt, shellcheck"
cargo fmt --check
mapfile -t scripts < <(shell_scripts)
shellcheck -- "${scripts[@]}"
step "cargo clippy"
cargo clippy --quiet --locked --all-targets -- -D warnings
step "cargo build"
# The program too: the tests start it.
cargo test --locked --no-run 2>&1 | tee "$WORK/build.log" | grep -E '^(warning|error)' || true
test_program=$(sed -n 's/.*Executable tests.main\.rs (\(.*\))$/\1/p' "$WORK/build.log")
[ -x "$test_program" ] || { cat "$WORK/build.log"; fail "the tests do not build"; }

if [ -d systemd ]; then
    step "systemd-analyze verify"
    bash systemd/verify.sh target/debug/airut
fi

joined images
joined mitmproxy
step "prepare Podman, start the mail server"
bash tests/support/images.sh store "$WORK/podman"
bash tests/support/mailserver.sh start "$WORK/mail"
make_user

step "cargo test, as root"
status=0
AIRUT_TEST_MAIL=$WORK/mail AIRUT_TEST_PODMAN=$WORK/podman cargo test --locked -- "$@" 2>&1 </dev/null |
    tee "$WORK/root.log" || status=1

step "the tests through the whole and those of containers, as an ordinary user"
install -m 755 "$test_program" "$WORK/bin/tests"
install -m 755 target/debug/airut "$WORK/bin/airut"
filters=("$@")
[ $# != 0 ] || filters=(whole:: support::own:: proxy::container::)
# mitmproxy is in root's cache, the sources are root's, and attacks need root's ports. What ends steps at every point, and what
# sends a gigabyte, is the same for all.
as_user "$WORK/bin/tests" "${filters[@]}" --skip a_real_mitm --skip house:: --skip attacks:: \
    --skip whole::faults --skip a_gigabyte 2>&1 </dev/null | tee "$WORK/user.log" || status=1

step "the demonstration"
AIRUT_BIN=$PWD/target/debug/airut bash examples/demo.sh --clean >"$WORK/demo.log" 2>&1 </dev/null ||
    { cat "$WORK/demo.log"; step "the demonstration failed"; status=1; }

step "results, as root and as an ordinary user"
grep -hE '^(test .* FAILED|test result:)' "$WORK/root.log" "$WORK/user.log" || status=1
[ "$status" = 0 ] || fail "FAILED"
step "all passed"
