// The net that looks at drawings: four times a convolution of 3 x 3, relu, and the largest of each 2 x 2.

const SIDE = 28;

/** From the blocks of characters.json: weights flat, [out][in][3][3]. */
export const load = (blocks) => blocks.map(({ weight, bias }) => ({
  weight: Float64Array.from(weight.flat(3)), bias: Float64Array.from(bias), inputs: weight[0].length, outputs: bias.length,
}));

/** Ink [28 * 28] from 0 to 1, row by row -> what the net sees in it, a few numbers. */
export function embed(blocks, ink) {
  let map = Float64Array.from(ink);
  let side = SIDE;
  for (const block of blocks) {
    map = pooled(convolved(map, side, block), side, block.outputs);
    side = Math.floor(side / 2);
  }
  return map;
}

function convolved(map, side, { weight, bias, inputs, outputs }) {
  const found = new Float64Array(outputs * side * side);
  for (let out = 0; out < outputs; out++) {
    const to = out * side * side;
    found.fill(bias[out], to, to + side * side);
    for (let into = 0; into < inputs; into++) {
      const from = into * side * side;
      for (let tap = 0; tap < 9; tap++) {
        const [down, right] = [Math.floor(tap / 3) - 1, (tap % 3) - 1];
        const by = weight[(out * inputs + into) * 9 + tap];
        const [first, last] = [Math.max(0, -right), Math.min(side, side - right)];
        for (let y = Math.max(0, -down); y < Math.min(side, side - down); y++) {
          const source = from + (y + down) * side + right;
          for (let x = first; x < last; x++) found[to + y * side + x] += by * map[source + x];
        }
      }
    }
  }
  return found;
}

/** The largest of each 2 x 2, or 0; a last odd row or column is left out. */
function pooled(map, side, channels) {
  const half = Math.floor(side / 2);
  const found = new Float64Array(channels * half * half);
  for (let channel = 0; channel < channels; channel++) {
    for (let y = 0; y < half; y++) {
      for (let x = 0; x < half; x++) {
        const at = channel * side * side + 2 * y * side + 2 * x;
        found[(channel * half + y) * half + x] = Math.max(map[at], map[at + 1], map[at + side], map[at + side + 1], 0);
      }
    }
  }
  return found;
}

/** The mean of vectors: a prototype. */
export const mean = (vectors) => vectors[0].map((_, at) => vectors.reduce((sum, one) => sum + one[at], 0) / vectors.length);

/** Squared distance of two vectors. */
export const distance = (one, other) => one.reduce((sum, value, at) => sum + (value - other[at]) ** 2, 0);

/** Shares that add up to one, from scores. */
export function softmax(scores) {
  const most = Math.max(...scores);
  const grown = scores.map((score) => Math.exp(score - most));
  const whole = grown.reduce((sum, one) => sum + one, 0);
  return grown.map((one) => one / whole);
}
