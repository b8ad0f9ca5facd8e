// A square to draw on with mouse, finger, pen, or the keyboard.

import { el, round } from "./dom.js";
import { picture, trace } from "./strokes.js";

const LINE = 0.021; // of the side
const STEP = 0.04; // of an arrow key

export class Pad {
  /**
   * `changed` is called while ink is added or taken, `lifted` when a pen or finger leaves the paper, `done` on Enter;
   * `whisper` is written on it while it is empty.
   */
  constructor({ name, whisper, changed, lifted = () => {}, done = () => {} }) {
    this.changed = changed;
    this.lifted = lifted;
    this.done = done;
    this.strokes = [];
    this.pen = null; // the pointer that draws
    this.cursor = null; // of the keyboard
    this.canvas = el("canvas", {
      tabindex: "0", role: "application", "aria-roledescription": "drawing pad", "aria-label": name,
      title: "Draw here. Keys: arrows move, Space lowers and lifts the pen, Enter keeps, Escape clears",
    });
    this.tools = el("div", { class: "pad-tools idle" }, // beside the paper: on it they would be in the way
      round("undo", "Take the last stroke back", () => this.undo()), round("close", "Clear the pad", () => this.clear()));
    this.count = el("span", { class: "count" });
    this.node = el("div", { class: "pad" }, this.canvas, el("span", { class: "whisper" }, whisper), this.count);
    this._listen();
    new ResizeObserver(() => this.redraw()).observe(this.canvas);
    document.addEventListener("theme", () => this.redraw());
  }

  get empty() {
    return this.strokes.length === 0;
  }

  /** Base64 of what is drawn. */
  picture() {
    return picture(this.strokes);
  }

  clear() {
    this.strokes = [];
    this.cursor = null;
    this._change();
  }

  undo() {
    this.strokes.pop();
    this._change();
    if (!this.empty) this.lifted();
  }

  redraw() {
    const side = Math.round(this.canvas.clientWidth * devicePixelRatio);
    if (!side) return;
    this.canvas.width = this.canvas.height = side;
    const context = this.canvas.getContext("2d");
    context.strokeStyle = getComputedStyle(this.canvas).color;
    trace(context, this.strokes, (point) => [point[0] * side, point[1] * side], LINE * side);
    if (this.cursor) this._cross(context, side);
  }

  _cross(context, side) {
    const [x, y] = [this.cursor.x * side, this.cursor.y * side];
    context.lineWidth = Math.max(1, side / 150);
    context.beginPath();
    context.arc(x, y, side / 28, 0, 2 * Math.PI);
    context.stroke();
  }

  _change() {
    this.node.classList.toggle("inked", !this.empty);
    this.tools.classList.toggle("idle", this.empty);
    this.redraw();
    this.changed();
  }

  _listen() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => {
      if (this.pen !== null || event.button !== 0) return;
      this.pen = event.pointerId;
      canvas.setPointerCapture(event.pointerId);
      this.cursor = null;
      this.strokes.push([this._at(event)]);
      this._change();
    });
    canvas.addEventListener("pointermove", (event) => {
      if (event.pointerId !== this.pen) return;
      const moves = event.getCoalescedEvents?.() ?? [];
      this.strokes.at(-1)?.push(...(moves.length ? moves : [event]).map((one) => this._at(one)));
      this._change();
    });
    for (const kind of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(kind, (event) => {
        if (event.pointerId !== this.pen) return;
        this.pen = null;
        this.lifted();
      });
    }
    canvas.addEventListener("keydown", (event) => this._key(event));
  }

  _at(event) {
    const box = this.canvas.getBoundingClientRect();
    const inside = (value) => Math.min(1, Math.max(0, value));
    return [inside((event.clientX - box.left) / box.width), inside((event.clientY - box.top) / box.height)];
  }

  _key(event) {
    const moves = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
    if (event.key === "Escape") this.clear();
    else if (event.key === "Enter") this.done();
    else if (event.key === " ") this._penDownOrUp();
    else if (event.key in moves) this._move(moves[event.key]);
    else return;
    event.preventDefault();
  }

  _penDownOrUp() {
    this.cursor ??= { x: 0.5, y: 0.5, down: false };
    this.cursor.down = !this.cursor.down;
    if (this.cursor.down) {
      this.strokes.push([[this.cursor.x, this.cursor.y]]);
      this._change();
    }
  }

  _move([x, y]) {
    this.cursor ??= { x: 0.5, y: 0.5, down: false };
    this.cursor.x = Math.min(1, Math.max(0, this.cursor.x + x));
    this.cursor.y = Math.min(1, Math.max(0, this.cursor.y + y));
    if (!this.cursor.down) return this.redraw();
    this.strokes.at(-1).push([this.cursor.x, this.cursor.y]);
    this._change();
  }
}
