#!/usr/bin/env bash
# fuzz.sh TIME: runs every fuzz target of the root module for TIME.
set -euo pipefail
export GOWORK=off
count=0
for package in $(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./...); do
	for target in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
		echo "fuzz $package $target $1"
		# Inputs are hardly minimised: where random keys make coverage waver, that
		# takes the whole time, and being at it when the time is up is a failure.
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$1" -fuzzminimizetime 10x "$package"
		count=$((count + 1))
	done
done
echo "$count fuzz targets ran for $1 each"
