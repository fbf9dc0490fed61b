#!/usr/bin/env bash
# Fuzzes one target of targets/ with libFuzzer, on stable Rust; wants a C++ compiler for libFuzzer itself.
#
#   tests/fuzz/run.sh TARGET [SECONDS] [LIBFUZZER-OPTION]...      default 600 seconds
#
# It begins with the inputs in corpus/TARGET and keeps what it finds new in ${XDG_CACHE_HOME:-~/.cache}/airut-tests/fuzz.
# An input that breaks a promise is kept there too, as crash-*; put it into corpus/TARGET, and the tests hold it for ever.
# One that takes more than ten seconds ends it as well (timeout-*), one that takes more than one is kept (slow-unit-*);
# on a busy machine these often did nothing but wait: time one alone, with AIRUT_FUZZ=TARGET airut-fuzz FILE.
set -euo pipefail
cd "$(dirname "$0")"
target=${1:?which target? See ALL in targets/}
seconds=${2:-600}
shift $(($# < 2 ? $# : 2))

kept=${XDG_CACHE_HOME:-$HOME/.cache}/airut-tests/fuzz/$target
mkdir -p "$kept"
host=$(rustc -vV | sed -n 's/^host: //p')
# Coverage of every edge and comparison, counted inline. With --target, since build scripts cannot be linked so.
flags="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4"
flags+=" -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table"
flags+=" -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=4"
dir=${CARGO_TARGET_DIR:-$PWD/../../target}/fuzz
RUSTFLAGS=$flags cargo build --quiet --release --target "$host" --target-dir "$dir"
# A few KB never need so much, for a moment neither: without a sanitizer libFuzzer looks at the resident memory once a
# second and does not see single allocations (-malloc_limit_mb), so the kernel refuses them.
ulimit -v $((512 << 10))
AIRUT_FUZZ=$target exec "$dir/$host/release/airut-fuzz" -max_total_time="$seconds" -timeout=10 -report_slow_units=1 \
    -rss_limit_mb=400 -artifact_prefix="$kept/" -print_final_stats=1 -max_len="${MAX_LEN:-4096}" "$@" "$kept" "corpus/$target"
