#!/usr/bin/env python3
"""Figures against peers, measured side by side in one run.

    ./dev bench [NAME…] [--json FILE] [--markdown FILE]

NAME is library, server, or a case of the library (bench/run.py --list). One JSON object a line:
{bench, case, unit, ours, peer, peer_name, ratio}; ratio is peer ÷ ours, so that above 1 ours needs less.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from server import contest  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "bench"
LIBRARY_CASES = ["counter_inc", "counter_lookup_3_labels_inc", "histogram_observe", "expose_10k_series",
                 "log_5_fields_caller", "log_5_fields_whole", "log_5_fields_caller_async"]
WHAT = {
    "counter_inc": "counter, +1 through a handle",
    "counter_lookup_3_labels_inc": "counter, look-up by three labels, +1",
    "histogram_observe": "histogram, observe, 14 buckets",
    "expose_10k_series": "page of 10,000 series",
    "log_5_fields_caller": "log line with 5 fields to a file: the calling thread",
    "log_5_fields_whole": "log line with 5 fields to a file: the whole process",
    "log_5_fields_caller_async": "the same, peer asynchronous: the calling thread",
    **contest.WHAT,
}


def library(case, emit):
    binary = BUILD / "benchmarks" / "library_bench"
    if not binary.is_file():
        raise SystemExit(f"{binary} is missing: ./dev bench builds it")
    child = subprocess.Popen([binary, *([case] if case else [])], stdout=subprocess.PIPE, text=True)
    for line in child.stdout:
        emit(json.loads(line))
    if child.wait() != 0:
        raise SystemExit("library_bench failed")


def figure(value):
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def markdown(rows):
    out = []
    for bench in dict.fromkeys(r["bench"] for r in rows):
        out += [f"### {bench}", "", "| case | unit | sonde | peer | | peer ÷ sonde |", "|---|---|--:|--:|---|--:|"]
        for r in (r for r in rows if r["bench"] == bench):
            ratio = f"{r['ratio']:.2f}" if r["ratio"] is not None else "–"
            out.append(f"| {WHAT.get(r['case'], r['case'])} | {r['unit']} | {figure(r['ours'])} | {figure(r['peer'])} "
                       f"| {r['peer_name']} | {ratio} |")
        out.append("")
    return "\n".join(out)


def main():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--json", metavar="FILE", help="one object a line, beside the lines on standard output")
    parser.add_argument("--markdown", metavar="FILE", help="the tables of docs/benchmarks.md; - is standard output")
    parser.add_argument("--sonde", default=str(BUILD / "sonde"), help="the server's binary")
    parser.add_argument("--rounds", type=int, default=3, help="of the server's contest; medians are shown")
    parser.add_argument("--list", action="store_true", help="print the names and end")
    options = parser.parse_args()
    if options.list:
        print("\n".join(["library", *LIBRARY_CASES, "server"]))
        return
    names = options.names or ["library", "server"]
    for name in names:
        if name not in ("library", "server", *LIBRARY_CASES):
            parser.error(f"no benchmark '{name}'; there are: library server {' '.join(LIBRARY_CASES)}")

    rows = []

    def emit(row):
        rows.append(row)
        print(json.dumps(row), flush=True)

    status = 0
    for name in names:
        if name == "server":
            status |= contest.run(os.path.abspath(options.sonde), options.rounds, emit)
        else:
            library(None if name == "library" else name, emit)
    if options.json:
        pathlib.Path(options.json).write_text("".join(json.dumps(r) + "\n" for r in rows))
    if options.markdown == "-":
        print(markdown(rows))
    elif options.markdown:
        pathlib.Path(options.markdown).write_text(markdown(rows))
    sys.exit(status)


if __name__ == "__main__":
    main()
