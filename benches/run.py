#!/usr/bin/env python3
"""Runs every contender of `make bench` on the same messages and holds each answer against the
truth; prints a table and keeps the figures as JSON.

Everything it needs is built and started by `scripts/bench`, which calls this. Each contender gets
the same topics, an empty state, and both processors to itself; one runs after another.
"""

import argparse
import contextlib
import csv
import datetime
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import time
import urllib.parse

from measure import Run

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
PLATFORMS = (
    "caocao-chuxing",
    "didi-chuxing",
    "meituan",
    "eleme",
    "jd-miaosong",
    "sf-tongcheng",
)
PARTITIONS = 12
LOOK_S = 0.05
PATIENCE_S = 4 * 3600
# Positions that are applied, and what waits to be published or to be drained.
APPLIED_AND_BEHIND = (
    "select (select coalesce(sum(next_offset), 0) from position),"
    " (select count(*) from segment s left join publish_cursor c using (topic, partition)"
    " where s.kind in ('base', 'delta') and s.batch_last > coalesce(c.batch, 0))"
    " + (select count(*) from handoff)"
)


class Bench:
    """The servers, the messages, and where everything lies."""

    def __init__(self, asked):
        self.asked = asked
        self.folder = pathlib.Path(asked.folder).resolve()
        self.services = self.folder / "services"
        facts = (self.services / "env").read_text(encoding="utf-8").splitlines()
        facts = dict(line.split("=", 1) for line in facts if not line.startswith("#"))
        self.brokers = facts["ZHIBAO_KAFKA"].removeprefix("kafka://")
        secret = pathlib.Path(facts["ZHIBAO_POSTGRES_PASSWORD_FILE"]).read_text(encoding="utf-8")
        parts = urllib.parse.urlsplit(facts["ZHIBAO_POSTGRES"])
        self.server = f"postgres://{parts.username}:{secret.strip()}@{parts.hostname}:{parts.port}"
        self.options = parts.query
        self.session = {
            "PGHOST": parts.hostname,
            "PGPORT": str(parts.port),
            "PGUSER": parts.username,
            "PGPASSWORD": secret.strip(),
            "PGSSLMODE": urllib.parse.parse_qs(parts.query)["sslmode"][0],
        }
        self.servers = {
            "broker": int((self.services / "kafka-1/1/pid").read_text()),
            "database": int(
                (self.services / "postgres/data/postmaster.pid").read_text().split()[0]
            ),
        }
        self.run = f"{datetime.datetime.now():%Y%m%d%H%M%S}"

    def of(self, orders, messages):
        """The messages of so many orders, and their topics."""
        name = f"{orders}-{messages}"
        self.generated = self.folder / f"generated-{name}"
        self.prefix = f"bench-{name}."
        self.topics = f"{self.prefix}raw."
        return self

    def sql(self, database, text):
        """Runs a statement; gives its rows, a list of texts each."""
        done = subprocess.run(
            ["psql", "-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-c", text],
            env=os.environ | self.session | {"PGDATABASE": database},
            check=True,
            capture_output=True,
            encoding="utf-8",
        )
        return [line.split("\t") for line in done.stdout.splitlines()]

    @contextlib.contextmanager
    def asking(self, database):
        """One session for many questions of one row each: a process each would cost more."""
        session = subprocess.Popen(
            ["psql", "-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1"],
            env=os.environ | self.session | {"PGDATABASE": database},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )

        def ask(text):
            session.stdin.write(f"{text};\n")
            session.stdin.flush()
            answer = session.stdout.readline()
            if not answer:
                raise SystemExit(f"psql: no answer to {text}")
            return answer.rstrip("\n").split("\t")

        try:
            yield ask
        finally:
            session.stdin.close()
            session.wait()

    def fresh_database(self, name):
        """An empty database; gives its address."""
        self.sql("postgres", f'drop database if exists "{name}"')
        self.sql("postgres", f'create database "{name}"')
        return f"{self.server}/{name}?{self.options}"

    def hub(self, data, database, *arguments, clock="replay"):
        """A command of the hub on the bench's topics; the clock is the broker's or the replay's."""
        properties = self.folder / f"{self.prefix}properties"
        properties.write_text(f"zhibao.topic.prefix = {self.prefix}\n", encoding="utf-8")
        command = [self.asked.zhibao, "--data", str(data), "--connectors", str(self.rules())]
        command += ["--policy", str(ROOT / "policy"), "--schemas", str(ROOT / "schemas")]
        command += ["--log", f"kafka://{self.brokers}", "--log-properties", str(properties)]
        command += ["--replay-clock"] if clock == "replay" else []
        return [*command, "--database", database, *arguments]

    def rules(self):
        """The manifests, with as many partitions for each platform as the bench has."""
        rules = self.folder / "connectors"
        if not rules.exists():
            shutil.copytree(ROOT / "connectors", rules)
            for name in PLATFORMS:
                file = rules / name / "connector.toml"
                lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
                lines = [
                    f"partitions = {PARTITIONS}\n" if line.startswith("partitions = ") else line
                    for line in lines
                ]
                file.write_text("".join(lines), encoding="utf-8")
        return rules

    def load(self):
        """Generates the messages and fills the topics, once for all contenders."""
        if not (self.generated / "truth.json").exists():
            shutil.rmtree(self.generated, ignore_errors=True)
            profile = {"mix": "bench", "one": "acceptances"}[self.asked.messages]
            command = [self.asked.zhibao, "generate", "--profile", profile]
            command += ["--orders", str(self.asked.orders)]
            command += ["--from", "2026-07-05", "--days", "2", "--seed", "7"]
            subprocess.run([*command, "--out", str(self.generated)], check=True)
        marker = self.folder / f"{self.prefix}loaded"
        if marker.exists():
            return
        name = f"load-{self.asked.orders}-{self.asked.messages}"
        database = self.fresh_database(name)
        began = time.monotonic()
        data = self.hub_data()
        subprocess.run(self.hub(data, database, "replay", str(self.generated)), check=True)
        self.sql("postgres", f'drop database "{name}"')
        marker.write_text(f"{time.monotonic() - began:.0f} s\n", encoding="utf-8")

    @contextlib.contextmanager
    def every_key_wrong(self):
        """The same messages in topics of their own, each in another partition than its order's."""
        own, wrong = self.prefix, f"{self.prefix.removesuffix('.')}-misplaced."
        marker = self.folder / f"{wrong}loaded"
        self.prefix = wrong
        try:
            if not marker.exists():
                database = self.fresh_database("misplaced")
                # Makes the topics.
                status = self.hub(self.hub_data(), database, "status")
                subprocess.run(status, check=True, stdout=subprocess.DEVNULL)
                self.sql("postgres", 'drop database "misplaced"')
                command = [self.asked.contenders, "misplace", self.brokers, f"{own}raw."]
                subprocess.run([*command, f"{wrong}raw.", str(PARTITIONS)], check=True)
                marker.touch()
            yield
        finally:
            self.prefix = own

    def hub_data(self):
        """The hub's data folder: its keys, the same for every run."""
        data = self.folder / "hub"
        data.mkdir(exist_ok=True)
        return data

    def truth(self):
        with open(self.generated / "truth.json", encoding="utf-8") as file:
            return json.load(file)


def cells_of(counts):
    """Orders by platform, day since 1970 and county, of a document in the truth's shape."""
    epoch = datetime.date(1970, 1, 1)
    cells = {}
    for name, lines in counts.items():
        for days in lines.values():
            for day, counties in days.items():
                day = (datetime.date.fromisoformat(day) - epoch).days
                for county, orders in counties.items():
                    cells[name, day, int(county)] = orders
    return cells


def cells_in(path):
    """The same of a file of lines."""
    with open(path, encoding="utf-8", newline="") as file:
        return {(row[0], int(row[1]), int(row[2])): int(row[3]) for row in csv.reader(file)}


def check(name, expected, found):
    """Ends the bench where an answer is not the truth: its time would mean nothing."""
    wrong = [
        f"{cell}: expected {expected.get(cell, 0)}, found {found.get(cell, 0)}"
        for cell in sorted(expected.keys() | found.keys())
        if expected.get(cell, 0) != found.get(cell, 0)
    ]
    if wrong:
        raise SystemExit(f"{name}: {len(wrong)} counts differ from the truth; {wrong[:5]}")


def ceiling(bench, threads):
    out = bench.folder / f"ceiling-{threads}.csv"
    command = [bench.asked.contenders, "ceiling", bench.brokers, bench.topics, str(out)]
    command.append(str(threads))
    run = Run(command, bench.servers, bench.folder / f"ceiling-{threads}.log")
    # It counts what is sent twice twice: no cell may have less than the truth.
    truth, found = cells_of(bench.truth()["counts"]), cells_in(out)
    twice = sum(found.values()) - sum(truth.values())
    duplicates = bench.truth()["messages"]["duplicate"]
    if any(found.get(cell, 0) < orders for cell, orders in truth.items()) or twice > duplicates:
        raise SystemExit(f"ceiling: {twice} orders too many, of {duplicates} duplicates")
    return run, {}


def plain_sql(bench):
    database = bench.fresh_database("plain-sql")
    out = bench.folder / "plain-sql.csv"
    command = [bench.asked.contenders, "plain-sql", bench.brokers, bench.topics, str(out), database]
    run = Run(command, bench.servers, bench.folder / "plain-sql.log")
    check("plain SQL", cells_of(bench.truth()["counts"]), cells_in(out))
    return run, {"disk": size(bench, "plain-sql", "bench_order", "bench_count")}


def redpanda_connect(bench):
    database = bench.fresh_database("redpanda-connect")
    out = bench.folder / "redpanda-connect.csv"
    command = [bench.asked.redpanda_connect, bench.brokers, bench.topics]
    command += [f"bench-connect-{bench.run}", database, str(out)]
    run = Run(command, bench.servers, bench.folder / "redpanda-connect.log")
    check("Redpanda Connect", cells_of(bench.truth()["counts"]), cells_in(out))
    return run, {"disk": size(bench, "redpanda-connect", "bench_connect")}


def kafka_streams(bench):
    state = bench.folder / "kafka-streams-state"
    shutil.rmtree(state, ignore_errors=True)
    out = bench.folder / "kafka-streams.csv"
    truth = cells_of(bench.truth()["counts"])
    command = ["java", "-Xms2g", "-Xmx6g", "-XX:+UseG1GC", f"-Dzhibao.orders={sum(truth.values())}"]
    command += ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", bench.asked.kafka_streams]
    command += ["zhibao.bench.Main", bench.brokers, bench.topics, f"bench-streams-{bench.run}"]
    command += [str(state), str(out), str(PARTITIONS), "2"]
    command += [bench.topics + name for name in PLATFORMS]
    run = Run(command, bench.servers, bench.folder / "kafka-streams.log")
    check("Kafka Streams", truth, cells_in(out))
    disk = sum(file.stat().st_size for file in state.rglob("*") if file.is_file())
    return run, {"disk": disk}


def zhibao(bench):
    database = bench.fresh_database("zhibao")
    truth = bench.truth()
    # Opening makes the schema and finds the topics; the time is of what comes after.
    subprocess.run(
        bench.hub(bench.hub_data(), database, "status"), check=True, stdout=subprocess.DEVNULL
    )
    command = bench.hub(bench.hub_data(), database, "run", "--listen", "127.0.0.1:0")
    command += ["--role", "process", "--role", "forward"]

    def is_done(process):
        """Everything is applied, and `events.orders` has caught up."""
        began = time.monotonic()
        with bench.asking("zhibao") as ask:
            while time.monotonic() - began < PATIENCE_S:
                if process.poll() is not None:
                    return
                applied, behind = map(int, ask(APPLIED_AND_BEHIND))
                if applied >= truth["messages"]["received"] and behind == 0:
                    return
                time.sleep(LOOK_S)
        raise SystemExit("zhibao: it does not come to its end")

    run = Run(command, bench.servers, bench.folder / "zhibao.log", wait=is_done)
    out = bench.folder / "zhibao-export"
    subprocess.run(
        bench.hub(bench.hub_data(), database, "export", "--out", str(out)), check=True,
        stdout=subprocess.DEVNULL,
    )
    with open(out / "export.json", encoding="utf-8") as file:
        check("zhibao", cells_of(truth["counts"]), cells_of(json.load(file)["counts"]))
    return run, {"disk": hub_bytes(bench, "zhibao")}


def misplaced(bench):
    with bench.every_key_wrong():
        return zhibao(bench)


def hub_bytes(bench, database):
    """Bytes of all tables of the hub with their indexes."""
    sql = "select coalesce(sum(pg_total_relation_size(c.oid)), 0) from pg_class c"
    sql += " where relkind = 'r' and relnamespace = 'public'::regnamespace"
    return int(bench.sql(database, sql)[0][0])


def size(bench, database, *tables):
    """Bytes of tables with their indexes."""
    return sum(
        int(bench.sql(database, f"select pg_total_relation_size('{table}')")[0][0])
        for table in tables
    )


CONTENDERS = {
    "ceiling, 1 thread": lambda bench: ceiling(bench, 1),
    "ceiling, 2 threads": lambda bench: ceiling(bench, 2),
    "zhibao": zhibao,
    "zhibao, every key wrong": misplaced,
    "plain SQL": plain_sql,
    "Kafka Streams": kafka_streams,
    "Redpanda Connect": redpanda_connect,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, required=True)
    parser.add_argument("--messages", choices=("mix", "one"), required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--zhibao", required=True, help="the hub's program")
    parser.add_argument("--contenders", required=True, help="the program of benches/contenders")
    parser.add_argument("--redpanda-connect", required=True, help="the peer's program")
    parser.add_argument("--kafka-streams", required=True, help="the peer's class path")
    parser.add_argument("--only", action="append", choices=CONTENDERS, help="only these")
    asked = parser.parse_args()
    bench = Bench(asked).of(asked.orders, asked.messages)
    bench.load()
    truth = bench.truth()
    messages = truth["messages"]["received"]
    orders = sum(cells_of(truth["counts"]).values())
    figures = []
    for name in asked.only or CONTENDERS:
        run, more = CONTENDERS[name](bench)
        row = {"name": name, "seconds": run.seconds, "messages": messages, "orders": orders}
        row |= {"cpu": run.cpu, "peak": run.peak, **more}
        figures.append(row)
        print(line(row), flush=True)
    result = {
        "date": f"{datetime.date.today()}",
        "commit": subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, check=True, capture_output=True,
            encoding="utf-8",
        ).stdout.strip(),
        "machine": f"{os.cpu_count()} processors, {platform.machine()}, {platform.system()}",
        "messages_an_order": asked.messages,
        "figures": figures,
    }
    path = bench.folder / f"figures-{asked.orders}-{asked.messages}.json"
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"figures: {path}", file=sys.stderr)


def line(row):
    """One contender's figures, for people."""
    seconds, millions = row["seconds"], row["orders"] / 1e6
    cpu = ", ".join(f"{name} {used / millions:.1f}" for name, used in row["cpu"].items())
    disk = f", {row['disk'] / row['orders']:.1f} bytes an order" if "disk" in row else ""
    return (
        f"{row['name']}: {seconds:.1f} s, {row['messages'] / seconds:,.0f} messages/s,"
        f" {row['orders'] / seconds:,.0f} orders/s; CPU seconds a million orders: {cpu};"
        f" {row['peak'] / 2**20:.0f} MiB{disk}"
    )


if __name__ == "__main__":
    main()
