// The list of documents, and following the ones that are being read.

import { events, get, post, remove } from "./api.js";
import { find, make } from "./dom.js";

export class Documents {
  constructor({ onOpen, onChange, onGone }) {
    this.known = new Map();
    this.current = null;
    this.followed = new Set();
    Object.assign(this, { onOpen, onChange, onGone });
  }

  async load() {
    for (const found of (await get("/v1/documents")).data) this.take(found);
    this.draw();
  }

  take(found) {
    this.known.set(found.id, found);
    if (["queued", "reading"].includes(found.status)) this.follow(found.id);
  }

  async follow(id) {
    if (this.followed.has(id)) return;
    this.followed.add(id);
    try {
      for await (const found of events(`/v1/documents/${id}/events`)) {
        if (!this.known.has(id)) return;
        this.known.set(id, found);
        this.draw();
        this.onChange(found);
      }
    } catch (error) {
      setTimeout(() => this.refresh(id), 2000);
    } finally {
      this.followed.delete(id);
    }
  }

  async refresh(id) {
    if (!this.known.has(id)) return;
    try {
      this.take(await get(`/v1/documents/${id}`));
    } catch {
      setTimeout(() => this.refresh(id), 5000);
      return;
    }
    this.draw();
    this.onChange(this.known.get(id));
  }

  async add(body, options) {
    const found = options ? await options() : await post("/v1/documents", body);
    this.known = new Map([[found.id, found], ...this.known]);
    this.take(found);
    this.open(found.id);
  }

  async cancel(id) {
    this.known.set(id, await post(`/v1/documents/${id}/cancel`));
    await this.refresh(id);
  }

  async resume(id) {
    this.take(await post(`/v1/documents/${id}/resume`));
    this.onChange(this.known.get(id));
  }

  async delete(id) {
    const dialog = find("confirm");
    find("confirm-text").textContent = `Delete “${this.known.get(id).name}” and what was read of it?`;
    dialog.returnValue = "no";
    dialog.showModal();
    await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
    if (dialog.returnValue !== "yes") return;
    await remove(`/v1/sessions/${id}`);
    this.known.delete(id);
    this.draw();
    this.onGone(id);
  }

  open(id) {
    this.current = id;
    this.draw();
    this.onOpen(id === null ? null : this.known.get(id));
  }

  draw() {
    const list = find("documents");
    const focused = document.activeElement?.dataset?.id;
    list.replaceChildren(...[...this.known.values()].map((one) => this.item(one)));
    if (focused) list.querySelector(`[data-id="${focused}"]`)?.focus();
    find("no-documents").hidden = this.known.size > 0;
    find("open-chat").setAttribute("aria-current", String(this.current === null));
  }

  item(one) {
    const open = make(
      "button",
      { class: "item", "data-id": one.id, "aria-current": String(one.id === this.current), onclick: () => this.open(one.id) },
      make("span", { class: "name" }, one.name),
    );
    if (one.status === "reading") {
      open.append(make("progress", { max: one.total || 1, value: one.done, "aria-label": "Read so far" }));
    } else if (one.status !== "ready") {
      open.append(make("span", { class: "faint" }, one.status));
    }
    const gone = make(
      "button",
      { class: "quiet", "aria-label": `Delete ${one.name}`, title: "Delete", onclick: () => this.delete(one.id) },
      "✕",
    );
    return make("li", {}, open, gone);
  }
}
