#!/usr/bin/env python3
"""How long an order takes at a steady pace: from the moment its message was due until it is
committed, and until its event can be read. Each pace has a hub of its own, with an empty state.

Everything it needs is built and started by `scripts/bench pace`, which calls this.
"""

import argparse
import json
import subprocess
import time

import run

PATIENCE_S = 60


def pace(bench, orders_a_second, seconds):
    """Measures one pace; gives what the load said and what the hub used."""
    bench.prefix = f"pace-{bench.run}-{orders_a_second}."
    database = bench.fresh_database("zhibao-pace")
    # Makes schema and topics; there is nothing to publish yet.
    quiet = {"check": True, "stdout": subprocess.DEVNULL}
    subprocess.run(bench.hub(bench.hub_data(), database, "publish", clock="broker"), **quiet)
    out = bench.folder / "pace.json"
    load = [bench.asked.contenders, "pace", bench.brokers, bench.prefix, database]
    load += [str(orders_a_second), str(seconds), str(out)]

    def is_done(process):
        """The hub has its partitions, then the load has come through."""
        sql = "select count(*) from position where owner is null"
        began = time.monotonic()
        with bench.asking("zhibao-pace") as ask:
            while ask(sql) != ["0"]:
                if process.poll() is not None:
                    return
                if time.monotonic() - began > PATIENCE_S:
                    raise SystemExit(f"zhibao: partitions without owner after {PATIENCE_S} s")
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
    if counted != orders_a_second * seconds:
        raise SystemExit(f"pace: expected {orders_a_second * seconds} orders, found {counted}")
    said = json.loads(out.read_text(encoding="utf-8"))
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
    parser.add_argument("paces", type=int, nargs="+", help="orders a second")
    asked = parser.parse_args()
    bench = run.Bench(asked)
    for orders_a_second in asked.paces:
        print(line(pace(bench, orders_a_second, asked.seconds)), flush=True)


if __name__ == "__main__":
    main()
