// What the last example of each class brought: how many of the others are right with it, and without.

import { bytes, call } from "./api.js";
import { base64 } from "./model.js";

const TRIED = 6; // examples of a class that are left out in turn
const FEWEST = 3; // of which one can go, and each of the others can still be judged

/**
 * [{label, points}] by class, `points` null where it has too few examples; `found` is the estimate of the model. A copy
 * of the model is asked, and deleted.
 */
export async function gains(model, found, progress) {
  const copy = await call("POST", "/v1/models/import", await bytes(`${model.path}/export`));
  const path = `/v1/models/${encodeURIComponent(copy.id)}`;
  try {
    const { examples } = await call("GET", `${path}/examples?limit=1000`);
    const tried = model.known.map((label) => examples.filter((one) => one.label === label)).map((mine) => (mine.length < FEWEST ? [] : mine.slice(-TRIED)));
    const all = tried.flat().length;
    const rows = [];
    let done = 0;
    for (const [place, label] of model.known.entries()) {
      let lost = 0;
      for (const one of tried[place]) {
        progress((done += 1), all);
        lost += right(found) - share(found, label) - right(await without(path, one));
      }
      const others = examples.length - 1;
      rows.push({ label, points: tried[place].length ? lost / tried[place].length / others : null });
    }
    return rows;
  } finally {
    await call("DELETE", path);
  }
}

function right({ confusion }) {
  return confusion.reduce((sum, row, at) => sum + row[at], 0);
}

/** Of the examples of a class, how many are right: what one of them, left out, no longer counts. */
function share({ labels, confusion }, label) {
  const row = confusion[labels.indexOf(label)];
  return row[labels.indexOf(label)] / row.reduce((sum, one) => sum + one, 0);
}

async function without(path, example) {
  const image = await base64(await bytes(`${path}/examples/${example.id}/image`));
  await call("DELETE", `${path}/examples/${example.id}`);
  const found = await call("GET", `${path}/estimate`);
  await call("POST", `${path}/examples`, { examples: [{ label: example.label, image }] });
  return found;
}
