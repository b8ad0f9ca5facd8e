// A plot in the pixels that it has: axes, lines, bands. What is in it is drawn anew when its size or colours change.

import { svg } from "./dom.js";

const EDGE = { left: 34, right: 10, top: 10, bottom: 26 };

export class Plot {
  /** `x` and `y` are ranges [low, high]; `draw(plot)` fills it; `label` is said to those who do not see it. */
  constructor({ label, x, y, draw, ticks = [5, 5], format = String, edge = {} }) {
    Object.assign(this, { x, y, draw, ticks, format, edge: { ...EDGE, ...edge } });
    this.node = svg("svg", { class: "plot", role: "img", "aria-label": label });
    new ResizeObserver(() => this.redraw()).observe(this.node);
  }

  redraw() {
    const box = this.node.getBoundingClientRect();
    if (!box.width) return;
    [this.width, this.height] = [box.width, box.height];
    this.node.setAttribute("viewBox", `0 0 ${box.width} ${box.height}`);
    this.node.replaceChildren();
    this._axes();
    this.draw(this);
  }

  /** Pixels of a value. */
  at(x, y) {
    const { edge, width, height } = this;
    return [
      edge.left + ((x - this.x[0]) / (this.x[1] - this.x[0])) * (width - edge.left - edge.right),
      height - edge.bottom - ((y - this.y[0]) / (this.y[1] - this.y[0])) * (height - edge.top - edge.bottom),
    ];
  }

  /** The value at a place of the window. */
  value(clientX, clientY) {
    const box = this.node.getBoundingClientRect();
    const { edge, width, height } = this;
    return [
      this.x[0] + ((clientX - box.left - edge.left) / (width - edge.left - edge.right)) * (this.x[1] - this.x[0]),
      this.y[0] + ((height - edge.bottom - (clientY - box.top)) / (height - edge.top - edge.bottom)) * (this.y[1] - this.y[0]),
    ];
  }

  line(xs, ys, kind) {
    this.node.append(svg("path", { class: `line ${kind}`, d: this._path(xs, ys), "vector-effect": "non-scaling-stroke" }));
  }

  band(xs, low, high, kind) {
    const back = this._path([...xs].reverse(), [...low].reverse()).replace("M", "L");
    this.node.append(svg("path", { class: `band ${kind}`, d: `${this._path(xs, high)}${back}Z` }));
  }

  dot(x, y, kind, radius = 6) {
    const [cx, cy] = this.at(x, y);
    this.node.append(svg("circle", { class: `dot ${kind}`, cx, cy, r: radius }));
  }

  text(x, y, words, kind = "", move = [0, 0]) {
    const [left, top] = this.at(x, y);
    this.node.append(svg("text", { class: kind, x: left + move[0], y: top + move[1] }, words));
  }

  _path(xs, ys) {
    const slack = 3 * (this.y[1] - this.y[0]); // far outside nothing is seen
    const inside = (y) => Math.max(this.y[0] - slack, Math.min(this.y[1] + slack, y));
    return xs.map((x, at) => `${at ? "L" : "M"}${this.at(x, inside(ys[at])).map((one) => one.toFixed(1)).join(" ")}`).join("");
  }

  _axes() {
    for (const y of nice(this.y, this.ticks[1])) {
      const [left, top] = this.at(this.x[0], y);
      this.node.append(svg("line", { class: y === 0 ? "rule zero" : "rule", x1: left, x2: this.width - this.edge.right, y1: top, y2: top }),
        svg("text", { class: "tick", x: left - 8, y: top + 4, "text-anchor": "end" }, this.format(y)));
    }
    for (const x of nice(this.x, this.ticks[0])) {
      const [left] = this.at(x, this.y[0]);
      const anchor = left > this.width - 28 ? "end" : "middle";
      this.node.append(svg("text", { class: "tick", x: anchor === "end" ? this.width - 2 : left, y: this.height - 6, "text-anchor": anchor }, x.toLocaleString("en")));
    }
  }
}

/** About `count` round numbers inside a range. */
export function nice([low, high], count) {
  const rough = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((one) => one * power).find((one) => one >= rough * 0.999);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + 1e-9 * step; at += 1) found.push(Number((at * step).toPrecision(12)));
  return found;
}
