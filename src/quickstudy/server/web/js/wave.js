// Points of a wave, given by hand: with a pointer, or with the arrow keys and Space.

const REACH = 18; // pixels around a point that are the point
const STEP = 0.25;

export class Points {
  /** `plot` is where they are put; `changed` is called when one came, went or moved. */
  constructor(plot, changed, most) {
    Object.assign(this, { plot, changed, most });
    this.list = [];
    this.truth = null; // {amplitude, phase} where the points are of a known wave
    this.cursor = null;
    this._listen();
  }

  /** `count` points of a random wave of the kind that the net was trained on. */
  draw(count) {
    const amplitude = 1.5 + 3 * Math.random();
    const phase = Math.PI * Math.random();
    this.truth = { amplitude, phase };
    const places = Array.from({ length: count }, (_, at) => -4.6 + (9.2 * (at + 0.15 + 0.7 * Math.random())) / count);
    this.list = places.map((x) => [x, this.at(x)]);
    this.changed();
  }

  /** The known wave at `x`. */
  at(x) {
    return this.truth.amplitude * Math.sin(x - this.truth.phase);
  }

  clear() {
    this.list = [];
    this.truth = null;
    this.changed();
  }

  _near(event) {
    const box = this.plot.node.getBoundingClientRect();
    const far = ([x, y]) => {
      const [left, top] = this.plot.at(x, y);
      return Math.hypot(left + box.left - event.clientX, top + box.top - event.clientY);
    };
    const best = this.list.map((point) => [far(point), point]).sort((one, other) => one[0] - other[0])[0];
    return best && best[0] < REACH ? best[1] : null;
  }

  _inside([x, y]) {
    const clip = (value, [low, high]) => Math.min(high, Math.max(low, value));
    return [clip(x, this.plot.x), clip(y, this.plot.y)];
  }

  _listen() {
    const { node } = this.plot;
    let held = null;
    let moved = false;
    node.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || held) return;
      held = this._near(event);
      moved = !held;
      if (!held && this.list.length < this.most) {
        held = this._inside(this.plot.value(event.clientX, event.clientY));
        this.list.push(held);
        this.truth = null;
        this.changed();
      }
      if (held) node.setPointerCapture(event.pointerId);
    });
    node.addEventListener("pointermove", (event) => {
      if (!held) return;
      const [x, y] = this._inside(this.plot.value(event.clientX, event.clientY));
      if (!moved && Math.hypot(x - held[0], y - held[1]) < 0.15) return;
      [held[0], held[1]] = [x, y];
      moved = true;
      this.truth = null;
      this.changed();
    });
    node.addEventListener("pointerup", () => {
      if (held && !moved) this._take(held);
      held = null;
    });
    node.addEventListener("pointercancel", () => { held = null; });
    node.addEventListener("keydown", (event) => this._key(event));
    node.addEventListener("blur", () => { this.cursor = null; this.plot.redraw(); });
  }

  _take(point) {
    this.list.splice(this.list.indexOf(point), 1);
    this.changed();
  }

  _key(event) {
    const moves = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, STEP], ArrowDown: [0, -STEP] };
    this.cursor ??= [0, 0];
    if (event.key in moves) {
      this.cursor = this._inside([this.cursor[0] + moves[event.key][0], this.cursor[1] + moves[event.key][1]]);
      this.plot.redraw();
    } else if (event.key === " " || event.key === "Enter") this._toggle();
    else return;
    event.preventDefault();
  }

  _toggle() {
    const [x, y] = this.cursor;
    const here = this.list.find((point) => Math.hypot(point[0] - x, point[1] - y) < STEP);
    if (here) return this._take(here);
    if (this.list.length >= this.most) return;
    this.list.push([x, y]);
    this.truth = null;
    this.changed();
  }
}
