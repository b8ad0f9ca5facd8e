// Comma-separated values: a header and rows of text.

/** {columns, rows: [[text]], comma: whether numbers may have a decimal comma}; an Error with a sentence for what is none. */
export function parse(text) {
  const between = separator(text);
  const lines = cells(text.replace(/^\uFEFF/, ""), between).filter((row) => row.some((cell) => cell !== ""));
  if (lines.length < 2) throw new Error("Expected a line with the names of the columns, and rows below it.");
  const [columns, ...rows] = lines;
  const names = columns.map((name, at) => name || `column ${at + 1}`);
  const double = names.find((name, at) => names.indexOf(name) !== at);
  if (double !== undefined) throw new Error(`Two columns are called ${double}. Give each a name of its own.`);
  const odd = rows.findIndex((row) => row.length > names.length);
  if (odd >= 0) throw new Error(`Row ${odd + 1} has ${rows[odd].length} cells, and there are ${names.length} columns.`);
  return { columns: names, rows: rows.map((row) => names.map((_, at) => row[at] ?? "")), comma: between !== "," };
}

function separator(text) {
  const first = text.slice(0, text.search(/\r?\n|$/));
  const counts = [",", ";", "\t"].map((one) => [first.split(one).length, one]);
  return counts.sort((one, other) => other[0] - one[0])[0][1];
}

function cells(text, between) {
  const rows = [[]];
  let cell = "";
  let quoted = false;
  const close = () => { rows.at(-1).push(cell.trim()); cell = ""; };
  for (let at = 0; at < text.length; at += 1) {
    const one = text[at];
    if (quoted) {
      if (one !== '"') cell += one;
      else if (text[at + 1] === '"') cell += text[(at += 1)];
      else quoted = false;
    } else if (one === '"' && cell.trim() === "") quoted = true;
    else if (one === between) close();
    else if (one === "\n") { close(); rows.push([]); }
    else if (one !== "\r") cell += one;
  }
  close();
  return rows;
}
