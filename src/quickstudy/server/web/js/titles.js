// A field that finds titles while one types, after the pattern of a combobox with a list (WAI-ARIA).

import { call } from "./api.js";
import { el } from "./dom.js";
import { latest } from "./latest.js";
import { failed } from "./notes.js";

const MOST = 8;

/** "The Matrix (1999)" of "Matrix, The (1999)". */
export function plain(title) {
  return title.replace(/^(.+), (The|A|An)( \(.*)?$/, "$2 $1$3");
}

export class Titles {
  /** `chosen` hears the item {item, title} that was taken. */
  constructor(chosen) {
    Object.assign(this, { chosen, items: [], active: 0 });
    this.list = el("ul", { id: "found-titles", class: "found", role: "listbox", "aria-label": "Titles", hidden: true });
    this.field = el("input", {
      type: "search", id: "title-search", class: "line-input", role: "combobox", autocomplete: "off", spellcheck: "false",
      placeholder: "A title, or a part of one", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": "found-titles",
      oninput: () => this.ask(), onfocus: () => this.ask(), onblur: () => this.close(), onkeydown: (event) => this.key(event),
    });
    this.node = el("div", { class: "finder" }, el("label", { class: "field", for: "title-search" }, "Find a title"), this.field, this.list);
    this.ask = latest(() => this._ask(), failed);
  }

  async _ask() {
    const words = this.field.value.trim();
    if (!words) return this.close();
    const { items } = await call("GET", `/v1/for-you/items?limit=${MOST}&q=${encodeURIComponent(words.slice(0, 200))}`);
    if (document.activeElement === this.field) this.open(items);
  }

  open(items) {
    Object.assign(this, { items, active: 0 });
    this.list.replaceChildren(...items.map((one, at) => el("li", {
      id: `found-${at}`, role: "option", onpointerdown: (event) => event.preventDefault(), onclick: () => this.take(at),
    }, plain(one.title))));
    if (!items.length) this.list.replaceChildren(el("li", { role: "option", "aria-disabled": "true", class: "soft" }, "No title has these words."));
    this.list.hidden = false;
    this.field.setAttribute("aria-expanded", "true");
    this.mark();
  }

  close() {
    this.list.hidden = true;
    this.items = [];
    this.field.setAttribute("aria-expanded", "false");
    this.field.removeAttribute("aria-activedescendant");
  }

  mark() {
    [...this.list.children].forEach((one, at) => one.setAttribute("aria-selected", String(at === this.active && this.items.length > 0)));
    if (this.items.length) this.field.setAttribute("aria-activedescendant", `found-${this.active}`);
    this.list.children[this.active]?.scrollIntoView({ block: "nearest" });
  }

  take(at) {
    const one = this.items[at];
    this.field.value = "";
    this.close();
    this.chosen(one);
  }

  key(event) {
    const last = this.items.length - 1;
    const moves = { ArrowDown: Math.min(last, this.active + 1), ArrowUp: Math.max(0, this.active - 1) };
    if (event.key === "Escape") this.close();
    else if (event.key === "Enter" && last >= 0) this.take(this.active);
    else if (event.key in moves && last >= 0) {
      this.active = moves[event.key];
      this.mark();
    } else return;
    event.preventDefault();
  }
}
