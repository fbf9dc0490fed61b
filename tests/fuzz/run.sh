#!/usr/bin/env bash
# Fuzzes one target of targets/ with libFuzzer, on stable Rust; wants a C++ compiler for libFuzzer itself.
#
#   tests/fuzz/run.sh TARGET [SECONDS] [LIBFUZZER-OPTION]...      default 600 seconds
#
# It begins with the inputs in corpus/TARGET and keeps what it finds new in ${XDG_CACHE_HOME:-~/.cache}/airut-tests/fuzz.
# An input that breaks a promise is kept there too, as crash-*; put it into corpus/TARGET, and the tests hold it for ever.
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
AIRUT_FUZZ=$target exec "$dir/$host/release/airut-fuzz" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
    -artifact_prefix="$kept/" -print_final_stats=1 -max_len="${MAX_LEN:-4096}" "$@" "$kept" "corpus/$target"
