// Calls of the server's API, with a key if it wants one.

import { find } from "./dom.js";

const KEY = "farspan-key";

async function askForKey() {
  const dialog = find("key");
  if (!dialog.open) dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  sessionStorage.setItem(KEY, find("key-input").value.trim());
}

export async function call(path, options = {}) {
  for (;;) {
    const key = sessionStorage.getItem(KEY);
    const headers = { ...options.headers, ...(key ? { Authorization: `Bearer ${key}` } : {}) };
    let answer;
    try {
      answer = await fetch(path, { ...options, headers });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Error("The server cannot be reached.");
    }
    if (answer.ok) return answer;
    if (answer.status === 401) {
      await askForKey();
      continue;
    }
    const told = await answer.json().catch(() => null);
    throw new Error(told?.error?.message ?? `The server answered ${answer.status}.`);
  }
}

export const get = async (path) => (await call(path)).json();
export const post = async (path, body) =>
  (await call(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body ?? {}),
  })).json();
export const remove = async (path) => (await call(path, { method: "DELETE" })).json();

// The objects of a stream of server-sent events, up to [DONE].
export async function* events(path, options) {
  const answer = await call(path, options);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      held += value;
      const lines = held.split("\n\n");
      held = lines.pop();
      for (const line of lines) {
        const data = line.replace(/^data: /, "");
        if (data === "[DONE]") return;
        const found = JSON.parse(data);
        if (found.error && !found.object) throw new Error(found.error.message);
        yield found;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
