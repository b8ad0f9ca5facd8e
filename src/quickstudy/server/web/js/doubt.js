// How sure an estimate from a few examples is.

import { el, percent } from "./dom.js";

/** The share that is right, large, with its interval where that means something. */
export function share({ accuracy, ci95 }) {
  const spread = accuracy > 0 && accuracy < 1 && ci95 < 1 ? ` ± ${Math.round(100 * ci95)}` : "";
  return el("p", { class: "big" }, percent(accuracy).replace(" %", ""), el("small", {}, `${spread} %`));
}

/** Where all are right the interval has no width, which is no reason to be sure: the exact binomial bound in words. */
export function doubt({ accuracy }, examples) {
  if (accuracy < 1) return "";
  return `From so few, the true share may still be as low as ${percent(0.025 ** (1 / examples))}.`;
}
