#!/usr/bin/env bash
# Rebuilds ui/dist.   build.sh [--check]
# --check builds into a scratch folder and fails when the committed dist differs from it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

./run-node.sh npm ci --ignore-scripts --no-audit --no-fund
./run-node.sh tsc --noEmit

if [ "${1:-}" = --check ]; then
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  ./run-node.sh vite build --logLevel warn --emptyOutDir --outDir "$scratch/dist"
  if ! diff -rq dist "$scratch/dist"; then
    echo "build.sh: the committed dist is not what the sources build; run ui/build.sh and commit dist" >&2
    exit 1
  fi
  echo "dist equals a rebuild"
else
  ./run-node.sh vite build --logLevel warn --emptyOutDir
fi
