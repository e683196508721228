#!/usr/bin/env python3
"""Writes the figures of `benches/run.py` as a table for docs/benchmarks.md and as a chart.

usage: benches/report.py FIGURES.json CHART.svg >TABLE.md
"""

import html
import json
import sys

ROW_PX, BAR_PX, LABEL_PX, WIDTH_PX, HEAD_PX = 34, 18, 170, 760, 44
FONT = "font-family='sans-serif' font-size='13'"


def rate(row):
    return row["messages"] / row["seconds"]


def ceiling_of(figures):
    """The better of the bare loops, or None where none ran."""
    loops = [row for row in figures if row["name"].startswith("ceiling")]
    return max(loops, key=rate, default=None)


def table(figures):
    """One line a contender; ratios to the ceiling, and of the hub to each."""
    ceiling = ceiling_of(figures)
    hub = next((row for row in figures if row["name"] == "zhibao"), None)
    lines = [
        "| contender | time | messages/s | orders/s | of the ceiling | zhibao is | CPU s a million"
        " orders: itself, broker, database | peak memory | bytes an order |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in figures:
        millions = row["orders"] / 1e6
        cpu = [row["cpu"][name] / millions for name in ("itself", "broker", "database")]
        cells = [
            row["name"],
            f"{row['seconds']:.1f} s",
            f"{rate(row):,.0f}",
            f"{row['orders'] / row['seconds']:,.0f}",
            f"{100 * rate(row) / rate(ceiling):.0f} %" if ceiling else "",
            f"{rate(hub) / rate(row):.1f} times as fast" if hub and row is not hub else "",
            ", ".join(f"{seconds:.1f}" for seconds in cpu),
            f"{row['peak'] / 2**20:.0f} MiB",
            f"{row['disk'] / row['orders']:.1f}" if "disk" in row else "",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def chart(result):
    """Bars of messages a second, the fastest first."""
    figures = sorted(result["figures"], key=rate, reverse=True)
    height = HEAD_PX + ROW_PX * len(figures) + 12
    most = max(map(rate, figures))
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH_PX}' height='{height}'"
        f" viewBox='0 0 {WIDTH_PX} {height}' role='img'>",
        f"<title>Messages a second, {result['date']}, {result['commit']}</title>",
        f"<rect width='{WIDTH_PX}' height='{height}' fill='#ffffff'/>",
        f"<text x='12' y='26' {FONT} font-weight='bold'>"
        f"Messages a second on {result['machine']}</text>",
    ]
    for place, row in enumerate(figures):
        y = HEAD_PX + ROW_PX * place
        width = (WIDTH_PX - LABEL_PX - 110) * rate(row) / most
        colour = "#b5322b" if row["name"].startswith("zhibao") else "#8a97a6"
        parts += [
            f"<text x='12' y='{y + 14}' {FONT}>{html.escape(row['name'])}</text>",
            f"<rect x='{LABEL_PX}' y='{y}' width='{width:.1f}' height='{BAR_PX}' fill='{colour}'/>",
            f"<text x='{LABEL_PX + width + 8:.1f}' y='{y + 14}' {FONT}>{rate(row):,.0f}</text>",
        ]
    return "\n".join([*parts, "</svg>", ""])


def main():
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        result = json.load(file)
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        file.write(chart(result))
    print(table(result["figures"]))


if __name__ == "__main__":
    main()
