// Everything on the page as one file, and back.

import { bytes, call } from "./api.js";
import { base64 } from "./model.js";
import { failed, note } from "./notes.js";
import { download } from "./take.js";

const FORMAT = 1;

/** Bind both buttons; `kept` is {get, set} for what a panel keeps beside its model, by slot. */
export function start(models, kept) {
  const chooser = Object.assign(document.createElement("input"), { type: "file", accept: ".json,application/json" });
  chooser.addEventListener("change", () => {
    const [file] = chooser.files;
    chooser.value = "";
    if (file) open(file, models, kept).then(() => note("The project is open."), failed);
  });
  document.getElementById("open-project").addEventListener("click", () => chooser.click());
  document.getElementById("save-project").addEventListener("click", () => save(models, kept).catch(failed));
}

async function save(models, kept) {
  const project = { quickstudy: FORMAT, models: {} };
  for (const model of Object.values(models)) {
    if (!model.id || !model.known.length) continue;
    const qs = await base64(await bytes(`${model.path}/export`));
    project.models[model.slot] = { order: model.order, kept: kept[model.slot]?.get() ?? null, qs };
  }
  if (!Object.keys(project.models).length) return note("There is nothing to save yet: give an example first.");
  download(new Blob([JSON.stringify(project)], { type: "application/json" }), "quickstudy-project.json");
}

/** Put the models of a project file on the server, and show them. */
export async function open(file, models, kept) {
  let project;
  try {
    project = JSON.parse(await file.text());
  } catch {
    throw new Error(`${file.name} is no project: it is not JSON. Choose a file that this page saved.`);
  }
  if (project?.quickstudy !== FORMAT || typeof project.models !== "object") {
    throw new Error(`${file.name} is no project of this page. Choose a file that it saved.`);
  }
  for (const [slot, saved] of Object.entries(project.models)) {
    if (!models[slot]) continue;
    const data = Uint8Array.from(atob(saved.qs), (one) => one.charCodeAt(0));
    const made = await call("POST", "/v1/models/import", new Blob([data], { type: "application/octet-stream" }));
    await models[slot].attach(made.id, saved.order);
    if (saved.kept) kept[slot]?.set(saved.kept);
  }
}
