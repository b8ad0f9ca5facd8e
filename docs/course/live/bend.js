// Drag the points of a wave, and watch a start that was learnt bend towards them, step by step.

import { adapt, load, loss, predict } from "./net.js";
import { Plot, range } from "./plot.js";
import { button, chance, legend, read, row, sentence, short, slider, still } from "./parts.js";

const STEPS = 10;
const XS = range(-5, 5, 161);
const PLACES = [-4.2, -2.6, -0.9, 0.8, 2.3, 3.9, -3.4, 1.6];
const COUNT = 5;

export async function start() {
  const { nets, rate } = await read("waves.json");
  const learnt = load(nets.meta);
  const average = load(nets.average);
  const random = chance(7);
  const says = sentence();
  let points = [];
  let steps = 0;
  let timer = 0;

  const plot = new Plot({
    label: "A wave: points that you can move, and two curves that learn it",
    x: [-5, 5], y: [-6, 6], marks: { x: [-4, -2, 0, 2, 4], y: [-4, 0, 4] },
  });

  const show = () => {
    const paths = { meta: adapt(learnt, points, rate, steps), average: adapt(average, points, rate, steps) };
    const curve = (net) => predict(net, XS).map((y, at) => [XS[at], y]);
    for (let number = 0; number < STEPS; number++) {
      plot.line(`trail-${number}`, number < steps ? curve(paths.meta[number]) : [], "trail");
    }
    plot.line("average", curve(paths.average.at(-1)));
    plot.line("meta", curve(paths.meta.at(-1)));
    const off = Object.fromEntries(Object.entries(paths).map(([name, path]) => [name, loss(path.at(-1), points)]));
    const when = steps ? `After ${steps} ${steps === 1 ? "step" : "steps"}` : "Before the first step";
    says.say(`${when} the learnt start is off by ${short(off.meta)} at the points (mean squared error), the net that was trained on all waves at once by ${short(off.average)}.`);
  };

  const handles = () => plot.handle(points, {
    changed: (now) => { points = now; show(); }, name: (number) => `Point ${number + 1} of ${points.length}`,
  });
  const take = (wave, count) => {
    points = PLACES.slice(0, count).map((x) => [x, wave.amplitude * Math.sin(x - wave.phase)]);
    handles();
    show();
  };
  let wave = { amplitude: 3.2, phase: 0.6 };
  const another = () => {
    wave = { amplitude: 1 + 4 * random(), phase: Math.PI * random() };
    take(wave, points.length);
  };
  const more = (by) => {
    const count = points.length + by;
    if (count < 1 || count > PLACES.length) return;
    const x = PLACES[count - 1];
    points = by > 0 ? [...points, [x, wave.amplitude * Math.sin(x - wave.phase)]] : points.slice(0, -1);
    handles();
    show();
  };
  const go = (to) => { steps = to; control.set(to); show(); };
  const play = () => {
    clearInterval(timer);
    if (still()) return go(STEPS);
    go(0);
    timer = setInterval(() => (steps < STEPS ? go(steps + 1) : clearInterval(timer)), 420);
  };
  const control = slider({
    label: "Gradient steps", min: 0, max: STEPS, value: 0, changed: (value) => { clearInterval(timer); steps = value; show(); },
  });
  take(wave, COUNT);
  return [
    plot.node, legend(["meta", "a start that was learnt"], ["average", "trained on all waves at once"], ["trail", "the learnt start, earlier steps"]),
    row(control), row(button("Play the steps", play), button("Another wave", another), button("One point more", () => more(1)), button("One fewer", () => more(-1))),
    ...says.nodes,
  ];
}
