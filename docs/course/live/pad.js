// A square to draw on with mouse, finger, pen, or the keyboard.

import { el } from "./parts.js";

const STEP = 0.04; // of an arrow key

export class Pad {
  /** `changed` is called whenever there is more or less on it, `done` on Enter. */
  constructor(name, changed, done = () => {}) {
    Object.assign(this, { changed, done });
    this.strokes = [];
    this.cursor = null;
    this.canvas = el("canvas", {
      class: "live-pad", tabindex: "0", role: "application", "aria-roledescription": "drawing pad", "aria-label": name,
      title: "Draw here. Keys: arrows move, Space lowers and lifts the pen, Escape clears",
    });
    this._listen();
    new ResizeObserver(() => this.redraw()).observe(this.canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
    new MutationObserver(() => this.redraw()).observe(document.body, { attributes: true, attributeFilter: ["data-md-color-scheme"] });
  }

  get empty() {
    return this.strokes.length === 0;
  }

  clear() {
    this.strokes = [];
    this.cursor = null;
    this._change();
  }

  redraw() {
    const side = Math.round(this.canvas.clientWidth * devicePixelRatio);
    if (!side) return;
    this.canvas.width = this.canvas.height = side;
    const context = this.canvas.getContext("2d");
    context.strokeStyle = context.fillStyle = getComputedStyle(this.canvas).color;
    context.lineWidth = 0.03 * side;
    context.lineCap = context.lineJoin = "round";
    for (const stroke of this.strokes) {
      context.beginPath();
      stroke.forEach(([x, y], at) => (at ? context.lineTo(x * side, y * side) : context.moveTo(x * side, y * side)));
      context.lineTo(stroke.at(-1)[0] * side, stroke.at(-1)[1] * side);
      context.stroke();
    }
    if (!this.cursor) return;
    context.lineWidth = side / 100;
    context.beginPath();
    context.arc(this.cursor.x * side, this.cursor.y * side, side / 24, 0, 2 * Math.PI);
    context.stroke();
  }

  _change() {
    this.redraw();
    this.changed();
  }

  _listen() {
    const { canvas } = this;
    let pen = null;
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      const inside = (value) => Math.min(1, Math.max(0, value));
      return [inside((event.clientX - box.left) / box.width), inside((event.clientY - box.top) / box.height)];
    };
    canvas.addEventListener("pointerdown", (event) => {
      if (pen !== null || event.button !== 0) return;
      pen = event.pointerId;
      canvas.setPointerCapture(pen);
      this.cursor = null;
      this.strokes.push([at(event)]);
      this._change();
    });
    canvas.addEventListener("pointermove", (event) => {
      if (event.pointerId !== pen) return;
      const moves = event.getCoalescedEvents?.() ?? [];
      this.strokes.at(-1)?.push(...(moves.length ? moves : [event]).map(at));
      this._change();
    });
    for (const kind of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(kind, (event) => { if (event.pointerId === pen) pen = null; });
    }
    canvas.addEventListener("keydown", (event) => {
      const moves = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
      if (event.key === "Escape") this.clear();
      else if (event.key === "Enter") this.done();
      else if (event.key === " ") this._lower();
      else if (event.key in moves) this._move(moves[event.key]);
      else return;
      event.preventDefault();
    });
  }

  _lower() {
    this.cursor ??= { x: 0.5, y: 0.5, down: false };
    this.cursor.down = !this.cursor.down;
    if (this.cursor.down) this.strokes.push([[this.cursor.x, this.cursor.y]]);
    this._change();
  }

  _move([right, down]) {
    this.cursor ??= { x: 0.5, y: 0.5, down: false };
    const inside = (value) => Math.min(1, Math.max(0, value));
    Object.assign(this.cursor, { x: inside(this.cursor.x + right), y: inside(this.cursor.y + down) });
    if (!this.cursor.down) return this.redraw();
    this.strokes.at(-1).push([this.cursor.x, this.cursor.y]);
    this._change();
  }
}
