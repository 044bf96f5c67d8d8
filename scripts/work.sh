#!/usr/bin/env bash
# work.sh DIR: prints the GOWORK for the module that DIR is in. It is "off" for
# the root, and for a module whose replace finds the root. A module that users
# get has no replace; it gets a work file of itself and those of our modules that it
# requires, since in go.work at the root the requirements of examples would change
# what is tested.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
dir=$(cd "$1" && pwd)
while [ ! -f "$dir/go.mod" ]; do
	dir=${dir%/*}
	if [ -z "$dir" ]; then
		echo "work.sh: $1 is in no module" >&2
		exit 2
	fi
done
if [ "$dir" = "$root" ] || grep -q '^replace ' "$dir/go.mod"; then
	echo off
	exit
fi
# go looks for the versions that go.mod names even where the work file has the
# modules; they may not be published.
work=$root/.work/${dir#"$root"/}/go.work
mkdir -p "${work%/*}"
made=$(mktemp "${work%/*}/XXXXXX") # several may ask at once
{
	printf 'go 1.26.0\n\nuse %s\n' "$dir"
	awk -v root="$root" '{ sub(/^require /, "") } $1 ~ /^github.com\/ecolaura\/rampart(\/|$)/ && NF > 1 {
		at = root substr($1, length("github.com/ecolaura/rampart") + 1)
		printf "use %s\nreplace %s %s => %s\n", at, $1, $2, at
	}' "$dir/go.mod"
} >"$made"
if cmp -s "$made" "$work"; then rm "$made"; else mv "$made" "$work"; fi
echo "$work"
