// One model on the server, with the page's own order of its labels and what was done to it last.

import { bytes, call } from "./api.js";

const PART = 200; // examples in one request
const FIRST = ["this", "that"];

export class Model extends EventTarget {
  /** `slot` names it in this browser: draw, photos or table. */
  constructor(slot) {
    super();
    this.slot = slot;
    this.learner = null;
    this.forget();
  }

  /** Begin anew; the server's copy, if there is one, stays. */
  forget() {
    this.id = null;
    this.version = 0; // of the server's that is shown
    this.order = [...FIRST];
    this.examples = []; // {id, label}
    this.pictures = new Map(); // object URLs by example
    this.history = []; // {words, undo}
    this.timings = []; // {what, examples, ms}
    this.queue = Promise.resolve();
  }

  get path() {
    return `/v1/models/${encodeURIComponent(this.id)}`;
  }

  /** Examples of a label, in the order they came. */
  of(label) {
    return this.examples.filter((one) => one.label === label);
  }

  /** Labels that have examples. */
  get known() {
    return this.order.filter((label) => this.of(label).length);
  }

  /** Take up what this browser remembers; true if the server has it still. */
  async restore() {
    const kept = JSON.parse(localStorage.getItem(`quickstudy.${this.slot}`) ?? "null");
    if (!kept) return false;
    this.order = kept.order;
    if (!kept.id) return false;
    try {
      await this.attach(kept.id, kept.order);
    } catch (error) {
      if (error.status !== 404) throw error;
      return false;
    }
    return true;
  }

  /** Show the model `id` of the server. */
  async attach(id, order = []) {
    const found = await call("GET", `/v1/models/${encodeURIComponent(id)}`);
    const labels = found.labels.map((one) => one.label);
    this.forget();
    this.id = id;
    this.version = found.version;
    this.order = [...order.filter((one) => labels.includes(one) || typeof one === "string"), ...labels.filter((one) => !order.includes(one))];
    await this._list();
    this._said();
  }

  /** Show what the server has now, if others have changed it. */
  async refresh() {
    return this._next(async () => {
      if (!this.id) return;
      const { path } = this;
      const found = await call("GET", path).catch((error) => {
        if (error.status !== 404) throw error;
        return null;
      });
      if (path !== this.path || found?.version === this.version) return;
      if (found) {
        await this._reread();
        this.version = found.version;
      } else {
        const labels = this.order;
        this.forget();
        this.order = labels;
      }
      this._said();
    });
  }

  /** After a change of one's own, the server's answer to it: if it is not the only one, all is read anew. */
  async _agree(found) {
    if (found.version !== this.version + 1) await this._reread();
    this.version = found.version;
  }

  async _reread() {
    const before = this.known;
    await this._list();
    const labels = [...new Set(this.examples.map((one) => one.label))];
    const stay = this.order.filter((one) => labels.includes(one) || !before.includes(one));
    this.order = [...stay, ...labels.filter((one) => !stay.includes(one))];
  }

  async _list() {
    const examples = [];
    let after = "";
    do {
      const page = await call("GET", `${this.path}/examples?limit=200${after}`);
      examples.push(...page.examples);
      after = page.next === null ? null : `&after=${encodeURIComponent(page.next)}`;
    } while (after !== null);
    this.examples = examples.map(({ id, label }) => ({ id, label }));
  }

  /** Learn `inputs` of `label`; undone by taking them away again. */
  async add(label, inputs, undoable = true) {
    return this.addAll(inputs.map((input) => ({ label, ...input })), undoable ? `an example of ${label}` : null);
  }

  /** Learn examples {label, ...input} of any labels. */
  async addAll(examples, words = null) {
    return this._next(async () => {
      const added = [];
      for (let at = 0; at < examples.length; at += PART) {
        const part = examples.slice(at, at + PART);
        await this._exists();
        const start = performance.now();
        const answer = await call("POST", `${this.path}/examples`, { examples: part });
        this.timings.push({ what: "learn", examples: part.length, ms: performance.now() - start });
        const news = answer.ids.map((id, number) => ({ id, label: part[number].label }));
        for (const { label } of news) if (!this.order.includes(label)) this.order.push(label);
        this.examples.push(...news);
        added.push(...news);
        await this._agree(answer.model);
      }
      if (words) this._did(words, () => this._remove(added.map((one) => one.id)));
      this._said();
      return added;
    });
  }

  /** Unlearn one example. */
  async remove(example) {
    return this._next(async () => {
      const copy = await this.copy(example);
      await this._remove([example.id]);
      this._did(`deleting an example of ${example.label}`, () => this.add(example.label, [copy], false));
    });
  }

  /** Unlearn a label with all its examples. */
  async drop(label) {
    return this._next(async () => {
      const [mine, place] = [this.of(label), this.order.indexOf(label)];
      const copies = await Promise.all(mine.map((one) => this.copy(one)));
      const found = mine.length && await call("DELETE", `${this.path}/labels/${encodeURIComponent(label)}`);
      this.examples = this.examples.filter((one) => one.label !== label);
      this.order = this.order.filter((one) => one !== label);
      if (found) await this._agree(found);
      this._did(`deleting ${label}`, async () => {
        this.order.splice(place, 0, label);
        if (copies.length) await this.add(label, copies, false);
      });
      this._said();
    });
  }

  /** Call `label` something else. */
  async rename(label, name, undoable = true) {
    return this._next(async () => {
      const found = this.of(label).length && await call("PATCH", `${this.path}/labels/${encodeURIComponent(label)}`, { label: name });
      for (const one of this.of(label)) one.label = name;
      this.order[this.order.indexOf(label)] = name;
      if (found) await this._agree(found);
      if (undoable) this._did(`renaming ${label}`, () => this.rename(name, label, false));
      this._said();
    });
  }

  /** Room for a new label, which the server hears of with its first example. */
  open(label) {
    this.order.push(label);
    this._said();
  }

  /** Take back what was done last, once it is done; in words what that was, null where there is nothing. */
  async undo() {
    await this.queue;
    const last = this.history.pop();
    if (!last) return null;
    await last.undo();
    this._said();
    return last.words;
  }

  /** What is predicted for one input. */
  async ask(input) {
    return (await this.askAll([input])).predictions[0];
  }

  /** {predictions, version, ms, trip} for several inputs; `signal` calls the question off. */
  async askAll(inputs, signal) {
    const start = performance.now();
    const answer = await call("POST", `${this.path}/predict`, inputs.length === 1 ? inputs[0] : { inputs }, signal);
    const trip = performance.now() - start;
    this.timings.push({ what: "answer", examples: inputs.length, ms: answer.ms ?? trip });
    return { ...answer, trip };
  }

  /** URL of an example's picture as the learner sees it. */
  async image(id) {
    if (!this.pictures.has(id)) {
      this.pictures.set(id, bytes(`${this.path}/examples/${id}/image`).then((blob) => URL.createObjectURL(blob)));
    }
    return this.pictures.get(id);
  }

  /** An input that is this example once more. */
  async copy(example) {
    const blob = await bytes(`${this.path}/examples/${example.id}/image`);
    return { image: await base64(blob) };
  }

  async _remove(ids) {
    for (const id of ids) {
      const found = await call("DELETE", `${this.path}/examples/${id}`);
      this.examples = this.examples.filter((one) => one.id !== id);
      await this._agree(found);
    }
    this._said();
  }

  async _exists() {
    if (this.id) return;
    const made = await call("POST", "/v1/models", this.learner ? { learner: this.learner } : {});
    this.id = made.id;
    this.version = made.version;
  }

  /** Changes go one after the other. */
  _next(work) {
    const result = this.queue.then(work);
    this.queue = result.catch(() => {});
    return result;
  }

  _did(words, undo) {
    this.history.push({ words, undo });
  }

  _said() {
    localStorage.setItem(`quickstudy.${this.slot}`, JSON.stringify({ id: this.id, order: this.order }));
    this.dispatchEvent(new Event("change"));
  }
}

/** Base64 of the bytes of a blob. */
export async function base64(blob) {
  const url = await new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(new Error("The file cannot be read."));
    reader.readAsDataURL(blob);
  });
  return url.slice(url.indexOf(",") + 1);
}
