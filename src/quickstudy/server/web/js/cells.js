// What the cells of a table say: numbers, words, or nothing.

const GAPS = new Set(["", "?", "na", "n/a", "nan", "null", "none", "-"]);
const POINT = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const COMMA = /^[+-]?(\d+,\d*|,\d+)(e[+-]?\d+)?$/i;
const LONG = /[.,]\d{5,}/; // more decimals than are shown
const DECIMALS = 4;
const NUMBERS = 0.9; // share of a column's values from which on it is one of numbers, as the server has it

/** Whether a cell that is learnt from says nothing. */
export function isGap(cell) {
  return GAPS.has(cell.toLowerCase());
}

/** Whether the answer of a row is not known: there, NA and None may be the names of labels. */
export function isUnknown(cell) {
  return cell === "" || cell === "?";
}

/** The number that a cell is, null for none; with `comma` it may have a decimal comma. */
export function number(cell, comma) {
  const point = comma && COMMA.test(cell) ? cell.replace(",", ".") : cell;
  const value = POINT.test(point) ? Number(point) : NaN;
  return Number.isFinite(value) ? value : null;
}

/** Whether nine tenths of the cells that say something are numbers. */
export function isNumeric(cells, comma) {
  const filled = cells.filter((cell) => !isGap(cell));
  const numbers = filled.filter((cell) => number(cell, comma) !== null).length;
  return numbers > 0 && numbers >= NUMBERS * filled.length;
}

/** A cell as it is shown: of a long decimal, four digits that tell something. */
export function short(cell, comma) {
  const value = number(cell, comma);
  if (value === null || !LONG.test(cell)) return cell;
  const near = String(Number(Math.abs(value) < 1 ? value.toPrecision(DECIMALS) : value.toFixed(DECIMALS)));
  return cell.includes(",") ? near.replace(".", ",") : near;
}
