// The panel of what one may like: a few ratings, the list that they make, and why. The server keeps none of them.

import { call } from "./api.js";
import { lines, moved, ranks, source } from "./best.js";
import { button, duration, el, percent, round } from "./dom.js";
import { latest } from "./latest.js";
import { failed } from "./notes.js";
import { Stars } from "./stars.js";
import { Titles, plain } from "./titles.js";

const EVERY = 400; // milliseconds between looks at a training

/** Fill the panel: with the ratings, or with how there comes to be somebody who recommends. */
export async function start() {
  const place = document.getElementById("foryou-body");
  const look = async () => show(await call("GET", "/v1/for-you"));
  const show = (state) => {
    if (state.recommender) return place.replaceChildren(new ForYou(state.recommender).node);
    place.replaceChildren(hint(state, () => call("POST", "/v1/for-you/train").then(show).catch(failed)));
    if (state.training) setTimeout(() => look().catch(failed), EVERY);
  };
  await look().catch((error) => place.replaceChildren(el("p", { class: "hint" }, error.message)));
}

/** Nobody recommends yet: a button that changes it, or how far that has come. */
function hint({ training, error, invented, can_train: able }, train) {
  const data = invented
    ? "There is no MovieLens in the folder that QUICKSTUDY_DATA names, so it would learn from invented people and titles: enough to see how it works."
    : "It learns from the ratings of MovieLens, which lie in the folder that QUICKSTUDY_DATA names.";
  const given = el("p", { class: "soft small" }, "A run of your own is taken instead: ", el("code", {}, "quickstudy play --weights films=RUN"));
  if (training) {
    const share = training.steps ? training.step / training.steps : 0;
    const bar = el("span", {});
    bar.style.width = percent(share).replace(" ", "");
    return el("div", { class: "hint" }, el("h2", {}, "Learning what people like"),
      el("div", { class: "done", role: "progressbar", "aria-label": "Training", "aria-valuemin": "0", "aria-valuemax": "100", "aria-valuenow": Math.round(100 * share) }, bar),
      el("p", { class: "soft" }, training.steps ? `step ${training.step} of ${training.steps}` : "reading the ratings"));
  }
  return el("div", { class: "hint" }, el("h2", {}, "Nobody to ask yet"), error && el("p", {}, error),
    able && el("p", { class: "soft" }, `A learner of ratings is trained on the spot, in seconds. ${data}`),
    able && button("Train it", { class: "button strong", onclick: train }), given);
}

class ForYou {
  constructor(about) {
    this.about = about;
    this.slot = `quickstudy.ratings.${about.tasks}`;
    this.rows = new Map(); // of what was rated, or is about to be, by item
    this.shown = null; // the answer before
    this.mine = el("ul", { class: "mine" });
    this.none = el("p", { class: "soft small" }, "Nothing rated yet. Find a title, or rate what you know of the list.");
    this.best = el("ol", { class: "best" });
    this.title = el("h2", { class: "step" });
    this.news = el("p", { class: "soft small", "aria-live": "polite" });
    this.took = el("p", { class: "soft small" });
    this.finder = new Titles((one) => this.add(one));
    this.ask = latest(() => this._ask(), failed);
    this.clear = button("Clear", { class: "button slim", onclick: () => this.forget([...this.rows.keys()]) });
    this.node = el("div", { class: "foryou" },
      el("div", { class: "sheet" }, el("div", { class: "row apart step" }, el("h2", {}, "Your ratings"), this.clear), this.finder.node, this.none, this.mine),
      el("div", {}, this.title, this.news, this.best, el("div", { class: "remarks" }, el("p", { class: "soft small" }, source(about)), this.took,
        el("p", { class: "soft small" }, "Your ratings stay in this browser. They go along with each question, and the server keeps none."))));
    for (const one of JSON.parse(localStorage.getItem(this.slot) ?? "[]")) this.row(one).stars.set(one.rating);
    this.changed();
  }

  get told() {
    return [...this.rows.values()].filter((one) => one.stars.value !== null);
  }

  /** Make room for a rating of an item, and go there. */
  add(one) {
    (this.rows.get(one.item) ?? this.row(one)).stars.node.focus();
    this.none.hidden = true;
  }

  row({ item, title }) {
    const words = plain(title);
    const value = el("output", { class: "soft" });
    const stars = new Stars(words, this.about.scale, (rating) => (rating === null ? this.forget([item]) : this.changed()));
    const node = el("li", {}, el("span", {}, words), round("close", `Remove ${words}`, () => this.forget([item])), stars.node, value);
    this.mine.prepend(node);
    const made = { item, title, stars, value, node };
    this.rows.set(item, made);
    return made;
  }

  forget(items) {
    const rated = items.some((item) => this.rows.get(item).stars.value !== null);
    for (const item of items) {
      this.rows.get(item).node.remove();
      this.rows.delete(item);
    }
    this.finder.field.focus();
    if (rated) this.changed();
    else this.tidy();
  }

  /** Another rating, or one less. */
  changed() {
    const kept = this.told.map(({ item, title, stars }) => ({ item, title, rating: stars.value }));
    localStorage.setItem(this.slot, JSON.stringify(kept));
    this.tidy();
    this.ask();
  }

  tidy() {
    this.none.hidden = this.rows.size > 0;
    this.clear.hidden = this.rows.size === 0;
    for (const { stars, value } of this.rows.values()) value.textContent = stars.value ?? "not rated";
  }

  async _ask() {
    const ratings = this.told.map(({ item, stars }) => ({ item, rating: stars.value }));
    const answer = await call("POST", "/v1/for-you/predict", { ratings });
    answer.rated = new Set(ratings.map((one) => one.item));
    const before = this.shown && ranks(this.shown);
    this.title.textContent = ratings.length ? "For you" : "What most like";
    this.news.textContent = before ? moved(answer, this.shown.items, before) : "";
    this.best.replaceChildren(...lines(answer, before, (one) => this.add(one)));
    this.took.textContent = `The list took ${duration(answer.ms)}.`;
    this.shown = answer;
  }
}
