#!/usr/bin/env bash
# What deploy/ holds, put through the tools that it is written for. Everything that can run runs; a missing tool is named
# in the last line with exit status 77, a finding ends in status 1.
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.." || exit 1
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

failed=0
missing=()
have() {
  command -v "$1" >/dev/null && return 0
  missing+=("$1")
  return 1
}
# step NAME COMMAND…: its output is shown when it fails.
step() {
  local name=$1
  shift
  if "$@" >"$work/log" 2>&1; then
    printf 'ok      %s\n' "$name"
  else
    printf 'FAILED  %s\n' "$name"
    cat "$work/log"
    failed=1
  fi
}

python=
for candidate in python3 /usr/bin/python3; do
  if "$candidate" -c 'import yaml' 2>/dev/null; then
    python=$candidate
    break
  fi
done
[[ -n $python ]] || missing+=('python3 with PyYAML')

# The guide's rules stand as they were published.
step 'alerts.guide.yml is unchanged' sha256sum --check --strict --quiet tests/deploy/alerts.guide.sha256

if [[ -n $python ]]; then
  step 'compose, Grafana, Kubernetes, Dockerfile, documents' "$python" tests/deploy/check.py "$work"
fi

if have promtool; then
  step 'rules' promtool check rules deploy/rules/alerts.guide.yml deploy/rules/alerts.shop.yml
  step 'rules: unit tests' promtool test rules deploy/rules/alerts.shop.test.yml
  # As the containers see it: the rules beside the configuration.
  mkdir "$work/prometheus"
  cp -r deploy/compose/prometheus.yml deploy/rules "$work/prometheus"
  rm "$work/prometheus/rules/alerts.shop.test.yml"
  step 'configuration of the compose files' promtool check config "$work/prometheus/prometheus.yml"
  if [[ -n $python ]]; then
    # Written by check.py: the dashboard's expressions as recording rules, and the configuration of the ConfigMap.
    step 'dashboard: every expression parses' promtool check rules "$work/dashboard.rules.yml"
    step 'configuration of the ConfigMap' promtool check config "$work/kubernetes.yml"
  fi
fi

# Our own word on the same files, once it is built.
sonde=build/release/sonde
if [[ -x $sonde && -d $work/prometheus ]]; then
  step 'sonde: configuration of the compose files' "$sonde" check config "$work/prometheus/prometheus.yml"
  step 'sonde: rules' "$sonde" check rules deploy/rules/alerts.guide.yml deploy/rules/alerts.shop.yml
  if [[ -n $python ]]; then
    step 'sonde: configuration of the ConfigMap' "$sonde" check config "$work/kubernetes.yml"
    step 'sonde: sonde.yml of the ConfigMap' "$sonde" check sonde-config "$work/sonde.yml"
  fi
fi

if have systemd-analyze; then
  # verify wants the program to exist.
  sed 's,^ExecStart=/usr/bin/sonde,ExecStart=/bin/true,' deploy/systemd/sonde.service >"$work/sonde.service"
  grep -q '^ExecStart=/bin/true' "$work/sonde.service" || failed=1
  step 'unit file' bash -c 'out=$(systemd-analyze verify --man=no "$1" 2>&1); status=$?; printf "%s" "$out"; ((status == 0)) && [[ -z $out ]]' _ "$work/sonde.service"
  step 'unit file: exposure at most 1.5' systemd-analyze security --offline=true --threshold=15 --no-pager "$work/sonde.service"
fi

if command -v kubectl >/dev/null && kubectl kustomize --help >/dev/null 2>&1; then
  step 'kustomization' kubectl kustomize "$root/deploy"
fi

((failed == 0)) || exit 1
if ((${#missing[@]})); then
  printf -v list '%s, ' "${missing[@]}"
  echo "not checked: ${list%, } missing"
  exit 77
fi
