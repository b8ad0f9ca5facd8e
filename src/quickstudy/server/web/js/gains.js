// What the last example of each class brought: the estimate with it, and with any one left out.

import { bytes, call } from "./api.js";
import { base64 } from "./model.js";

const TRIED = 5; // examples of a class that are left out in turn

/** [{label, points}] by class, `points` null where it has one example; a copy of the model is asked, and deleted. */
export async function gains(model, accuracy, progress) {
  const copy = await call("POST", "/v1/models/import", await bytes(`${model.path}/export`));
  const path = `/v1/models/${encodeURIComponent(copy.id)}`;
  try {
    const { examples } = await call("GET", `${path}/examples?limit=200`);
    const tried = model.known.map((label) => examples.filter((one) => one.label === label)).map((mine) => (mine.length > 1 ? mine.slice(-TRIED) : []));
    const all = tried.flat().length;
    const rows = [];
    let done = 0;
    for (const [place, label] of model.known.entries()) {
      const scores = [];
      for (const one of tried[place]) {
        progress((done += 1), all);
        scores.push(await without(path, one));
      }
      const mean = scores.reduce((sum, score) => sum + score, 0) / scores.length;
      rows.push({ label, points: scores.length ? accuracy - mean : null });
    }
    return rows;
  } finally {
    await call("DELETE", path);
  }
}

async function without(path, example) {
  const image = await base64(await bytes(`${path}/examples/${example.id}/image`));
  await call("DELETE", `${path}/examples/${example.id}`);
  const { accuracy } = await call("GET", `${path}/estimate`);
  await call("POST", `${path}/examples`, { examples: [{ label: example.label, image }] });
  return accuracy;
}
