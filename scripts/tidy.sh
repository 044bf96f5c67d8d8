#!/usr/bin/env bash
# tidy.sh DIR [-diff]: what go mod tidy does, in the module in DIR. One that users
# get has no replace, and the versions of our modules that it names may not be
# published yet: it is tidied through a copy of its go.mod that has replaces.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$1"
export GOWORK=off
if [ "$("$root/scripts/work.sh" .)" = off ]; then
	exec go mod tidy ${2:+"$2"}
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cp go.mod go.sum "$tmp"
ours=$(awk '{ sub(/^require /, "") } $1 ~ /^github.com\/ecolaura\/rampart(\/|$)/ && NF > 1 { print $1 }' go.mod)
for m in $ours; do
	go mod edit -replace "$m=$root${m#github.com/ecolaura/rampart}" "$tmp/go.mod"
done
go mod tidy -modfile="$tmp/go.mod" ${2:+"$2"}
if [ -z "${2:-}" ]; then
	for m in $ours; do go mod edit -dropreplace "$m" "$tmp/go.mod"; done
	cp "$tmp/go.mod" "$tmp/go.sum" .
fi
