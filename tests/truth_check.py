#!/usr/bin/env python3
"""Compares what a hub exported with what the generator says must have become of its messages.

    truth_check.py TRUTH.json EXPORT.json

Every section of the truth is compared; a number that one side lacks is 0 there. Each difference is
one line (path, expected, found), at most 50 of them. Before that, what the truth says twice is
computed once more: sums of messages, levies from orders and rate, both books balanced.
Exit code: 0 no difference, 1 differences, 2 a file that cannot be read. Standard library only.
"""

import json
import sys

SECTIONS = (
    "counts",
    "messages",
    "messages_by_connector",
    "held_by_reason",
    "persons",
    "cases_by_state",
    "cases",
    "evidence",
    "balances",
    "levies",
)
SHOWN_MAX = 50
# What a month's orders cost, in li, by line of business on 2026-07-01.
RATES_LI = {"ride_hailing": 10, "instant_delivery": 70, "intra_city_freight": 180}
ENDS = ("applied", "duplicate", "held", "ignored")


def empty_like(value):
    """What stands for an absent value: nothing of its kind."""
    if isinstance(value, dict):
        return {}
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return None
    if isinstance(value, list):
        return []
    return 0


def differences(path, expected, found):
    """Yields (path, expected, found) for every leaf that differs."""
    if expected is None and found is not None:
        expected = empty_like(found)
    if found is None and expected is not None:
        found = empty_like(expected)
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in sorted(expected.keys() | found.keys()):
            inner = f"{path}.{key}"
            yield from differences(inner, expected.get(key), found.get(key))
    elif type(expected) is not type(found) or expected != found:
        yield path, expected, found


def sum_of(value):
    """The sum of all numbers in nested objects."""
    if isinstance(value, dict):
        return sum(sum_of(inner) for inner in value.values())
    return value if isinstance(value, int) else 0


def round_half_up_fen(li):
    """Whole fen from li; a half goes up."""
    return (li + 5) // 10


def message_problems(path, row):
    """A row of messages must close."""
    parts = sum(row.get(end, 0) for end in ENDS)
    if row.get("received") != parts:
        yield f"{path}.received", parts, row.get("received")


def levy_problems(document):
    """Orders of a levy are the counts of its month, its amount is orders times rate."""
    counts = document.get("counts", {})
    levies = document.get("levies", {})
    for platform in sorted(counts.keys() | levies.keys()):
        lines = counts.get(platform, {}).keys() | levies.get(platform, {}).keys()
        for line in sorted(lines):
            months = {}
            for day, by_county in counts.get(platform, {}).get(line, {}).items():
                months[day[:7]] = months.get(day[:7], 0) + sum(by_county.values())
            rows = levies.get(platform, {}).get(line, {})
            for month in sorted(months.keys() | rows.keys()):
                row = rows.get(month, {})
                path = f"levies.{platform}.{line}.{month}"
                orders = months.get(month, 0)
                if row.get("orders", 0) != orders:
                    yield f"{path}.orders", orders, row.get("orders")
                if orders and row.get("rate_li") != RATES_LI[line]:
                    yield f"{path}.rate_li", RATES_LI[line], row.get("rate_li")
                amount = round_half_up_fen(orders * RATES_LI[line])
                if row.get("amount_fen", 0) != amount:
                    yield f"{path}.amount_fen", amount, row.get("amount_fen")


def inner_problems(document):
    """Everything that a document says twice must agree with itself."""
    messages = document.get("messages", {})
    by_connector = document.get("messages_by_connector", {})
    yield from message_problems("messages", messages)
    for connector, row in sorted(by_connector.items()):
        yield from message_problems(f"messages_by_connector.{connector}", row)
    for end in ("received", *ENDS):
        total = sum(row.get(end, 0) for row in by_connector.values())
        if messages.get(end) != total:
            yield f"messages.{end}", total, messages.get(end)
    held = sum_of(document.get("held_by_reason", {}))
    if held != messages.get("held"):
        yield "held_by_reason (sum)", messages.get("held"), held
    yield from levy_problems(document)
    yield from book_problems(document)
    states = {}
    for state in document.get("cases", {}).values():
        states[state] = states.get(state, 0) + 1
    yield from differences("cases_by_state", states, document.get("cases_by_state", {}))
    if document.get("evidence", {}).keys() != document.get("cases", {}).keys():
        yield "evidence (cases)", len(document.get("cases", {})), len(document.get("evidence", {}))


def book_problems(document):
    """Memo and cash book balance apart; the receivable is what is assessed and not paid."""
    balances = document.get("balances", {})
    memo = sum(fen for name, fen in balances.items() if name.startswith("memo."))
    cash = sum(fen for name, fen in balances.items() if not name.startswith("memo."))
    if memo:
        yield "balances (memo book)", 0, memo
    if cash:
        yield "balances (cash book)", 0, cash
    assessed = sum(
        row["amount_fen"]
        for lines in document.get("levies", {}).values()
        for months in lines.values()
        for row in months.values()
    )
    if balances.get("memo.levy_assessed", 0) != -assessed:
        yield "balances.memo.levy_assessed", -assessed, balances.get("memo.levy_assessed")


def read(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def main(arguments):
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        truth, export = (read(path) for path in arguments)
    except (OSError, ValueError) as error:
        print(f"expected two JSON files, found: {error}", file=sys.stderr)
        return 2
    found = [("truth: " + path, a, b) for path, a, b in inner_problems(truth)]
    for section in SECTIONS:
        if section not in truth:
            found.append(("truth: " + section, "a section", None))
        if section not in export:
            found.append((section, "a section", None))
        else:
            found.extend(differences(section, truth.get(section), export[section]))
    for path, expected, seen in found[:SHOWN_MAX]:
        print(f"{path}: expected {expected!r}, found {seen!r}")
    if found:
        hidden = max(0, len(found) - SHOWN_MAX)
        print(f"{len(found)} differences" + (f", {hidden} not shown" if hidden else ""))
        return 1
    received = truth["messages"]["received"]
    orders = sum_of(truth["counts"])
    cases = len(truth["cases"])
    print(f"no difference: {received} messages, {orders} counted orders, {cases} cases")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
