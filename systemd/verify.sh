#!/usr/bin/env bash
# verify.sh AIRUT: has systemd read every unit here, with AIRUT in place of the program's installed path.
set -euo pipefail
program=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for unit in "$here"/*.service "$here"/*.timer "$here"/*.path; do
    sed "s#/usr/local/bin/airut#$program#g" "$unit" >"$work/$(basename "$unit")"
done
# A user's manager is asked for, and there may be none: it only wants the directory. Templates get a name.
cd "$work"
for unit in *@.*; do cp "$unit" "${unit/@/@my-project}"; done
said=$(XDG_RUNTIME_DIR=$work systemd-analyze --user --man=no verify ./*@my-project.* ./airut-gc.* 2>&1) || { echo "$said"; exit 1; }
# It warns of an unknown key or a misspelt value and still succeeds.
[ -z "$said" ] || { echo "$said"; exit 1; }
