#!/usr/bin/env bash
# Images for the tests without any registry, in a Podman storage of the tests' own.
#
#   images.sh fetch [busybox]       make the root file systems in the cache: needs apt's own sources and npm
#   images.sh store DIR [busybox]   settings that work on this machine and the images in storage DIR, for who calls
#   images.sh drop DIR              remove a storage with all that is in it
#
# With the word busybox, only that image:
#
# localhost/airut-test-busybox  2 MB: busybox-static and nothing else
# localhost/airut-test-claude   Debian with the real, native Claude Code, and what speaks HTTP in many an image: git,
#                               curl, Node, and Python with pip, requests, websockets and h2
#
# `fetch` also puts wheels into the cache, wheels-*.tar, for a stand-in of a package index: programs that come so, and
# not from the distribution, trust a bundle of their own.
#
# The cache is $AIRUT_TEST_CACHE, else ${XDG_CACHE_HOME:-~/.cache}/airut-tests. `store` leaves DIR/env: the variables
# (CONTAINERS_STORAGE_CONF, CONTAINERS_CONF, XDG_RUNTIME_DIR) with which podman sees this storage and touches nobody's
# own images, containers and settings.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin

CLAUDE_VERSION=2.1.330
PACKAGES=git,curl,ca-certificates,nodejs,python3-pip,python3-requests,python3-websockets,python3-h2
# All of them pure Python.
WHEELS=(pip==25.3 requests==2.32.5 certifi==2025.11.12 urllib3==2.5.0 idna==3.11 charset-normalizer==3.4.4)
CACHE=${AIRUT_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/airut-tests}

die() { echo "images.sh: $*" >&2; exit 1; }
need() { command -v "$1" >/dev/null || die "$1 is missing: apt-get install $2"; }

case $(uname -m) in
x86_64) NPM_ARCH=x64 ;;
aarch64) NPM_ARCH=arm64 ;;
*) die "there is no native Claude Code for $(uname -m)" ;;
esac
BUSYBOX_TAR=$CACHE/busybox.tar
# Another list is another file.
sum() { cksum <<<"$*" | cut -d' ' -f1; }
CLAUDE_TAR=$CACHE/claude-$CLAUDE_VERSION-$NPM_ARCH-$(sum "$PACKAGES").tar
WHEELS_TAR=$CACHE/wheels-$(sum "${WHEELS[@]}").tar

fetch_busybox() {
    local root=$1/busybox bin name
    bin=$(command -v busybox) || die "busybox is missing: apt-get install busybox-static"
    if ldd "$bin" >/dev/null 2>&1; then die "$bin is not static: apt-get install busybox-static"; fi
    mkdir -p "$root"/{bin,dev,etc,home,proc,root,run,sys,tmp,usr/bin,usr/local/bin,var/tmp}
    chmod 1777 "$root/tmp" "$root/var/tmp"
    cp "$bin" "$root/bin/busybox"
    for name in $("$bin" --list); do [ "$name" = busybox ] || ln -s busybox "$root/bin/$name"; done
    ln -s /bin/env "$root/usr/bin/env"
    printf 'root:x:0:0:root:/root:/bin/sh\n' >"$root/etc/passwd"
    printf 'root:x:0:\n' >"$root/etc/group"
    tar --owner=0 --group=0 --numeric-owner -C "$root" -cf "$1/busybox.tar" .
    mv "$1/busybox.tar" "$BUSYBOX_TAR"
}

# The first main archive that apt itself uses: what reaches it already works on this machine.
# shellcheck disable=SC2016 # the dollars are apt-get's
apt_source() {
    apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT) $(LABEL)' 'Created-By: Packages' 2>/dev/null |
        awk '$3 == "main" && $4 == "Debian" && $2 !~ /-/ { print $1, $2; exit }'
}

fetch_claude() {
    local work=$1 uri suite
    need mmdebstrap mmdebstrap
    need npm npm
    read -r uri suite < <(apt_source) || true
    [ -n "${suite:-}" ] || die "apt knows no Debian archive: run apt-get update"
    (
        cd "$work"
        # The program itself, not its npm wrapper: that would want node.
        npm pack --silent "@anthropic-ai/claude-code-linux-$NPM_ARCH@$CLAUDE_VERSION" >/dev/null
        tar -xzf ./*claude-code-linux-"$NPM_ARCH-$CLAUDE_VERSION".tgz package/claude
        chmod 755 package/claude
    )
    mmdebstrap --quiet --variant=essential --include="$PACKAGES" \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --customize-hook="copy-in $work/package/claude /usr/local/bin" \
        "$suite" "$work/claude.tar" "$uri"
    mv "$work/claude.tar" "$CLAUDE_TAR"
}

fetch_wheels() {
    need pip3 python3-pip
    pip3 download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --platform=any --implementation=py \
        --abi=none --python-version=3.11 --dest="$1/wheels" "${WHEELS[@]}" >/dev/null
    tar -C "$1/wheels" -cf "$1/wheels.tar" .
    mv "$1/wheels.tar" "$WHEELS_TAR"
}

fetch() { # TAR...
    local tar missing=
    for tar; do [ -s "$tar" ] || missing=yes; done
    [ -n "$missing" ] || return 0
    mkdir -p "$CACHE"
    # One at a time: another run may be making the same files.
    exec 9>"$CACHE/fetch.lock"
    flock 9
    local work
    work=$(mktemp -d "$CACHE/work.XXXXXX")
    # shellcheck disable=SC2064 # the directory as it is now
    trap "rm -rf -- '$work'" EXIT
    for tar; do
        [ ! -s "$tar" ] || continue
        case $tar in
        "$BUSYBOX_TAR") fetch_busybox "$work" ;;
        "$CLAUDE_TAR") fetch_claude "$work" ;;
        *) fetch_wheels "$work" ;;
        esac
    done
    exec 9>&-
}

# settings DIR DRIVER RUNTIME CGROUPS ULIMITS; an empty word leaves Podman's default.
settings() {
    local dir=$1 driver=$2 runtime=$3 cgroups=$4 ulimits=$5
    {
        echo '[storage]'
        echo "driver = \"${driver%%+*}\""
        echo "graphroot = \"$dir/root\""
        echo "rootless_storage_path = \"$dir/root\""
        echo "runroot = \"$dir/run\""
        [ "$driver" != overlay+fuse ] || printf '[storage.options.overlay]\nmount_program = "/usr/bin/fuse-overlayfs"\n'
    } >"$dir/storage.conf"
    {
        echo '[containers]'
        [ -z "$ulimits" ] || echo 'default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]'
        [ "$cgroups" != none ] || echo 'cgroups = "disabled"'
        echo '[engine]'
        # There may be no journal.
        echo 'events_logger = "file"'
        [ -z "$runtime" ] || echo "runtime = \"$runtime\""
        [ "$cgroups" != cgroupfs ] || echo 'cgroup_manager = "cgroupfs"'
    } >"$dir/containers.conf"
}

import() { # TAR IMAGE
    podman import -q --change 'CMD ["/bin/sh"]' \
        --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' "$1" "$2" >/dev/null
}

# Takes the first settings with which a container really runs. Small machines refuse a container for many reasons
# (crun and mixed cgroups, no CAP_SYS_RESOURCE for the ulimits, no /dev/fuse, no systemd), and each shows only so.
probe() {
    local dir=$1 driver runtime cgroups ulimits last=
    for driver in overlay overlay+fuse vfs; do
        settings "$dir" "$driver" '' '' ''
        last=$(import "$BUSYBOX_TAR" localhost/airut-test-busybox 2>&1) || { wipe "$dir"; continue; }
        for cgroups in '' cgroupfs none; do
            for runtime in '' runc crun; do
                for ulimits in '' small; do
                    settings "$dir" "$driver" "$runtime" "$cgroups" "$ulimits"
                    if last=$(podman run --rm --network=none --memory=64m --pids-limit=64 localhost/airut-test-busybox true 2>&1); then
                        echo "podman: storage $driver, runtime ${runtime:-default}, cgroups ${cgroups:-default}, ulimits ${ulimits:-default}" >&2
                        return 0
                    fi
                done
            done
        done
        wipe "$dir"
    done
    die "podman runs no container here: $last"
}

# As the owner that rootless Podman gave the files: other users' files are beyond a plain rm.
wipe() {
    local dir=$1
    podman rm -af -t 0 >/dev/null 2>&1 || true
    if [ "$(id -u)" = 0 ]; then
        grep -F " $dir/root" /proc/self/mounts | cut -d' ' -f2 | xargs -r umount -l 2>/dev/null || true
        rm -rf --one-file-system -- "$dir/root" "$dir/run"
    else
        podman unshare rm -rf -- "$dir/root" "$dir/run" 2>/dev/null || rm -rf -- "$dir/root" "$dir/run"
    fi
}

# The directory Podman keeps its state of the moment in. It has to be short: with some 40 bytes of path, Podman 4.3
# misses the end of each container and waits 20 seconds.
runtime_dir() {
    echo "/tmp/airut-$(id -u)-$(printf %s "$1" | sha256sum | cut -c1-10)"
}

# The environment in which `podman` is this storage's.
use() {
    set -a
    # shellcheck source=/dev/null
    . "$1/env"
    set +a
    unset DBUS_SESSION_BUS_ADDRESS CONTAINER_HOST
}

store() { # DIR TAR...
    local dir=$1
    shift
    need podman podman
    need catatonit catatonit
    fetch "$@"
    mkdir -p "$dir"
    local runtime
    runtime=$(runtime_dir "$dir")
    mkdir -m 700 "$runtime" 2>/dev/null || true
    # /tmp is everybody's: somebody else may have been there before.
    if [ ! -O "$runtime" ] || [ -L "$runtime" ]; then die "$runtime is not ours"; fi
    printf '%s\n' "CONTAINERS_STORAGE_CONF=$dir/storage.conf" "CONTAINERS_CONF=$dir/containers.conf" \
        "XDG_RUNTIME_DIR=$runtime" >"$dir/env.new"
    mv "$dir/env.new" "$dir/env"
    exec 9>"$dir/lock"
    flock 9
    # A changed file is another image.
    local made
    made=$(stat -Lc '%n %s %Y' "$@")
    use "$dir"
    if [ "$(cat "$dir/made" 2>/dev/null)" != "$made" ]; then
        probe "$dir" 9>&-
        case " $* " in *" $CLAUDE_TAR "*) import "$CLAUDE_TAR" localhost/airut-test-claude 9>&- ;; esac
        echo "$made" >"$dir/made"
    fi
    exec 9>&-
}

drop() {
    local dir=$1 pause
    [ -f "$dir/env" ] || return 0
    use "$dir"
    wipe "$dir"
    # Rootless Podman keeps a process to hold its user namespace; it is this storage's alone.
    pause=$(cat "$XDG_RUNTIME_DIR/libpod/tmp/pause.pid" 2>/dev/null || true)
    [ -z "$pause" ] || kill "$pause" 2>/dev/null || true
    rm -rf -- "$dir" "$XDG_RUNTIME_DIR"
}

usage() { die "usage: images.sh fetch [busybox] | store DIR [busybox] | drop DIR"; }

command=${1:-}
shift || usage
dir=
if [ "$command" != fetch ]; then
    [ -n "${1:-}" ] || usage
    dir=$(realpath -m "$1")
    shift
fi
case "$*" in
'') tars=("$BUSYBOX_TAR" "$CLAUDE_TAR" "$WHEELS_TAR") ;;
busybox) tars=("$BUSYBOX_TAR") ;;
*) usage ;;
esac
case $command in
fetch) fetch "${tars[@]}" ;;
store) store "$dir" "${tars[@]}" ;;
drop) drop "$dir" ;;
*) usage ;;
esac
