// The list of what one may like: each line with its reasons, and with where it was before.

import { button, count, el } from "./dom.js";
import { plain } from "./titles.js";

const MINUS = "\u2212";

/** Ranks from 1 on of everything that an answer orders. */
export function ranks({ items, next }) {
  return new Map([...items.map((one) => one.item), ...next].map((item, at) => [item, at + 1]));
}

/** The lines of an answer; `before` are the ranks of the one before it, null if there was none; `rate` hears an item. */
export function lines(answer, before, rate) {
  return answer.items.map((one, at) => line(one, at + 1, before, rate));
}

function line({ item, title, rating, because }, rank, before, rate) {
  const words = plain(title);
  return el("li", { "data-item": item },
    el("div", { class: "row apart" }, el("h3", {}, words), el("span", { class: "row predicted" }, before && move(rank, before.get(item)),
      rating === null ? null : el("b", { class: "rating" }, rating.toFixed(1)))),
    el("div", { class: "row apart" },
      because.length ? el("p", { class: "why small soft" }, "because of", because.map((one) => [" ", reason(one)])) : el("span", {}),
      button("Rate it", { class: "button slim", "aria-label": `Rate it: ${words}`, onclick: () => rate({ item, title }) })));
}

function reason({ title, rating, effect }) {
  return el("span", { class: `reason ${effect < 0 ? "lower" : "raise"}` }, el("b", {}, signed(effect)), ` ${plain(title).replace(/ \(\d{4}\)$/, "")} `, el("i", {}, String(rating)));
}

/** "+0.4", "−0.03". */
export function signed(effect) {
  const size = Math.abs(effect);
  return `${effect < 0 ? MINUS : "+"}${size.toFixed(size < 0.095 ? 2 : 1)}`;
}

function move(rank, was) {
  if (was === rank) return null;
  if (was === undefined) return el("span", { class: "move" }, "new");
  const up = rank < was;
  return el("span", { class: "move" }, el("span", { "aria-hidden": "true" }, up ? "\u25b2 " : "\u25bc "), el("span", { class: "unseen" }, up ? "up " : "down "), String(Math.abs(rank - was)));
}

/** What moved, in words: since the ten `shown` before, of ranks `before`. */
export function moved(answer, shown, before) {
  const now = ranks(answer);
  const rose = answer.items.filter((one, at) => before.has(one.item) && at + 1 < before.get(one.item)).length;
  const fell = answer.items.filter((one, at) => at + 1 > (before.get(one.item) ?? Infinity)).length;
  const fresh = answer.items.filter((one) => !before.has(one.item)).length;
  const parts = [rose && `${rose} moved up`, fell && `${fell} moved down`, fresh && `${fresh} new`].filter(Boolean);
  const gone = shown.filter((one) => (now.get(one.item) ?? Infinity) > answer.items.length && !answer.rated.has(one.item));
  const left = gone.slice(0, 3).map((one) => `${plain(one.title)}${now.has(one.item) ? `, now ${now.get(one.item)}` : ""}`);
  const more = gone.length > left.length ? `; and ${gone.length - left.length} more` : "";
  return `${parts.length ? parts.join(", ") : "Nothing moved"}.${left.length ? ` Left the list: ${left.join("; ")}${more}.` : ""}`;
}

/** Who recommends, in a sentence. */
export function source({ name, learner, data, invented, users, items, seconds }) {
  const people = invented
    ? `${users} people and ${count(items, "title")} that are invented`
    : `what ${users.toLocaleString("en")} people of ${data} think of ${count(items, "title")}`;
  return name ? `From the run ${name}: ${learner}, which has learnt from ${people}.` : `${learner}, trained here in ${seconds.toFixed(0)} s on ${people}.`;
}
