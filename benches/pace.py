#!/usr/bin/env python3
"""How long an order takes at a steady pace: from the moment its message was due until it is
committed, and until its event can be read. Each pace has a hub of its own, with an empty state.

Everything it needs is built and started by `scripts/bench pace`, which calls this.
"""

import argparse
import datetime
import json
import shutil
import subprocess
import time

import run

PATIENCE_S = 60
BEFORE_S = 3600


def before(bench, orders):
    """Fills the topics with orders of yesterday, whose day stays open; gives how many messages."""
    folder = bench.folder / "pace-before"
    shutil.rmtree(folder, ignore_errors=True)
    yesterday = datetime.date.today() - datetime.timedelta(days=1)
    command = [bench.asked.zhibao, "generate", "--profile", "bench", "--orders", str(orders)]
    command += ["--from", yesterday.isoformat(), "--days", "1", "--seed", "7"]
    subprocess.run([*command, "--out", str(folder)], check=True)
    database = bench.fresh_database("pace-before")
    command = bench.hub(bench.hub_data(), database, "replay", str(folder), clock="broker")
    subprocess.run(command, check=True)
    bench.sql("postgres", 'drop database "pace-before"')
    truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    shutil.rmtree(folder)
    return truth["messages"]["received"]


def pace(bench, number, orders_a_second, seconds):
    """Measures one pace; gives what the load said and what the hub used."""
    # Topics of its own: the same pace may be asked for twice.
    bench.prefix = f"pace-{bench.run}-{number}-{orders_a_second}."
    database = bench.fresh_database("zhibao-pace")
    # Makes schema and topics; there is nothing to publish yet.
    quiet = {"check": True, "stdout": subprocess.DEVNULL}
    subprocess.run(bench.hub(bench.hub_data(), database, "publish", clock="broker"), **quiet)
    waiting = before(bench, bench.asked.before) if bench.asked.before else 0
    out = bench.folder / "pace.json"
    load = [bench.asked.contenders, "pace", bench.brokers, bench.prefix, database]
    load += [str(orders_a_second), str(seconds), str(out)]

    def is_done(process):
        """The hub has its partitions, then the load has come through."""
        sql = "select count(*) from position where owner is null"
        began, patience_s = time.monotonic(), BEFORE_S if waiting else PATIENCE_S
        with bench.asking("zhibao-pace") as ask:
            while True:
                ownerless = int(ask(sql)[0])
                applied, behind = map(int, ask(run.APPLIED_AND_BEHIND))
                if process.poll() is not None:
                    return
                # What comes to the canonical topics from here on is of the pace alone.
                if ownerless == 0 and applied >= waiting and behind == 0:
                    break
                if time.monotonic() - began > patience_s:
                    raise SystemExit(
                        f"zhibao: after {patience_s} s expected 0 partitions without owner,"
                        f" {waiting} messages applied and 0 segments to publish, found {ownerless},"
                        f" {applied} and {behind}"
                    )
                time.sleep(run.LOOK_S)
        subprocess.run(load, check=True)

    command = ["run", "--listen", "127.0.0.1:0", "--role", "process", "--role", "forward"]
    command = bench.hub(bench.hub_data(), database, *command, clock="broker")
    used = run.Run(command, bench.servers, bench.folder / "pace.log", wait=is_done)
    export = bench.folder / "pace-export"
    command = bench.hub(bench.hub_data(), database, "export", "--out", str(export), clock="broker")
    subprocess.run(command, **quiet)
    counts = json.loads((export / "export.json").read_text(encoding="utf-8"))["counts"]
    counted = sum(run.cells_of(counts).values())
    expected = orders_a_second * seconds + bench.asked.before
    if counted != expected:
        raise SystemExit(f"pace: expected {expected} orders, found {counted}")
    said = json.loads(out.read_text(encoding="utf-8"))
    if bench.asked.before:
        disk = run.hub_bytes(bench, "zhibao-pace") / counted
        print(f"{counted:,} orders, {disk:.1f} bytes an order on disk", flush=True)
    return said | {"cpu": used.cpu, "peak": used.peak, "ran": used.seconds}


def line(said):
    """One pace, for people and for a table."""
    cells = [f"{said['orders_a_second']:,}"]
    for what in ("committed", "published"):
        cells += [f"{said[what][part] / 1000:,.0f} ms" for part in ("p50", "p99", "p99.9", "max")]
    cores = [f"{used / said['ran']:.2f}" for used in said["cpu"].values()]
    cells += [", ".join(cores), f"{said['peak'] / 2**20:.0f} MiB"]
    return "| " + " | ".join(cells) + " |"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--zhibao", required=True, help="the hub's program")
    parser.add_argument("--contenders", required=True, help="the program of benches/contenders")
    parser.add_argument("--seconds", type=int, required=True)
    parser.add_argument("--before", type=int, default=0, help="orders that are open before it")
    parser.add_argument("paces", type=int, nargs="+", help="orders a second")
    asked = parser.parse_args()
    bench = run.Bench(asked)
    for number, orders_a_second in enumerate(asked.paces):
        print(line(pace(bench, number, orders_a_second, asked.seconds)), flush=True)


if __name__ == "__main__":
    main()
