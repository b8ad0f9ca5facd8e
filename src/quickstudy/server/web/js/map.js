// Where the net has put the examples: their features on two axes, with the mean of each class.

import { call } from "./api.js";
import { el } from "./dom.js";
import { latest } from "./latest.js";
import { failed } from "./notes.js";

const EDGE = "3.4rem"; // of the map, where no example is

/** The part of the page that shows the map of `model`. */
export function section(model) {
  const place = el("div", { class: "map drawn" });
  const words = el("p", { class: "soft" });
  const node = el("section", { class: "below", "aria-labelledby": "map-title" },
    el("h2", { id: "map-title" }, "Where it puts your drawings"), words, place);
  const show = latest(async () => {
    if (model.known.length < 2) {
      words.textContent = "Give examples of two classes in Draw: then one sees here how far apart the net has put them.";
      place.replaceChildren();
      place.hidden = true;
      return;
    }
    const found = await call("GET", `${model.path}/map`);
    words.textContent = "Each drawing at its place among the net's features, on the two axes along which they differ most. A class is the mean of its examples: what lies nearest to a mean is taken for it.";
    place.hidden = false;
    place.replaceChildren(...(await marks(model, found)));
  }, failed);
  model.addEventListener("change", () => show());
  document.addEventListener("panel", (event) => event.detail === "watch" && show());
  show();
  return node;
}

async function marks(model, found) {
  const points = [...found.examples, ...found.classes].map((one) => one.at);
  const range = (axis) => [Math.min(...points.map((one) => one[axis])), Math.max(...points.map((one) => one[axis]))];
  const [xs, ys] = [range(0), range(1)];
  const put = (node, [x, y]) => {
    node.style.left = `calc(${EDGE} + ${share(x, xs)} * (100% - 2 * ${EDGE}))`;
    node.style.top = `calc(${EDGE} + ${1 - share(y, ys)} * (100% - 2.6 * ${EDGE}))`; // there are names below
    return node;
  };
  const pictures = await Promise.all(found.examples.map(async (one) => {
    const image = el("img", { src: await model.image(one.id), alt: `example of ${one.label}`, title: String(one.label) });
    return put(el("span", { class: "thumb" }, image), one.at);
  }));
  const means = found.classes.map((one) => put(el("span", { class: "mean" }), one.at));
  const tags = found.classes.map((one) => put(el("span", { class: "tag" }, String(one.label)), one.at));
  return [...means, ...pictures, ...tags];
}

function share(value, [low, high]) {
  return high > low ? (value - low) / (high - low) : 0.5;
}
