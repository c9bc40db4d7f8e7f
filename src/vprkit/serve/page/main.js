// The page: ask about a photo or a sentence, show the answer as a list, on a map, and side by side.

import { Answer } from "./answer.js";
import { Asking } from "./asking.js";
import { askJson, postJson, Problem } from "./api.js";
import { Compare } from "./compare.js";
import { byId } from "./dom.js";
import { MapView } from "./mapview.js";

let working = null;

function tell(problem) {
  byId("problem").textContent = problem;
  byId("problem").hidden = !problem;
}

function busy(is) {
  byId("progress").hidden = !is;
  byId("go").setAttribute("aria-busy", is);
  if (is) byId("status").textContent = "Looking for the place…";
}

function send({ photo, text, top, rerank, distinct }, signal) {
  const wanted = Object.entries({ text, top, rerank, distinct }).filter(([, value]) => value !== null);
  if (photo === null) {
    return postJson("search", Object.fromEntries(wanted.filter(([name]) => name !== "rerank")), signal);
  }
  const body = new FormData();
  body.append("image", photo);
  for (const [name, value] of wanted) body.append(name, value);
  return askJson("locate", { method: "POST", body, signal });
}

const PARTNER = { photo: "sentence", sentence: "photo" };

// The answer in one line, with what was left out of the question.
function summary({ known, hits }, { unused }, about) {
  const found = hits.length === 1 ? "1 hit" : `${hits.length} hits`;
  if (unused === null) return known === false ? "I do not know this place." : `${found}, the best first.`;
  const outcome = known === false ? "I do not know this place" : `${found} for the ${PARTNER[unused]}`;
  return `${outcome}; the ${unused} was not used, because ${about.method} does not join the two.`;
}

// Where everything stands in one column, the answer is below what was asked.
function bringIntoView() {
  if (!matchMedia("(max-width: 860px)").matches) return;
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  byId("where").scrollIntoView({ behavior: still ? "auto" : "smooth", block: "start" });
}

// One question at a time: a new one ends the one before, here and in the service.
async function locate(question, parts) {
  working?.abort();
  const mine = working = new AbortController();
  tell("");
  busy(true);
  try {
    const answer = await send(question, mine.signal);
    parts.compare.use(answer.hits, { ...question, preview: parts.asking.preview });
    parts.answer.show(answer);
    parts.map?.show(answer.hits, answer.estimate);
    bringIntoView();
    byId("status").textContent = summary(answer, question, parts.about);
  } catch (error) {
    if (error.name === "AbortError") return;
    parts.answer.clear();
    parts.compare.use([], null);
    parts.map?.show([], null);
    byId("status").textContent = "";
    tell(error instanceof Problem ? error.message : `This page failed: ${error.message}`);
  } finally {
    if (working === mine) busy(false);
  }
}

async function start() {
  const about = await askJson("about");
  byId("map-name").textContent = about.name;
  byId("map-facts").textContent = `${about.images.toLocaleString("en")} photos · ${about.method}`;
  document.title = `Where is this? · ${about.name}`;
  const parts = { about, map: null };
  const point = (id) => {
    parts.map?.choose(id);
    parts.answer.choose(id);
  };
  const open = (id) => parts.compare.open(id);
  parts.answer = new Answer(about, open, point);
  parts.compare = new Compare(about);
  parts.asking = new Asking(about, (question) => locate(question, parts), (sentence) => tell(sentence));
  if (about.with_position) {
    parts.map = new MapView(await askJson("points"), about.tiles, open, point);
  } else {
    byId("map-note").textContent = "The photos of this map have no positions: hits are shown as a list.";
    byId("map-note").hidden = false;
  }
  document.body.dataset.ready = "true";
}

start().catch((error) => tell(error.message));
