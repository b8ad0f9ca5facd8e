// MAML with one number: two tasks, one step in each, and the slope of what is left, exact and of first order.
//
//   support loss of a task: a / 2 (w - c)^2, its step: w' = w - rate a (w - c)
//   query loss: a / 2 (w' - q)^2, its slope by w: a (w' - q) (1 - rate a); first order leaves out the last factor

import { Plot, range } from "./plot.js";
import { legend, row, sentence, slider } from "./parts.js";

export const TASKS = [{ a: 1, c: -1.6, q: -1.2 }, { a: 3, c: 1.4, q: 1.2 }];
const TOP = 5;

/** Mean over the tasks after one step from `w`: the query loss, its exact slope, and the one of first order. */
export function after(tasks, w, rate) {
  const sum = { loss: 0, exact: 0, first: 0 };
  for (const { a, c, q } of tasks) {
    const moved = w - rate * a * (w - c);
    sum.loss += ((a / 2) * (moved - q) ** 2) / tasks.length;
    sum.exact += (a * (moved - q) * (1 - rate * a)) / tasks.length;
    sum.first += (a * (moved - q)) / tasks.length;
  }
  return sum;
}

export async function start() {
  const says = sentence();
  const plot = new Plot({ label: "The query loss after one step, by where it starts", x: [-3, 3], y: [-1, TOP], marks: { x: [-2, 0, 2], y: [0, 2, 4] }, title: { x: "start w", y: "query loss after one step" }, ratio: 0.5 });
  const places = range(-3, 3, 121);
  let [w, rate] = [-0.8, 0.2];
  const show = () => {
    const here = after(TASKS, w, rate);
    plot.line("curve", places.map((x) => [x, after(TASKS, x, rate).loss]), "plain");
    const tangent = (slope) => [-1.1, 1.1].map((by) => [w + by, here.loss + by * slope]);
    plot.line("exact", tangent(here.exact), "meta");
    plot.line("first", tangent(here.first), "average");
    plot.dots("here", [[w, here.loss]], "circle", "marked");
    const same = here.exact * here.first > 0 ? "They point the same way." : "They point in opposite ways: first order would walk uphill.";
    says.say(`At w = ${w.toFixed(1)}, after one step of rate ${rate.toFixed(2)} in each task, the query loss is ${here.loss.toFixed(2)}. Its slope is ${here.exact.toFixed(2)}; first order says ${here.first.toFixed(2)}. ${same}`);
  };
  show();
  return [
    plot.node, legend(["plain", "query loss after the step"], ["meta", "exact slope"], ["average", "slope of first order"]),
    row(
      slider({ label: "Start w", min: -2.5, max: 2.5, step: 0.1, value: w, words: (one) => one.toFixed(1), changed: (one) => { w = one; show(); } }),
      slider({ label: "Rate of the inner step", min: 0, max: 1, step: 0.05, value: rate, words: (one) => one.toFixed(2), changed: (one) => { rate = one; show(); } })),
    ...says.nodes,
  ];
}
