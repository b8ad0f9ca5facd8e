// Short notes at the foot of the page; one with something to undo stays longer.

import { button, el, round } from "./dom.js";

const SHORT = 6000;
const LONG = 12000;

/** Say `words`; `action` is {label, run} for a button beside them. */
export function note(words, action = null) {
  const place = document.getElementById("notes");
  for (const old of [...place.children].slice(0, -1)) old.remove();
  const made = el("div", { class: "note" }, el("span", {}, words));
  const leave = () => made.remove();
  if (action) {
    made.append(button(action.label, { class: "", onclick: () => { leave(); action.run(); } }));
  }
  made.append(round("close", "Dismiss", leave, { class: "quiet" }));
  place.append(made);
  setTimeout(leave, action ? LONG : SHORT);
}

/** Say what went wrong. */
export function failed(error) {
  note(error.message);
}
