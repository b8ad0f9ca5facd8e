// The area under the curve of learning, over a logarithmic axis: draw your own curve.

import { Plot } from "./plot.js";
import { button, legend, row, sentence, svg } from "./parts.js";

export const SHOTS = [1, 2, 5, 10, 20];
const OTHER = [0.45, 0.5, 0.55, 0.58, 0.6];
const FIRST = [0.1, 0.2, 0.5, 0.75, 0.9];
const XS = SHOTS.map(Math.log);

/** Mean of the scores over the logarithm of the shots, with straight lines between. */
export function area(scores) {
  let sum = 0;
  for (let at = 1; at < XS.length; at++) sum += ((scores[at] + scores[at - 1]) / 2) * (XS[at] - XS[at - 1]);
  return sum / (XS.at(-1) - XS[0]);
}

export async function start() {
  const says = sentence();
  const plot = new Plot({
    label: "Scores by the number of examples; yours can be moved", x: [XS[0], XS.at(-1)], y: [0, 1],
    marks: { x: SHOTS.map((shot, at) => [XS[at], String(shot)]), y: [[0, "chance"], 0.5, [1, "best"]] }, title: { x: "examples" }, ratio: 0.5,
    margin: { left: 56, right: 16, top: 10, bottom: 34 },
  });
  let points;
  const show = () => {
    plot.shape("area", () => {
      const corners = [[XS[0], 0], ...points, [XS.at(-1), 0]].map((one) => plot.at(one).map((value) => value.toFixed(1)).join(" "));
      return [svg("path", { class: "live-area", d: `M${corners.join("L")}Z` })];
    }, plot.below);
    plot.line("other", XS.map((x, at) => [x, OTHER[at]]), "average");
    plot.line("yours", points, "plain");
    const [mine, other] = [area(points.map(([, y]) => y)), area(OTHER)];
    const who = Math.abs(mine - other) < 0.005 ? "as much as" : mine > other ? "more than" : "less than";
    says.say(`Your area is ${mine.toFixed(2)}, ${who} the ${other.toFixed(2)} of the other entry. At twenty examples you have ${points.at(-1)[1].toFixed(2)} and it has ${OTHER.at(-1).toFixed(2)}.`);
  };
  const again = () => {
    points = XS.map((x, at) => [x, FIRST[at]]);
    plot.handle(points, {
      changed: (now) => { points = now; show(); }, free: "y", keys: [0, 0.05], say: ([, y]) => y.toFixed(2),
      name: (number) => `Your score with ${SHOTS[number]} ${number ? "examples" : "example"}`,
    });
    show();
  };
  again();
  return [plot.node, legend(["plain", "your entry: move its points"], ["average", "another entry"]), row(button("As it was", again)), ...says.nodes];
}
