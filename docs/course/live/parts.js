// What pieces are built from: elements, sliders, buttons, and a sentence that says what is to be seen.

const SVG = "http://www.w3.org/2000/svg";

function set(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

export const el = (name, attributes = {}, ...children) => set(document.createElement(name), attributes, children);
export const svg = (name, attributes = {}, ...children) => set(document.createElementNS(SVG, name), attributes, children);

export const button = (text, onclick, attributes = {}) =>
  el("button", { type: "button", class: "live-button", onclick, ...attributes }, text);

export const row = (...children) => el("div", { class: "live-row" }, ...children);
export const columns = (...children) => el("div", { class: "live-columns" }, ...children);

let count = 0;

/** A slider with its value in words; `changed` is called with the number. `node.set(value)` moves it. */
export function slider({ label, min, max, step = 1, value, words = String, changed }) {
  const id = `live-slider-${++count}`;
  const told = el("output", { for: id, class: "live-value" });
  const input = el("input", { type: "range", id, min, max, step, value });
  const tell = () => {
    told.textContent = words(Number(input.value));
    input.setAttribute("aria-valuetext", told.textContent);
  };
  input.addEventListener("input", () => { tell(); changed(Number(input.value)); });
  tell();
  const node = el("div", { class: "live-slider" }, el("label", { for: id }, label), told, input);
  node.set = (to) => { input.value = to; tell(); };
  return node;
}

/** A few choices of which one is taken. */
export function choice(label, options, value, changed) {
  const name = `live-choice-${++count}`;
  const parts = Object.entries(options).map(([key, text]) => {
    const input = el("input", { type: "radio", name, value: key, checked: key === value, onchange: () => changed(key) });
    return el("label", { class: "live-option" }, input, el("span", {}, text));
  });
  return el("fieldset", { class: "live-choice" }, el("legend", {}, label), ...parts);
}

/** The sentence below a piece. It is spoken once the numbers rest. */
export function sentence() {
  const node = el("p", { class: "live-says" });
  const spoken = el("p", { class: "live-unseen", "aria-live": "polite" });
  let timer = 0;
  return {
    nodes: [node, spoken],
    say(text) {
      node.textContent = text;
      clearTimeout(timer);
      timer = setTimeout(() => { spoken.textContent = text; }, 900);
    },
  };
}

/** What the lines of a plot are: [class, words] each. */
export function legend(...entries) {
  const one = ([kind, words]) => el("li", {},
    svg("svg", { class: "live-swatch", viewBox: "0 0 26 10", "aria-hidden": "true" },
      ...(kind === "meta" ? [svg("path", { class: "live-line under", d: "M1 5H25" })] : []),
      svg("path", { class: `live-line ${kind}`, d: "M1 5H25" })), words);
  return el("ul", { class: "live-legend" }, ...entries.map(one));
}

/** Whether whoever reads does not want things to move by themselves. */
export const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Random numbers in [0, 1) from a seed: the same in every browser (mulberry32). */
export function chance(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), state | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return ((value ^ (value >>> 14)) >>> 0) / 4294967296;
  };
}

/** A JSON file beside these modules; each is read once. */
const files = new Map();
export function read(name) {
  if (!files.has(name)) {
    const url = new URL(name, import.meta.url);
    files.set(name, fetch(url).then((answer) => {
      if (!answer.ok) throw new Error(`${url} was not found`);
      return answer.json();
    }));
  }
  return files.get(name);
}

/** A number with so many digits, as one says it. */
export const short = (value) => {
  if (!Number.isFinite(value) || value > 1e6) return "beyond all measure";
  if (value < 0.005) return "less than 0.01";
  return value >= 100 ? Math.round(value).toLocaleString("en") : value >= 10 ? value.toFixed(1) : value.toFixed(2);
};
