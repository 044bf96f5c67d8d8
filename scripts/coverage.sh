#!/usr/bin/env bash
# coverage.sh DIR FLOOR: fails if a public package's statement coverage, over
# all modules' tests together, is under FLOOR percent.
set -euo pipefail
dir=$1 floor=$2
go tool covdata percent -i="$dir" | awk -v floor="$floor" '
	$1 ~ /\/internal\// || $1 ~ /test$/ || $1 ~ /\/examples/ || $1 ~ /\/cmd\// { next }
	$1 ~ /^github.com\/ecolaura\/rampart/ {
		for (i = 2; i <= NF; i++) if ($i ~ /%$/) { pct = $i; sub(/%/, "", pct) }
		printf "%-55s %5.1f %%\n", $1, pct
		seen++
		if (pct + 0 < floor) { low++ }
	}
	END {
		if (!seen) { print "no coverage data"; exit 1 }
		if (low) { print low " package(s) under " floor " %"; exit 1 }
	}'
