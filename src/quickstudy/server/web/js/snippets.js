// Code that asks a model, ready to be pasted; it runs as it is, with an example of the model's own as what is asked.

/** For a model of pictures, or of rows: Python. */
export function python(model, url) {
  if (model.sample) {
    return `import json
import urllib.request

asked = ${literal(model.sample)}  # or values of your own
request = urllib.request.Request("${url}/predict", json.dumps(asked).encode(), {"Content-Type": "application/json"})
print(json.load(urllib.request.urlopen(request))["predictions"][0])
`;
  }
  return `import urllib.request

import quickstudy as qs

model = "${url}"
urllib.request.urlretrieve(f"{model}/export", "${model.slot}.qs")
urllib.request.urlretrieve(f"{model}/examples/${last(model)}/image", "new.png")  # or a picture of your own

learnt = qs.FewShotClassifier.load("${model.slot}.qs")
print(learnt.predict(["new.png"]), learnt.predict_proba(["new.png"]).max())
`;
}

/** The same for a shell. */
export function curl(model, url) {
  if (model.sample) {
    return `curl -s ${url}/predict \\
  -H 'Content-Type: application/json' \\
  -d '${JSON.stringify(model.sample).replaceAll("'", "'\\''")}'
`;
  }
  return `curl -s -o new.png ${url}/examples/${last(model)}/image   # or a picture of your own
curl -s ${url}/predict -F file=@new.png
`;
}

/** The same for Node.js 18 and newer, or a page of this server. */
export function javascript(model, url) {
  if (model.sample) {
    return `const answer = await fetch("${url}/predict", {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(${JSON.stringify(model.sample)}),
});
console.log((await answer.json()).predictions[0]);
`;
  }
  return `const model = "${url}";
const picture = await fetch(\`\${model}/examples/${last(model)}/image\`); // or a picture of your own

const form = new FormData();
form.append("file", await picture.blob(), "new.png");
const answer = await fetch(\`\${model}/predict\`, { method: "POST", body: form });
console.log((await answer.json()).predictions[0]);
`;
}

function last(model) {
  return model.examples.at(-1).id;
}

/** A value as Python writes it. */
function literal(value) {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value === "object") return `{${Object.entries(value).map(([name, one]) => `${literal(name)}: ${literal(one)}`).join(", ")}}`;
  return JSON.stringify(value);
}
