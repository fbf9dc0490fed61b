#!/bin/sh
# Times a session's workspace against `git clone --no-hardlinks` of the same mirror, and an update of the mirror
# that finds nothing new against `git ls-remote`. All in turn, so that a slow moment of the machine hits all. A
# workspace is on disk when it is done, a clone is not; so the clone is timed with `sync` as well.
#
#   tests/bench/workspace.sh [FILES [COMMITS [ROUNDS]]]      default 10000 2000 15
#
# Every round has directories of its own, removed at the end: ext4 looks long for free inodes where ten thousand
# were just freed, and the one who comes after would pay for it. Between rounds what is dirty is written back.
set -eu
files=${1:-10000} commits=${2:-2000} rounds=${3:-15}
cd "$(dirname "$0")/../.."

program=$(cargo bench --quiet --bench workspace --no-run --message-format=json |
    sed -n '/"kind":\["bench"\]/s/.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)
dir=$(mktemp -d "${TMPDIR:-/tmp}/airut-bench.XXXXXX")
trap 'rm -rf "$dir"' EXIT

# The same repository each time: text files in 400 directories, then five changed files a commit.
history() {
    awk -v files="$files" -v commits="$commits" '
        function put(i,   text, lines, l, w) {
            text = ""; lines = 5 + int(rand() * 55)
            for (l = 0; l < lines; l++) {
                for (w = 0; w < 8; w++) text = text sprintf("%x ", int(rand() * 16777216))
                text = text "\n"
            }
            printf "M 100644 inline d%d/s%d/f%d.txt\ndata %d\n%s\n", i % 40, int(i / 40) % 10, i, length(text), text
        }
        BEGIN {
            srand(7)
            for (c = 0; c < commits; c++) {
                printf "commit refs/heads/main\ncommitter A <a@example.com> %d +0000\ndata 2\nc\n", 1700000000 + c * 60
                if (c == 0) for (i = 0; i < files; i++) put(i)
                else for (i = 0; i < 5; i++) put(int(rand() * files))
                print ""
            }
        }'
}
echo "making a repository of $files files and $commits commits" >&2
git init --quiet --bare --initial-branch=main "$dir/remote.git"
history | git -C "$dir/remote.git" fast-import --quiet
git -C "$dir/remote.git" gc --quiet
remote="file://$dir/remote.git"
"$program" mirror "$remote" "$dir/mirror"

now() { date +%s%N; }
timed() {
    name=$1
    shift
    sync -f "$dir"
    before=$(now)
    "$@"
    after=$(now)
    echo $(((after - before) / 1000)) >>"$dir/$name.us"
}
durable() {
    git clone --quiet --no-hardlinks "$dir/mirror" "$1"
    sync -f "$1"
}
round=0
while [ "$round" -le "$rounds" ]; do
    # The first round warms the caches.
    [ "$round" -eq 1 ] && rm -f "$dir"/*.us
    timed git git clone --quiet --no-hardlinks "$dir/mirror" "$dir/git.$round"
    timed airut "$program" workspace "$remote" "$dir/mirror" "$dir/airut.$round"
    timed durable durable "$dir/durable.$round"
    timed ls-remote git ls-remote --symref "$remote" >/dev/null
    timed update "$program" mirror "$remote" "$dir/mirror"
    round=$((round + 1))
done

nth() { sort -n "$dir/$1.us" | sed -n "${2}p"; }
ms() { awk -v us="$1" 'BEGIN { printf "%9.1f", us / 1000 }'; }
middle=$(((rounds + 1) / 2))
line() { printf '%-28s %s %s %s\n' "$2" "$(ms "$(nth "$1" 1)")" "$(ms "$(nth "$1" $middle)")" "$(ms "$(nth "$1" "$rounds")")"; }
printf '%-28s %9s %9s %9s   ms, %s rounds\n' "" min median max "$rounds"
line git "git clone --no-hardlinks"
line durable "the same, then sync"
line airut "airut workspace"
line ls-remote "git ls-remote"
line update "airut mirror, nothing new"
awk -v ours="$(nth airut $middle)" -v theirs="$(nth git $middle)" -v synced="$(nth durable $middle)" 'BEGIN {
    printf "workspace: %.2f times git clone --no-hardlinks (aim: at most 1.1), ", ours / theirs
    printf "%.2f times the same with sync\n", ours / synced
}'
