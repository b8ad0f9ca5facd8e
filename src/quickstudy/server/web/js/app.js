// Begins the page: colours, models, panels, and which of them is shown.

import { call } from "./api.js";
import * as draw from "./draw.js";
import { Model } from "./model.js";
import { failed } from "./notes.js";
import * as project from "./project.js";
import * as table from "./table.js";
import * as theme from "./theme.js";

const PANELS = ["draw", "photos", "table", "watch", "foryou", "inside", "runs"];
const LATER = ["photos", "table", "watch", "foryou", "inside", "runs"]; // loaded when they are looked at first
const models = { draw: new Model("draw"), photos: new Model("photos"), table: new Model("table") };
const begun = new Map();

async function show() {
  const wanted = location.hash.slice(1);
  const name = PANELS.includes(wanted) ? wanted : "draw";
  for (const one of PANELS) document.getElementById(`panel-${one}`).hidden = one !== name;
  for (const link of document.querySelectorAll(".tabs a")) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (LATER.includes(name) && !begun.has(name)) begun.set(name, import(`./${name}.js`).then((module) => module.start(models)));
  document.dispatchEvent(new CustomEvent("panel", { detail: name }));
  await begun.get(name);
}

async function begin() {
  theme.start(document.getElementById("theme"));
  addEventListener("hashchange", () => show().then(() => document.getElementById("main").focus({ preventScroll: true }), failed));
  await call("GET", "/v1/learners").then((learners) => {
    models.draw.learner = learners.find((one) => one.name === "characters")?.name ?? learners.find((one) => one.input === "pictures")?.name;
  }, failed);
  await Promise.all(Object.values(models).map((one) => one.restore())).catch(failed);
  draw.start(models.draw);
  project.start(models, { table: table.kept });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) for (const one of [models.draw, models.photos]) one.refresh().catch(failed);
  });
  await show();
  document.documentElement.dataset.ready = "";
  call("GET", "/v1/runs").then(({ local }) => { document.querySelector('.tabs a[href="#runs"]').hidden = !local; }, failed);
}

begin().catch(failed);
