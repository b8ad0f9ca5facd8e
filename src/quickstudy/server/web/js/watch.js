// The panel where one sees learning itself: a wave from a few points, and the map of one's own drawings.

import { call } from "./api.js";
import { button, duration, el } from "./dom.js";
import { latest } from "./latest.js";
import * as map from "./map.js";
import { failed } from "./notes.js";
import { Plot } from "./plot.js";
import { Points } from "./wave.js";

const STEPS = 10;
const MOST = 40;
const BEGIN = 5; // points of the first wave
const PACE = 260; // milliseconds of a step
const KINDS = [
  ["meta", "Meta-trained net", "starts where waves are near"],
  ["scratch", "The same net from scratch", "starts anywhere"],
  ["exact", "Exact Gaussian process", "knows what waves are; band: two deviations"],
];

/** Fill the panel. */
export function start(models) {
  const place = document.getElementById("watch-body");
  place.append(waves(), map.section(models.draw));
}

function waves() {
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const shown = { step: 0, target: 0, timer: 0, hidden: new Set() };
  let told = null;

  const plot = new Plot({
    label: "Points of a wave and what three learners make of them. Arrow keys move a cursor, Space puts or takes a point.",
    x: [-5, 5], y: [-6, 6], ticks: [10, 4], draw: () => fill(),
  });
  plot.node.setAttribute("tabindex", "0");
  plot.node.setAttribute("role", "application");
  plot.node.classList.add("touch");

  const ask = latest(async () => {
    told = await call("POST", "/v1/watch/sine", { points: points.list, steps: STEPS, rate: rate() });
    ms.textContent = `${STEPS} steps of the meta-trained net took ${duration(told.ms)}`;
    fresh();
  }, failed);
  const points = new Points(plot, () => { plot.redraw(); ask(); }, MOST);

  const slider = el("input", { type: "range", min: "0", max: String(STEPS), step: "1", value: "0", id: "watch-steps", oninput: () => { pause(); shown.step = shown.target = Number(slider.value); fresh(); } });
  const pace = el("input", { type: "range", min: "-3", max: "-0.7", step: "0.05", value: String(Math.log10(0.02)), id: "watch-rate", oninput: () => { said(); ask(); } });
  const stepWords = el("output", { for: "watch-steps" });
  const rateWords = el("output", { for: "watch-rate" });
  const play = button("Play", { class: "button slim", onclick: () => (shown.timer ? pause() : run()) }, "play");
  const ms = el("p", { class: "small soft" });
  const rows = new Map(KINDS.map((kind) => [kind[0], legend(kind, shown.hidden, () => plot.redraw())]));
  const measure = el("p", { class: "small soft" });

  const rate = () => Number((10 ** Number(pace.value)).toPrecision(2));
  const said = () => {
    stepWords.textContent = shown.target === 0 ? "before any step" : `after ${shown.target} step${shown.target === 1 ? "" : "s"}`;
    rateWords.textContent = String(rate());
  };
  const show = (words, symbol) => {
    play.lastChild.textContent = words;
    play.querySelector("use").setAttribute("href", `/static/icons.svg#${symbol}`);
  };
  const pause = () => {
    cancelAnimationFrame(shown.timer);
    shown.timer = 0;
    show("Play", "play");
  };
  const run = () => {
    if (still) {
      shown.step = shown.target = STEPS;
      slider.value = STEPS;
      return fresh();
    }
    show("Pause", "pause");
    const from = shown.step >= STEPS ? 0 : shown.step;
    const begun = performance.now();
    const frame = (now) => {
      shown.step = Math.min(STEPS, from + Math.max(0, now - begun) / PACE);
      shown.target = Math.round(shown.step);
      slider.value = shown.target;
      fresh();
      if (shown.step >= STEPS) pause();
      else shown.timer = requestAnimationFrame(frame);
    };
    shown.timer = requestAnimationFrame(frame);
  };

  function fresh() {
    said();
    plot.redraw();
    if (!told) return;
    const truth = points.truth && told.x.map((x) => points.at(x));
    measure.textContent = truth ? "Mean squared error over the whole wave" : "Mean squared error on the points";
    for (const [kind, row] of rows) row.error.textContent = error(kind, truth);
  }

  function error(kind, truth) {
    const curve = kind === "exact" ? told.exact.mean : told[kind][shown.target];
    const off = truth ? curve.map((y, at) => (y - truth[at]) ** 2) : points.list.map(([x, y]) => (between(told.x, curve, x) - y) ** 2);
    if (!off.length) return "";
    const mean = off.reduce((sum, one) => sum + one, 0) / off.length;
    return mean >= 1000 ? "> 1000" : mean.toFixed(mean < 10 ? 2 : 0);
  }

  function fill() {
    if (points.truth) {
      const xs = Array.from({ length: 121 }, (_, at) => -5 + at / 12);
      plot.line(xs, xs.map((x) => points.at(x)), "truth");
    }
    if (told) {
      const { x, exact } = told;
      if (!shown.hidden.has("exact")) {
        plot.band(x, exact.mean.map((y, at) => y - 2 * exact.std[at]), exact.mean.map((y, at) => y + 2 * exact.std[at]), "exact");
        plot.line(x, exact.mean, "exact");
      }
      if (!shown.hidden.has("scratch")) plot.line(x, blend(told.scratch, shown.step), "scratch");
      if (!shown.hidden.has("meta")) {
        plot.line(x, blend(told.meta, shown.step), "halo");
        plot.line(x, blend(told.meta, shown.step), "meta");
      }
    }
    for (const [x, y] of points.list) plot.dot(x, y, "given");
    if (points.cursor) plot.dot(...points.cursor, "cursor", 11);
  }

  document.addEventListener("theme", () => plot.redraw());
  points.draw(BEGIN);
  said();
  setTimeout(run, 500);
  return el("div", { class: "waves" },
    el("figure", { class: "stage" }, plot.node),
    el("div", { class: "desk" },
      el("div", { class: "row" }, button("Another wave", { class: "button strong", onclick: () => { points.draw(3 + Math.floor(4 * Math.random())); shown.step = 0; pause(); run(); } }),
        button("Clear", { class: "button", onclick: () => points.clear() })),
      el("div", { class: "dial" }, el("div", { class: "row apart" }, el("label", { for: "watch-steps" }, "Gradient steps"), stepWords), slider, play),
      el("div", { class: "dial" }, el("div", { class: "row apart" }, el("label", { for: "watch-rate" }, "Rate of a step"), rateWords), pace),
      el("ul", { class: "legend" }, [...rows.values()].map((row) => row.node)), el("div", { class: "remarks" }, measure, ms,
        el("p", { class: "small soft" }, "Click to put a point, drag it, click it again to take it away."))));
}

function legend([kind, name, about], hidden, changed) {
  const error = el("span", { class: "error" });
  const toggle = el("button", { type: "button", class: `key ${kind}`, "aria-pressed": "true", onclick: () => {
    if (!hidden.delete(kind)) hidden.add(kind);
    toggle.setAttribute("aria-pressed", String(!hidden.has(kind)));
    changed();
  } }, el("span", { class: "sample" }), el("span", {}, name, el("small", {}, about)), error);
  return { node: el("li", {}, toggle), error };
}

/** The curve at a step that may lie between two. */
function blend(curves, step) {
  const low = Math.floor(step);
  const high = Math.min(low + 1, curves.length - 1);
  return curves[low].map((y, at) => y + (step - low) * (curves[high][at] - y));
}

/** A curve at `x`, by straight lines between its points. */
function between(xs, ys, x) {
  const place = Math.min(xs.length - 2, Math.max(0, Math.floor(((x - xs[0]) / (xs.at(-1) - xs[0])) * (xs.length - 1))));
  const share = (x - xs[place]) / (xs[place + 1] - xs[place]);
  return ys[place] + share * (ys[place + 1] - ys[place]);
}
