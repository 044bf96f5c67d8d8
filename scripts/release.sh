#!/usr/bin/env bash
# release.sh VERSION: writes VERSION into the go.mod of each module that users
# get, where it requires another one of this repository, and says what to commit
# and tag. It commits, tags and pushes nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
version=${1:-}
if [[ ! $version =~ ^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]]; then
	echo "usage: release.sh v1.2.3" >&2
	exit 2
fi
if git rev-parse --git-dir >/dev/null 2>&1 && ! git diff --quiet HEAD; then
	echo "release.sh: commit or stash what has changed: the release would take it along" >&2
	exit 2
fi
tags=("$version")
while read -r file; do
	grep -q '^replace ' "$file" && continue # nobody imports it
	sed -i -E "s#^(require |	)(github\.com/ecolaura/rampart(/[^ ]*)?) v[^ ]*#\1\2 $version#" "$file"
	dir=${file#./}
	tags+=("${dir%/go.mod}/$version")
done < <(find . -mindepth 2 -name go.mod -not -path './.*' | LC_ALL=C sort)
cat <<END
Every go.mod names $version. The branch keeps v0.0.0, so commit beside it:

    git switch --detach
    git commit -am "rampart $version"
$(printf '    git tag %s\n' "${tags[@]}")
    git push origin ${tags[*]}
    git switch -
END
