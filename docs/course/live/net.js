// A multilayer perceptron for one number, and gradient steps of it, by hand.
//
//   h1 = relu(W1 x + b1), h2 = relu(W2 h1 + b2), y = W3 h2 + b3, loss = mean of (y - target)^2

/** From the layers of waves.json: weights flat, row by row. */
export const load = (layers) => layers.map(({ weight, bias }) => ({
  weight: Float64Array.from(weight.flat()), bias: Float64Array.from(bias), inputs: weight[0].length, outputs: bias.length,
}));

/** What every layer gives for the input `x`: the input first, the answer last. */
function through(net, x) {
  const values = [Float64Array.of(x)];
  net.forEach(({ weight, bias, inputs, outputs }, depth) => {
    const before = values[depth];
    const after = new Float64Array(outputs);
    for (let row = 0; row < outputs; row++) {
      let sum = bias[row];
      for (let column = 0; column < inputs; column++) sum += weight[row * inputs + column] * before[column];
      after[row] = depth < net.length - 1 ? Math.max(sum, 0) : sum;
    }
    values.push(after);
  });
  return values;
}

/** Answers to `xs`. */
export const predict = (net, xs) => xs.map((x) => through(net, x).at(-1)[0]);

/** Mean squared error on points [[x, y], ...]. */
export function loss(net, points) {
  const answers = predict(net, points.map(([x]) => x));
  return answers.reduce((sum, answer, at) => sum + (answer - points[at][1]) ** 2, 0) / points.length;
}

/** The gradient of the loss: for each layer what `load` gives of its weights. */
export function gradient(net, points) {
  const grads = net.map(({ weight, bias }) => ({
    weight: new Float64Array(weight.length), bias: new Float64Array(bias.length),
  }));
  for (const [x, y] of points) {
    const values = through(net, x);
    let delta = Float64Array.of((2 * (values.at(-1)[0] - y)) / points.length); // of the loss, for each output of a layer
    for (let depth = net.length - 1; depth >= 0; depth--) {
      const { weight, inputs, outputs } = net[depth];
      const before = values[depth];
      const back = new Float64Array(inputs);
      for (let row = 0; row < outputs; row++) {
        grads[depth].bias[row] += delta[row];
        for (let column = 0; column < inputs; column++) {
          grads[depth].weight[row * inputs + column] += delta[row] * before[column];
          back[column] += delta[row] * weight[row * inputs + column];
        }
      }
      delta = back.map((value, at) => (before[at] > 0 ? value : 0)); // the slope of relu
    }
  }
  return grads;
}

/** The net one step of `rate` down the gradient; the old one stays as it is. */
export function step(net, points, rate) {
  const grads = gradient(net, points);
  return net.map((layer, depth) => ({
    ...layer,
    weight: layer.weight.map((value, at) => value - rate * grads[depth].weight[at]),
    bias: layer.bias.map((value, at) => value - rate * grads[depth].bias[at]),
  }));
}

/** The net after 0, 1, ..., `steps` steps. */
export function adapt(net, points, rate, steps) {
  const path = [net];
  for (let number = 0; number < steps; number++) path.push(points.length ? step(path.at(-1), points, rate) : net);
  return path;
}
