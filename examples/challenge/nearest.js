// An entry in JavaScript: the nearest example of the support says what a query is.
//
//     quickstudy challenge run sprint "node examples/challenge/nearest.js"

const lines = require("node:readline").createInterface({ input: process.stdin });

const flat = (value) => (Array.isArray(value) ? value.flat(Infinity) : [value]);

function distance(one, other) {
  let sum = 0;
  for (let at = 0; at < one.length; at++) sum += (one[at] - other[at]) ** 2;
  return sum;
}

function answer(task) {
  const support = task.support.x.map(flat);
  const queries = task.query.x.map(flat);
  if (!support.length) return { mean: queries.map(() => Array(task.outputs).fill(0)) };
  const nearest = queries.map((query) => {
    const distances = support.map((known) => distance(known, query));
    return task.support.y[distances.indexOf(Math.min(...distances))];
  });
  return "way" in task ? { labels: nearest } : { mean: nearest };
}

lines.on("line", (line) => {
  const message = JSON.parse(line);
  const said = message.do === "begin" ? { ready: true } : { task: message.task, ...answer(message) };
  console.log(JSON.stringify(said));
});
