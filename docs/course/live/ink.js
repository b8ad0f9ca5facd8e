// Strokes as the net knows drawings: 28 x 28 numbers, the character in the middle, drawn with one pen.

const SIDE = 28;
const PEN = 1.35; // pixels
const SIZE = 0.66 * SIDE; // of the longer side of a character
const LEAST = 0.12; // of the pad: what is smaller is a dot, and is not blown up further

/** Strokes [[[x, y], ...], ...] with 0 to 1 across the pad -> ink [28 * 28]. */
export function ink(strokes) {
  const points = strokes.flat();
  const found = new Float64Array(SIDE * SIDE);
  if (!points.length) return found;
  const [low, high] = [0, 1].map((axis) => points.map((point) => point[axis])).reduce(
    ([lows, highs], values) => [[...lows, Math.min(...values)], [...highs, Math.max(...values)]], [[], []]);
  const scale = SIZE / Math.max(high[0] - low[0], high[1] - low[1], LEAST);
  const place = ([x, y]) => [SIDE / 2 + scale * (x - (low[0] + high[0]) / 2), SIDE / 2 + scale * (y - (low[1] + high[1]) / 2)];
  for (const stroke of strokes) {
    const line = stroke.map(place);
    line.forEach((end, at) => dab(found, line[Math.max(at - 1, 0)], end));
  }
  return found;
}

/** Ink of a piece of line. */
function dab(found, [ax, ay], [bx, by]) {
  const reach = PEN / 2 + 1;
  const clip = (value) => Math.min(SIDE - 1, Math.max(0, Math.floor(value)));
  for (let row = clip(Math.min(ay, by) - reach); row <= clip(Math.max(ay, by) + reach); row++) {
    for (let column = clip(Math.min(ax, bx) - reach); column <= clip(Math.max(ax, bx) + reach); column++) {
      const [x, y] = [column + 0.5, row + 0.5];
      const length = (bx - ax) ** 2 + (by - ay) ** 2;
      const along = length ? Math.min(1, Math.max(0, ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length)) : 0;
      const far = Math.hypot(x - ax - along * (bx - ax), y - ay - along * (by - ay));
      const cover = Math.min(1, Math.max(0, PEN / 2 - far + 0.5));
      found[row * SIDE + column] = Math.max(found[row * SIDE + column], cover);
    }
  }
}

/** Put ink [28 * 28] on a canvas, in the colour of its text. */
export function paint(canvas, values) {
  canvas.width = canvas.height = SIDE;
  const context = canvas.getContext("2d");
  context.fillStyle = getComputedStyle(canvas).color;
  values.forEach((value, at) => {
    context.globalAlpha = value;
    context.fillRect(at % SIDE, Math.floor(at / SIDE), 1, 1);
  });
}
