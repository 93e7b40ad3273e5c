// The page: puts the list, the conversation and the text together.

import { call } from "./api.js";
import { Chat } from "./chat.js";
import { Documents } from "./documents.js";
import { duration, find, number } from "./dom.js";
import { Viewer } from "./viewer.js";

const viewer = new Viewer();
const chat = new Chat({ onCitation: (one, all) => viewer.show(chat.document, one, all).catch(tell) });
const documents = new Documents({
  onOpen: (found) => {
    document.body.classList.remove("side-open");
    if (viewer.isOpen) viewer.close();
    chat.open(found);
    drawTop(found);
    find("question").focus();
  },
  onChange: (found) => {
    if (found.id !== documents.current) return;
    chat.document = found;
    drawTop(found);
  },
  onGone: (id) => {
    chat.forget(id);
    if (documents.current === id) documents.open(null);
  },
});

function drawTop(found) {
  const ready = found === null || found.status === "ready";
  find("title").textContent = found === null ? "Chat" : found.name;
  find("facts").textContent = found?.total && ready ? `${number(found.total)} tokens` : "";
  find("show-text").hidden = found === null || !ready;
  find("reading").hidden = ready;
  find("question").disabled = find("send").disabled = !ready;
  find("question").placeholder = found === null ? "Say something" : ready ? "Ask about this document" : "It can be asked once it is read";
  if (ready) return;
  find("bar").max = found.total || 1;
  find("bar").value = found.done;
  find("progress-text").textContent = progress(found);
  const going = ["queued", "reading"].includes(found.status);
  find("cancel").hidden = !going;
  find("resume").hidden = going;
}

function progress(found) {
  if (found.status === "failed") return `Reading failed: ${found.error}`;
  if (found.status === "cancelled") return `Stopped at ${number(found.done)} of ${number(found.total)} tokens; what was read is kept.`;
  if (found.status === "queued" || !found.total) return "Waiting to be read …";
  const left = found.seconds_left === null ? "" : `, ${duration(found.seconds_left)} left`;
  return `Read ${number(found.done)} of ${number(found.total)} tokens, ${number(found.tokens_per_second)} tokens/s${left}`;
}

function tell(error) {
  if (error.name !== "AbortError") chat.turns.push({ role: "assistant", content: "", error: error.message });
  chat.draw();
}

// Adding

async function upload(file) {
  const form = new FormData();
  form.append("file", file);
  await documents.add(null, async () => (await call("/v1/documents", { method: "POST", body: form })).json());
}

function openAdd() {
  find("add-error").textContent = "";
  find("add").showModal();
}

find("new-document").addEventListener("click", openAdd);
find("add-cancel").addEventListener("click", () => find("add").close());
find("add-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const [file] = find("file").files;
  find("add-send").disabled = true;
  try {
    if (file) await upload(file);
    else await documents.add({ text: find("paste").value, name: find("name").value || "pasted text" });
    find("add").close();
    find("add-form").reset();
  } catch (error) {
    find("add-error").textContent = error.message;
  }
  find("add-send").disabled = false;
});

document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dropping");
});
document.addEventListener("dragleave", (event) => {
  if (event.relatedTarget === null) document.body.classList.remove("dropping");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dropping");
  const [file] = event.dataTransfer.files;
  if (file) upload(file).catch(tell);
});

// Asking

const question = find("question");

function fit() {
  question.rows = 1;
  question.rows = Math.min(8, Math.round((question.scrollHeight - 12) / 24));
}

question.addEventListener("input", fit);
question.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    find("ask").requestSubmit();
  }
});
find("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  const words = question.value.trim();
  if (!words || chat.running.has(chat.id)) return;
  question.value = "";
  fit();
  chat.ask(words);
});
find("stop").addEventListener("click", () => chat.stop());
find("cancel").addEventListener("click", () => documents.cancel(documents.current).catch(tell));
find("resume").addEventListener("click", () => documents.resume(documents.current).catch(tell));
find("show-text").addEventListener("click", () => viewer.show(chat.document).catch(tell));

// Moving around

find("open-chat").addEventListener("click", () => documents.open(null));
find("open-side").addEventListener("click", () => document.body.classList.add("side-open"));
find("close-side").addEventListener("click", () => document.body.classList.remove("side-open"));
document.addEventListener("keydown", (event) => {
  const writing = ["TEXTAREA", "INPUT"].includes(document.activeElement?.tagName);
  if (event.key === "/" && !writing && !document.querySelector("dialog[open]")) {
    event.preventDefault();
    question.focus();
  } else if (event.key === "Escape" && viewer.isOpen && !document.querySelector("dialog[open]")) {
    viewer.close();
  }
});

documents.open(null);
documents.load().catch(tell);
