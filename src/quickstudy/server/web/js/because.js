// The examples that are nearest to what was asked: why the answer is what it is.

import { call } from "./api.js";
import { el } from "./dom.js";
import { latest } from "./latest.js";

const SHOWN = 3;

export class Because {
  constructor(model, drawn) {
    this.model = model;
    this.node = el("div", { class: `because${drawn ? " drawn" : ""}` });
    this.ask = latest((input) => this._ask(input), () => this.clear());
    this.number = 0;
  }

  clear() {
    this.number += 1;
    this.node.replaceChildren();
  }

  async _ask(input) {
    const number = (this.number += 1);
    const { nearest } = await call("POST", `${this.model.path}/explain`, input);
    const near = nearest.slice(0, SHOWN);
    const urls = await Promise.all(near.map((one) => this.model.image(one.id)));
    if (number !== this.number) return;
    const pictures = near.map((one, at) => el("span", { class: "thumb" }, el("img", { src: urls[at], alt: `an example of ${one.label}` })));
    this.node.replaceChildren(el("span", {}, near.length > 1 ? "Most like these" : "Most like this"), ...pictures);
  }
}
