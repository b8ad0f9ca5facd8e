// Rows of a table as a learner takes them: by column, or as numbers.

import { isNumeric } from "./csv.js";

const MOST_WORDS = 30; // of a column of words

/** A function from a row to an input; `known` are the rows that are learnt, `target` is the column that is asked for. */
export function encoder(table, target, known, form) {
  const used = table.columns.map((name, at) => ({ name, at })).filter(({ at }) => at !== target && known.some((row) => row[at] !== ""));
  const columns = used.map((one) => ({ ...one, numeric: isNumeric(table.rows.map((row) => row[one.at])) }));
  if (!columns.length) throw new Error("Besides the answers there is no column to learn from.");
  return form === "rows" ? byColumn(columns) : asNumbers(columns, known);
}

function byColumn(columns) {
  const value = (row, { at, numeric }) => (row[at] === "" ? null : numeric ? Number(row[at]) : row[at]);
  return (row) => ({ row: Object.fromEntries(columns.map((one) => [one.name, value(row, one)])) });
}

/** Numbers in units of their spread, so that no column outweighs the others; a place for each word; gaps in the middle. */
function asNumbers(columns, known) {
  const parts = columns.map((column) => (column.numeric ? scaled(column, known) : places(column, known)));
  return (row) => ({ x: parts.flatMap((part) => part(row)) });
}

function scaled({ at }, known) {
  const values = known.map((row) => row[at]).filter((cell) => cell !== "").map(Number);
  const mean = values.reduce((sum, one) => sum + one, 0) / values.length;
  const spread = Math.sqrt(values.reduce((sum, one) => sum + (one - mean) ** 2, 0) / values.length) || 1;
  return (row) => [row[at] === "" ? 0 : (Number(row[at]) - mean) / spread];
}

function places({ at, name }, known) {
  const words = [...new Set(known.map((row) => row[at]).filter((cell) => cell !== ""))].sort();
  if (words.length > MOST_WORDS) throw new Error(`The column ${name} has ${words.length} different words, too many to learn from. Leave it out.`);
  return (row) => words.map((word) => (row[at] === word ? 1 : 0));
}
