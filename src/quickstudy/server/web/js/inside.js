// Under the hood: what a model confuses, what one more example would bring, its clocks, and how to take it along.

import { call } from "./api.js";
import { doubt, share } from "./doubt.js";
import { button, count, duration, el } from "./dom.js";
import { gains } from "./gains.js";
import { latest } from "./latest.js";
import { failed } from "./notes.js";
import * as take from "./take.js";

const NAMES = { draw: "Drawings", photos: "Photos", table: "Table" };

/** Fill the panel. */
export function start(models) {
  const place = document.getElementById("inside-body");
  const choice = el("div", { class: "segments", role: "group", "aria-label": "Model" });
  const body = el("div", { class: "inside" });
  place.append(choice, body);
  let chosen = null;

  const show = latest(async () => {
    const ready = Object.values(models).filter((one) => one.id && one.known.length);
    if (!ready.includes(chosen)) chosen = ready[0] ?? null;
    choice.hidden = ready.length < 2;
    choice.replaceChildren(...ready.map((one) => el("button", { type: "button", "aria-pressed": String(one === chosen), onclick: () => { chosen = one; show(); } }, NAMES[one.slot])));
    if (!chosen) return body.replaceChildren(nothing());
    const found = chosen.known.length > 1 ? await call("GET", `${chosen.path}/estimate`) : null;
    body.replaceChildren(found ? estimate(found, chosen) : few(),
      el("div", { class: "column" }, more(found, chosen), clocks(chosen)), take.section(chosen));
  }, failed);

  document.addEventListener("panel", (event) => event.detail === "inside" && show());
  show();
}

function nothing() {
  return el("div", { class: "hint" }, el("h2", {}, "Nothing learnt yet"),
    el("p", {}, "Give an example or two in Draw. Then this page says how good the model is, judged on its own examples."),
    el("a", { class: "button strong", href: "#draw" }, "To the drawing pad"));
}

function few() {
  return el("section", { class: "card" }, el("h2", {}, "How good it is"), el("p", { class: "soft" }, "With one class there is nothing to tell apart yet."));
}

function estimate(found, model) {
  const alone = model.known.filter((label) => model.of(label).length === 1);
  return el("section", { class: "card", "aria-labelledby": "good-title" }, el("h2", { id: "good-title" }, "How good it is"),
    share(found),
    el("p", { class: "soft" }, `right when each of the ${model.examples.length} examples is predicted from the others. ${doubt(found)}`,
      alone.length ? ` ${words(alone)} ${alone.length > 1 ? "have" : "has"} one example only, which counts as wrong: with a second it can be judged.` : ""),
    confusion(found));
}

function confusion({ labels, confusion: cells }) {
  const most = Math.max(1, ...cells.flat());
  const cell = (value, row, column) => {
    const node = el("td", { class: value ? (row === column ? "right" : "wrong") : "" }, value ? String(value) : "·");
    if (value) node.style.setProperty("--share", `${Math.round(25 + (75 * value) / most)}%`);
    return node;
  };
  return el("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "Confusion" },
    el("table", { class: "confusion" }, el("caption", {}, "Rows: what it was. Columns: what it was taken for."),
      el("thead", {}, el("tr", {}, el("th", {}, el("span", { class: "unseen" }, "was")), labels.map((one) => el("th", { scope: "col" }, String(one))))),
      el("tbody", {}, cells.map((row, at) => el("tr", {}, el("th", { scope: "row" }, String(labels[at])), row.map((value, column) => cell(value, at, column)))))));
}

function more(found, model) {
  const list = el("ul", { class: "gains" });
  const said = el("p", { class: "soft" }, weakest(found, model));
  const measure = button("Measure it", { class: "button", disabled: !found || model.slot === "table", onclick: async () => {
    measure.disabled = true;
    try {
      const rows = await gains(model, found, (done, all) => { said.textContent = `Leaving out one after the other: ${done} of ${all} …`; });
      list.replaceChildren(...rows.map(gain));
      said.textContent = "What the last example of each class brought: of the others, so many more are right with it, on average over which one is left out. The next one rarely brings more.";
    } catch (error) {
      failed(error);
    }
    measure.disabled = false;
  } });
  return el("section", { class: "card", "aria-labelledby": "more-title" }, el("h2", { id: "more-title" }, "One more example"), said, list,
    model.slot === "table" ? null : measure);
}

function weakest(found, model) {
  if (!found) return "A second class is what helps most now.";
  if (found.weakest !== null) return `One more of ${found.weakest} would help most: ${mixedUp(found)}.`;
  return `All ${model.examples.length} are told apart from one another. More of the same would bring little; a new class, or odder examples, would.`;
}

/** Why it is the weakest, with counts. */
function mixedUp({ labels, confusion: cells, weakest }) {
  const mine = labels.indexOf(weakest);
  const all = cells[mine].reduce((sum, one) => sum + one, 0);
  if (!all) return "it has one example only, which no other can judge";
  const right = cells[mine][mine];
  if (2 * right < all) return `most of its own, ${all - right} of ${all}, are taken for something else`;
  const others = cells[mine].map((one, at) => (at === mine ? 0 : one));
  const most = Math.max(...others);
  return `it is mixed up most. Of its ${all} examples ${right} are right, and ${most} ${most === 1 ? "is" : "are"} taken for ${labels[others.indexOf(most)]}`;
}

function gain({ label, points }) {
  const words = points === null ? "needs three" : `${points >= 0.0005 ? "+" : ""}${(100 * points).toFixed(1).replace("-0.0", "0.0")} points`;
  const fill = el("span", { class: "fill" });
  fill.style.width = `${Math.min(100, Math.max(0, 300 * (points ?? 0)))}%`;
  return el("li", {}, el("span", { class: "label" }, String(label)), el("span", { class: "track" }, fill), el("span", {}, words));
}

function clocks(model) {
  const of = (what) => model.timings.filter((one) => one.what === what).map((one) => one.ms);
  const [learn, answer] = [of("learn"), of("answer")];
  const bars = el("div", { class: "strip", role: "img", "aria-label": `Milliseconds of the last ${learn.slice(-60).length} adaptations` });
  const most = Math.max(...learn.slice(-60), 1);
  for (const ms of learn.slice(-60)) {
    const bar = el("span", { title: duration(ms) });
    bar.style.height = `${Math.max(4, (100 * ms) / most)}%`;
    bars.append(bar);
  }
  return el("section", { class: "card", "aria-labelledby": "clock-title" }, el("h2", { id: "clock-title" }, "How long it took"),
    el("dl", { class: "facts" },
      el("div", {}, el("dt", {}, "to learn an example"), el("dd", {}, learn.length ? duration(median(learn)) : "–")),
      el("div", {}, el("dt", {}, "to answer"), el("dd", {}, answer.length ? duration(median(answer)) : "–")),
      el("div", {}, el("dt", {}, "learnt from"), el("dd", {}, count(model.examples.length, "example")))),
    learn.length ? bars : null,
    el("p", { class: "soft small" }, learn.length ? "Each bar is an adaptation since this page was opened, with the way there and back; below it, the median." : "Nothing was learnt since this page was opened."));
}

function median(values) {
  return [...values].sort((one, other) => one - other)[Math.floor(values.length / 2)];
}

function words(labels) {
  return labels.length < 2 ? String(labels[0]) : `${labels.slice(0, -1).join(", ")} and ${labels.at(-1)}`;
}
