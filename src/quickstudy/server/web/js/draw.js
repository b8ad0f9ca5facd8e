// The drawing panel: a pad for each class, and one to ask.

import { Answer } from "./answer.js";
import { Because } from "./because.js";
import { fromFile } from "./camera.js";
import { Classes } from "./classes.js";
import { button, duration, el } from "./dom.js";
import { latest } from "./latest.js";
import { failed, note } from "./notes.js";
import { Pad } from "./pad.js";

const WAIT = 1600; // milliseconds without a move on or beside the pad after which a drawing is an example
const NEAR = 0.25; // of the side of a pad: what moves that close to it may be about to draw on

/** Fill the panel; `model` is what it teaches and asks. */
export function start(model) {
  const classes = new Classes(model, { drawn: true, source: padOf });
  document.getElementById("draw-classes").append(classes.node);
  document.getElementById("draw-ask").append(asking(model, classes));
  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input, textarea");
    if (event.key === "z" && (event.ctrlKey || event.metaKey) && !typing && location.hash.replace("#", "") in { "": 1, draw: 1 }) {
      event.preventDefault();
      classes.undo();
    }
  });
}

function padOf(label, give) {
  let timer = 0;
  const keep = () => {
    stop();
    if (pad.empty) return;
    const input = { image: pad.picture() };
    pad.clear();
    give([input]);
  };
  const near = (event) => {
    const box = pad.node.getBoundingClientRect();
    const edge = NEAR * box.width;
    const [x, y] = [event.clientX, event.clientY];
    if (x > box.left - edge && x < box.right + edge && y > box.top - edge && y < box.bottom + edge) wait();
  };
  const stop = () => {
    clearTimeout(timer);
    document.removeEventListener("pointermove", near);
    pad.node.classList.remove("waiting");
  };
  const wait = () => {
    stop();
    void pad.node.offsetWidth; // so that the line below the pad begins anew
    pad.node.classList.add("waiting");
    document.addEventListener("pointermove", near);
    timer = setTimeout(keep, WAIT);
  };
  const pad = new Pad({
    name: `Draw an example of ${label}`, whisper: "draw here", changed: stop, done: keep, lifted: wait,
  });
  pad.node.style.setProperty("--wait", `${WAIT}ms`);
  const files = el("input", { type: "file", accept: "image/*", multiple: true, class: "unseen", tabindex: "-1", "aria-hidden": "true" });
  files.addEventListener("change", async () => {
    const inputs = await Promise.all([...files.files].map(fromFile)).catch(failed);
    files.value = "";
    if (inputs) give(inputs);
  });
  const below = el("div", { class: "row small soft" },
    button("or from files", { class: "link", onclick: () => files.click() }), files, pad.tools);
  const named = (name) => pad.canvas.setAttribute("aria-label", `Draw an example of ${name}`);
  return { before: pad.node, below, named };
}

function asking(model, classes) {
  const answer = new Answer("Nothing asked yet");
  const because = new Because(model, true);
  const trip = el("p", { class: "small soft trip" });
  const keep = el("div", { class: "keep row", hidden: true });
  const pad = new Pad({
    name: "Draw something to ask", whisper: "draw here, and watch the bars",
    changed: () => (pad.empty ? rest() : ask()),
    lifted: () => finish(), done: () => finish(),
  });

  const rest = () => {
    const known = model.known.length;
    answer.rest(known === 0 ? "Draw an example first" : "Waiting for a drawing");
    because.clear();
    trip.textContent = "";
    keep.hidden = true;
  };

  const ask = latest(async () => {
    if (pad.empty || !model.known.length) return;
    const told = await model.askAll([{ image: pad.picture() }]);
    if (pad.empty) return;
    answer.show(told.predictions[0]);
    trip.textContent = `Answered in ${duration(told.trip)}`;
  }, failed, (busy) => answer.node.setAttribute("aria-busy", String(busy)));

  const finish = () => {
    if (pad.empty || !model.known.length) return;
    setTimeout(() => answer.speak(), 400);
    because.ask({ image: pad.picture() });
    keep.hidden = false;
  };

  const learnIt = async (label) => {
    const input = { image: pad.picture() };
    pad.clear();
    if (await classes.give(label, [input])) note(`Learnt as an example of ${label}.`);
  };

  const refresh = () => {
    answer.labels(model.known);
    keep.replaceChildren(el("span", { class: "small soft" }, "It was"),
      ...model.order.map((label) => button(label, { class: "button slim", onclick: () => learnIt(label) })));
    if (pad.empty) rest();
    else ask();
  };
  model.addEventListener("change", refresh);
  refresh();
  const head = el("div", { class: "ask-head" }, el("h2", { class: "step" }, "Then draw anything"), pad.tools);
  return el("div", {}, head, pad.node, answer.node, el("div", { class: "row apart" }, because.node, trip), keep);
}
