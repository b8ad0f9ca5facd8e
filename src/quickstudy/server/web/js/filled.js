// What is shown of a table that was answered: how good the answers are, and the rows with them.

import { short } from "./cells.js";
import { doubt, share } from "./doubt.js";
import { count, el, percent } from "./dom.js";

const LONG = 24; // characters of a cell that may be cut off

/** How far to believe the answers, and what they were found from. */
export function verdict(judged, name, { known, asked, columns, learner, instead }) {
  const how = learner.input === "rows" ? "" : " Numbers count in units of their spread, words as the same or another.";
  const facts = el("p", { class: "soft" }, `${count(asked.length, "empty cell")} of ${name} answered from ${count(known.length, "row")}.${how}${oddities(columns)}`);
  const switched = instead && el("p", {}, instead);
  if (judged instanceof Error) return el("div", { class: "verdict" }, switched || null, facts, el("p", { class: "soft" }, judged.message));
  return el("div", { class: "verdict" }, share(judged),
    el("p", { class: "soft" }, `right when each known row is predicted from the others. ${doubt(judged)}`), switched || null, facts);
}

function oddities(columns) {
  return columns.filter(({ odd }) => odd).map(({ name, odd }) => ` ${count(odd, "word")} among the numbers of ${name} ${odd === 1 ? "counts as a gap" : "count as gaps"}.`).join("");
}

/** What was asked for comes first: the answered rows, and the column that was filled in. */
export function filled(table, target, answers) {
  const order = [target, ...table.columns.keys()].filter((at, place) => place === 0 || at !== target);
  const rows = [...table.rows].sort((one, other) => answers.has(other) - answers.has(one));
  const cell = (row, at) => {
    const answer = at === target && answers.get(row);
    if (!answer) return el("td", { class: at === target ? "target" : "", ...told(row[at], table) }, short(row[at], table.comma));
    return el("td", { class: "filled", ...told(String(answer.label), table) }, short(String(answer.label), table.comma),
      answer.probability < 1 && [" ", el("small", {}, percent(answer.probability))]); // the vote of one neighbour is no probability
  };
  return el("div", { class: "answers", tabindex: "0", role: "region", "aria-label": "The table, filled in" },
    el("table", {}, el("thead", {}, el("tr", {}, order.map((at) => el("th", { scope: "col", ...told(table.columns[at], table) }, table.columns[at])))),
      el("tbody", {}, rows.map((row) => el("tr", {}, order.map((at) => cell(row, at)))))));
}

/** The whole of a cell, where it is not shown whole. */
function told(text, { comma }) {
  return text.length > LONG || short(text, comma) !== text ? { title: text } : {};
}
