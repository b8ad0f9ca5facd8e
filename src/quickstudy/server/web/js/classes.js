// Cards of the classes of a model: name, examples, and a place to give more.

import { button, el, icon, round } from "./dom.js";
import { failed, note } from "./notes.js";
import { Waiting, isAway } from "./waiting.js";

const SLOTS = 5; // drawn as empty places, so that one sees what is asked for
const SHOWN = 15; // the newest examples of a class

export class Classes {
  /**
   * `source(label, give)` makes the node through which examples of a label come, and the words below them; it calls
   * `give(inputs)`. `drawn` says that pictures are ink on paper.
   */
  constructor(model, { source, drawn }) {
    Object.assign(this, { model, source, drawn });
    this.cards = new Map();
    this.list = el("div", { class: "class-list" });
    this.waiting = new Waiting((entry) => this._tell(entry));
    this.back = button("Undo", { class: "button slim", disabled: true, onclick: () => this.undo() }, "undo");
    const add = button("Add a class", { class: "button add-class", onclick: () => this.addClass() }, "plus");
    this.node = el("div", {}, this.waiting.node, this.list, add, el("div", { class: "row apart foot" }, this.back,
      button("Start over", { class: "button slim", onclick: () => this.startOver() })));
    model.addEventListener("change", () => this.show());
    this.show();
  }

  show() {
    const { model } = this;
    for (const [label, card] of this.cards) {
      if (!model.order.includes(label)) {
        card.node.remove();
        this.cards.delete(label);
      }
    }
    for (const [place, label] of model.order.entries()) {
      if (!this.cards.has(label)) this.cards.set(label, this._card(label));
      const { node } = this.cards.get(label);
      if (this.list.children[place] !== node) this.list.insertBefore(node, this.list.children[place] ?? null);
      this._thumbs(label);
    }
    this.back.disabled = model.history.length === 0;
  }

  /** One more class, with its name ready to be typed over. */
  addClass() {
    let number = this.model.order.length + 1;
    while (this.model.order.includes(`class ${number}`)) number += 1;
    this.model.open(`class ${number}`);
    const field = this.cards.get(`class ${number}`).name;
    field.focus();
    field.select();
  }

  async undo() {
    await this.model.undo().then((words) => words && note(`Undone: ${words}.`), failed);
  }

  startOver() {
    const { model } = this;
    const before = { id: model.id, order: [...model.order] };
    this.waiting.clear();
    model.forget();
    model._said();
    if (before.id) {
      note("A new beginning. The old model is still on the server.", {
        label: "Bring it back", run: () => model.attach(before.id, before.order).catch(failed),
      });
    }
  }

  _card(label) {
    const give = (inputs) => this.give(card.label, inputs);
    const name = el("input", {
      class: "name", value: label, maxlength: "60", spellcheck: "false", "aria-label": "Name of the class", autocomplete: "off",
      onchange: () => this._rename(card), onkeydown: (event) => event.key === "Enter" && name.blur(),
    });
    const thumbs = el("div", { class: `thumbs${this.drawn ? " drawn" : ""}`, role: "group", "aria-label": `Examples of ${label}` });
    const remove = round("trash", `Delete the class ${label}`, () => this._drop(card.label));
    const card = { label, name, thumbs, remove, shown: "" };
    const { before, below, named } = this.source(label, give);
    card.named = named;
    card.node = el("article", { class: "class", "data-class": label }, before,
      el("div", { class: "class-body" }, el("div", { class: "class-head" }, name, remove), thumbs, below));
    return card;
  }

  /** Learn `inputs` of a label, now or when the server answers again; whether it was now. */
  async give(label, inputs) {
    const entry = { card: this.cards.get(label), id: this.model.id, inputs };
    try {
      await this._tell(entry);
      return true;
    } catch (error) {
      if (isAway(error)) this.waiting.add(entry);
      else failed(error);
      return false;
    }
  }

  /** A class may be called otherwise by now; one that is gone, or of another model, is told nothing. */
  async _tell({ card, id, inputs }) {
    if (this.cards.get(card.label) !== card || (id && id !== this.model.id)) return;
    await this.model.add(card.label, inputs);
  }

  _thumbs(label) {
    const card = this.cards.get(label);
    const mine = this.model.of(label);
    const key = mine.map((one) => one.id).join();
    if (key === card.shown && card.thumbs.children.length) return;
    card.shown = key;
    const old = new Map([...card.thumbs.children].map((one) => [one.dataset.id, one]));
    const made = mine.slice(-SHOWN).map((one, at) => old.get(String(one.id)) ?? this._thumb(one, at + 1));
    for (let at = mine.length; at < SLOTS; at += 1) made.push(el("span", { class: "thumb empty" }));
    if (mine.length > SHOWN) made.unshift(el("span", { class: "soft small" }, `${mine.length - SHOWN} earlier`));
    card.thumbs.replaceChildren(...made);
  }

  _thumb(example, number) {
    const image = el("img", { alt: "", draggable: "false" });
    this.model.image(example.id).then((url) => { image.src = url; }, () => {});
    return el("button", {
      type: "button", class: "thumb", "data-id": example.id, "aria-label": `Delete example ${number} of ${example.label}`, title: "Delete this example",
      onclick: () => this.model.remove(example).then(() => this._offerUndo("Example deleted."), failed),
    }, image, icon("trash"));
  }

  async _rename(card) {
    const wanted = card.name.value.trim();
    if (wanted === card.label) return;
    if (!wanted || this.model.order.includes(wanted)) {
      note(wanted ? `There is a class ${wanted} already.` : "A class needs a name.");
      card.name.value = card.label;
      return;
    }
    const before = card.label;
    this.cards.delete(before);
    this.cards.set(wanted, card);
    this._call(card, wanted);
    await this.model.rename(before, wanted).catch((error) => {
      this.cards.delete(wanted);
      this.cards.set(before, card);
      this._call(card, before);
      failed(error);
    });
  }

  _call(card, label) {
    card.label = label;
    card.name.value = label;
    card.node.dataset.class = label;
    card.thumbs.setAttribute("aria-label", `Examples of ${label}`);
    card.remove.setAttribute("aria-label", `Delete the class ${label}`);
    card.named(label);
  }

  async _drop(label) {
    await this.model.drop(label).then(() => this._offerUndo(`${label} deleted.`), failed);
  }

  _offerUndo(words) {
    note(words, { label: "Undo", run: () => this.model.undo().catch(failed) });
  }
}
