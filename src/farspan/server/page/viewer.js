// The document's text around a place, with more of it as one scrolls, and a map of quotations.

import { get } from "./api.js";
import { find, make } from "./dom.js";

const AROUND = 6000;
const MORE = 12000;
const NEAR = 400;

export class Viewer {
  constructor() {
    this.document = null;
    this.text = find("text");
    this.text.addEventListener("scroll", () => this.scrolled());
    find("close-viewer").addEventListener("click", () => this.close());
  }

  get isOpen() {
    return !find("viewer").hidden;
  }

  close() {
    find("viewer").hidden = true;
    document.body.classList.remove("viewing");
    this.opener?.focus();
  }

  async show(document_, cited, citations) {
    this.opener = document.activeElement;
    this.document = document_;
    this.busy = true;
    find("viewer-title").textContent = document_.name;
    find("viewer").hidden = false;
    document.body.classList.add("viewing");
    const place = cited?.start ?? 0;
    const found = await this.fetch(Math.max(0, place - AROUND), place + AROUND);
    this.start = found.start;
    this.end = found.end;
    this.length = found.length;
    this.text.replaceChildren();
    if (cited) {
      // The server counts characters by code points, JavaScript by UTF-16 units.
      const letters = Array.from(found.text);
      const [from, to] = [cited.start - found.start, cited.end - found.start];
      const part = (a, b) => letters.slice(a, b).join("");
      const mark = make("mark", {}, part(from, to));
      this.text.append(part(0, from), mark, part(to));
      mark.scrollIntoView({ block: "center" });
    } else {
      this.text.append(found.text);
      this.text.scrollTop = 0;
    }
    this.drawMap(citations ?? []);
    this.text.focus({ preventScroll: true });
    this.busy = false;
  }

  async fetch(start, end) {
    return get(`/v1/documents/${this.document.id}/text?start=${start}&end=${end}`);
  }

  async scrolled() {
    if (this.busy) return;
    this.busy = true;
    const { scrollTop, scrollHeight, clientHeight } = this.text;
    if (scrollTop < NEAR && this.start > 0) {
      const found = await this.fetch(Math.max(0, this.start - MORE), this.start);
      this.text.prepend(found.text);
      this.text.scrollTop += this.text.scrollHeight - scrollHeight;
      this.start = found.start;
      this.drawSeen();
    } else if (scrollTop + clientHeight > scrollHeight - NEAR && this.end < this.length) {
      const found = await this.fetch(this.end, this.end + MORE);
      this.text.append(found.text);
      this.end = found.end;
      this.drawSeen();
    }
    this.busy = false;
  }

  drawMap(citations) {
    const map = find("map");
    map.replaceChildren(make("span"));
    citations.forEach((one, i) => {
      const spot = make("button", {
        title: `Quotation ${i + 1}, at ${one.percent} %`,
        "aria-label": `Quotation ${i + 1}, at ${one.percent} %`,
        onclick: () => this.show(this.document, one, citations),
      });
      spot.style.left = `${one.percent}%`;
      map.append(spot);
    });
    this.drawSeen();
  }

  drawSeen() {
    const seen = find("map").firstChild;
    seen.style.left = `${(100 * this.start) / this.length}%`;
    seen.style.width = `${(100 * (this.end - this.start)) / this.length}%`;
  }
}
