// How sure an estimate from a few examples is.

import { el, percent } from "./dom.js";

/** The share that is right, large. */
export function share({ accuracy }) {
  return el("p", { class: "big" }, percent(accuracy).replace(" %", ""), el("small", {}, " %"));
}

/** Between what the true share may still lie. */
export function doubt({ low95, high95 }) {
  if (high95 - low95 < 0.1) return "";
  return `From so few, the true share may be anywhere from ${percent(low95)} to ${percent(high95)}.`;
}
