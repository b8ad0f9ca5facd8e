// A plot in SVG, as wide as its place, whose handles are moved with a pointer or with the arrow keys.

import { svg } from "./parts.js";

const MARGIN = { left: 48, right: 12, top: 10, bottom: 34 };

export class Plot {
  /**
   * `x` and `y` are [low, high], `marks` what stands at the axes, {x: [[value, words]], y: ...}; `ratio` is height by
   * width, `most` the greatest height; `log` makes the vertical axis logarithmic; `margin` has pixels around.
   */
  constructor({ label, x, y, marks = {}, title = {}, ratio = 0.56, most = 360, log = false, margin = MARGIN }) {
    Object.assign(this, { x, y, marks, title, ratio, most, log, margin });
    this.frame = svg("g", { class: "live-frame", "aria-hidden": "true" });
    this.below = svg("g", { "aria-hidden": "true" });
    this.shapes = svg("g", { "aria-hidden": "true" });
    this.above = svg("g");
    this.node = svg("svg", { class: "live-plot", role: "group", "aria-label": label }, this.frame, this.below, this.shapes, this.above);
    this.drawn = new Map();
    this.handles = [];
    this.width = 0;
    new ResizeObserver(() => this.resize()).observe(this.node);
  }

  resize() {
    const width = Math.round(this.node.clientWidth);
    if (!width || width === this.width) return;
    this.width = width;
    this.height = Math.min(Math.max(Math.round(width * this.ratio), 170), this.most);
    this.node.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
    this.node.style.height = `${this.height}px`;
    this.redraw();
  }

  redraw() {
    if (!this.width) return;
    this._frame();
    for (const draw of this.drawn.values()) draw();
    for (const handle of this.handles) handle.place();
  }

  /** Pixels of a point. */
  at([x, y]) {
    const share = (value, [low, high]) => (value - low) / (high - low);
    const [low, high] = this.y;
    const up = this.log ? share(Math.log(Math.min(Math.max(y, low), high)), [Math.log(low), Math.log(high)]) : share(y, this.y);
    return [
      this.margin.left + share(x, this.x) * (this.width - this.margin.left - this.margin.right),
      this.height - this.margin.bottom - up * (this.height - this.margin.top - this.margin.bottom),
    ];
  }

  /** The point of a place in the window. */
  point(clientX, clientY) {
    const box = this.node.getBoundingClientRect();
    const scale = this.width / box.width;
    const across = ((clientX - box.left) * scale - this.margin.left) / (this.width - this.margin.left - this.margin.right);
    const up = (this.height - this.margin.bottom - (clientY - box.top) * scale) / (this.height - this.margin.top - this.margin.bottom);
    const inside = (share, [low, high]) => low + Math.min(1, Math.max(0, share)) * (high - low);
    return [inside(across, this.x), inside(up, this.y)];
  }

  /** Keep `make`, which gives elements, under a name, and draw it now and whenever the size changes. */
  shape(name, make, where = this.shapes) {
    let held = this.drawn.get(name)?.held;
    if (!held) where.append(held = svg("g"));
    const draw = () => { if (this.width) held.replaceChildren(...make()); };
    draw.held = held;
    this.drawn.set(name, draw);
    draw();
  }

  /** A line through points; where one is no number, or far outside, it ends. */
  line(name, points, kind = name) {
    const [low, high] = this.y;
    const far = this.log ? 0 : 2 * (high - low);
    const path = () => {
      let open = false;
      let text = "";
      for (const [x, y] of points) {
        const there = Number.isFinite(y) && (this.log || (y > low - far && y < high + far));
        if (there) text += `${open ? "L" : "M"}${this.at([x, y]).map((one) => one.toFixed(1)).join(" ")}`;
        open = there;
      }
      return text;
    };
    this.shape(name, () => {
      const d = path();
      const under = kind === "meta" ? [svg("path", { class: "live-line under", d })] : [];
      return [...under, svg("path", { class: `live-line ${kind}`, d })];
    });
  }

  /** Points as small marks: circles, squares or triangles. */
  dots(name, points, kind = "circle", style = "") {
    this.shape(name, () => points.map((point) => mark(kind, this.at(point), 4.5, `live-dot ${style}`)));
  }

  /**
   * Points to be moved, [[x, y], ...]; `changed(points, number)` is called after each move. `name(number)` names one,
   * `kind(number)` is its mark, `free` which directions it may go: xy, x or y.
   */
  handle(points, { changed, name, kind = () => "circle", free = "xy", keys = [0.25, 0.25], say = (one) => one.map((v) => v.toFixed(1)).join(", ") }) {
    this.above.replaceChildren();
    this.handles = points.map((start, number) => {
      const mine = kind(number);
      const node = svg("g", {
        class: `live-handle ${mine}`, tabindex: "0", role: "slider", "aria-label": name(number),
        "aria-valuemin": this.y[0], "aria-valuemax": this.y[1],
      }, svg("circle", { class: "live-reach", r: 20 }), mark(mine, [0, 0], 8, "live-knob"));
      const place = () => {
        node.setAttribute("aria-valuenow", points[number][1].toFixed(2));
        node.setAttribute("aria-valuetext", say(points[number]));
        if (!this.width) return;
        const [left, top] = this.at(points[number]);
        node.setAttribute("transform", `translate(${left.toFixed(1)} ${top.toFixed(1)})`);
      };
      const move = ([x, y]) => {
        const clip = (value, [low, high]) => Math.min(high, Math.max(low, value));
        points[number] = [
          free.includes("x") ? clip(x, this.x) : points[number][0], free.includes("y") ? clip(y, this.y) : points[number][1],
        ];
        place();
        changed(points, number);
      };
      node.addEventListener("pointerdown", (event) => {
        if (event.button !== 0) return;
        event.preventDefault();
        node.setPointerCapture(event.pointerId);
        node.focus({ preventScroll: true });
      });
      node.addEventListener("pointermove", (event) => {
        if (node.hasPointerCapture(event.pointerId)) move(this.point(event.clientX, event.clientY));
      });
      node.addEventListener("keydown", (event) => {
        const [right, up] = keys;
        const by = { ArrowLeft: [-right, 0], ArrowRight: [right, 0], ArrowUp: [0, up], ArrowDown: [0, -up] }[event.key];
        if (!by) return;
        event.preventDefault();
        move([points[number][0] + by[0], points[number][1] + by[1]]);
      });
      this.above.append(node);
      return { place, node, to: (point) => { points[number] = point; place(); } };
    });
    for (const one of this.handles) one.place();
  }

  /** Move a handle from outside; nobody is told. */
  moveTo(number, point) {
    this.handles[number].to(point);
  }

  _frame() {
    const { x = [], y = [] } = this.marks;
    const [left, bottom] = [this.margin.left, this.height - this.margin.bottom];
    const words = ([value, text]) => text ?? String(value);
    const of = (list) => list.map((one) => (Array.isArray(one) ? one : [one]));
    this.frame.replaceChildren(
      ...of(y).flatMap((one) => {
        const top = this.at([this.x[0], one[0]])[1];
        return [svg("path", { d: `M${left} ${top}H${this.width - this.margin.right}` }),
          svg("text", { x: left - 8, y: top + 4, "text-anchor": "end" }, words(one))];
      }),
      ...of(x).map((one) => {
        const place = this.at([one[0], this.y[0]])[0];
        return svg("text", { x: place, y: bottom + 16, "text-anchor": "middle" }, words(one));
      }),
      svg("text", { class: "live-title", x: this.width - this.margin.right, y: this.height - 3, "text-anchor": "end" }, this.title.x ?? ""),
      svg("text", { class: "live-title", x: left + 4, y: this.margin.top + 10 }, this.title.y ?? ""),
    );
  }
}

/** A circle, a square or a triangle around a place. */
export function mark(kind, [x, y], size, style) {
  if (kind === "square") return svg("rect", { class: style, x: x - size, y: y - size, width: 2 * size, height: 2 * size });
  if (kind === "triangle") {
    const [half, up] = [1.15 * size, 1.2 * size];
    return svg("path", { class: style, d: `M${x} ${y - up}L${x + half} ${y + 0.8 * size}L${x - half} ${y + 0.8 * size}Z` });
  }
  if (kind === "cross") return svg("path", { class: `${style} cross`, d: `M${x - size} ${y - size}L${x + size} ${y + size}M${x - size} ${y + size}L${x + size} ${y - size}` });
  return svg("circle", { class: style, cx: x, cy: y, r: size });
}

/** `count` numbers from low to high. */
export const range = (low, high, count) => Array.from({ length: count }, (_, at) => low + ((high - low) * at) / (count - 1));
