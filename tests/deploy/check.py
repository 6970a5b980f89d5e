#!/usr/bin/env python3
"""Checks what has no tool of its own at hand: compose files, Grafana's provisioning and dashboard, Kubernetes manifests,
the Dockerfile, links between documents. Writes the dashboard's expressions and the ConfigMap's configuration into the folder given, for promtool.

    check.py FOLDER        exit status 1 and one line a finding
"""
import json
import pathlib
import re
import shutil
import subprocess
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
findings = []


def expect(condition, message):
    if not condition:
        findings.append(message)
    return condition


def text(path):
    return path.read_text(encoding="utf-8")


def documents(path):
    return [d for d in yaml.safe_load_all(text(path)) if d is not None]


# --- sonde's command line ---------------------------------------------------------------------------------------------

def check_sonde_flags(where, words):
    """The words that start `sonde server`: flags that exist, and nothing beyond loopback without somebody to ask."""
    source = text(ROOT / "server/app/server_flags.cc")
    flags = set(re.findall(r'\{"([a-z.-]+)", K::', source)) - set(re.findall(r'\{"([a-z.-]+)", K::kIgnored', source))
    if not expect(flags, "server/app/server_flags.cc: no flags found"):
        return
    expect(words[0] == "server", f"{where}: the verb is {words[0]}")
    names = [w.removeprefix("--").split("=")[0] for w in words[1:]]
    for name in names:
        expect(name in flags, f"{where}: sonde server has no --{name}")
    open_address = any(re.search(r"listen-address=(?!127\.)", w) for w in words)
    expect(not open_address or {"web.config.file", "web.allow-anonymous"} & set(names), f"{where}: would refuse to start")


# --- compose ----------------------------------------------------------------------------------------------------------

# The keys of the Compose specification that we use, and the shapes they take here.
SERVICE_KEYS = {
    "image": str, "build": dict, "command": list, "ports": list, "environment": dict, "volumes": list, "depends_on": list,
    "restart": str, "read_only": bool, "tmpfs": list, "cap_drop": list, "security_opt": list,
}
SHOP_PORTS = {"web": 8081, "orders": 8082, "stock": 8083}


def dockerfile_stages():
    return set(re.findall(r"^FROM \S+ AS (\S+)$", text(DEPLOY / "docker/Dockerfile"), re.M))


def check_secrets(name, value, where):
    """A password comes from the environment of whoever starts it, and nothing stands in for it."""
    if re.search(r"PASSWORD|SECRET|TOKEN", name):
        expect(re.fullmatch(r"\$\{\w+:\?[^}]+\}", value), f"{where}: {name} must be ${{VARIABLE:?…}}, not {value!r}")


def check_compose(path):
    where = path.relative_to(ROOT)
    compose = documents(path)[0]
    unknown = [k for k in compose if k not in ("name", "services", "volumes") and not k.startswith("x-")]
    expect(not unknown, f"{where}: unknown keys {unknown}")
    services = compose["services"]
    for name, service in services.items():
        at = f"{where}: {name}"
        for key, value in service.items():
            if expect(key in SERVICE_KEYS, f"{at}: unknown key {key}"):
                kind = SERVICE_KEYS[key]
                expect(isinstance(value, kind), f"{at}: {key} must be a {kind.__name__}")
        expect("image" in service, f"{at}: no image")
        for word in service.get("command", []):
            expect(isinstance(word, str), f"{at}: command: {word!r} is not text")
        for key, value in service.get("environment", {}).items():
            if expect(isinstance(value, str), f"{at}: {key} is not text"):
                check_secrets(key, value, at)
        for needed in service.get("depends_on", []):
            expect(needed in services, f"{at}: depends on {needed}, which does not exist")
        for port in service.get("ports", []):
            expect(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port), f"{at}: {port} is not published on this machine alone")
        for volume in service.get("volumes", []):
            source, target, *mode = volume.split(":")
            expect(target.startswith("/"), f"{at}: {volume}: the target is not absolute")
            if source.startswith("."):
                expect((path.parent / source).exists(), f"{at}: {source} does not exist")
                expect(mode == ["ro"], f"{at}: {volume} is not read-only")
            else:
                expect(source in compose.get("volumes", {}), f"{at}: volume {source} is not declared")
        if "build" in service:
            build = service["build"]
            context = (path.parent / build["context"]).resolve()
            expect(context == ROOT, f"{at}: the build context is not the project's folder")
            expect((context / build["dockerfile"]).is_file(), f"{at}: no {build['dockerfile']}")
            expect(build["target"] in dockerfile_stages(), f"{at}: no stage {build['target']}")
    expect("127.0.0.1:9090:9090" in services["prometheus"]["ports"], f"{where}: Prometheus is not on 9090")
    expect("127.0.0.1:3001:3000" in services["grafana"]["ports"], f"{where}: Grafana is not on 3001")
    expect("GF_SECURITY_ADMIN_PASSWORD" in services["grafana"]["environment"], f"{where}: Grafana would start as admin/admin")
    if "build" in services["prometheus"]:
        check_sonde_flags(f"{where}: prometheus", services["prometheus"]["command"])
    check_shop_commands(where, services)
    check_targets(where, services)


def check_shop_commands(where, services):
    flags = set(re.findall(r'flag == "(--[a-z-]+)"', text(ROOT / "lib/examples/shop/options.cc")))
    expect(flags, "lib/examples/shop/options.cc: no flags found")
    for role in (*SHOP_PORTS, "load"):
        command = services[role]["command"]
        expect(command[0] == role, f"{where}: {role} runs {command[0]}")
        for flag in (w for w in command if w.startswith("--")):
            expect(flag in flags, f"{where}: {role}: the shop has no {flag}")
        for word in command:
            url = re.fullmatch(r"http://(\w+):(\d+)", word)
            if url and url[1] in SHOP_PORTS:
                expect(SHOP_PORTS[url[1]] == int(url[2]), f"{where}: {role}: {word}: wrong port")
            elif url:
                expect(url[1] in services, f"{where}: {role}: {word}: no such service")


def check_targets(where, services):
    config = documents(DEPLOY / "compose/prometheus.yml")[0]
    expect({"shop", "prometheus"} <= {j["job_name"] for j in config["scrape_configs"]}, "prometheus.yml: a job is missing")
    seen = {}
    for job in config["scrape_configs"]:
        for group in job["static_configs"]:
            for target in group["targets"]:
                host, port = target.split(":")
                if job["job_name"] == "shop":
                    seen[host] = int(port)
                    expect(group["labels"]["service"] == host, f"prometheus.yml: {target}: label service")
                    expect(host in services, f"{where}: no service {host} for target {target}")
    expect(seen == SHOP_PORTS, f"prometheus.yml: the shop's targets are {seen}")


# --- Grafana ----------------------------------------------------------------------------------------------------------

def check_data_sources(path, types):
    where = path.relative_to(ROOT)
    sources = documents(path)[0]["datasources"]
    uids = [s["uid"] for s in sources]
    expect(len(set(uids)) == len(uids), f"{where}: a uid is there twice")
    expect([s["type"] for s in sources] == types, f"{where}: types {[s['type'] for s in sources]}, wanted {types}")
    expect(len({s["url"] for s in sources}) == 1, f"{where}: more than one address")
    expect(sum(bool(s.get("isDefault")) for s in sources) == 1, f"{where}: not exactly one default")
    raw = text(path)
    for uid in re.findall(r"datasourceUid: (\S+)", raw):
        expect(uid in uids, f"{where}: no data source {uid}")
    # Grafana expands $NAME when it reads the file.
    expect(not re.search(r"(?<!\$)\$(?!\$)", re.sub(r"\$\$", "", re.sub(r"#.*", "", raw))), f"{where}: a single $")
    expect("secureJsonData" not in raw and "password" not in raw.lower(), f"{where}: a credential")


def panels_of(dashboard):
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", [])


def check_dashboard(path, folder):
    where = path.relative_to(ROOT)
    dashboard = json.loads(text(path))
    for key in ("uid", "title", "panels", "templating", "time", "schemaVersion"):
        expect(key in dashboard, f"{where}: no {key}")
    variables = {v["name"] for v in dashboard["templating"]["list"]}
    ids = [p["id"] for p in panels_of(dashboard)]
    expect(len(set(ids)) == len(ids), f"{where}: a panel id is there twice")
    taken = {}
    expressions = []
    for panel in panels_of(dashboard):
        at = f"{where}: {panel['title']}"
        g = panel["gridPos"]
        expect(g["x"] >= 0 and g["x"] + g["w"] <= 24, f"{at}: wider than the grid")
        for x in range(g["x"], g["x"] + g["w"]):
            for y in range(g["y"], g["y"] + g["h"]):
                expect((x, y) not in taken, f"{at}: lies on {taken.get((x, y))}")
                taken[x, y] = panel["title"]
        if panel["type"] == "row":
            continue
        expect(panel["targets"], f"{at}: no query")
        for target in panel["targets"]:
            expressions.append((at, target["expr"]))
            expect(target["datasource"]["uid"] == "${datasource}", f"{at}: a data source of its own")
    for annotation in dashboard["annotations"]["list"]:
        expressions.append((f"{where}: {annotation['name']}", annotation["expr"]))
    rules = []
    for i, (at, expr) in enumerate(expressions):
        for name in re.findall(r"\$\{?(\w+)", expr):
            expect(name in variables | {"__rate_interval"}, f"{at}: no variable {name}")
        plain = expr.replace("$__rate_interval", "5m").replace("$service", ".+")
        rules.append({"record": f"panel:{i}", "expr": plain})
        check_metrics(at, plain)
    (folder / "dashboard.rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))


_library = None


def check_metrics(at, expr):
    """Every series that is asked for is one that the library or the shop exposes."""
    global _library
    if _library is None:
        _library = "\n".join(text(p) for p in sorted((ROOT / "lib").rglob("*")) if p.suffix in (".cc", ".h"))
    for name in re.findall(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\{", expr):
        if name in ("up", "ALERTS"):
            continue
        stem = re.sub(r"_(bucket|sum|count)$", "", name)
        expect(re.search(rf"\b{stem}\b", _library), f"{at}: nothing exposes {name}")


def check_alerts(path):
    for group in documents(path)[0]["groups"]:
        for rule in group["rules"]:
            check_metrics(f"{path.name}: {rule['alert']}", rule["expr"])
            for needed in ("summary", "description"):
                expect(needed in rule["annotations"], f"{path.name}: {rule['alert']}: no {needed}")
    tested = set(re.findall(r"alertname: (\w+)", text(path.with_suffix(".test.yml"))))
    defined = {r["alert"] for g in documents(path)[0]["groups"] for r in g["rules"]}
    expect(tested == defined, f"{path.name}: alerts without a test, or the reverse: {sorted(tested ^ defined)}")


# --- Kubernetes -------------------------------------------------------------------------------------------------------

def check_kubernetes(folder):
    kustomization = documents(DEPLOY / "kustomization.yaml")[0]
    objects = {}
    for file in kustomization["resources"]:
        for o in documents(DEPLOY / file):
            key = (o["kind"], o["metadata"]["name"])
            expect(key not in objects, f"{file}: {key} is there twice")
            objects[key] = o
    for generator in kustomization["configMapGenerator"]:
        objects["ConfigMap", generator["name"]] = {}
        for file in generator["files"]:
            expect((DEPLOY / file).is_file(), f"kustomization.yaml: no {file}")
    # Made by whoever installs it: it holds their users.
    objects["Secret", "sonde-web"] = {}
    expect({n for k, n in objects if k == "Deployment"} == {"sonde", *SHOP_PORTS}, "kubernetes: a deployment is missing")
    for (kind, name), o in objects.items():
        if kind == "Deployment":
            check_deployment(name, o, objects)
        elif kind == "Service":
            deployment = objects["Deployment", name]
            pod = deployment["spec"]["template"]
            expect(o["spec"]["selector"].items() <= pod["metadata"]["labels"].items(), f"Service {name}: selects nothing")
            names = {p["name"] for c in pod["spec"]["containers"] for p in c["ports"]}
            for port in o["spec"]["ports"]:
                expect(port["targetPort"] in names, f"Service {name}: no port {port['targetPort']}")
    config = objects["ConfigMap", "sonde-config"]["data"]
    (folder / "kubernetes.yml").write_text(config["prometheus.yml"])
    (folder / "sonde.yml").write_text(config["sonde.yml"])
    for job in yaml.safe_load(config["prometheus.yml"])["scrape_configs"]:
        for target in (t for g in job["static_configs"] for t in g["targets"]):
            host, port = target.split(":")
            service = objects.get(("Service", host))
            if expect(service, f"ConfigMap: no Service {host}"):
                expect(int(port) in [p["port"] for p in service["spec"]["ports"]], f"ConfigMap: {target}: wrong port")
    known = set(re.findall(r"^([a-z]+):", text(ROOT / "docs/manual/configuration.md"), re.M))
    for key in yaml.safe_load(config["sonde.yml"]):
        expect(key in known, f"ConfigMap: sonde.yml: {key} is not in the manual")


def check_deployment(name, o, objects):
    at = f"Deployment {name}"
    spec = o["spec"]
    pod = spec["template"]["spec"]
    expect(spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items(), f"{at}: selector")
    expect(pod["securityContext"]["runAsNonRoot"], f"{at}: runs as root")
    expect(pod["automountServiceAccountToken"] is False, f"{at}: mounts a token that it does not use")
    kinds = {"configMap": ("ConfigMap", "name"), "secret": ("Secret", "secretName"),
             "persistentVolumeClaim": ("PersistentVolumeClaim", "claimName")}
    volumes = {v["name"]: v for v in pod["volumes"]}
    for volume in volumes.values():
        sources = volume.get("projected", {}).get("sources", [volume])
        for source in sources:
            for key, (kind, field) in kinds.items():
                if key in source:
                    expect((kind, source[key][field]) in objects, f"{at}: no {kind} {source[key][field]}")
    probes = {"web": "/health/{}", "orders": "/health/{}", "stock": "/health/{}"}.get(name)
    paths = {
        "startupProbe": probes.format("startup") if probes else "/-/ready",
        "livenessProbe": probes.format("live") if probes else "/-/healthy",
        "readinessProbe": probes.format("ready") if probes else "/-/ready",
    }
    for container in pod["containers"]:
        ports = {p["name"]: p["containerPort"] for p in container["ports"]}
        for probe, path in paths.items():
            if expect(probe in container, f"{at}: no {probe}"):
                get = container[probe]["httpGet"]
                expect(get["path"] == path, f"{at}: {probe} asks {get['path']}")
                expect(get["port"] in ports, f"{at}: {probe}: no port {get['port']}")
        if name in SHOP_PORTS:
            expect(ports["http"] == SHOP_PORTS[name], f"{at}: port {ports['http']}")
        limits = container["securityContext"]
        expect(limits["readOnlyRootFilesystem"] and not limits["allowPrivilegeEscalation"], f"{at}: security context")
        for mount in container["volumeMounts"]:
            expect(mount["name"] in volumes, f"{at}: no volume {mount['name']}")
        if name == "sonde":
            check_sonde_flags(at, container["args"])
        for arg in container["args"]:
            expect(isinstance(arg, str), f"{at}: argument {arg!r} is not text")


# --- Dockerfile -------------------------------------------------------------------------------------------------------

def check_dockerfile():
    """The final stages install what the programs need, if those are built here."""
    dockerfile = text(DEPLOY / "docker/Dockerfile").replace("\\\n", " ")
    expect({"build", "shop", "sonde"} <= dockerfile_stages(), "Dockerfile: a stage is missing")
    for source in re.findall(r"^COPY --from=build (.+) \S+$", dockerfile, re.M):
        for path in source.split():
            local = ROOT / path.removeprefix("/src/")
            expect(path.startswith("/src/build/") or local.is_file(), f"Dockerfile: {path} does not exist")
    stages = re.split(r"^FROM \S+ AS (\S+)$", dockerfile, flags=re.M)[1:]
    stages = dict(zip(stages[::2], stages[1::2]))
    expect(all("USER 65532" in stages[s] for s in ("shop", "sonde")), "Dockerfile: an image runs as root")
    entry = json.loads(re.search(r"^CMD (.+)$", stages["sonde"], re.M)[1])
    check_sonde_flags("Dockerfile", entry)
    unit = re.search(r"^ExecStart=/usr/bin/sonde (.+?)\n(?=\w)", text(DEPLOY / "systemd/sonde.service"), re.M | re.S)[1]
    check_sonde_flags("sonde.service", unit.replace("\\\n", " ").split())
    programs = {"sonde": ["build/release/sonde", "build/release/lib/examples/shop"], "shop": ["build/release/lib/examples/shop"]}
    if not (shutil.which("readelf") and shutil.which("dpkg-query") and shutil.which("ldd")):
        return
    base = {"libc6", "libstdc++6", "libgcc-s1"}
    for stage, paths in programs.items():
        installed = set(re.search(r"--no-install-recommends ([^&]+)", stages[stage])[1].split())
        for path in (ROOT / p for p in paths):
            if not path.is_file():
                continue
            dynamic = subprocess.run(["readelf", "-d", path], capture_output=True, text=True, check=True).stdout
            needed = set(re.findall(r"NEEDED\)\s+Shared library: \[(.+?)\]", dynamic))
            resolved = subprocess.run(["ldd", path], capture_output=True, text=True, check=True).stdout
            for library, file in re.findall(r"^\s*(\S+) => (\S+)", resolved, re.M):
                if library not in needed:
                    continue
                real = pathlib.Path(file).resolve()
                owner = subprocess.run(["dpkg-query", "-S", f"*{real.name}"], capture_output=True, text=True).stdout
                owner = {line.split(":")[0] for line in owner.splitlines() if line.endswith("/" + real.name)}
                expect(owner & (installed | base), f"Dockerfile: {stage}: {library} of {path.name} is in {sorted(owner)}")


# --- documents --------------------------------------------------------------------------------------------------------

def check_documents():
    """Links lead somewhere, and the example of the front page is a part of the program that it names."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    for page in pages:
        for link in re.findall(r"\]\(([^)#\s]+)", re.sub(r"```.*?```", "", text(page), flags=re.S)):
            # Pictures are made from a running server and may be absent.
            if not re.match(r"[a-z]+:|docs/images/", link):
                expect((page.parent / link).exists(), f"{page.relative_to(ROOT)}: {link} leads nowhere")
    floors = {}
    for line in re.findall(r"^\| \d \| (.+?) \|$", text(ROOT / "ARCHITECTURE.md"), re.M):
        modules, may = line.split(" | ")
        for module in re.findall(r"`(\w+)`", modules):
            floors[module] = set(re.findall(r"`(\w+)`", may))
    code = re.search(r"kFloors = \{(.*?)\n\};", text(ROOT / "tests/house/layering_test.cc"), re.S)[1]
    held = {m: set(re.findall(r'"(\w+)"', may)) for m, may in re.findall(r'\{"(\w+)", \{(.*?)\}\}', code)}
    for module in sorted(held.keys() | floors.keys()):
        if module != "app":  # everything
            expect(held.get(module) == floors.get(module), f"ARCHITECTURE.md: the floor of {module} is not what the test holds")
    example = {line.strip() for line in text(ROOT / "lib/examples/hello_metrics.cc").splitlines()}
    code = re.search(r"```cpp\n(.*?)```", text(ROOT / "README.md"), re.S)[1]
    for line in code.splitlines():
        expect(line.strip() in example, f"README.md: not in hello_metrics.cc: {line}")


def main():
    folder = pathlib.Path(sys.argv[1])
    for name in ("compose.yaml", "compose.sonde.yaml"):
        check_compose(DEPLOY / "compose" / name)
    check_data_sources(DEPLOY / "compose/grafana/datasources/prometheus.yaml", ["prometheus"])
    check_data_sources(DEPLOY / "compose/grafana/datasources/sonde.yaml", ["prometheus", "loki", "jaeger"])
    check_dashboard(DEPLOY / "compose/grafana/dashboards/shop.json", folder)
    check_alerts(DEPLOY / "rules/alerts.shop.yml")
    check_kubernetes(folder)
    check_dockerfile()
    check_documents()
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
