// Runs of this machine: learning curves while they grow, evaluations, pages of comparisons.

import { call } from "./api.js";
import { el, percent } from "./dom.js";
import { failed } from "./notes.js";
import { Plot } from "./plot.js";

const EVERY = 2000; // milliseconds between looks
const AFTER_FAILURE = 15_000;
const SMOOTH = 0.85; // of a loss, that its noise does not hide its way

/** Fill the panel, and look again while it is shown. */
export function start() {
  const place = document.getElementById("runs-body");
  const cards = new Map();
  const list = el("div", { class: "run-list" });
  const rest = el("div", { class: "runs" });
  const where = el("p", { class: "soft small" });
  place.append(el("div", { class: "runs" }, list, rest, where));
  let timer = 0;

  const look = async () => {
    clearTimeout(timer);
    let pause = EVERY;
    try {
      const found = await call("GET", "/v1/runs");
      where.textContent = `Folder: ${found.folder}`;
      await Promise.all(found.runs.map((run) => card(cards, run)));
      sorted(list, found.runs.map((run) => cards.get(run.name).node));
      if (!found.runs.length) list.replaceChildren(empty());
      rest.replaceChildren(...[evaluations(found.evaluations), pages(found.pages)].filter(Boolean));
    } catch (error) {
      failed(error);
      pause = AFTER_FAILURE;
    }
    if (!place.closest(".panel").hidden && !document.hidden) timer = setTimeout(look, pause);
  };
  const again = () => place.closest(".panel").hidden || document.hidden || look();
  document.addEventListener("panel", again);
  document.addEventListener("visibilitychange", again);
  return look();
}

function sorted(list, nodes) {
  nodes.forEach((node, at) => list.children[at] === node || list.insertBefore(node, list.children[at] ?? null));
  while (list.children.length > nodes.length) list.lastChild.remove();
}

function empty() {
  return el("div", { class: "hint" }, el("h2", {}, "No runs yet"),
    el("p", {}, "Train something, and watch it here while it goes on:"),
    el("pre", { class: "code", tabindex: "0" }, el("code", {}, "quickstudy train protonet --tasks glyphs --width 32 --steps 200")));
}

/** Bring the card of a run up to date; what goes wrong with one is said on it, and hides no other. */
async function card(cards, run) {
  if (!cards.has(run.name)) cards.set(run.name, new Card(run));
  const mine = cards.get(run.name);
  await mine.update(run).catch((error) => mine.without(error.message));
}

class Card {
  constructor(run) {
    this.lines = [];
    this.next = 0;
    this.series = null;
    this.state = el("span", { class: "state" });
    this.about = el("p", { class: "soft small" });
    this.value = el("p", { class: "row apart" });
    this.bar = el("span", {});
    this.done = el("div", { class: "done" }, this.bar);
    this.plot = new Plot({ label: `Learning curve of ${run.name}`, x: [0, 1], y: [0, 1], ticks: [4, 4], draw: () => this.draw(), edge: { left: 44 } });
    this.sheet = el("div", { class: "sheet" }, this.plot.node);
    this.missing = el("p", { class: "soft small", hidden: true });
    this.node = el("article", { class: "run" }, el("div", { class: "row apart" }, el("h3", {}, run.name), this.state),
      this.about, this.sheet, this.missing, this.value, this.done);
  }

  async update(run) {
    const { name, learner, tasks, state, step, steps, error } = run;
    this.state.textContent = state;
    this.state.className = `state ${state}`;
    if (error) return this.without(error);
    this.about.textContent = `${learner} on ${tasks.replace(/[:+,]/g, "$&\u200b")}`;
    this.done.hidden = state === "finished";
    this.bar.style.width = steps ? percent(step / steps).replace(" ", "") : "0";
    if (!run.curve) return this.without(state === "training" ? "No curve yet: nothing was logged so far." : "No curve: this folder has no metrics, as a packed run has none.");
    if (this.seen === step && state === this.was) return;
    const { lines, next } = await call("GET", `/v1/runs/metrics?name=${encodeURIComponent(name)}&after=${this.next}`);
    [this.lines, this.next, this.seen, this.was] = [[...this.lines, ...lines], next, step, state];
    this.read(run);
    this.without(this.series ? "" : "No curve yet: nothing was logged so far.");
  }

  /** Say why there is no curve; with no words there is one. */
  without(words) {
    if (words) this.seen = null;
    this.missing.textContent = words;
    this.missing.hidden = !words;
    this.sheet.hidden = Boolean(words);
    this.value.hidden = Boolean(words);
    this.done.hidden ||= Boolean(words);
  }

  read({ metric, step, steps }) {
    const judged = this.lines.filter((one) => Number.isFinite(one[`val_${metric}`]));
    const values = judged.length > 1 ? judged : this.lines.filter((one) => Number.isFinite(one.loss));
    if (!values.length) return;
    const ys = judged.length > 1 ? values.map((one) => one[`val_${metric}`]) : smooth(values.map((one) => one.loss));
    this.series = { xs: values.map((one) => one.step), ys };
    const [low, high] = [Math.min(...ys), Math.max(...ys)];
    const room = 0.08 * (high - low || Math.abs(high) || 1);
    this.plot.x = [0, Math.max(steps ?? 0, step, 1)];
    this.plot.y = [low - room, high + room];
    const share = judged.length > 1 && metric === "accuracy";
    this.plot.format = share ? percent : (value) => value.toLocaleString("en", { maximumSignificantDigits: 3 });
    const kind = judged.length > 1 ? `${metric === "accuracy" ? "right" : metric}, held out` : "loss";
    this.value.replaceChildren(el("span", {}, el("b", {}, share ? `${(100 * ys.at(-1)).toFixed(1)} %` : ys.at(-1).toPrecision(3)), ` ${kind}`),
      el("span", { class: "soft small" }, `step ${step.toLocaleString("en")}${steps ? ` of ${steps.toLocaleString("en")}` : ""}`));
    this.plot.redraw();
  }

  draw() {
    if (!this.series) return;
    const { xs, ys } = this.series;
    this.plot.line(xs, ys, "halo");
    this.plot.line(xs, ys, "meta");
  }
}

function smooth(values) {
  let mean = values[0];
  return values.map((value) => (mean = SMOOTH * mean + (1 - SMOOTH) * value));
}

function evaluations(rows) {
  if (!rows.length) return null;
  const score = (one) => (one.metric === "accuracy" ? `${(100 * one.mean).toFixed(2)} ± ${(100 * one.ci95).toFixed(2)} %` : `${one.mean.toPrecision(3)} ± ${(one.ci95 ?? 0).toPrecision(2)}`);
  return el("section", {}, el("h2", { class: "step" }, "Evaluations"), el("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "Evaluations" }, el("table", {},
    el("thead", {}, el("tr", {}, ["Run", "Tasks", "Way", "Shot", "Score", "Episodes"].map((one) => el("th", { scope: "col" }, one)))),
    el("tbody", {}, rows.map((one) => el("tr", {}, [one.run ?? one.learner, one.tasks, one.way || "–", one.shot, `${score(one)}${one.metric === "accuracy" ? "" : ` ${one.metric}`}`, one.episodes]
      .map((value) => el("td", {}, String(value ?? "–")))))))));
}

function pages(rows) {
  if (!rows.length) return null;
  return el("section", {}, el("h2", { class: "step" }, "Pages"), el("ul", { class: "row foot" }, rows.map((one) =>
    el("li", {}, el("a", { class: "button slim", href: `/v1/runs/page?name=${encodeURIComponent(one.name)}`, target: "_blank", rel: "noopener" }, one.name)))));
}
