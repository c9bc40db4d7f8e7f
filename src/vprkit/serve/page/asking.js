// The form: a photo that is chosen, dropped or pasted, a sentence, and what is wanted.

import { byId } from "./dom.js";
import { shortName } from "./labels.js";

const TOPS = [5, 10, 20, 50, 100];
const APART_METRES = 25;
const LOOK_AGAIN = 50;

export class Asking {
  // asked({photo, text, unused, top, rerank, distinct}) is called for every question, wrong(sentence) for what cannot be
  // asked. unused: "photo" or "sentence" where both were there and the method does not join them, else null.
  constructor(about, asked, wrong) {
    this.about = about;
    this.asked = asked;
    this.wrong = wrong;
    this.photo = null;
    this.address = null;
    this.#offer();
    this.#listen();
  }

  // The latest photo as an address that an <img> shows, null where there is none or the browser cannot show it.
  get preview() {
    return byId("preview").hidden ? null : this.address;
  }

  #offer() {
    const { abilities, limits } = this.about;
    byId("drop").hidden = !abilities.photo;
    byId("text-row").hidden = !(abilities.text || abilities.photo_and_text);
    byId("text").maxLength = limits.text;
    if (abilities.photo && !abilities.text) byId("text-label").textContent = "What does it show? (optional)";
    else if (abilities.photo) byId("text-label").textContent = "Or say what is to be seen";
    byId("rerank-row").hidden = !abilities.rerank;
    for (const count of TOPS.filter((one) => one <= limits.top)) byId("top").add(new Option(count, count));
  }

  #listen() {
    byId("photo").addEventListener("change", (event) => this.take(event.target.files));
    byId("ask").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#ask();
    });
    byId("text").addEventListener("input", () => this.#ready());
    byId("clear").addEventListener("click", () => this.clear());
    byId("preview").addEventListener("error", () => {
      byId("preview").hidden = true;
    });
    for (const kind of ["dragover", "drop"]) document.addEventListener(kind, (event) => event.preventDefault());
    document.addEventListener("dragover", () => byId("drop").classList.add("over"));
    document.addEventListener("dragleave", (event) => {
      if (event.relatedTarget === null) byId("drop").classList.remove("over");
    });
    document.addEventListener("drop", (event) => {
      byId("drop").classList.remove("over");
      this.take(event.dataTransfer.files);
    });
    document.addEventListener("paste", (event) => {
      if (event.clipboardData.files.length) this.take(event.clipboardData.files);
    });
  }

  // Ask about the first of these files.
  take(files) {
    if (!files.length || !this.about.abilities.photo) return;
    const [photo] = files;
    const most = this.about.limits.upload_bytes;
    if (photo.size > most) {
      this.wrong(`${photo.name} has ${(photo.size / 1e6).toFixed(1)} MB; at most ${(most / 1e6).toFixed(0)} MB are read.`);
      return;
    }
    this.photo = photo;
    if (this.address !== null) URL.revokeObjectURL(this.address);
    this.address = URL.createObjectURL(photo);
    byId("preview").src = this.address;
    byId("preview").hidden = false;
    byId("drop").classList.add("filled");
    byId("photo-name").textContent = shortName(photo.name) || "A pasted photo";
    byId("photo-name").title = photo.name;
    byId("photo-hint").textContent = "Choose, drop or paste another";
    const spoken = byId("text").value.trim() !== "" && !this.about.abilities.photo_and_text;
    if (spoken) byId("text").value = "";
    this.#ready();
    this.#ask(spoken ? "sentence" : null);
  }

  clear() {
    this.photo = null;
    byId("photo").value = "";
    byId("text").value = "";
    byId("preview").hidden = true;
    byId("drop").classList.remove("filled");
    byId("photo-name").textContent = "Choose a photo";
    byId("photo-hint").textContent = "or drop one here, or paste it";
    this.#ready();
    byId("photo").focus();
  }

  #ready() {
    byId("go").disabled = this.photo === null && !byId("text").value.trim();
    byId("clear").hidden = byId("go").disabled;
  }

  #ask(unused = null) {
    const text = byId("text").value.trim();
    if (this.photo === null && !text) return;
    const alone = this.photo !== null && text !== "" && !this.about.abilities.photo_and_text;
    this.asked({
      photo: alone ? null : this.photo,
      text: text || null,
      unused: alone ? "photo" : unused,
      top: Number(byId("top").value),
      rerank: byId("rerank").checked ? Math.min(LOOK_AGAIN, this.about.limits.rerank) : null,
      distinct: byId("distinct").checked ? APART_METRES : null,
    });
  }
}
