// The server's routes. What it refuses becomes an ApiError with its sentence.

import { el, button } from "./dom.js";

const KEY = "quickstudy.key";

export class ApiError extends Error {
  constructor(sentence, status) {
    super(sentence);
    this.status = status;
  }
}

async function answer(method, path, options) {
  const headers = { ...options.headers };
  const key = sessionStorage.getItem(KEY);
  if (key) headers.Authorization = `Bearer ${key}`;
  let response;
  try {
    response = await fetch(path, { ...options, method, headers });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ApiError("The server does not answer. Is it still running?", 0);
  }
  if (response.ok) return response;
  const told = await response.json().catch(() => ({}));
  const error = new ApiError(told.error ?? `The server answered ${response.status}.`, response.status);
  if (response.status !== 401) throw error;
  await askForKey(error.message);
  return answer(method, path, options);
}

/** The JSON that the server answers; `body` is sent as JSON unless it is a form or a blob; `signal` calls the question off. */
export async function call(method, path, body, signal) {
  const options = { signal };
  if (body instanceof FormData || body instanceof Blob) options.body = body;
  else if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers = { "Content-Type": "application/json" };
  }
  const response = await answer(method, path, options);
  return response.status === 204 ? null : response.json();
}

/** The bytes that the server answers. */
export async function bytes(path) {
  return (await answer("GET", path, {})).blob();
}

let asking = null;

function askForKey(reason) {
  asking ??= new Promise((resolve) => {
    const field = el("input", { type: "password", class: "line-input", "aria-label": "Key", required: true, autocomplete: "off" });
    const dialog = el("dialog", { "aria-labelledby": "key-title" },
      el("form", { method: "dialog" }, el("h2", { id: "key-title" }, "This server asks for a key"),
        el("p", { class: "soft" }, reason), field, button("Go on", { type: "submit", class: "button strong" })));
    dialog.addEventListener("close", () => {
      sessionStorage.setItem(KEY, field.value.trim());
      dialog.remove();
      asking = null;
      resolve();
    });
    document.body.append(dialog);
    dialog.showModal();
  });
  return asking;
}
