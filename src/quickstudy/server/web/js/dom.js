// Elements made from JavaScript: words become text nodes, never markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element; `props` are attributes, `on*` functions are listeners, true and false set and omit an attribute. */
export function el(tag, props = {}, ...children) {
  return filled(document.createElement(tag), props, children);
}

/** The same in the namespace of SVG. */
export function svg(tag, props = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), props, children);
}

function filled(node, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.flat(2).filter((one) => one !== null && one !== undefined && one !== false));
  return node;
}

/** A symbol of icons.svg. */
export function icon(name) {
  return svg("svg", { class: "icon", "aria-hidden": "true" }, svg("use", { href: `/static/icons.svg#${name}` }));
}

/** A button of words, with an icon before them. */
export function button(words, props = {}, symbol = null) {
  return el("button", { type: "button", class: "button", ...props }, symbol && icon(symbol), words);
}

/** A round button of an icon alone, with its name for those who do not see it. */
export function round(symbol, name, onclick, props = {}) {
  return el("button", { type: "button", class: "round", "aria-label": name, title: name, onclick, ...props }, icon(symbol));
}

/** "3 examples", "1 example". */
export function count(number, word) {
  return `${number.toLocaleString("en")} ${word}${number === 1 ? "" : "s"}`;
}

/** "87 %". */
export function percent(share) {
  return `${Math.round(100 * share)} %`;
}

/** "3.2 ms", "48 ms", "1.3 s". */
export function duration(ms) {
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`;
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}
