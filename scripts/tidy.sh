#!/usr/bin/env bash
# tidy.sh DIR [-diff]: what go mod tidy does, in the module in DIR. One that users
# get has no replace, and the version of the root that it names may not be
# published yet: it is tidied through a copy of its go.mod that has one.
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
go mod edit -replace "github.com/ecolaura/rampart=$root" "$tmp/go.mod"
go mod tidy -modfile="$tmp/go.mod" ${2:+"$2"}
if [ -z "${2:-}" ]; then
	go mod edit -dropreplace github.com/ecolaura/rampart "$tmp/go.mod"
	cp "$tmp/go.mod" "$tmp/go.sum" .
fi
