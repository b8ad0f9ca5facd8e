// Two starts, one learnt from waves of all kinds, one from waves that were all alike, and a wave to try them on.

import { adapt, load, predict } from "./net.js";
import { Plot, range } from "./plot.js";
import { columns, el, legend, read, sentence, short, svg } from "./parts.js";

const STEPS = 5;
const XS = range(-5, 5, 81);
const PLACES = [-4.4, -3.1, -1.8, -0.6, 0.7, 1.9, 3.2, 4.5];
const AMPLITUDES = range(0.25, 4.75, 10);
const PHASES = range(Math.PI / 24, Math.PI - Math.PI / 24, 12);
const HARD = 4; // an error that is drawn as dark as it gets

/** Mean squared error over the whole wave after the steps. */
export function miss(net, amplitude, phase, rate) {
  const points = PLACES.map((x) => [x, amplitude * Math.sin(x - phase)]);
  const answers = predict(adapt(net, points, rate, STEPS).at(-1), XS);
  return answers.reduce((sum, answer, at) => sum + (answer - amplitude * Math.sin(XS[at] - phase)) ** 2, 0) / XS.length;
}

export async function start() {
  const data = await read("waves.json");
  const starts = { wide: load(data.nets.meta), narrow: load(data.nets.narrow) };
  const says = sentence();
  const wave = new Plot({
    label: "The wave, and what each start makes of eight points of it", x: [-5, 5], y: [-6, 6],
    marks: { x: [-4, -2, 0, 2, 4], y: [-4, 0, 4] }, ratio: 0.42,
  });
  let here = [0.4, 1.5]; // phase, amplitude

  const map = (kind, title) => {
    const plot = new Plot({
      label: `${title}: error by phase and amplitude`, x: [0, Math.PI], y: [0, 5],
      marks: { x: [[0, "0"], [Math.PI / 2, "½ π"], [Math.PI, "π"]], y: [1, 3, 5] }, title: { x: "phase" }, ratio: 0.72, most: 300,
    });
    const cells = PHASES.flatMap((phase) => AMPLITUDES.map((amplitude) => [phase, amplitude, miss(starts[kind], amplitude, phase, data.rate)]));
    plot.shape("cells", () => cells.map(([phase, amplitude, error]) => {
      const [left, top] = plot.at([phase - Math.PI / 24, amplitude + 0.25]);
      const [right, bottom] = plot.at([phase + Math.PI / 24, amplitude - 0.25]);
      return svg("rect", {
        class: "live-cell", x: left, y: top, width: right - left + 0.5, height: bottom - top + 0.5,
        style: `opacity: ${Math.min(1, Math.sqrt(error / HARD)).toFixed(3)}`,
      });
    }), plot.below);
    const { amplitude, phase } = data[kind];
    plot.shape("box", () => {
      const [left, top] = plot.at([phase[0], amplitude[1]]);
      const [right, bottom] = plot.at([phase[1], amplitude[0]]);
      return [svg("rect", { class: "live-box", x: left, y: top, width: right - left, height: bottom - top })];
    });
    return { plot, figure: el("figure", { class: "live-figure" }, el("figcaption", {}, title), plot.node) };
  };
  const maps = { narrow: map("narrow", "Learnt from waves that are alike"), wide: map("wide", "Learnt from waves of all kinds") };

  const show = () => {
    const [phase, amplitude] = here;
    const points = PLACES.map((x) => [x, amplitude * Math.sin(x - phase)]);
    wave.dots("points", points);
    const curve = (net) => predict(adapt(net, points, data.rate, STEPS).at(-1), XS).map((y, at) => [XS[at], y]);
    wave.line("truth", XS.map((x) => [x, amplitude * Math.sin(x - phase)]));
    wave.line("average", curve(starts.narrow));
    wave.line("meta", curve(starts.wide));
    const inside = ["amplitude", "phase"].every((name, at) => {
      const value = [amplitude, phase][at];
      return data.narrow[name][0] <= value && value <= data.narrow[name][1];
    });
    const [narrow, wide] = ["narrow", "wide"].map((kind) => short(miss(starts[kind], amplitude, phase, data.rate)));
    const where = inside ? "This wave is like those that the narrow start was trained on" : "The narrow start never met a wave like this";
    says.say(`${where}. After ${STEPS} steps on eight points it is off by ${narrow}, the other one by ${wide} (mean squared error).`);
  };
  for (const [kind, { plot }] of Object.entries(maps)) {
    plot.handle([here], {
      name: () => "The wave that is asked", keys: [Math.PI / 24, 0.25], kind: () => "circle",
      say: ([phase, amplitude]) => `phase ${phase.toFixed(2)}, amplitude ${amplitude.toFixed(2)}`,
      changed: ([point]) => { here = point; maps[kind === "wide" ? "narrow" : "wide"].plot.moveTo(0, here); show(); },
    });
  }
  show();
  return [
    columns(maps.narrow.figure, maps.wide.figure),
    el("p", { class: "live-note" }, "The more colour, the larger the error; a box is around the waves of its training. Move the circle: up for a higher wave, to the right for another phase."),
    wave.node, legend(["truth", "the wave"], ["average", "learnt from waves that are alike"], ["meta", "learnt from waves of all kinds"]), ...says.nodes,
  ];
}
