// Strokes as values: lists of points from 0 to 1, and how they are drawn.

const SIDE = 105; // pixels of a drawing of Omniglot, as the net met them
const FILL = 0.72; // of the side that a drawing takes
const LARGEST = 3; // times that a small one is enlarged
const PEN = 3.2; // pixels

/** Draw `strokes` with a smooth line through the middles of their points. */
export function trace(context, strokes, at, width) {
  context.lineCap = context.lineJoin = "round";
  context.lineWidth = width;
  for (const stroke of strokes) {
    const points = stroke.map(at);
    context.beginPath();
    context.moveTo(points[0][0], points[0][1]);
    if (points.length === 1) context.lineTo(points[0][0] + 0.01, points[0][1]);
    for (let number = 1; number < points.length - 1; number += 1) {
      const [x, y] = points[number];
      const [u, v] = points[number + 1];
      context.quadraticCurveTo(x, y, (x + u) / 2, (y + v) / 2);
    }
    const last = points.at(-1);
    context.lineTo(last[0], last[1]);
    context.stroke();
  }
}

/** Base64 of a PNG: the strokes in the middle at one size, ink white on black, whatever colours the page has. */
export function picture(strokes) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIDE;
  const context = canvas.getContext("2d");
  context.fillStyle = "#000";
  context.fillRect(0, 0, SIDE, SIDE);
  context.strokeStyle = "#fff";
  const { x, y, size } = bounds(strokes);
  const scale = Math.min((FILL * SIDE) / Math.max(size, 1e-6), LARGEST * SIDE);
  trace(context, strokes, (point) => [SIDE / 2 + (point[0] - x) * scale, SIDE / 2 + (point[1] - y) * scale], PEN);
  return canvas.toDataURL("image/png").split(",")[1];
}

function bounds(strokes) {
  const xs = strokes.flat().map((point) => point[0]);
  const ys = strokes.flat().map((point) => point[1]);
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  return { x: (left + right) / 2, y: (top + bottom) / 2, size: Math.max(right - left, bottom - top) };
}
