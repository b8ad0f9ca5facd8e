// The panel of photographs: a camera that collects while one holds a button, files, folders.

import { call } from "./api.js";
import { Answer } from "./answer.js";
import { Because } from "./because.js";
import { Camera, fromFile } from "./camera.js";
import { Classes } from "./classes.js";
import { button, count, duration, el, icon } from "./dom.js";
import { chosen, dropped } from "./folders.js";
import { latest } from "./latest.js";
import { failed, note } from "./notes.js";

const BUNDLED = "photos"; // a run that was named on the command line comes before it
const EVERY = 160; // milliseconds between pictures while a button is held
const MOST = 200; // pictures of one folder

/** Fill the panel, or say how to get a learner of photographs. */
export async function start({ photos: model }) {
  const place = document.getElementById("photos-body");
  const learners = await call("GET", "/v1/learners");
  const able = learners.filter((one) => one.input === "pictures" && Array.isArray(one.size) && one.size[0] === 3);
  if (!able.length) return place.replaceChildren(hint());
  model.learner = (able.find((one) => one.name !== BUNDLED) ?? able[0]).name;
  const video = el("video", { muted: true, playsinline: true, "aria-label": "What the camera sees" });
  const camera = new Camera(video);
  const classes = new Classes(model, { drawn: false, source: (label, give) => collecting(label, give, camera) });
  const { node: ask } = asking(model, camera);
  const teach = el("div", { class: "teach" }, el("h2", { class: "step" }, "Show a few of each"), classes.node, folder(model));
  place.replaceChildren(el("div", { class: "studio" }, teach, ask));
  dropping(document.getElementById("panel-photos"), model);
  document.addEventListener("panel", (event) => event.detail !== "photos" && camera.on && camera.stop());
}

function hint() {
  const install = "pip install 'quickstudy[photos]'\nquickstudy play";
  const own = "quickstudy train protonet --tasks images:path=PHOTOS:size=64 --out runs/photos\nquickstudy play --weights mine=runs/photos";
  const code = (words, name) => el("pre", { class: "code", tabindex: "0", "aria-label": name }, el("code", {}, words));
  return el("div", { class: "hint" }, el("h2", {}, "No learner of photographs yet"),
    el("p", {}, "The net that comes along has seen drawn characters only, and would guess here. One for photographs of anything is an extra, of 17 MB:"),
    code(install, "Commands to install it"),
    el("p", {}, "Or train one of your own. PHOTOS is a folder that has a folder of pictures for each label, the more labels the better:"),
    code(own, "Commands to train one"), el("p", { class: "soft" }, "Then this panel has a camera, and takes files and folders."));
}

function collecting(label, give, camera) {
  let timer = 0;
  const words = el("span", {}, "Hold to collect");
  const hold = el("button", { type: "button", class: "shot", "aria-label": `Hold to collect pictures of ${label}` }, icon("camera"), words);
  const take = () => give([camera.picture()]);
  const begin = async (event) => {
    if (event.repeat || timer) return;
    event.preventDefault();
    if (!camera.on) return document.dispatchEvent(new Event("camera"));
    hold.classList.add("holding");
    take();
    timer = setInterval(take, EVERY);
  };
  const end = () => {
    clearInterval(timer);
    timer = 0;
    hold.classList.remove("holding");
  };
  hold.addEventListener("pointerdown", begin);
  for (const kind of ["pointerup", "pointercancel", "pointerleave", "blur", "keyup"]) hold.addEventListener(kind, end);
  hold.addEventListener("keydown", (event) => [" ", "Enter"].includes(event.key) && begin(event));
  const files = el("input", { type: "file", accept: "image/*", multiple: true, class: "unseen", tabindex: "-1", "aria-hidden": "true" });
  files.addEventListener("change", async () => {
    const inputs = await Promise.all([...files.files].map(fromFile)).catch(failed);
    files.value = "";
    if (inputs) give(inputs);
  });
  const below = el("div", { class: "row small soft" }, button("or from files", { class: "link", onclick: () => files.click() }), files);
  return { before: hold, below, named: (name) => hold.setAttribute("aria-label", `Hold to collect pictures of ${name}`) };
}

function folder(model) {
  const files = el("input", { type: "file", multiple: true, webkitdirectory: true, class: "unseen", tabindex: "-1", "aria-hidden": "true" });
  files.addEventListener("change", () => {
    learn(model, chosen(files.files));
    files.value = "";
  });
  return el("p", { class: "soft small foot" }, "Or drag a folder here that has a folder of pictures for each label, or ",
    button("choose one", { class: "link", onclick: () => files.click() }), ".", files);
}

function dropping(panel, model) {
  panel.addEventListener("dragover", (event) => { event.preventDefault(); panel.classList.add("dropping"); });
  panel.addEventListener("dragleave", (event) => panel.contains(event.relatedTarget) || panel.classList.remove("dropping"));
  panel.addEventListener("drop", async (event) => {
    event.preventDefault();
    panel.classList.remove("dropping");
    await dropped(event.dataTransfer).then((found) => learn(model, found), failed);
  });
}

async function learn(model, found) {
  const labelled = found.filter((one) => one.label !== null);
  if (!labelled.length) return note("Expected a folder that has a folder of pictures for each label.");
  const some = labelled.slice(0, MOST);
  try {
    const examples = await Promise.all(some.map(async ({ file, label }) => ({ label, ...(await fromFile(file)) })));
    for (const label of model.order.filter((one) => !model.of(one).length)) model.order.splice(model.order.indexOf(label), 1);
    await model.addAll(examples, count(examples.length, "picture"));
    note(`Learnt ${count(examples.length, "picture")}${some.length < labelled.length ? ` of ${labelled.length}` : ""}.`);
  } catch (error) {
    failed(error);
  }
}

function asking(model, camera) {
  const answer = new Answer("Nothing asked yet");
  const because = new Because(model, false);
  const trip = el("p", { class: "small soft" });
  const still = el("img", { alt: "the picture that is asked about", hidden: true });
  const open = button("Start the camera", { class: "button strong", onclick: () => begin() }, "camera");
  const lens = el("div", { class: "lens" }, camera.video, still, open);
  const files = el("input", { type: "file", accept: "image/*", class: "unseen", tabindex: "-1", "aria-hidden": "true" });

  const ask = latest(async (input) => {
    if (!model.known.length) return answer.rest("Show an example first");
    const told = await model.askAll([input]);
    answer.show(told.predictions[0]);
    trip.textContent = `Answered in ${duration(told.trip)}`;
  }, failed);
  const watching = () => {
    if (!camera.on) return;
    if (model.known.length && !document.hidden) ask(camera.picture());
    setTimeout(watching, EVERY);
  };
  const begin = async () => {
    try {
      await camera.start();
      still.hidden = open.hidden = true;
      watching();
    } catch (error) {
      failed(error);
    }
  };
  files.addEventListener("change", async () => {
    const [file] = files.files;
    files.value = "";
    if (!file) return;
    try {
      const input = await fromFile(file);
      camera.stop();
      [open.hidden, still.hidden, still.src] = [true, false, `data:image/jpeg;base64,${input.image}`];
      await ask(input);
      because.ask(input);
      setTimeout(() => answer.speak(), 400);
    } catch (error) {
      failed(error);
    }
  });
  const refresh = () => answer.labels(model.known);
  model.addEventListener("change", refresh);
  document.addEventListener("camera", () => begin());
  refresh();
  const node = el("div", { class: "ask" }, el("div", { class: "ask-head" }, el("h2", { class: "step" }, "Then show anything")), lens, answer.node,
    el("div", { class: "row apart" }, because.node, trip),
    el("p", { class: "soft small" }, button("Ask about a file", { class: "link", onclick: () => files.click() }), files));
  return { node };
}
