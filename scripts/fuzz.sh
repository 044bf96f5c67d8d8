#!/usr/bin/env bash
# fuzz.sh TIME: runs every fuzz target of every module for TIME.
set -euo pipefail
export GOWORK=off
cd "$(dirname "$0")/.."
count=0
while IFS=: read -r file line; do
	target=${line#func }
	target=${target%%(*}
	echo "fuzz ${file%/*} $target $1"
	# Inputs are hardly minimised: where random keys make coverage waver, that
	# takes the whole time, and being at it when the time is up is a failure.
	(cd "${file%/*}" && go test -run '^$' -fuzz "^$target\$" -fuzztime "$1" -fuzzminimizetime 10x . </dev/null)
	count=$((count + 1))
done < <(grep -r --include='*_test.go' '^func Fuzz' . | LC_ALL=C sort)
echo "$count fuzz targets ran for $1 each"
