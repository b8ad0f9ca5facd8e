// Rows of a table as a learner takes them: by column, or as numbers.

import { isGap, isNumeric, number } from "./cells.js";

const MOST_WORDS = 30; // of a column of words

/** Columns besides `target` that the rows `known` say something of: {name, numeric, odd, value}; `value` reads a row. */
export function columnsOf(table, target, known) {
  const others = table.columns.map((name, at) => column(table, name, at)).filter((_, at) => at !== target);
  const columns = others.filter(({ value }) => known.some((row) => value(row) !== null));
  if (!columns.length) throw new Error("Besides the answers there is no column to learn from.");
  return columns;
}

function column({ rows, comma }, name, at) {
  const cells = rows.map((row) => row[at]);
  const numeric = isNumeric(cells, comma);
  const word = (cell) => (isGap(cell) ? null : cell);
  const read = numeric ? (cell) => (isGap(cell) ? null : number(cell, comma)) : word;
  const odd = cells.filter((cell) => !isGap(cell) && read(cell) === null).length; // words among numbers
  return { name, numeric, odd, value: (row) => read(row[at]) };
}

/** A function from a row to an input; `known` are the rows that are learnt. */
export function encoder(columns, known, form) {
  return form === "rows" ? byColumn(columns) : asNumbers(columns, known);
}

function byColumn(columns) {
  return (row) => ({ row: Object.fromEntries(columns.map(({ name, value }) => [name, value(row)])) });
}

/** Numbers in units of their spread, so that no column outweighs the others; a place for each word; gaps in the middle. */
function asNumbers(columns, known) {
  const parts = columns.map((one) => (one.numeric ? scaled(one, known) : places(one, known)));
  return (row) => ({ x: parts.flatMap((part) => part(row)) });
}

function scaled({ value }, known) {
  const values = known.map(value).filter((one) => one !== null);
  const mean = values.reduce((sum, one) => sum + one, 0) / values.length;
  const spread = Math.sqrt(values.reduce((sum, one) => sum + (one - mean) ** 2, 0) / values.length) || 1;
  return (row) => [value(row) === null ? 0 : (value(row) - mean) / spread];
}

function places({ name, value }, known) {
  const words = [...new Set(known.map(value).filter((one) => one !== null))].sort();
  if (words.length > MOST_WORDS) throw new Error(`The column ${name} has ${words.length} different words, too many to learn from. Leave it out.`);
  return (row) => words.map((word) => (value(row) === word ? 1 : 0));
}
