// The panel of tables: rows whose answer is known teach, the others are answered.

import { call } from "./api.js";
import { parse } from "./csv.js";
import { doubt, share } from "./doubt.js";
import { button, count, el, percent } from "./dom.js";
import { encoder } from "./encode.js";
import { latest } from "./latest.js";
import { note } from "./notes.js";
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
  let timer = 0;
  let chosen = "";

  const work = latest(async () => {
    if (!text.value.trim()) return result.replaceChildren(empty());
    target.replaceChildren(); // what is no table has no columns
    const table = parse(text.value);
    offer(target, table, chosen);
    localStorage.setItem(KEPT, JSON.stringify({ text: text.value, target: target.value, learner: learner.value }));
    const form = able.find((one) => one.name === learner.value).input;
    result.replaceChildren(...(await answered(model, table, table.columns.indexOf(target.value), learner.value, form)));
  }, (error) => result.replaceChildren(el("p", { class: "hint" }, error.message)));
  const soon = () => { clearTimeout(timer); timer = setTimeout(work, PAUSE); };
  const fill = (words) => { text.value = words; chosen = ""; work(); };
  const recall = () => {
    const before = kept.get();
    if (!before) return result.replaceChildren(empty());
    text.value = before.text;
    chosen = before.target;
    if (able.some((one) => one.name === before.learner)) learner.value = before.learner;
    work();
  };

  text.addEventListener("input", soon);
  target.addEventListener("change", () => { chosen = target.value; work(); });
  learner.addEventListener("change", () => work());
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
  place.replaceChildren(el("div", { class: "tabling" }, sheet, result));
  recall();
}

function empty() {
  return el("div", { class: "hint" }, el("h2", {}, "Nothing to fill in yet"),
    el("p", { class: "soft" }, "Leave cells of one column empty: they are answered from the rows in which it is known. A few dozen rows are plenty."));
}

/** The columns as choices; the one chosen stays, else the last that has gaps. */
function offer(target, { columns, rows }, chosen) {
  const gaps = columns.filter((_, at) => rows.some((row) => row[at] === ""));
  const before = columns.includes(chosen) ? chosen : (gaps.at(-1) ?? columns.at(-1));
  target.replaceChildren(...columns.map((name) => el("option", { value: name }, name)));
  target.value = before;
}

async function answered(model, table, target, learner, form) {
  const known = table.rows.filter((row) => row[target] !== "");
  const labels = new Set(known.map((row) => row[target]));
  const name = table.columns[target];
  if (labels.size < 2) throw new Error(`The column ${name} has ${count(labels.size, "different answer")}; expected two or more to tell apart.`);
  if (labels.size > known.length / 2 && labels.size > 10) throw new Error(`Nearly every answer in ${name} is another one. Choose a column of a few words.`);
  const encode = encoder(table, target, known, form);
  const before = model.id;
  model.forget();
  model.order = [];
  model.learner = learner;
  await model.addAll(known.map((row) => ({ label: row[target], ...encode(row) })));
  model.history = [];
  if (before) await call("DELETE", `/v1/models/${encodeURIComponent(before)}`).catch(() => {});
  const asked = table.rows.filter((row) => row[target] === "");
  model.sample = encode(asked[0] ?? known[0]);
  const answers = [];
  for (let at = 0; at < asked.length; at += PART) answers.push(...(await model.askAll(asked.slice(at, at + PART).map(encode))).predictions);
  const judged = await call("GET", `${model.path}/estimate`).catch((error) => error);
  return [verdict(judged, known, asked, name, form), filled(table, target, new Map(asked.map((row, at) => [row, answers[at]])))];
}

function verdict(judged, known, asked, name, form) {
  const how = form === "rows" ? "" : " Numbers count in units of their spread, words as the same or another.";
  const facts = el("p", { class: "soft" }, `${count(asked.length, "empty cell")} of ${name} answered from ${count(known.length, "row")}.${how}`);
  if (judged instanceof Error) return el("div", { class: "verdict" }, facts, el("p", { class: "soft" }, judged.message));
  return el("div", { class: "verdict" }, share(judged),
    el("p", { class: "soft" }, `right when each known row is predicted from the others. ${doubt(judged)}`), facts);
}

/** What was asked for comes first: the answered rows, and the column that was filled in. */
function filled(table, target, answers) {
  const order = [target, ...table.columns.keys()].filter((at, place) => place === 0 || at !== target);
  const rows = [...table.rows].sort((one, other) => answers.has(other) - answers.has(one));
  const cell = (row, at) => {
    const answer = at === target && answers.get(row);
    if (!answer) return el("td", { class: at === target ? "target" : "" }, row[at]);
    return el("td", { class: "filled" }, String(answer.label),
      answer.probability < 1 && [" ", el("small", {}, percent(answer.probability))]); // the vote of one neighbour is no probability
  };
  return el("div", { class: "answers", tabindex: "0", role: "region", "aria-label": "The table, filled in" },
    el("table", {}, el("thead", {}, el("tr", {}, order.map((at) => el("th", { scope: "col" }, table.columns[at])))),
      el("tbody", {}, rows.map((row) => el("tr", {}, order.map((at) => cell(row, at)))))));
}
