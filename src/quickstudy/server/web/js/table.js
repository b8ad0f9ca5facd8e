// The panel of tables: rows whose answer is known teach, the others are answered.

import { call } from "./api.js";
import { isUnknown } from "./cells.js";
import { parse } from "./csv.js";
import { button, el } from "./dom.js";
import { filled, verdict } from "./filled.js";
import { latest } from "./latest.js";
import { note } from "./notes.js";
import { planned } from "./room.js";
import { SAMPLE } from "./sample.js";

const PAUSE = 400; // milliseconds of typing
const PART = 200; // rows in one request
const KEPT = "quickstudy.table.text";

/** What the panel keeps in this browser: the text, the column, and the learner. */
export const kept = {
  get: () => JSON.parse(localStorage.getItem(KEPT) ?? "null"),
  set: (value) => {
    localStorage.setItem(KEPT, JSON.stringify(value));
    document.dispatchEvent(new Event("table"));
  },
};

/** Fill the panel. */
export async function start({ table: model }) {
  const place = document.getElementById("table-body");
  const able = (await call("GET", "/v1/learners")).filter((one) => one.input !== "pictures");
  if (!able.length) return place.replaceChildren(el("p", { class: "hint" }, "This server has no learner of rows."));

  const text = el("textarea", { spellcheck: "false", placeholder: "width,height,kind\n3.1,0.4,fern\n5.0,,moss\n4.2,1.3," });
  const target = el("select", {});
  const learner = el("select", {}, able.map((one) => el("option", { value: one.name }, one.name)));
  const result = el("div", { class: "result", "aria-live": "polite" });
  const file = el("input", { type: "file", accept: ".csv,.tsv,.txt,text/csv", class: "unseen", tabindex: "-1", "aria-hidden": "true" });
  const busy = el("p", { class: "busy small", role: "status", hidden: true }, "Answering …");
  let timer = 0;
  let chosen = "";
  let wanted = learner.value; // `learner` shows which one answers, and that may be another
  let turn = new AbortController(); // of the newest change; what is still on its way for an earlier one is called off

  const wait = (waiting) => { busy.hidden = !waiting; result.setAttribute("aria-busy", String(waiting)); };
  const show = (...nodes) => { result.replaceChildren(...nodes); wait(false); };
  const answer = async (signal) => {
    target.replaceChildren(); // what is no table has no columns
    if (!text.value.trim()) return show(empty());
    const table = parse(text.value);
    offer(target, table, chosen);
    localStorage.setItem(KEPT, JSON.stringify({ text: text.value, target: target.value, learner: wanted }));
    learner.value = wanted;
    const plan = planned(table, table.columns.indexOf(target.value), able, wanted);
    learner.value = plan.learner.name;
    show(...(await answered(model, table, table.columns.indexOf(target.value), plan, signal)));
  };
  const said = (error) => show(el("p", { class: "hint" }, error.message));
  const work = latest(async (signal) => signal.aborted || answer(signal).catch((error) => signal.aborted || said(error)), said);
  const changed = (pause = 0) => {
    turn.abort();
    turn = new AbortController();
    wait(true); // what is shown belongs to what was there before
    clearTimeout(timer);
    timer = setTimeout(work, pause, turn.signal);
  };
  const fill = (words) => { text.value = words; chosen = ""; changed(); };
  const recall = () => {
    const before = kept.get();
    if (!before) return result.replaceChildren(empty());
    text.value = before.text;
    chosen = before.target;
    if (able.some((one) => one.name === before.learner)) wanted = learner.value = before.learner;
    changed();
  };

  text.addEventListener("input", () => changed(PAUSE));
  target.addEventListener("change", () => { chosen = target.value; changed(); });
  learner.addEventListener("change", () => { wanted = learner.value; changed(); });
  file.addEventListener("change", async () => { const [one] = file.files; file.value = ""; if (one) fill(await one.text()); });
  for (const kind of ["dragover", "drop"]) text.addEventListener(kind, (event) => event.preventDefault());
  text.addEventListener("drop", async (event) => {
    const [one] = event.dataTransfer.files;
    if (one) fill(await one.text());
    else note("Drop a file of comma-separated values.");
  });
  document.addEventListener("table", recall);

  const sheet = el("div", { class: "sheet" }, el("h2", { class: "step" }, "Paste a table"),
    el("label", { class: "field" }, "Comma-separated values, the first line with names", text),
    el("div", { class: "row" }, button("Choose a file", { class: "button slim", onclick: () => file.click() }, "upload"), file,
      button("Try the sample", { class: "button slim", onclick: () => fill(SAMPLE) })),
    el("label", { class: "field" }, "Column to fill in", target), el("label", { class: "field" }, "Learner", learner));
  place.replaceChildren(el("div", { class: "tabling" }, sheet, el("div", { class: "outcome" }, busy, result)));
  recall();
}

function empty() {
  return el("div", { class: "hint" }, el("h2", {}, "Nothing to fill in yet"),
    el("p", { class: "soft" }, "Leave cells of one column empty: they are answered from the rows in which it is known. A few dozen rows are plenty."));
}

/** The columns as choices; the one chosen stays, else the last that has gaps. */
function offer(target, { columns, rows }, chosen) {
  const gaps = columns.filter((_, at) => rows.some((row) => isUnknown(row[at])));
  const before = columns.includes(chosen) ? chosen : (gaps.at(-1) ?? columns.at(-1));
  target.replaceChildren(...columns.map((name) => el("option", { value: name }, name)));
  target.value = before;
}

/** Teach `model` the rows that are known and ask it the others; what is to be shown of that. */
async function answered(model, table, target, plan, signal) {
  await taught(model, table, target, plan, signal);
  const { known, asked, encode } = plan;
  model.sample = encode(asked[0] ?? known[0]);
  const answers = [];
  for (let at = 0; at < asked.length; at += PART) answers.push(...(await model.askAll(asked.slice(at, at + PART).map(encode), signal)).predictions);
  const judged = await call("GET", `${model.path}/estimate`, undefined, signal).catch((error) => error);
  signal.throwIfAborted();
  return [verdict(judged, table.columns[target], plan), filled(table, target, new Map(asked.map((row, at) => [row, answers[at]])))];
}

/** A model of these rows alone; the one before goes, also where this is called off. */
async function taught(model, table, target, { known, encode, learner }, signal) {
  const before = model.id && model.path;
  model.forget();
  model.order = [];
  model.learner = learner.name;
  try {
    for (let at = 0; at < known.length; at += PART) {
      await model.addAll(known.slice(at, at + PART).map((row) => ({ label: row[target], ...encode(row) })));
      signal.throwIfAborted();
    }
  } finally {
    if (before) await call("DELETE", before).catch(() => {});
  }
}
