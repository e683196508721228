#!/usr/bin/env python3
"""What more orders cost: throughput, memory and bytes with so many in open days, the time to seal
them, and the time to find the evidence of an injury among those that are sealed and those that are
open.

The hub runs with its embedded log and SQLite, on the acceptances of the profile of `make bench`.
`scripts/bench growth` builds what this needs and calls it.
"""

import argparse
import datetime
import json
import math
import os
import pathlib
import random
import re
import shutil
import subprocess

import run
from measure import Run

ROOT = pathlib.Path(__file__).resolve().parent.parent
FROM = datetime.date(2026, 7, 5)
# An accident so long after the order that bears witness to it was accepted.
ACCIDENT_S = 1_800
ANSI = re.compile(r"\x1b\[[0-9;]*m")
STEP = re.compile(r'^(\S+Z).*? (begins|ended) step="?(\w+)"? of="?([\w./-]+)"?')
READ = re.compile(r"^(\S+Z).*evidence read.*partition=(\d+) chunks=(\d+)")
# How the platforms name rider, order, acceptance and county in what they stream.
NAMES = {
    "caocao-chuxing": ("DriverId", "OrderId", "DistributeTime", "Address"),
    "meituan": ("riderId", "orderViewId", "acceptTime", "adcode"),
}


class Hub:
    """A data folder and the commands on it."""

    def __init__(self, asked, folder):
        self.zhibao = asked.zhibao
        self.folder = folder
        self.generated = folder / "generated"

    def command(self, *arguments):
        rules = ["--connectors", str(ROOT / "connectors"), "--policy", str(ROOT / "policy")]
        rules += ["--schemas", str(ROOT / "schemas"), "--no-canonical-topics"]
        return [self.zhibao, "--data", str(self.folder / "data"), *rules, *arguments]

    def run(self, name, *arguments, says=None):
        """Runs a command to its end; what it says at debug level goes to a log."""
        env = os.environ | ({"ZHIBAO_LOG": f"warn,{says}=debug"} if says else {})
        log = self.folder / f"{name}.log"
        return Run(self.command(*arguments), {}, log, env=env), log

    def generate(self, orders, days):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        command = [self.zhibao, "generate", "--profile", "acceptances", "--orders", str(orders)]
        command += ["--connectors", str(ROOT / "connectors"), "--policy", str(ROOT / "policy")]
        command += ["--from", FROM.isoformat(), "--days", str(days), "--seed", "7"]
        subprocess.run([*command, "--out", str(self.generated)], check=True)
        return json.loads((self.generated / "truth.json").read_text(encoding="utf-8"))

    def check(self, truth):
        """Ends everything where what the hub has counted is not the truth."""
        out = self.folder / "export"
        quiet = {"check": True, "stdout": subprocess.DEVNULL}
        subprocess.run(self.command("export", "--out", str(out)), **quiet)
        found = json.loads((out / "export.json").read_text(encoding="utf-8"))["counts"]
        run.check("zhibao", run.cells_of(truth["counts"]), run.cells_of(found))

    def state_bytes(self):
        """Of the state as its file lies there, with room that was used once and is free again."""
        files = (self.folder / "data").glob("state.db*")
        return sum(file.stat().st_size for file in files)


def lines_of(log, pattern):
    """The lines of a log that match, with their time in seconds."""
    with open(log, encoding="utf-8", errors="replace") as file:
        for line in file:
            match = pattern.match(ANSI.sub("", line))
            if match:
                at = datetime.datetime.fromisoformat(match[1].replace("Z", "+00:00"))
                yield at.timestamp(), match


def steps(log, step):
    """Seconds that each step of a kind took, one for each partition and day."""
    begun, took = {}, []
    for at, match in lines_of(log, STEP):
        if match[3] == step:
            if match[2] == "begins":
                begun[match[4]] = at
            elif match[4] in begun:
                took.append(at - begun.pop(match[4]))
    return took


def readings(log):
    """Seconds that each reading of a platform's day took for all of its cases, where it has any
    orders. A day's partitions are read one after another, and each is told when it has been read;
    of the first reading the beginning is not known."""
    took, before, began, chunks = [], None, None, 0
    for at, match in lines_of(log, READ):
        if match[2] == "0":
            if began and chunks:
                took.append(before - began)
            began, chunks = before, 0
        chunks += int(match[3])
        before = at
    return took + [before - began] if began and chunks else took


def share(values, part):
    """The least value that so large a part of all does not exceed."""
    ordered = sorted(values)
    return ordered[math.ceil(part * len(ordered)) - 1] if ordered else float("nan")


def spread(values):
    parts = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    told = [f"{name} {1000 * share(values, part):,.1f} ms" for name, part in parts.items()]
    return f"{len(values)} times, " + ", ".join(told)


def grown(asked, orders):
    """So many orders in one open day: a row of orders, time, messages a second, CPU seconds a
    million orders, peak memory, bytes of state an order, and a start that finds all of them open:
    its time and peak memory."""
    hub = Hub(asked, asked.folder / f"open-{orders}")
    truth = hub.generate(orders, 1)
    used, _ = hub.run("replay", "replay", "--process", str(hub.generated))
    hub.check(truth)
    again, _ = hub.run("again", "process")
    messages = truth["messages"]["received"]
    print(
        f"| {orders:,} | {used.seconds:.1f} s | {messages / used.seconds:,.0f} "
        f"| {1e6 * used.cpu['itself'] / orders:.1f} | {used.peak / 2**20:,.0f} MiB "
        f"| {hub.state_bytes() / orders:.1f} | {again.seconds:.1f} s "
        f"| {again.peak / 2**20:,.0f} MiB |",
        flush=True,
    )
    shutil.rmtree(hub.folder)


def sealed(asked, days, a_day):
    """Days of orders, of which the last stays open; then filings of accidents on all of them."""
    hub = Hub(asked, asked.folder / "sealed")
    truth = hub.generate(days * a_day, days)
    used, log = hub.run(
        "replay", "replay", "--process", str(hub.generated), says="zhibao::apply::under_way"
    )
    print(f"replay: {used.seconds:.1f} s, peak {used.peak / 2**20:,.0f} MiB", flush=True)
    seals = steps(log, "seal")
    last = FROM + datetime.timedelta(days=days - 2)
    used, log = hub.run(
        "seal", "seal", "--until", last.isoformat(), says="zhibao::apply::under_way"
    )
    print(f"seal until {last}: {used.seconds:.1f} s, peak {used.peak / 2**20:,.0f} MiB")
    print(f"seal of a partition's day: {spread(seals + steps(log, 'seal'))}")
    hub.check(truth)
    print(f"state: {hub.state_bytes() / (days * a_day):.1f} bytes an order", flush=True)

    filings = hub.folder / "filings.ndjson"
    filed = list(file_accidents(hub.generated, asked.cases))
    filings.write_text("".join(json.dumps(one) + "\n" for one in filed), encoding="utf-8")
    feed = ["--connector", "national-platform", "--feed", "filings", str(filings)]
    hub.run("ingest", "ingest", *feed)
    hub.run("process", "process")
    used, log = hub.run("evidence", "evidence", says="zhibao::apply::evidence")
    print(f"evidence of {len(filed)} cases: {used.seconds:.1f} s, start and all")
    print(f"evidence of one platform's day, all its partitions: {spread(readings(log))}")
    out = hub.folder / "export"
    subprocess.run(hub.command("export", "--out", str(out)), check=True, stdout=subprocess.DEVNULL)
    found = json.loads((out / "export.json").read_text(encoding="utf-8"))["evidence"]
    lacks = [
        one["case"]
        for one in filed
        if f"{one['platform']}/{one['order_no']}" not in found[one["case"]]["orders"]
    ]
    if lacks:
        raise SystemExit(f"evidence: {len(lacks)} cases lack the order of the filing: {lacks[:5]}")
    print("evidence: every case has the order of its filing", flush=True)


def file_accidents(generated, cases):
    """Filings of the riders of orders from all over what was generated, a while after each."""
    chosen = random.Random(7)
    files = sorted(
        file for name in NAMES for file in (generated / "files" / name / "orders").iterdir()
    )
    for number in range(cases):
        file = chosen.choice(files)
        name = file.parent.parent.name
        rider, order, accepted, county = NAMES[name]
        with open(file, encoding="utf-8") as lines:
            said = json.loads(chosen.choice(lines.readlines(1 << 20)))
        at = moment_of(said[accepted])
        yield {
            "type": "filing",
            "case": f"NM{2026_100_000 + number}",
            "platform": name,
            "rider": str(said[rider]),
            "id_no": identity_no(number),
            "accident_at": (at + datetime.timedelta(seconds=ACCIDENT_S)).isoformat(),
            "county": str(said[county]),
            "order_no": str(said[order]),
            "at": (at + datetime.timedelta(hours=6)).isoformat(),
        }


def moment_of(said):
    """A time as a platform writes it: digits of the clock in China, or milliseconds since 1970."""
    zone = datetime.timezone(datetime.timedelta(hours=8))
    if isinstance(said, str):
        return datetime.datetime.strptime(said, "%Y%m%d%H%M%S").replace(tzinfo=zone)
    return datetime.datetime.fromtimestamp(said / 1000, zone)


def identity_no(number):
    """A made-up identity number with its check digit."""
    digits = f"150102{1960 + number % 40}{1 + number % 12:02}{1 + number % 28:02}{number % 1000:03}"
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    total = sum(int(digit) * weight for digit, weight in zip(digits, weights))
    return digits + "10X98765432"[total % 11]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", required=True, type=pathlib.Path)
    parser.add_argument("--zhibao", required=True, help="the hub's program")
    parser.add_argument("--days", type=int, default=0, help="days to seal but the last")
    parser.add_argument("--a-day", type=int, default=5_000_000, help="orders on each of them")
    parser.add_argument("--cases", type=int, default=400, help="accidents to find evidence for")
    parser.add_argument("orders", type=int, nargs="*", help="orders in one open day")
    asked = parser.parse_args()
    asked.folder = asked.folder.resolve()
    for orders in asked.orders:
        grown(asked, orders)
    if asked.days > 1:
        sealed(asked, asked.days, asked.a_day)


if __name__ == "__main__":
    main()
