// The answer: what is known of the place, and the hits.

import { picture } from "./api.js";
import { byId, degrees, element, hasPlace, percent, score } from "./dom.js";
import { shortName } from "./labels.js";

const SIZE = 192;

// Hits that the service estimates a position from.
const ESTIMATE_FROM = 10;

export class Answer {
  // opened(id) and pointed(id or null) are called for hits.
  constructor(about, opened, pointed) {
    this.about = about;
    this.opened = opened;
    this.pointed = pointed;
    this.pictures = [];
  }

  show(answer) {
    this.clear();
    byId("verdict").replaceChildren(...this.#verdict(answer));
    byId("hits").replaceChildren(...answer.hits.map((hit) => this.#hit(hit)));
    const { decode_ms: decode, wait_ms: wait, answer_ms: took } = answer.timing;
    byId("timing").textContent = `Answered in ${Math.round(decode + wait + took)} ms`;
    byId("answer").hidden = false;
  }

  clear() {
    this.pictures.forEach(URL.revokeObjectURL);
    this.pictures = [];
    byId("answer").hidden = true;
  }

  // A hit stands out.
  choose(id) {
    for (const button of byId("hits").querySelectorAll(".hit")) {
      button.classList.toggle("on", button.dataset.id === String(id));
    }
  }

  #verdict({ known, confidence, estimate }) {
    return [
      known === false ? this.#unknown(confidence) : null,
      confidence === null ? null : sure(confidence, this.about.reject ?? 0.5),
      estimate === null ? null : place(estimate, Math.min(ESTIMATE_FROM, this.about.images), known === false),
    ].filter((part) => part !== null);
  }

  #unknown(confidence) {
    return element("p", { class: "unknown" }, element("strong", {}, "I do not know this place."),
      `The best of the map follow, but I am only ${percent(confidence)} sure of the first; `
      + `${percent(this.about.reject)} are wanted.`);
  }

  #hit(hit) {
    const frame = element("span", { class: "hit-picture" }, element("span", { class: "rank" }, String(hit.rank)));
    const words = element("span", { class: "hit-words" },
      element("span", { class: "hit-score" }, `Score ${score(hit.score)}`),
      element("span", { class: "hit-where" }, hasPlace(hit) ? degrees(hit) : "no position"),
      hit.text === null ? null : element("span", { class: "hit-text" }, hit.text),
      element("bdi", { class: "hit-name", title: hit.name }, shortName(hit.name)));
    const button = element("button", { class: "hit", type: "button", "data-id": hit.id }, frame, words);
    button.setAttribute("aria-label", `Hit ${hit.rank}: score ${score(hit.score)}, ${words.children[1].textContent}; compare`);
    button.addEventListener("click", () => this.opened(hit.id));
    for (const kind of ["pointerenter", "focus"]) button.addEventListener(kind, () => this.pointed(hit.id));
    for (const kind of ["pointerleave", "blur"]) button.addEventListener(kind, () => this.pointed(null));
    this.#fill(frame, hit);
    return element("li", {}, button);
  }

  async #fill(frame, hit) {
    try {
      const { url } = await picture(`${hit.thumbnail}?size=${SIZE}`);
      this.pictures.push(url);
      frame.prepend(element("img", { src: url, alt: "" }));
    } catch {
      frame.prepend(element("span", { class: "gone muted" }, "photo gone"));
    }
  }
}

function sure(confidence, wanted) {
  const filled = element("div");
  filled.style.width = `${100 * confidence}%`;
  const bar = element("div", { class: confidence < wanted ? "share low" : "share", role: "meter", "aria-label": "How sure",
    "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": Math.floor(100 * confidence) }, filled);
  return element("div", { class: "sure" }, element("span", {}, "How sure"), bar, element("b", {}, percent(confidence)));
}

function place(estimate, best, guessed) {
  const views = estimate.hits === 1 ? "from the first hit alone"
    : `of the best ${best} hits, ${estimate.hits} lie within 50 m, spread ${estimate.spread_m.toFixed(1)} m`;
  const copy = element("button", { type: "button", "aria-label": "Copy the position" }, "Copy");
  copy.hidden = !navigator.clipboard;
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(degrees(estimate));
    copy.textContent = "Copied";
  });
  return element("div", { class: guessed ? "place guess" : "place" },
    element("strong", { id: "position" }, degrees(estimate)),
    element("span", { class: "muted" }, `${guessed ? "a guess: " : ""}${views}`), copy);
}
