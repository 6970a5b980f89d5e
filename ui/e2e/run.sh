#!/usr/bin/env bash
# Visits every page in headless Chromium, dark and light: against the mock server, or against the one at $1.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ -d node_modules ] || ./run-node.sh npm ci --ignore-scripts --no-audit --no-fund
if [ $# -gt 0 ]; then
  exec ./run-node.sh node e2e/pages.mjs --url "$@"
fi
port=${SONDE_MOCK_PORT:-9191}
./run-node.sh node mock/server.mjs --port "$port" &
mock=$!
trap 'kill $mock 2>/dev/null' EXIT
for _ in $(seq 50); do
  curl -sf "http://127.0.0.1:$port/" >/dev/null && break
  sleep 0.2
done
./run-node.sh node e2e/pages.mjs --url "http://127.0.0.1:$port"
