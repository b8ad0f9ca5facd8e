// What was given while the server did not answer: it waits here, and is told when the server answers again.

import { count, el } from "./dom.js";
import { failed } from "./notes.js";

const AGAIN = 2000; // milliseconds between two tries

/** Whether it may go better later: nobody answered, or only to say that it is not the time. */
export function isAway(error) {
  return [0, 429, 502, 503, 504].includes(error.status);
}

export class Waiting {
  /** `tell` gives one entry to the server; `node` says how much waits. */
  constructor(tell) {
    this.tell = tell;
    this.entries = [];
    this.timer = 0;
    this.node = el("p", { class: "pending small", role: "status", hidden: true });
    addEventListener("beforeunload", (event) => { if (this.entries.length) event.preventDefault(); });
  }

  /** Keep an entry {inputs, ...}. */
  add(entry) {
    this.entries.push(entry);
    this._show();
    this._later();
  }

  clear() {
    this.entries = [];
    this._show();
  }

  _show() {
    const examples = this.entries.reduce((sum, one) => sum + one.inputs.length, 0);
    this.node.hidden = examples === 0;
    const wait = examples === 1 ? "waits here and is" : "wait here and are";
    this.node.textContent = examples ? `The server does not answer. ${count(examples, "example")} ${wait} learnt when it does.` : "";
  }

  _later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this._try(), AGAIN);
  }

  async _try() {
    while (this.entries.length) {
      const [first] = this.entries;
      try {
        await this.tell(first);
      } catch (error) {
        if (isAway(error)) return this._later();
        failed(error);
      }
      this.entries = this.entries.filter((one) => one !== first);
      this._show();
    }
  }
}
