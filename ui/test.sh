#!/usr/bin/env bash
# The UI's unit tests. Needs node_modules: build.sh installs them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
[ -d node_modules ] || ./run-node.sh npm ci --ignore-scripts --no-audit --no-fund
exec ./run-node.sh vitest run
