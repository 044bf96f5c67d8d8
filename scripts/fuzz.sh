#!/usr/bin/env bash
# fuzz.sh TIME: runs every fuzz target of every module for TIME.
set -euo pipefail
cd "$(dirname "$0")/.."
count=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# fuzz TARGET TIME fuzzes a target of this directory. Inputs are hardly minimised:
# where random keys make coverage waver, that takes the whole time.
fuzz() {
	go test -run '^$' -fuzz "^$1\$" -fuzztime "$2" -fuzzminimizetime 10x . </dev/null 2>&1 | tee "$log" && return
	# When the time is up while a worker is at work, that may be reported as the
	# failure "context deadline exceeded" (golang/go#75804): it is none, unless an
	# input failed, which is then named.
	grep -q '^    context deadline exceeded$' "$log" && ! grep -q 'Failing input\|failure while testing\|panic' "$log"
}

while IFS=: read -r file line; do
	target=${line#func }
	target=${target%%(*}
	echo "fuzz ${file%/*} $target $1"
	(GOWORK=$(scripts/work.sh "${file%/*}") && export GOWORK && cd "${file%/*}" && fuzz "$target" "$1")
	count=$((count + 1))
done < <(grep -r --include='*_test.go' '^func Fuzz' . | LC_ALL=C sort)
echo "$count fuzz targets ran for $1 each"
