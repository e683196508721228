// Asks the hub for the overview again and again, and draws what changed.

import { colours, drawCases, drawHeld, drawOrders, drawUnits, settled } from "./charts.js";
import { count, moment, rate, yuan } from "./format.js";
import { wording } from "./words.js";

const ASK_AGAIN_MS = 1500;
const ASK_AGAIN_MS_MAX = 10000;
const element = (id) => document.getElementById(id);

let overview = null;
let tag = "";
let trouble = null;
let drawn = 0;
let month = "";
let language = new URLSearchParams(location.search).get("lang") ?? remembered() ?? "zh";

// Text goes through here before it becomes part of the page.
const safe = (value) => String(value).replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
const sum = (rows, of) => rows.reduce((total, row) => total + of(row), 0);

function remembered() {
  try { return localStorage.getItem("zhibao.language"); } catch { return null; }
}

async function ask() {
  const headers = tag ? { "If-None-Match": tag } : {};
  const answer = await fetch("/v1/overview", { headers, cache: "no-store", signal: AbortSignal.timeout(8000) });
  if (answer.status === 304) return false;
  if (!answer.ok) throw Object.assign(new Error(`status ${answer.status}`), { word: "unavailable" });
  overview = await answer.json();
  tag = answer.headers.get("ETag") ?? "";
  return true;
}

async function live(wait = ASK_AGAIN_MS) {
  let next = ASK_AGAIN_MS;
  try {
    const changed = await ask();
    const recovered = trouble !== null;
    trouble = null;
    if (changed || recovered) draw();
  } catch (error) {
    trouble = error.word ?? "lost";
    next = Math.min(wait * 2, ASK_AGAIN_MS_MAX);
    draw();
  }
  setTimeout(() => live(next), document.hidden ? ASK_AGAIN_MS_MAX : next);
}

function draw() {
  const words = wording(language, overview?.names);
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const place of document.querySelectorAll("[data-word]")) place.textContent = words.say(place.dataset.word);
  for (const code of ["zh", "en"]) element(code).setAttribute("aria-pressed", String(code === language));
  element("trouble").hidden = trouble === null;
  element("trouble").textContent = trouble === null ? "" : words.say(trouble);
  document.body.classList.toggle("lost", trouble !== null);
  if (overview !== null) {
    head(words);
    tiles(words);
    drawOrders(overview, words);
    drawHeld(overview, words);
    setAside(words);
    months(words);
    levies(words);
    drawUnits(overview, words, month);
    drawCases(overview, words);
    balances(words);
    standings(words);
    suspects(words);
    points(words);
  }
  // Says when nothing moves any more, for whoever takes a picture of the page.
  drawn += 1;
  const own = drawn;
  document.body.dataset.state = "drawing";
  settled().then(() => {
    if (own === drawn) document.body.dataset.state = overview === null ? "nothing" : "ready";
  });
}

function head(words) {
  const { status, as_of_ms: asOf } = overview;
  const idle = status.total.received === 0 && status.closes;
  element("closes").textContent = words.say(idle ? "idle" : status.closes ? "closes" : "open");
  element("closes").className = `closes ${idle ? "idle" : status.closes ? "" : "open"}`;
  element("as-of").textContent = asOf === null
    ? words.say("waiting")
    : `${words.say("asOf")} ${moment(asOf, words.language)}`;
}

function tiles(words) {
  const { status, levies, cases, days } = overview;
  const issued = sum(levies, (row) => row.issued_fen ?? 0);
  const places = ["treasury", "fiscal", "income_account", "expenditure"];
  const deposits = sum(status.balances.filter((row) => places.includes(row.account)), (row) => row.amount_fen);
  const paid = cases.find((row) => row.state === "paid")?.cases ?? 0;
  const platforms = new Set(overview.daily.map((row) => row.platform)).size;
  const rows = [
    ["received", "#6f8aa6", count(status.total.received), "", words.say("receivedMore", count(status.total.applied))],
    ["counted", "#17406d", count(sum(levies, (row) => row.orders)), "", words.say("countedMore", days.length, platforms)],
    ["due", "#3b78b5", yuan(sum(levies, (row) => row.amount_fen)), "yuan", words.say("dueMore", yuan(issued))],
    ["casesTile", "#7d5a94", count(sum(cases, (row) => row.cases)), "", words.say("casesMore", count(paid))],
    ["fund", "#2f8f83", yuan(deposits), "yuan", words.say("fundMore", count(sum(Object.values(status.suspects), Number)))],
    ["heldTile", "#c98a2b", count(status.total.held), "", words.say("heldMore", count(status.total.duplicate))],
  ];
  element("tiles").innerHTML = rows.map(([key, tone, figure, unit, more]) =>
    `<dl class="tile" style="--tone:${tone}" id="tile-${key}"><dt>${words.say(key)}</dt>`
    + `<dd class="figure">${figure}${unit ? `<small>${words.say(unit)}</small>` : ""}</dd>`
    + `<dd class="more">${more}</dd></dl>`).join("");
}

function setAside(words) {
  const { duplicate, held, ignored } = overview.status.total;
  const rows = [["duplicate", duplicate], ["heldWord", held], ["ignored", ignored]];
  element("set-aside").innerHTML = rows.map(([key, figure]) =>
    `<div><span>${words.say(key)}</span><b>${count(figure)}</b></div>`).join("");
}

function months(words) {
  const known = [...new Set(overview.levies.map((row) => row.month))].sort();
  if (!known.includes(month)) month = "";
  const options = [["", words.say("allMonths")], ...known.map((code) => [code, code])];
  element("month").innerHTML = options.map(([code, label]) =>
    `<option value="${safe(code)}"${code === month ? " selected" : ""}>${safe(label)}</option>`).join("");
}

function levies(words) {
  const rows = overview.levies.filter((row) => !month || row.month === month);
  const merged = new Map();
  for (const row of rows) {
    const key = `${row.platform} ${row.line}`;
    const before = merged.get(key) ?? { ...row, orders: 0, amount_fen: 0, issued_fen: null, rates_li: [] };
    before.orders += row.orders;
    before.amount_fen += row.amount_fen;
    if (row.issued_fen !== null) before.issued_fen = (before.issued_fen ?? 0) + row.issued_fen;
    before.rates_li = [...new Set([...before.rates_li, ...row.rates_li])];
    merged.set(key, before);
  }
  const order = overview.names.platforms.map((row) => row.code);
  const lines = [...merged.values()]
    .sort((one, other) => order.indexOf(one.platform) - order.indexOf(other.platform));
  const most = Math.max(1, ...lines.map((row) => row.amount_fen));
  const colourOf = colours(overview);
  const body = lines.map((row) => `<tr data-platform="${safe(row.platform)}">`
    + `<td><span class="dot" style="background:${colourOf[row.platform] ?? "#64748b"}"></span>${safe(words.name("platform", row.platform))}</td>`
    + `<td class="soft">${safe(words.name("line", row.line))}</td>`
    + number(count(row.orders)) + number(row.rates_li.map(rate).join(" / "), "soft")
    + number(yuan(row.amount_fen), "due")
    + `<td class="track"><i style="width:${(row.amount_fen / most * 100).toFixed(1)}%;background:${colourOf[row.platform]}"></i></td>`
    + (row.issued_fen === null ? number(words.say("monthOpen"), "soft") : number(yuan(row.issued_fen)))
    + "</tr>");
  if (lines.length > 0) {
    const issued = sum(lines, (row) => row.issued_fen ?? 0);
    body.push(`<tr class="sum"><td>${words.say("total")}</td><td></td>${number(count(sum(lines, (row) => row.orders)))}<td></td>`
      + `${number(yuan(sum(lines, (row) => row.amount_fen)), "due")}<td></td>${number(yuan(issued))}</tr>`);
  }
  table("levies", words, ["platform", "line", "#ordersColumn", "#rate", "#amount", "", "#issued"], body, "noOrders");
}

// Places of money first, then suspense, income and expenditure; in the memo book levy before benefits.
const accounts = ["treasury", "fiscal", "income_account", "expenditure", "suspense_", "income.", "expense.",
  "memo.levy_receivable", "memo.levy_assessed", "memo.levy_paid", "memo.benefit_decided", "memo.benefit_payable"];
const rank = ({ account }) => {
  const place = accounts.findIndex((start) => account.startsWith(start));
  return place < 0 ? accounts.length : place;
};

function balances(words) {
  for (const code of ["cash", "memo"]) {
    const book = overview.status.books.find((row) => row.book === code);
    const rows = overview.status.balances
      .filter((row) => row.book === code && row.amount_fen !== 0)
      .sort((one, other) => rank(one) - rank(other));
    const sides = (debit, credit) => number(debit ? yuan(debit) : "") + number(credit ? yuan(credit) : "");
    const body = rows.map(({ account, amount_fen: fen }) => `<tr data-account="${safe(account)}">`
      + `<td>${safe(words.name("account", account))}</td>${sides(Math.max(fen, 0), Math.max(-fen, 0))}</tr>`);
    if (book) {
      const [debits, credits] = [1, -1].map((side) => sum(rows, (row) => Math.max(side * row.amount_fen, 0)));
      body.push(`<tr class="sum"><td class="${book.balances ? "good" : "bad"}">`
        + `${words.say(book.balances ? "balanced" : "unbalanced")}</td>${sides(debits, credits)}</tr>`);
    }
    table(code, words, [code, "#debit", "#credit"], body, "noFigures");
  }
}

function standings(words) {
  const body = overview.status.standings.map((row) => `<tr data-destination="${safe(row.destination)}">`
    + `<td>${safe(words.name("connector", row.destination))}</td>`
    + figure(row.owed, "warn") + figure(row.unknown, "warn") + figure(row.delivered) + figure(row.acknowledged)
    + figure(row.refused + row.acknowledged_refused, "bad") + "</tr>");
  table("standings", words, ["destination", "#owed", "#unknown", "#delivered", "#acknowledged", "#refused"], body, "noFigures");
}

function suspects(words) {
  const body = Object.entries(overview.status.suspects)
    .map(([code, open]) => `<tr><td>${safe(words.name("rule", code))}</td>${figure(open, "warn")}</tr>`);
  table("suspects", words, ["rule", "#openSuspects"], body, "noSuspects");
}

function points(words) {
  const { control_points: rows, total } = overview.status;
  const terms = (row) => ["received", "applied", "duplicate", "held", "ignored", "handoff"]
    .map((term) => figure(row[term])).join("")
    + `<td class="number ${row.closes ? "good" : "bad"}">${words.say(row.closes ? "closed" : "notClosed")}</td>`;
  const body = rows.map((row, place) => {
    const again = place > 0 && rows[place - 1].connector === row.connector;
    return `<tr data-point="${safe(row.connector)}/${safe(row.feed)}"><td>${again ? "" : safe(words.name("connector", row.connector))}</td>`
      + `<td class="soft">${safe(words.name("feed", row.feed))}</td>${terms(row)}</tr>`;
  });
  if (rows.length > 0) body.push(`<tr class="sum"><td>${words.say("total")}</td><td></td>${terms(total)}</tr>`);
  const heads = ["connector", "feed", "#received", "#applied", "#duplicate", "#heldWord", "#ignored", "#handoff", "#closing"];
  table("points", words, heads, body, "noFigures");
}

const number = (value, tone = "") => `<td class="number ${tone}">${value}</td>`;
const figure = (value, tone = "") => number(count(value), value === 0 ? "zero" : tone);

/** Fills a table; a head that begins with # stands over figures. */
function table(id, words, heads, body, nothing) {
  const cells = heads.map((key) => key.startsWith("#")
    ? `<th class="number">${words.say(key.slice(1))}</th>`
    : `<th>${key ? words.say(key) : ""}</th>`).join("");
  element(id).innerHTML = body.length > 0
    ? `<thead><tr>${cells}</tr></thead><tbody>${body.join("")}</tbody>`
    : `<tbody><tr><td><div class="empty"><span>${words.say(nothing)}</span></div></td></tr></tbody>`;
}

for (const code of ["zh", "en"]) {
  element(code).addEventListener("click", () => {
    language = code;
    try { localStorage.setItem("zhibao.language", code); } catch { /* remembered for this visit only */ }
    draw();
  });
}
element("month").addEventListener("change", (event) => {
  month = event.target.value;
  draw();
});

draw();
live();
