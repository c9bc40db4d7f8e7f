// Talking to the service: a token where it wants one, errors as sentences, pictures as addresses of this tab.

import { byId } from "./dom.js";

const KEPT = "vprkit-token";

let token = sessionStorage.getItem(KEPT);

export class Problem extends Error {}

async function once(path, options) {
  const headers = { ...options.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  try {
    return await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("The service cannot be reached. Is it still running?");
  }
}

// The answer to a request; a sentence as a Problem where it is none.
export async function ask(path, options = {}) {
  let answer = await once(path, options);
  while (answer.status === 401) {
    await tokenFromUser();
    answer = await once(path, options);
  }
  if (answer.ok) return answer;
  const said = await answer.json().catch(() => ({}));
  throw new Problem(sentence(said.error ?? `the service answered ${answer.status}`));
}

export const askJson = async (path, options) => (await ask(path, options)).json();

export const postJson = (path, body, signal) =>
  askJson(path, { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" }, signal });

// A picture as an address; whoever asks for it calls URL.revokeObjectURL at the end.
export async function picture(path, options) {
  const answer = await ask(path, options);
  return { url: URL.createObjectURL(await answer.blob()), headers: answer.headers };
}

function sentence(text) {
  const upper = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(upper) ? upper : `${upper}.`;
}

let asking = null;

// Several requests may find out at once that a token is wanted: the user is asked once.
function tokenFromUser() {
  asking ??= new Promise((resolve) => {
    const dialog = byId("token-dialog");
    const form = byId("token-form");
    byId("token-said").textContent = token === null ? "It is kept until this tab is closed." : "That was not the token.";
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      token = byId("token").value.trim();
      sessionStorage.setItem(KEPT, token);
      byId("token").value = "";
      dialog.close();
      asking = null;
      resolve();
    }, { once: true });
    dialog.showModal();
  });
  return asking;
}
