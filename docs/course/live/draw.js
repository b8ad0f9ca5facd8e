// Draw two characters, see the prototype of each, and ask which one a third drawing is.

import { distance, embed, load, mean, softmax } from "./conv.js";
import { ink, paint } from "./ink.js";
import { Pad } from "./pad.js";
import { Plot } from "./plot.js";
import { button, el, read, row, sentence, svg } from "./parts.js";

const NAMES = ["First character", "Second character"];
const MARKS = ["circle", "square"];
const MOST = 4; // drawings of one character

export async function start() {
  const [net, samples] = await Promise.all([read("characters.json").then(({ blocks }) => load(blocks)), read("tasks.json").then((one) => one.drawings)]);
  const says = sentence();
  const kept = [[], []];
  let asked = null; // ink that was filled in, instead of a drawing

  const refresh = () => {
    const drawn = pads.map((pad, at) => [...kept[at], ...(pad.empty ? [] : [ink(pad.strokes)])]);
    const query = ask.empty ? asked : ink(ask.strokes);
    const seen = drawn.map((list) => list.map((one) => embed(net, one)));
    const prototypes = seen.map((list) => (list.length ? mean(list) : null));
    const question = query && embed(net, query);
    thumbs.forEach((node, at) => node.replaceChildren(...kept[at].map((one) => picture(one, `Kept drawing of the ${NAMES[at].toLowerCase()}`))));
    others.replaceChildren(...(asked && ask.empty ? [picture(asked, "The drawing that is asked")] : []));
    strips(prototypes, question);
    map(seen, prototypes, question);
    tell(prototypes, question);
  };

  const picture = (values, label) => {
    const canvas = el("canvas", { class: "live-thumb", role: "img", "aria-label": label });
    requestAnimationFrame(() => paint(canvas, values));
    return canvas;
  };

  const pads = NAMES.map((name) => new Pad(`Draw the ${name.toLowerCase()}`, () => refresh()));
  const ask = new Pad("Draw one of the two again", () => { asked = null; refresh(); });
  const thumbs = NAMES.map(() => el("div", { class: "live-thumbs" }));
  const others = el("div", { class: "live-thumbs" });
  const keep = (at) => {
    if (pads[at].empty || kept[at].length >= MOST) return;
    kept[at].push(ink(pads[at].strokes));
    pads[at].clear();
  };
  pads.forEach((pad, at) => { pad.done = () => keep(at); });
  const clear = () => {
    kept.forEach((list) => { list.length = 0; });
    asked = null;
    for (const pad of [...pads, ask]) pad.clear();
  };
  let turn = 0;
  const fillIn = () => {
    clear();
    kept.forEach((list, at) => list.push(...samples.support[at].map(values)));
    asked = values(samples.query[turn++ % samples.query.length]);
    refresh();
  };

  const table = el("div", { class: "live-strips" });
  const strips = (prototypes, question) => {
    const most = Math.max(1e-9, ...[...prototypes, question].filter(Boolean).flatMap((one) => [...one]));
    const lines = [[`Prototype, ${NAMES[0].toLowerCase()}`, prototypes[0]], [`Prototype, ${NAMES[1].toLowerCase()}`, prototypes[1]], ["The third drawing", question]];
    table.replaceChildren(...lines.flatMap(([words, vector]) => [el("span", {}, words), strip(vector, most)]));
  };
  const strip = (vector, most) => {
    const count = net.at(-1).outputs;
    return svg("svg", { class: "live-strip", viewBox: `0 0 ${count * 10} 14`, "aria-hidden": "true" },
      ...Array.from({ length: count }, (_, at) => svg("rect", { class: "live-box", style: "stroke-width: .5", x: at * 10, y: 0.5, width: 10, height: 13 })),
      ...(vector ? [...vector].map((value, at) => svg("rect", { class: "live-dot", x: at * 10, y: 0.5, width: 10, height: 13, style: `opacity: ${(value / most).toFixed(3)}` })) : []));
  };

  const plot = new Plot({
    label: "Where the drawings lie between the two prototypes", x: [-0.6, 1.6], y: [0, 1.5], ratio: 0.36, most: 240,
    marks: { x: [[0, "first"], [0.5, "middle"], [1, "second"]] }, title: { y: "off the line between them" },
  });
  const map = (seen, prototypes, question) => {
    const there = prototypes[0] && prototypes[1] && distance(...prototypes) > 1e-9;
    const between = there ? distance(...prototypes) : 1;
    const place = (vector) => {
      const along = vector.reduce((sum, value, at) => sum + (value - prototypes[0][at]) * (prototypes[1][at] - prototypes[0][at]), 0) / between;
      const off = Math.sqrt(Math.max(0, distance(vector, prototypes[0]) / between - along ** 2));
      return [Math.min(1.6, Math.max(-0.6, along)), Math.min(1.5, off)];
    };
    plot.line("border", [[0.5, 0], [0.5, 1.5]], "here");
    seen.forEach((list, at) => plot.dots(`class ${at}`, there ? list.map(place) : [], MARKS[at], "hollow"));
    prototypes.forEach((one, at) => plot.dots(`prototype ${at}`, there ? [[at, 0]] : [], MARKS[at], "marked"));
    plot.dots("question", there && question ? [place(question)] : [], "cross");
  };

  const tell = (prototypes, question) => {
    if (!prototypes[0] || !prototypes[1]) says.say("Draw one example of each character, or fill in ours.");
    else if (!question) says.say("Each prototype is the mean of what the net sees in the drawings above it. Now draw one of the two again in the third field.");
    else {
      const far = prototypes.map((one) => distance(question, one));
      const share = softmax(far.map((one) => -one));
      const nearer = far[0] <= far[1] ? 0 : 1;
      says.say(`The third drawing is at a squared distance of ${far[0].toFixed(1)} from the first prototype and ${far[1].toFixed(1)} from the second: the ${NAMES[nearer].toLowerCase()}, with ${Math.round(100 * share[nearer])} %.`);
    }
  };

  const side = (title, pad, below, ...buttons) => el("div", { class: "live-class" }, el("p", { class: "live-name" }, title), pad.canvas, row(...buttons), below);
  fillIn();
  return [
    el("div", { class: "live-classes" },
      ...pads.map((pad, at) => side(NAMES[at], pad, thumbs[at],
        button("One more", () => keep(at), { "aria-label": `Keep this drawing of the ${NAMES[at].toLowerCase()} and draw one more` }),
        button("Clear", () => { kept[at].length = 0; pad.clear(); }, { "aria-label": `Clear the ${NAMES[at].toLowerCase()}` }))),
      side("Which is it?", ask, others, button("Clear", () => ask.clear(), { "aria-label": "Clear the third drawing" }))),
    row(button("Fill in ours", fillIn), button("Clear all", clear)),
    table, plot.node, ...says.nodes,
  ];
}

/** Ink from its text: a digit for each of 28 x 28. */
const values = (text) => Float64Array.from(text, (digit) => Number(digit) / 9);
