// Conversations, one for each document and one without, and answers as they stream.

import { events, get } from "./api.js";
import { find, make } from "./dom.js";

export class Chat {
  constructor({ onCitation }) {
    this.threads = new Map();
    this.document = null;
    this.onCitation = onCitation;
    this.running = new Map();
  }

  get id() {
    return this.document?.id ?? "";
  }

  get turns() {
    if (!this.threads.has(this.id)) this.threads.set(this.id, []);
    return this.threads.get(this.id);
  }

  async model() {
    this.name ??= (await get("/v1/models")).data[0].id;
    return this.name;
  }

  open(document_) {
    this.document = document_;
    this.draw();
  }

  forget(id) {
    this.running.get(id)?.abort();
    this.threads.delete(id);
  }

  draw() {
    const thread = find("thread");
    thread.replaceChildren(...this.turns.map((turn) => this.drawTurn(turn)));
    thread.scrollTop = thread.scrollHeight;
    this.drawButtons();
  }

  drawButtons() {
    const busy = this.running.has(this.id);
    find("send").hidden = busy;
    find("stop").hidden = !busy;
  }

  drawTurn(turn) {
    if (turn.role === "user") return make("li", { class: "user" }, turn.content);
    const answer = make("p", { class: "answer" }, turn.content);
    turn.element = make("li", { class: "assistant" }, answer);
    turn.element.classList.toggle("waiting", turn.waiting);
    if (turn.error) turn.element.append(make("p", { class: "error" }, turn.error));
    if (turn.citations?.length) turn.element.append(this.drawCitations(turn));
    return turn.element;
  }

  drawCitations(turn) {
    const list = make("ul", { class: "quotations", "aria-label": "Quotations" });
    for (const one of turn.citations) {
      const where = `${one.file}, line ${one.line}, at ${one.percent} %`;
      list.append(make("li", {}, make(
        "button",
        { class: "quotation", onclick: () => this.onCitation(one, turn.citations) },
        `“${one.text.replace(/\s+/g, " ")}”`,
        make("span", { class: "where" }, where),
      )));
    }
    return list;
  }

  stop() {
    this.running.get(this.id)?.abort();
  }

  async ask(question) {
    const { id, turns } = this;
    const past = turns.filter((turn) => !turn.error && turn.content).map(({ role, content }) => ({ role, content }));
    const complete = past.length % 2 === 0 ? past : past.slice(0, -1);
    const turn = { role: "assistant", content: "", waiting: true };
    turns.push({ role: "user", content: question }, turn);
    const stopper = new AbortController();
    this.running.set(id, stopper);
    this.draw();
    try {
      await this.stream(id, [...complete, { role: "user", content: question }], turn, stopper.signal);
    } catch (error) {
      if (error.name !== "AbortError") turn.error = error.message;
    }
    turn.waiting = false;
    if (!turn.content && !turn.error) turn.content = stopper.signal.aborted ? "(stopped)" : "(the model says nothing)";
    this.running.delete(id);
    if (this.id === id) this.draw();
  }

  async stream(id, messages, turn, signal) {
    const body = { model: await this.model(), messages, stream: true, max_tokens: 512, ...(id ? { document: id } : { temperature: 0.7 }) };
    const options = {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal,
    };
    for await (const chunk of events("/v1/chat/completions", options)) {
      const delta = chunk.choices[0]?.delta ?? {};
      turn.citations = delta.citations ?? turn.citations;
      if (!delta.content) continue;
      turn.content += delta.content;
      if (this.id === id && turn.element?.isConnected) {
        const thread = find("thread");
        const atEnd = thread.scrollTop + thread.clientHeight > thread.scrollHeight - 60;
        turn.element.firstChild.textContent = turn.content;
        if (atEnd) thread.scrollTop = thread.scrollHeight;
      }
    }
  }
}
