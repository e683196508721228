// The charts. Each is a function of the overview; drawn as SVG, so their figures are text.

import { count, short, yuan } from "./format.js";

/** A few colours for each line of business; a platform keeps its own. */
const families = {
  ride_hailing: ["#17406d", "#5b8fc4", "#93b8dd"],
  instant_delivery: ["#e0a526", "#2f8f83", "#7cc0a8", "#c8743c", "#f0cf86", "#4e7a63"],
  intra_city_freight: ["#7d5a94", "#b394c6", "#94516b", "#c98ba2"],
};
const others = ["#64748b", "#94a3b8", "#475569"];
const quiet = { color: "#5b6b7b", fontSize: 12 };
const charts = new Map();

/** A colour for each platform, the same in every chart and table. */
export function colours(overview) {
  const used = {};
  const colourOf = {};
  for (const { code } of overview.names.platforms) {
    const line = [...overview.levies, ...overview.daily].find((row) => row.platform === code)?.line;
    const family = families[line] ?? others;
    const place = used[line] ?? 0;
    used[line] = place + 1;
    colourOf[code] = family[place % family.length];
  }
  return colourOf;
}

export function drawOrders(overview, words) {
  const colourOf = colours(overview);
  const order = overview.names.platforms.map((row) => row.code);
  const rows = overview.daily
    .filter((row) => row.orders.some((orders) => orders > 0))
    .sort((one, other) => order.indexOf(one.platform) - order.indexOf(other.platform));
  const series = rows.map((row) => ({
    name: words.name("platform", row.platform), type: "bar", stack: "orders",
    data: row.orders, barMaxWidth: 34, barCategoryGap: "28%",
    itemStyle: { color: colourOf[row.platform] }, emphasis: { focus: "series" },
  }));
  draw("chart-orders", rows.length > 0 && {
    grid: { left: 8, right: 8, top: 62, bottom: 4, containLabel: true },
    legend: { top: 0, left: 0, itemWidth: 10, itemHeight: 10, itemGap: 14, textStyle: quiet, width: "100%" },
    tooltip: {
      trigger: "axis", axisPointer: { type: "shadow" }, confine: true, order: "valueDesc",
      valueFormatter: count,
    },
    xAxis: {
      type: "category", data: overview.days, axisTick: { show: false },
      axisLine: { lineStyle: { color: "#cfd8e1" } },
      axisLabel: { ...quiet, formatter: (day) => day.slice(5), hideOverlap: true },
    },
    yAxis: {
      type: "value", splitLine: { lineStyle: { color: "#eef2f5" } },
      axisLabel: { ...quiet, formatter: (orders) => short(orders, words.language) },
    },
    series,
  }, words, "noOrders");
}

export function drawHeld(overview, words) {
  const rows = Object.entries(overview.status.held_by_reason)
    .map(([code, held]) => ({ label: words.name("reason", code), code, value: held, text: count(held) }))
    .sort((one, other) => other.value - one.value);
  bars("chart-held", rows, "#c98a2b", words, "noHeld");
}

export function drawUnits(overview, words, month) {
  const sums = new Map();
  for (const row of overview.units.filter((row) => !month || row.month === month)) {
    const sum = sums.get(row.unit) ?? { orders: 0, fen: 0 };
    sums.set(row.unit, { orders: sum.orders + row.orders, fen: sum.fen + row.amount_fen });
  }
  const rows = overview.names.units
    .map(({ code }) => {
      const { orders, fen } = sums.get(code) ?? { orders: 0, fen: 0 };
      const more = `${words.say("ordersColumn")} ${count(orders)}`;
      return { label: words.name("unit", code), code, value: fen, text: yuan(fen), more };
    })
    .sort((one, other) => other.value - one.value);
  bars("chart-units", sums.size > 0 ? rows : [], "#3b78b5", words, "noOrders");
}

const path = ["filed", "applied", "confirmed", "refused", "assessed", "benefit_decided", "paid", "returned"];
const tones = { refused: "#9aa7b4", returned: "#c0564b", paid: "#2f8f83" };

export function drawCases(overview, words) {
  const of = Object.fromEntries(overview.cases.map((row) => [row.state, row.cases]));
  const known = [...path, ...Object.keys(of).filter((state) => !path.includes(state))];
  const rows = known.map((state) => ({
    label: words.name("state", state), code: state, value: of[state] ?? 0,
    text: count(of[state] ?? 0), colour: tones[state],
  }));
  bars("chart-cases", overview.cases.length > 0 ? rows : [], "#3b78b5", words, "noCases");
}

/** Lying bars with their figure at the end, the first row on top. */
function bars(id, rows, colour, words, nothing) {
  draw(id, rows.length > 0 && {
    grid: { left: 4, right: 92, top: 8, bottom: 4, containLabel: true },
    tooltip: {
      confine: true,
      formatter: ({ dataIndex }) => {
        const { label, code, text, more } = rows[dataIndex];
        return `<b>${label}</b><br>${code}<br>${text}${more ? `<br>${more}` : ""}`;
      },
    },
    xAxis: { type: "value", show: false, max: "dataMax" },
    yAxis: {
      type: "category", inverse: true, data: rows.map((row) => row.label),
      axisTick: { show: false }, axisLine: { show: false },
      axisLabel: { color: "#1c2b3a", fontSize: 12, width: 150, overflow: "truncate", interval: 0 },
    },
    series: [{
      type: "bar", barMaxWidth: 16, barMinHeight: 1,
      data: rows.map((row) => ({
        value: row.value, itemStyle: { color: row.colour ?? colour, borderRadius: [0, 3, 3, 0] },
      })),
      label: {
        show: true, position: "right", color: "#1c2b3a", fontSize: 12,
        formatter: ({ dataIndex }) => rows[dataIndex].text,
      },
    }],
  }, words, nothing);
}

/** Draws the options, or says that there is nothing to draw. */
function draw(id, options, words, nothing) {
  const place = document.getElementById(id);
  if (!options) {
    charts.get(id)?.dispose();
    charts.delete(id);
    place.innerHTML = `<div class="empty"><span>${words.say(nothing)}</span><span>${words.say("comes")}</span></div>`;
    return;
  }
  if (!charts.has(id)) {
    place.replaceChildren();
    charts.set(id, echarts.init(place, null, { renderer: "svg" }));
  }
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  charts.get(id).setOption({
    animation: !calm, animationDuration: 300, animationDurationUpdate: 300,
    textStyle: { fontFamily: getComputedStyle(document.body).fontFamily }, ...options,
  }, { notMerge: false, replaceMerge: ["series"] });
}

/** Resolves when no chart moves any more. */
export function settled() {
  const all = [...charts.values()].map((chart) => new Promise((done) => {
    const end = () => { chart.off("finished", end); done(); };
    chart.on("finished", end);
    chart.getZr().refresh();
  }));
  return Promise.all(all);
}

new ResizeObserver(() => charts.forEach((chart) => chart.resize())).observe(document.body);
