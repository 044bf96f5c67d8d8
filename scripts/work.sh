#!/usr/bin/env bash
# work.sh DIR: prints the GOWORK for the module that DIR is in. It is "off" for
# the root, and for a module whose replace finds the root. A module that users
# get has no replace; it gets a work file of the root and itself alone, since in
# go.work at the root the requirements of examples would change what is tested.
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
# go looks for the version that go.mod names even where the work file has the
# module; it may not be published.
version=$(awk 'NF > 1 && $(NF-1) == "github.com/ecolaura/rampart" { print $NF }' "$dir/go.mod")
work=$root/.work/${dir#"$root"/}/go.work
mkdir -p "${work%/*}"
made=$(mktemp "${work%/*}/XXXXXX") # several may ask at once
cat >"$made" <<END
go 1.26.0

use (
	$root
	$dir
)

replace github.com/ecolaura/rampart $version => $root
END
if cmp -s "$made" "$work"; then rm "$made"; else mv "$made" "$work"; fi
echo "$work"
