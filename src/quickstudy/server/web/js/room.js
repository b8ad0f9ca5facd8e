// Whether a learner has room for a table, known before anything is sent, and which one answers where it has not.

import { isUnknown } from "./cells.js";
import { count } from "./dom.js";
import { columnsOf, encoder } from "./encode.js";

export const CLASSES = { tables: 20 }; // by learner: the list of the server tells columns only
/** What the server takes unless it was started with other limits. */
export const MOST = { columns: 1000, classes: 200, examples: 2000, characters: 200, number: 1e12 };
const RESORT = "nearest"; // takes tables of any size

/** What is to be sent: {learner, encode, known, asked, columns, instead}; an Error with a sentence where nothing can be. */
export function planned(table, target, able, wanted) {
  const known = table.rows.filter((row) => !isUnknown(row[target]));
  const asked = table.rows.filter((row) => isUnknown(row[target]));
  const labels = new Set(known.map((row) => row[target]));
  checkAnswers(table.columns[target], labels, known);
  const parts = { columns: columnsOf(table, target, known), rows: table.rows, known, asked, labels };
  return withRoom(able.find((one) => one.name === wanted), able.find((one) => one.name === RESORT), parts);
}

function withRoom(learner, resort, parts) {
  try {
    return { ...parts, learner, encode: fitted(learner, parts), instead: "" };
  } catch (error) {
    if (!resort || resort === learner) throw error;
    return { ...parts, learner: resort, encode: second(resort, parts, error), instead: `${error.message} So ${RESORT} answers.` };
  }
}

function second(resort, parts, before) {
  try {
    return fitted(resort, parts);
  } catch (error) {
    throw new Error(error.message === before.message ? error.message : `${before.message} For ${RESORT}: ${error.message}`);
  }
}

function checkAnswers(name, labels, known) {
  if (labels.size < 2) throw new Error(`The column ${name} has ${count(labels.size, "different answer")}; expected two or more to tell apart.`);
  if (labels.size > known.length / 2 && labels.size > 10) throw new Error(`Nearly every answer in ${name} is another one. Choose a column of a few words.`);
  if (labels.size > MOST.classes) throw new Error(`The column ${name} has ${labels.size} different answers, and a model tells up to ${MOST.classes} apart. Choose another column.`);
  if (known.length > MOST.examples) throw new Error(`The answer is known in ${count(known.length, "row")}, and a model learns from up to ${MOST.examples.toLocaleString("en")}. Leave some out.`);
  checkLength(name, [...labels]);
}

/** The encoder of `learner`, or an Error that says what it has no room for. */
function fitted({ name, input, size }, { columns, rows, known, labels }) {
  if (labels.size > (CLASSES[name] ?? Infinity)) throw new Error(`${name} tells up to ${CLASSES[name]} answers apart, and here are ${labels.size}.`);
  if (input === "rows") checkColumns(name, size ?? MOST.columns, columns, rows);
  const encode = encoder(columns, known, input);
  if (input === "numbers") checkWidth(name, size, encode(known[0]).x.length);
  return encode;
}

function checkColumns(name, most, columns, rows) {
  if (columns.length > most) throw new Error(`${name} has room for ${most} columns, and there are ${columns.length} to learn from.`);
  for (const column of columns) {
    const values = rows.map(column.value);
    checkLength(column.name, [column.name, ...values.filter((one) => typeof one === "string")]);
    const large = values.find((one) => Math.abs(one) > MOST.number);
    if (large !== undefined) throw new Error(`The column ${column.name} has the number ${large}; ${name} takes numbers up to ${MOST.number.toLocaleString("en")}.`);
  }
}

function checkWidth(name, size, width) {
  if (size !== null && width !== size) throw new Error(`${name} takes ${count(size, "number")} in a row, and this table makes ${width}.`);
  if (width > MOST.columns) throw new Error(`There are ${width} numbers and words to learn from, and a row may have ${MOST.columns}. Leave some columns out.`);
}

function checkLength(name, words) {
  const longest = Math.max(...words.map((one) => [...one].length));
  if (longest > MOST.characters) throw new Error(`The column ${name.slice(0, 40)} has a name or word of ${longest} characters; expected up to ${MOST.characters}.`);
}
