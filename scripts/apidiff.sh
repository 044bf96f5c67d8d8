#!/usr/bin/env bash
# apidiff.sh TOOL: compares what each module that users get exports with the last release.
# It lists what would not compile any more, and fails if that release was v1 or later
# (docs/upgrading.md).
set -euo pipefail
tool=$1
cd "$(dirname "$0")/.."
here=$PWD
if ! last=$(git describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null); then
	echo "apidiff: nothing has been released yet"
	exit
fi
temp=$(mktemp -d)
trap 'git worktree remove --force "$temp/old"; rm -r "$temp"' EXIT
git worktree add --quiet --detach "$temp/old" "$last"
status=0
for dir in . gateway cmd/rampart monitor/prom monitor/otel; do
	[[ -f $temp/old/$dir/go.mod ]] || continue
	module=$(awk '$1 == "module" { print $2 }' "$dir/go.mod")
	export GOWORK
	GOWORK=$("$temp/old/scripts/work.sh" "$temp/old/$dir") && cd "$temp/old/$dir" && "$tool" -m -w "$temp/api" "$module" 2>/dev/null
	GOWORK=$("$here/scripts/work.sh" "$here/$dir") && cd "$here/$dir" && found=$("$tool" -m -incompatible "$temp/api" "$module" 2>&1 | grep -v "^Ignoring internal" || true)
	cd "$here"
	[[ -n $found ]] || continue
	echo "$module since $last:"$'\n'"$found"
	[[ $last == v0.* ]] || status=1
done
exit $status
