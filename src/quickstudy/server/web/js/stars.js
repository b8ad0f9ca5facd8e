// Stars that are given with a pointer or with the arrow keys: a slider that shows what it stands at.

import { el } from "./dom.js";

const KEYS = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 };
const FEW = 10; // stars that there is room for; a scale that has more is drawn as five

export class Stars {
  /** Of `name`, on `scale` {low, high, step}; `changed` hears a rating, or null when it is taken back. */
  constructor(name, scale, changed) {
    Object.assign(this, { scale, changed, value: null, none: scale.low - scale.step });
    this.ink = el("span", { class: "ink" });
    this.node = el("div", {
      class: "stars", role: "slider", tabindex: "0", "aria-label": `Your rating of ${name}`,
      "aria-valuemin": this.none, "aria-valuemax": scale.high,
      onpointerdown: (event) => { this.node.setPointerCapture(event.pointerId); this.draw(this.at(event)); },
      onpointermove: (event) => this.draw(this.at(event)),
      onpointerup: (event) => this.give(this.at(event)),
      onpointerleave: () => this.draw(this.value),
      onpointercancel: () => this.draw(this.value),
      onkeydown: (event) => this.key(event),
    }, this.ink);
    const whole = scale.low >= 0 && scale.high <= FEW ? Math.round(scale.high) : 5;
    this.node.style.setProperty("--count", Math.max(1, whole));
    this.set(null);
  }

  /** Show a rating, or none for null. */
  set(value) {
    this.value = value;
    this.node.setAttribute("aria-valuenow", value ?? this.none);
    this.node.setAttribute("aria-valuetext", value === null ? "not rated" : `${value} of ${this.scale.high}`);
    this.draw(value);
  }

  draw(value) {
    const share = value === null ? 0 : (value - this.none) / (this.scale.high - this.none);
    this.ink.style.setProperty("--share", `${100 * share}%`);
  }

  /** The rating that is under a pointer: a star counts from its left edge on. */
  at(event) {
    const { left, width } = this.node.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - left) / width));
    const { high, step } = this.scale;
    return this.within(this.none + step * Math.ceil((share * (high - this.none)) / step));
  }

  within(value) {
    const { low, high } = this.scale;
    return Number(Math.min(high, Math.max(low, value)).toFixed(4));
  }

  give(value) {
    if (value === this.value) return;
    this.set(value);
    this.changed(value);
  }

  key(event) {
    const { low, high, step } = this.scale;
    if (["Delete", "Backspace"].includes(event.key)) this.changed(null);
    else if (event.key === "Home") this.give(low);
    else if (event.key === "End") this.give(high);
    else if (event.key in KEYS) this.give(this.within((this.value ?? this.none) + KEYS[event.key] * step));
    else return;
    event.preventDefault();
  }
}
