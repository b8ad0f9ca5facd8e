// The best of many equals: choose by the test, and the test no longer tells the truth.

import { Plot } from "./plot.js";
import { button, chance, row, sentence, slider, svg } from "./parts.js";

const TRUTH = 0.6;
const ANSWERS = 15; // in a task
const NEW = 200; // tasks on which the one that was chosen is tested again
const MOST = 50; // methods
export const SIZES = [5, 10, 20, 50, 100, 200];

/** The share that is right of `count` answers, each right with chance TRUTH. */
function judged(random, count) {
  let right = 0;
  for (let at = 0; at < count; at++) right += random() < TRUTH;
  return right / count;
}

/** What a test of SIZES[size] tasks says of each method, which one is the best of them, and what that one has on new tasks. */
export function choose(methods, size, seed) {
  const random = chance(1000 * seed + 10 * size);
  const every = Array.from({ length: MOST }, () => judged(random, SIZES[size] * ANSWERS));
  const tried = every.slice(0, methods);
  return { tried, best: tried.indexOf(Math.max(...tried)), again: judged(random, NEW * ANSWERS) };
}

export async function start() {
  const says = sentence();
  const plot = new Plot({
    label: "What the test says of each method", x: [0.3, 50.7], y: [0.3, 0.9],
    marks: { x: [1, 10, 20, 30, 40, 50], y: [[0.3, "30 %"], [0.6, "60 %"], [0.9, "90 %"]] }, ratio: 0.42, title: { x: "methods that were tried" },
  });
  let [methods, size, seed] = [20, 1, 1];
  const show = () => {
    const { tried, best, again } = choose(methods, size, seed);
    plot.line("truth", [[0.3, TRUTH], [50.7, TRUTH]]);
    plot.shape("bars", () => tried.map((score, at) => {
      const [x, top] = plot.at([at + 1, Math.min(score, 0.9)]);
      const [right, bottom] = plot.at([at + 1.8, 0.3]);
      return svg("rect", { class: `live-bar ${at === best ? "best" : ""}`, x: x - (right - x) / 2, y: top, width: right - x, height: Math.max(0, bottom - top) });
    }));
    const percent = (value) => (100 * value).toFixed(1);
    says.say(`All ${methods} are right in 60 % of all cases, by construction. On these ${SIZES[size]} tasks the best one looks like ${percent(tried[best])} %. On ${NEW} new tasks the same one has ${percent(again)} %.`);
  };
  show();
  return [
    plot.node,
    row(
      slider({ label: "Methods that were tried", min: 1, max: MOST, value: methods, changed: (one) => { methods = one; show(); } }),
      slider({ label: "Tasks in the test", min: 0, max: SIZES.length - 1, value: size, words: (one) => String(SIZES[one]), changed: (one) => { size = one; show(); } })),
    row(button("Try again", () => { seed += 1; show(); })), ...says.nodes,
  ];
}
