// How sure is a score? The same test with few tasks or with many, again and again.

import { Plot } from "./plot.js";
import { button, chance, read, row, sentence, slider, svg } from "./parts.js";

const SIZES = [5, 10, 20, 50, 100, 200, 500, 1000];
const TIMES = 20;

/** Mean and half the width of the 95 % interval of the mean (normal approximation). */
export function interval(scores) {
  const mean = scores.reduce((sum, one) => sum + one, 0) / scores.length;
  const variance = scores.reduce((sum, one) => sum + (one - mean) ** 2, 0) / (scores.length - 1);
  return { mean, half: 1.96 * Math.sqrt(variance / scores.length) };
}

export async function start() {
  const { right, asked } = await read("tasks.json");
  const scores = right.map((one) => (100 * one) / asked);
  const truth = interval(scores).mean;
  const says = sentence();
  const low = Math.max(0, Math.floor((truth - 12) / 5) * 5);
  const plot = new Plot({
    label: `The same test ${TIMES} times: mean and interval of each`, x: [0.3, TIMES + 0.7], y: [low, 100],
    marks: { y: [low, (low + 100) / 2, 100].map((one) => [one, `${one} %`]), x: [[1, "1st test"], [TIMES, `${TIMES}th`]] }, ratio: 0.42,
  });
  let size = 2;
  let seed = 1;

  const show = () => {
    const random = chance(seed * 100 + size);
    const tests = Array.from({ length: TIMES }, () => interval(Array.from({ length: SIZES[size] }, () => scores[Math.floor(random() * scores.length)])));
    plot.line("truth", [[0.3, truth], [TIMES + 0.7, truth]]);
    plot.shape("bars", () => tests.flatMap(({ mean, half }, at) => {
      const [x, top] = plot.at([at + 1, Math.min(100, mean + half)]);
      const bottom = plot.at([at + 1, Math.max(low, mean - half)])[1];
      const held = Math.abs(mean - truth) <= half;
      return [
        svg("path", { class: `live-line ${held ? "" : "other"}`, d: `M${x} ${top}V${bottom}` }),
        svg("circle", { class: `live-dot ${held ? "" : "marked"}`, cx: x, cy: plot.at([at + 1, mean])[1], r: held ? 3.5 : 5 }),
      ];
    }));
    const held = tests.filter(({ mean, half }) => Math.abs(mean - truth) <= half).length;
    const means = tests.map(({ mean }) => mean);
    says.say(`With ${SIZES[size]} tasks the first test says ${means[0].toFixed(1)} ± ${tests[0].half.toFixed(1)} %. The ${TIMES} tests say from ${Math.min(...means).toFixed(1)} to ${Math.max(...means).toFixed(1)} %; ${held} of the ${TIMES} intervals hold ${truth.toFixed(1)} %, the mean of all thousand tasks.`);
  };
  show();
  return [
    plot.node,
    row(slider({ label: "Tasks in a test", min: 0, max: SIZES.length - 1, value: size, words: (one) => String(SIZES[one]), changed: (one) => { size = one; show(); } })),
    row(button("Test again", () => { seed += 1; show(); })), ...says.nodes,
  ];
}
