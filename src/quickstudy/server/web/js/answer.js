// The answer in one word, and a bar for each class.

import { el, percent } from "./dom.js";

const SURE = 0.5;

export class Answer {
  /** `idle` is said while there is nothing to answer. */
  constructor(idle) {
    this.idle = idle;
    this.rows = new Map();
    this.word = el("span", { class: "word" }, idle);
    this.spoken = el("p", { class: "unseen", role: "status", "aria-live": "polite" });
    this.bars = el("div", { class: "bars", role: "list", "aria-label": "How likely each class is" });
    this.node = el("div", {}, el("div", { class: "answer", "aria-hidden": "true" }, this.word), this.bars, this.spoken);
  }

  /** Rows for these labels, in this order. */
  labels(labels) {
    for (const [label, row] of this.rows) {
      if (!labels.includes(label)) {
        row.node.remove();
        this.rows.delete(label);
      }
    }
    for (const [place, label] of labels.entries()) {
      if (!this.rows.has(label)) this.rows.set(label, made(label));
      const { node } = this.rows.get(label);
      if (this.bars.children[place] !== node) this.bars.insertBefore(node, this.bars.children[place] ?? null);
    }
  }

  /** Show a prediction of the server. */
  show(prediction) {
    const { label, probabilities } = prediction;
    if (this.word.textContent !== String(label) || !this.word.classList.contains("swipe")) {
      const word = el("span", { class: "word swipe" }, String(label));
      this.word.replaceWith(word);
      this.word = word;
    }
    for (const [name, row] of this.rows) {
      const share = probabilities[name] ?? 0;
      row.fill.style.transform = `translateX(${100 * (share - 1)}%)`;
      row.share.textContent = percent(share);
      row.node.classList.toggle("first", String(name) === String(label));
    }
    this.last = prediction;
  }

  /** Tell those who listen rather than look. */
  speak() {
    if (!this.last) return;
    const share = this.last.probabilities[this.last.label] ?? 0;
    this.spoken.textContent = `${share < SURE ? "perhaps " : ""}${this.last.label}, ${percent(share)}`;
  }

  /** Nothing is asked; `words` instead of the answer. */
  rest(words = this.idle) {
    this.last = null;
    this.word.classList.remove("swipe");
    this.word.textContent = words;
    this.spoken.textContent = "";
    for (const row of this.rows.values()) {
      row.fill.style.transform = "";
      row.share.textContent = "";
      row.node.classList.remove("first");
    }
  }
}

function made(label) {
  const fill = el("div", { class: "fill" });
  const share = el("span", { class: "share" });
  const node = el("div", { class: "bar", role: "listitem", "data-label": label },
    el("span", { class: "label" }, String(label)), el("div", { class: "track" }, fill), share);
  return { node, fill, share };
}
