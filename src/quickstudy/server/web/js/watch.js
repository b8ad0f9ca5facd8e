// The panel where one sees learning itself: a wave from a few points, and the map of one's own drawings.

import { call } from "./api.js";
import { button, duration, el } from "./dom.js";
import { latest } from "./latest.js";
import * as map from "./map.js";
import { failed } from "./notes.js";
import { Plot } from "./plot.js";
import { Points } from "./wave.js";

const STEPS = 10;
const MOST = 40; // points
const BEGIN = 5; // points of the first wave
const PACE = 260; // milliseconds of a step
const KINDS = [
  ["meta", "Meta-trained net", "starts where waves are near"],
  ["scratch", "The same net from scratch", "starts anywhere"],
  ["exact", "Exact Gaussian process", "knows what waves are; band: two deviations"],
];

/** Fill the panel. */
export function start(models) {
  document.getElementById("watch-body").append(new Waves().node, map.section(models.draw));
}

class Waves {
  constructor() {
    this.told = null; // what the server answered last
    this.step = 0; // which curves are shown, also between two steps
    this.frame = 0; // of the animation, 0 while it rests
    this.hidden = new Set();
    this.plot = new Plot({
      label: "Points of a wave and what three learners make of them. Arrow keys move a cursor, Space puts or takes a point.",
      x: [-5, 5], y: [-6, 6], ticks: [10, 4], draw: () => this.fill(),
    });
    this.plot.node.setAttribute("tabindex", "0");
    this.plot.node.setAttribute("role", "application");
    this.plot.node.classList.add("touch");
    this.ask = latest(() => this._ask(), failed);
    this.points = new Points(this.plot, () => { this.plot.redraw(); this.ask(); }, MOST);
    this.rows = new Map(KINDS.map((kind) => [kind[0], this._legend(...kind)]));
    this.measure = el("p", { class: "small soft" });
    this.ms = el("p", { class: "small soft" });
    this._dials();
    this.node = el("div", { class: "waves" }, el("figure", { class: "stage" }, this.plot.node), this._desk());
    this.points.draw(BEGIN);
    this.show();
    setTimeout(() => this.run(), 500);
  }

  get rate() {
    return Number((10 ** Number(this.pace.value)).toPrecision(2));
  }

  /** The whole step that is nearest to what is shown. */
  get whole() {
    return Math.round(this.step);
  }

  async _ask() {
    this.told = await call("POST", "/v1/watch/sine", { points: this.points.list, steps: STEPS, rate: this.rate });
    this.ms.textContent = `${STEPS} steps of the meta-trained net took ${duration(this.told.ms)}`;
    this.show();
  }

  /** Go through the steps that are left, or through all of them again. */
  run() {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
      this.step = STEPS;
      return this.show();
    }
    const from = this.step >= STEPS ? 0 : this.step;
    const begun = performance.now();
    const next = (now) => {
      this.step = Math.min(STEPS, from + Math.max(0, now - begun) / PACE);
      this.frame = this.step < STEPS ? requestAnimationFrame(next) : 0;
      this.show();
    };
    this.frame = requestAnimationFrame(next);
    return this.show();
  }

  pause() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    this.step = this.whole;
    this.show();
  }

  another() {
    cancelAnimationFrame(this.frame);
    this.step = 0;
    this.points.draw(3 + Math.floor(4 * Math.random()));
    this.run();
  }

  /** Words, numbers and curves as they are now. */
  show() {
    this.slider.value = this.whole;
    this.stepWords.textContent = this.whole === 0 ? "before any step" : `after ${this.whole} step${this.whole === 1 ? "" : "s"}`;
    this.rateWords.textContent = String(this.rate);
    this.play.lastChild.textContent = this.frame ? "Pause" : "Play";
    this.play.querySelector("use").setAttribute("href", `/static/icons.svg#${this.frame ? "pause" : "play"}`);
    this.plot.redraw();
    if (!this.told) return;
    this.measure.textContent = this.points.truth ? "Mean squared error over the whole wave" : "Mean squared error on the points";
    for (const [kind, row] of this.rows) row.error.textContent = this._error(kind);
  }

  /** Of the curve of a learner: against the wave, where it is known, or on the points. */
  _error(kind) {
    const { told, points } = this;
    const curve = kind === "exact" ? told.exact.mean : told[kind][this.whole];
    const off = points.truth ? curve.map((y, at) => y - points.at(told.x[at])) : points.list.map(([x, y]) => between(told.x, curve, x) - y);
    if (!off.length) return "";
    const mean = off.reduce((sum, one) => sum + one ** 2, 0) / off.length;
    return mean >= 1000 ? "> 1000" : mean.toFixed(mean < 10 ? 2 : 0);
  }

  /** What is in the plot. */
  fill() {
    const { plot, points, told } = this;
    if (points.truth) {
      const xs = Array.from({ length: 121 }, (_, at) => -5 + at / 12);
      plot.line(xs, xs.map((x) => points.at(x)), "truth");
    }
    if (told) this._curves();
    for (const [x, y] of points.list) plot.dot(x, y, "given");
    if (points.cursor) plot.dot(...points.cursor, "cursor", 11);
  }

  _curves() {
    const { x, exact, scratch, meta } = this.told;
    if (!this.hidden.has("exact")) {
      const edge = (side) => exact.mean.map((y, at) => y + side * 2 * exact.std[at]);
      this.plot.band(x, edge(-1), edge(1), "exact");
      this.plot.line(x, exact.mean, "exact");
    }
    if (!this.hidden.has("scratch")) this.plot.line(x, blend(scratch, this.step), "scratch");
    if (this.hidden.has("meta")) return;
    this.plot.line(x, blend(meta, this.step), "halo");
    this.plot.line(x, blend(meta, this.step), "meta");
  }

  _dials() {
    this.slider = el("input", { type: "range", min: "0", max: String(STEPS), step: "1", value: "0", id: "watch-steps", oninput: () => {
      this.step = Number(this.slider.value);
      this.pause();
    } });
    this.pace = el("input", { type: "range", min: "-3", max: "-0.7", step: "0.05", value: String(Math.log10(0.02)), id: "watch-rate", oninput: () => {
      this.show();
      this.ask();
    } });
    this.stepWords = el("output", { for: "watch-steps" });
    this.rateWords = el("output", { for: "watch-rate" });
    this.play = button("Play", { class: "button slim", onclick: () => (this.frame ? this.pause() : this.run()) }, "play");
  }

  _desk() {
    const dial = (name, input, words, ...more) => el("div", { class: "dial" },
      el("div", { class: "row apart" }, el("label", { for: input.id }, name), words), input, more);
    return el("div", { class: "desk" },
      el("div", { class: "row" }, button("Another wave", { class: "button strong", onclick: () => this.another() }),
        button("Clear", { class: "button", onclick: () => this.points.clear() })),
      dial("Gradient steps", this.slider, this.stepWords, this.play), dial("Rate of a step", this.pace, this.rateWords),
      el("ul", { class: "legend" }, [...this.rows.values()].map((row) => row.node)),
      el("div", { class: "remarks" }, this.measure, this.ms,
        el("p", { class: "small soft" }, "Click to put a point, drag it, click it again to take it away.")));
  }

  _legend(kind, name, about) {
    const error = el("span", { class: "error" });
    const toggle = el("button", { type: "button", class: `key ${kind}`, "aria-pressed": "true", onclick: () => {
      if (!this.hidden.delete(kind)) this.hidden.add(kind);
      toggle.setAttribute("aria-pressed", String(!this.hidden.has(kind)));
      this.plot.redraw();
    } }, el("span", { class: "sample" }), el("span", {}, name, el("small", {}, about)), error);
    return { node: el("li", {}, toggle), error };
  }
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
