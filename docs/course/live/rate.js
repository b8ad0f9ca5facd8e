// Turn the rate of the steps until they diverge.

import { adapt, load, loss, predict } from "./net.js";
import { Plot, range } from "./plot.js";
import { choice, columns, legend, read, row, sentence, short, slider } from "./parts.js";

const STEPS = 20;
const XS = range(-5, 5, 121);
const POINTS = [-4.2, -2.6, -0.9, 0.8, 2.3, 3.9].map((x) => [x, 2.4 * Math.sin(x - 0.9)]);
const LOGS = range(-3, 0, 61); // powers of ten of the rates
const LOSSES = [1e-6, 1000];

/** Losses after each step; once one is beyond all measure, the rest is too. */
export function course(net, points, rate, steps) {
  const losses = adapt(net, points, rate, steps).map((one) => loss(one, points));
  const gone = losses.findIndex((value) => !(value < 1e6));
  return losses.map((value, at) => (gone >= 0 && at >= gone ? Infinity : value));
}

export async function start() {
  const { nets, rate: own } = await read("waves.json");
  const starts = { meta: load(nets.meta), scratch: load(nets.scratch) };
  const says = sentence();
  let kind = "meta";
  let log = Math.log10(own);

  const marks = { y: [[1e-6, "10⁻⁶"], [0.001, "0.001"], [1, "1"], [1000, "1000"]] };
  const falls = new Plot({
    label: "The error after each step", x: [0, STEPS], y: LOSSES, log: true,
    marks: { ...marks, x: [0, 5, 10, 15, 20] }, title: { x: "steps", y: "error" }, ratio: 0.7,
  });
  const sweep = new Plot({
    label: "The error after twenty steps, for every rate", x: [-3, 0], y: LOSSES, log: true,
    marks: { ...marks, x: [[-3, "0.001"], [-2, "0.01"], [-1, "0.1"], [0, "1"]] }, title: { x: "rate", y: "error after 20 steps" }, ratio: 0.7,
  });
  const wave = new Plot({ label: "The curve after twenty steps", x: [-5, 5], y: [-6, 6], marks: { x: [-4, 0, 4], y: [-4, 0, 4] }, ratio: 0.36 });
  wave.dots("points", POINTS);

  const rates = () => {
    const ends = LOGS.map((one) => [one, course(starts[kind], POINTS, 10 ** one, STEPS).at(-1)]);
    sweep.line("sweep", ends.map(([x, y]) => [x, Math.min(y, LOSSES[1])]), "plain");
  };
  const show = () => {
    const rate = 10 ** log;
    const losses = course(starts[kind], POINTS, rate, STEPS);
    falls.line("falls", losses.map((value, at) => [at, Math.min(value, LOSSES[1])]), "meta");
    sweep.line("here", [[log, LOSSES[0]], [log, LOSSES[1]]], "here");
    const end = adapt(starts[kind], POINTS, rate, STEPS).at(-1);
    wave.line("curve", predict(end, XS).map((y, at) => [XS[at], y]), "meta");
    const gone = losses.findIndex((value) => !Number.isFinite(value));
    const last = losses.at(-1);
    const best = Math.min(...losses);
    if (gone >= 0) says.say(`With a rate of ${short4(rate)} the steps diverge: at step ${gone} the error is beyond a million.`);
    else if (last > 2 * best && last > 0.2) says.say(`With a rate of ${short4(rate)} the steps jump about: the error was ${short(best)} at best and is ${short(last)} after ${STEPS} steps.`);
    else says.say(`With a rate of ${short4(rate)} the error falls from ${short(losses[0])} to ${last < 0.001 ? "less than 0.001" : last < 0.1 ? last.toFixed(3) : short(last)} in ${STEPS} steps.`);
  };
  rates();
  show();
  return [
    columns(falls.node, sweep.node), wave.node, legend(["meta", "with this rate"], ["plain", "with every rate"]),
    row(slider({ label: "Rate of the steps", min: -3, max: 0, step: 0.02, value: log, words: (one) => short4(10 ** one), changed: (one) => { log = one; show(); } })),
    row(choice("Start", { meta: "that was learnt", scratch: "that was not" }, kind, (one) => { kind = one; rates(); show(); })),
    ...says.nodes,
  ];
}

const short4 = (value) => value.toPrecision(2);
