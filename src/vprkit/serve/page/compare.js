// A hit beside the photo that was asked about: with matches, where the method gives them.

import { picture, askJson, Problem } from "./api.js";
import { byId, degrees, element, hasPlace } from "./dom.js";
import { readableTime } from "./labels.js";

const SIZE = 768;

const TYPED = "input[type=text], input[type=password], select";


export class Compare {
  constructor(about) {
    this.about = about;
    this.dialog = byId("compare");
    this.hits = [];
    this.asked = null;
    this.at = 0;
    this.turn = 0;
    this.kept = [];
    byId("compare-close").addEventListener("click", () => this.dialog.close());
    byId("compare-before").addEventListener("click", () => this.#go(-1));
    byId("compare-after").addEventListener("click", () => this.#go(1));
    // Wherever the focus is: a button that was just disabled loses it.
    document.addEventListener("keydown", (event) => this.#key(event));
    this.dialog.addEventListener("close", () => this.#forget());
    this.dialog.addEventListener("click", (event) => {
      if (event.target === this.dialog) this.dialog.close();
    });
  }

  // hits of the question {photo, preview, text}
  use(hits, asked) {
    this.hits = hits;
    this.asked = asked;
  }

  open(id) {
    this.at = this.hits.findIndex((hit) => hit.id === id);
    if (!this.dialog.open) this.dialog.showModal();
    this.#show();
  }

  // Arrows go through the hits, digits open one, but for where they are typed.
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (this.dialog.open) {
      if (event.key === "ArrowLeft") this.#go(-1);
      if (event.key === "ArrowRight") this.#go(1);
    } else if (!document.querySelector("dialog[open]") && !event.target.closest(TYPED)) {
      const hit = this.hits.find((one) => String(one.rank) === event.key);
      if (hit !== undefined) this.open(hit.id);
    }
  }

  #go(step) {
    const next = this.at + step;
    if (next < 0 || next >= this.hits.length) return;
    this.at = next;
    this.#show();
  }

  async #show() {
    const hit = this.hits[this.at];
    const turn = ++this.turn;
    this.#forget();
    byId("compare-title").textContent = `Hit ${hit.rank} of ${this.hits.length}`;
    byId("compare-before").disabled = this.at === 0;
    byId("compare-after").disabled = this.at === this.hits.length - 1;
    byId("compare-facts").replaceChildren();
    this.#say("Loading…");
    const parts = await Promise.allSettled([this.#pictures(hit), askJson(`records/${hit.id}`)]);
    if (turn !== this.turn) {  // another hit was opened meanwhile
      (parts[0].value?.urls ?? []).forEach(URL.revokeObjectURL);
      return;
    }
    const failed = parts.find((part) => part.status === "rejected")?.reason;
    const shown = parts[0].value;
    if (shown !== undefined) {
      this.kept = shown.urls;
      byId("compare-pictures").replaceChildren(...shown.figures);
    }
    if (parts[1].value !== undefined) byId("compare-facts").replaceChildren(...facts(parts[1].value));
    this.#say(failed instanceof Problem ? failed.message : failed ? String(failed) : shown.said);
  }

  async #pictures(hit) {
    if (this.asked.photo !== null && this.about.abilities.matches) return this.#matched(hit);
    const { url } = await picture(`${hit.thumbnail}?size=${SIZE}`);
    const theirs = figure(element("img", { src: url, alt: `Photo of hit ${hit.rank}` }), `Hit ${hit.rank}, in the map`);
    if (this.asked.photo === null) {
      return { figures: [figure(spoken(this.asked.text), "You asked for"), theirs], urls: [url], said: "" };
    }
    const said = `The method of this map, ${this.about.method}, matches no points: both photos are shown as they are.`;
    return { figures: [this.#mine(), theirs], urls: [url], said };
  }

  async #matched(hit) {
    const body = new FormData();
    body.append("image", this.asked.photo);
    body.append("id", hit.id);
    const { url, headers } = await picture("matches", { method: "POST", body });
    const alt = `Your photo on the left, hit ${hit.rank} on the right, lines between what matches`;
    const said = `${headers.get("X-Matches")} matches, ${headers.get("X-Drawn")} drawn`;
    const whole = figure(element("img", { src: url, alt }), "Your photo (left) and the map's (right)");
    whole.classList.add("whole");
    return { figures: [whole], urls: [url], said };
  }

  #mine() {
    const shown = this.asked.preview === null
      ? spoken(this.asked.photo.name)
      : element("img", { src: this.asked.preview, alt: "Your photo" });
    return figure(shown, "Your photo");
  }

  #say(sentence) {
    byId("compare-said").textContent = sentence;
  }

  #forget() {
    this.kept.forEach(URL.revokeObjectURL);
    this.kept = [];
    byId("compare-pictures").replaceChildren();
  }
}

const spoken = (words) => element("blockquote", {}, element("p", {}, words));

const figure = (content, caption) => element("figure", {}, content, element("figcaption", {}, caption));

function facts(record) {
  const rows = [
    ["Name", record.name],
    ["Position", hasPlace(record) ? degrees(record) : null],
    ["Heading", record.heading === null ? null : `${Math.round(record.heading)}°`],
    ["Place", record.place],
    ["Time", record.time === null ? null : readableTime(record.time)],
    ["Condition", record.condition],
    ["Text", record.text],
  ];
  return rows.filter(([, value]) => value !== null)
    .flatMap(([label, value]) => [element("dt", {}, label), element("dd", {}, value)]);
}
