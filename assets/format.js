// Figures as people read them. Amounts come as whole fen and are split as integers, never divided.

const grouped = (digits) => digits.replace(/\B(?=(\d{3})+$)/g, ",");

/** Whole number with thousands separators. */
export function count(number) {
  const sign = number < 0 ? "−" : "";
  return sign + grouped(String(Math.abs(number)));
}

/** Yuan with two decimals and thousands separators: 1,234.05. */
export function yuan(fen) {
  const size = BigInt(Math.abs(fen));
  const cents = String(size % 100n).padStart(2, "0");
  return `${fen < 0 ? "−" : ""}${grouped(String(size / 100n))}.${cents}`;
}

/** Yuan of an order with three decimals, from li. */
export function rate(li) {
  return `${Math.trunc(li / 1000)}.${String(li % 1000).padStart(3, "0")}`;
}

/** A short number for axes: 12.5万, 1.2亿; 125K, 12M. */
export function short(number, language) {
  const steps = language === "zh"
    ? [[1e8, "亿"], [1e4, "万"]]
    : [[1e9, "B"], [1e6, "M"], [1e3, "K"]];
  const step = steps.find(([size]) => Math.abs(number) >= size);
  if (!step) return count(number);
  return `${Number((number / step[0]).toFixed(1))}${step[1] === "万" || step[1] === "亿" ? " " : ""}${step[1]}`;
}

/** Date and time in the region's legal time, whatever the reader's zone. */
export function moment(ms, language) {
  const locale = language === "zh" ? "zh-CN" : "en-GB";
  return new Intl.DateTimeFormat(locale, {
    timeZone: "Asia/Shanghai", dateStyle: "medium", timeStyle: "medium", hour12: false,
  }).format(ms);
}
