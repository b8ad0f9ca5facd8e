// How to take a model along: its file, and code that asks it.

import { bytes } from "./api.js";
import { button, el } from "./dom.js";
import { failed, note } from "./notes.js";
import { curl, javascript, python } from "./snippets.js";

/** The part of the page that exports `model`. */
export function section(model) {
  const code = el("code", {});
  const languages = { Python: python, curl, JavaScript: javascript };
  const tabs = Object.entries(languages).map(([name, write]) => el("button", { type: "button", "aria-pressed": "false", onclick: (event) => {
    for (const tab of tabs) tab.setAttribute("aria-pressed", String(tab === event.currentTarget));
    code.textContent = write(model, `${location.origin}${model.path}`);
    code.dataset.language = name;
  } }, name));
  const copy = button("Copy", { class: "button slim", onclick: () => navigator.clipboard.writeText(code.textContent).then(() => note("Copied."), () => note("The browser does not allow copying. Select the text instead.")) }, "copy");
  const file = button("Download the model (.qs)", { class: "button strong", onclick: () => bytes(`${model.path}/export`).then((blob) => download(blob, `${model.slot}.qs`), failed) }, "download");
  const node = el("section", { class: "card across", "aria-labelledby": "take-title" }, el("h2", { id: "take-title" }, "Take it along"),
    el("p", { class: "soft" }, "The file holds the net and the examples; it needs no server. The code below runs as it is, on this machine while the server is up."),
    el("div", { class: "row" }, file), el("div", { class: "row apart" }, el("div", { class: "segments", role: "group", "aria-label": "Language" }, tabs), copy),
    el("pre", { class: "code", tabindex: "0", "aria-label": "Code" }, code));
  tabs[0].setAttribute("aria-pressed", "true");
  code.textContent = python(model, `${location.origin}${model.path}`);
  code.dataset.language = "Python";
  return node;
}

/** Hand the browser a file. */
export function download(blob, name) {
  const url = URL.createObjectURL(blob);
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
