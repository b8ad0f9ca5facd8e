// The best of many equals: choose by the test, and the test no longer tells the truth.

import { Plot } from "./plot.js";
import { button, chance, row, sentence, slider, svg } from "./parts.js";

const TRUTH = 0.6;
const ANSWERS = 15; // in a task
const SIZES = [5, 10, 20, 50, 100, 200];

/** The share that is right of `count` answers, each right with chance TRUTH. */
function judged(random, count) {
  let right = 0;
  for (let at = 0; at < count; at++) right += random() < TRUTH;
  return right / count;
}

export async function start() {
  const says = sentence();
  const plot = new Plot({
    label: "What the test says of each method", x: [0.3, 50.7], y: [0.3, 0.9],
    marks: { x: [1, 10, 20, 30, 40, 50], y: [[0.3, "30 %"], [0.6, "60 %"], [0.9, "90 %"]] }, ratio: 0.42, title: { x: "methods that were tried" },
  });
  let [methods, size, seed] = [20, 1, 1];
  const show = () => {
    const random = chance(1000 * seed + 10 * size);
    const every = Array.from({ length: 50 }, () => judged(random, SIZES[size] * ANSWERS));
    const tried = every.slice(0, methods);
    const best = tried.indexOf(Math.max(...tried));
    const again = judged(random, 200 * ANSWERS);
    plot.line("truth", [[0.3, TRUTH], [50.7, TRUTH]]);
    plot.shape("bars", () => tried.map((score, at) => {
      const [x, top] = plot.at([at + 1, Math.min(score, 0.9)]);
      const [right, bottom] = plot.at([at + 1.8, 0.3]);
      return svg("rect", { class: `live-bar ${at === best ? "best" : ""}`, x: x - (right - x) / 2, y: top, width: right - x, height: Math.max(0, bottom - top) });
    }));
    const percent = (value) => (100 * value).toFixed(1);
    says.say(`All ${methods} are right in 60 % of all cases, by construction. On these ${SIZES[size]} tasks the best one looks like ${percent(tried[best])} %. On 200 new tasks the same one has ${percent(again)} %.`);
  };
  show();
  return [
    plot.node,
    row(
      slider({ label: "Methods that were tried", min: 1, max: 50, value: methods, changed: (one) => { methods = one; show(); } }),
      slider({ label: "Tasks in the test", min: 0, max: SIZES.length - 1, value: size, words: (one) => String(SIZES[one]), changed: (one) => { size = one; show(); } })),
    row(button("Try again", () => { seed += 1; show(); })), ...says.nodes,
  ];
}
