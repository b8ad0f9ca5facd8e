// Prototypes in the plane: a class is the mean of its examples, and a query belongs to the nearest mean.

import { distance, mean } from "./conv.js";
import { Plot, mark } from "./plot.js";
import { button, el, row, sentence, svg } from "./parts.js";

const MARKS = ["circle", "square", "triangle"];
const WORDS = ["circles", "squares", "triangles"];
const FIRST = [[[-3.6, 2.2], [-2.4, 3.4]], [[2.6, 2.6], [3.8, 1.2]], [[-0.6, -2.8], [1, -3.4]], [[0.2, 0.4]]];
const CELLS = 60; // across the plane

/** The number of the nearest prototype. */
export const nearest = (prototypes, query) => {
  const far = prototypes.map((one) => distance(one, query));
  return far.indexOf(Math.min(...far));
};

/** The mean of each pair of points, how far the last point is from each, and the number of the nearest. */
export function judge(points) {
  const prototypes = [0, 2, 4].map((at) => mean([points[at], points[at + 1]]));
  const query = points.at(-1);
  return { prototypes, far: prototypes.map((one) => Math.sqrt(distance(one, query))), own: nearest(prototypes, query) };
}

export async function start() {
  const says = sentence();
  const plot = new Plot({ label: "Examples of three classes, to be moved, and a query", x: [-6, 6], y: [-4.5, 4.5], ratio: 0.7, most: 420, margin: { left: 1, right: 1, top: 1, bottom: 1 } });
  let points = FIRST.flat().map((point) => [...point]);

  const show = () => {
    const { prototypes, far, own } = judge(points);
    plot.shape("regions", () => {
      const [columns, rows] = [CELLS, Math.round(CELLS * 0.7)];
      const cells = [];
      for (let column = 0; column < columns; column++) {
        for (let down = 0; down < rows; down++) {
          const centre = [-6 + (12 * (column + 0.5)) / columns, -4.5 + (9 * (down + 0.5)) / rows];
          const [left, top] = plot.at([centre[0] - 6 / columns, centre[1] + 4.5 / rows]);
          const [right, bottom] = plot.at([centre[0] + 6 / columns, centre[1] - 4.5 / rows]);
          const kind = MARKS[nearest(prototypes, centre)];
          cells.push(svg("rect", { class: `live-region ${kind}`, x: left, y: top, width: right - left, height: bottom - top, "shape-rendering": "crispEdges" }));
        }
      }
      return cells;
    }, plot.below);
    prototypes.forEach((one, at) => {
      plot.line(`arm ${at}`, [points[2 * at], one, points[2 * at + 1]], "trail");
      plot.dots(`prototype ${at}`, [one], MARKS[at], "marked");
    });
    const [circles, squares, triangles] = far.map((one) => one.toFixed(1));
    says.say(`The query (the cross) is ${circles} from the mean of the circles, ${squares} from that of the squares and ${triangles} from that of the triangles: it belongs to the ${WORDS[own]}.`);
  };
  const handles = () => plot.handle(points, {
    changed: (now) => { points = now; show(); },
    kind: (number) => MARKS[Math.floor(number / 2)] ?? "cross",
    name: (number) => (number === 6 ? "The query" : `Example ${1 + (number % 2)} of the ${WORDS[Math.floor(number / 2)]}`),
  });
  const again = () => { points = FIRST.flat().map((point) => [...point]); handles(); show(); };
  again();
  const swatch = (style, kind) => svg("svg", { class: "live-swatch", viewBox: "0 0 26 14", "aria-hidden": "true" }, mark(kind, [13, 7], 5, style));
  return [
    plot.node,
    el("ul", { class: "live-legend" }, el("li", {}, swatch("live-knob", "circle"), "an example: move it"), el("li", {}, swatch("live-dot marked", "circle"), "a prototype"), el("li", {}, swatch("live-knob cross", "cross"), "the query: move it")),
    row(button("As it was", again)), ...says.nodes,
  ];
}
