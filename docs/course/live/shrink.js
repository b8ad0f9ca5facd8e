// One person's few measurements, the crowd's mean, and the mixture of the two that errs least.

import { Plot, range } from "./plot.js";
import { legend, row, sentence, slider } from "./parts.js";

const NOISE = 1; // standard deviation of a measurement
const MOST = 20;

/** Mean squared errors after n measurements: of the own mean, of the crowd's, and of the best mixture; its own share. */
export function errors(n, spread) {
  const own = n ? NOISE ** 2 / n : Infinity;
  const crowd = spread ** 2;
  const share = crowd === 0 ? 0 : n / (n + NOISE ** 2 / crowd);
  return { own, crowd, mixed: crowd === 0 ? 0 : 1 / (1 / crowd + n / NOISE ** 2), share };
}

export async function start() {
  const says = sentence();
  const plot = new Plot({
    label: "The error by the number of measurements", x: [0, MOST], y: [0, 1.6],
    marks: { x: [0, 1, 5, 10, 15, 20], y: [0, 0.5, 1, 1.5] }, title: { x: "measurements of the person", y: "mean squared error" }, ratio: 0.45,
  });
  let [n, spread] = [2, 0.7];
  const show = () => {
    const ns = range(0, MOST, MOST * 5 + 1);
    for (const [name, kind] of [["own", "average"], ["crowd", "truth"], ["mixed", "meta"]]) {
      plot.line(name, ns.map((one) => [one, errors(one, spread)[name]]).map(([x, y]) => [x, y > 1.6 ? NaN : y]), kind);
    }
    plot.line("here", [[n, 0], [n, 1.42]], "here");
    const { own, crowd, mixed, share } = errors(n, spread);
    const alone = Number.isFinite(own) ? own.toFixed(2) : "nothing that could be said";
    says.say(`With ${n} ${n === 1 ? "measurement" : "measurements"}: the person's own mean alone has ${alone}, the crowd's mean ${crowd.toFixed(2)}, the mixture ${mixed.toFixed(2)}. In the mixture the person's own data have a weight of ${Math.round(100 * share)} %.`);
  };
  show();
  return [
    plot.node, legend(["average", "the person's own data alone"], ["truth", "everybody is like the mean"], ["meta", "both, weighed"]),
    row(
      slider({ label: "Measurements of this person", min: 0, max: MOST, value: n, changed: (one) => { n = one; show(); } }),
      slider({ label: "How different people are", min: 0.1, max: 1.2, step: 0.1, value: spread, words: (one) => one.toFixed(1), changed: (one) => { spread = one; show(); } })),
    ...says.nodes,
  ];
}
