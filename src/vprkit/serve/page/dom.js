// Small helpers for the page's elements. Texts are always set as text, never as markup.

export const byId = (id) => document.getElementById(id);

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// "46.23872, 7.35744": a metre, which is more than any photo knows.
export const degrees = (place) => `${place.latitude.toFixed(5)}, ${place.longitude.toFixed(5)}`;

// Rounded down: 99.6 per cent is not certainty.
export const percent = (share) => `${Math.floor(100 * share + 1e-9)}\u00a0%`;

export const hasPlace = (record) => record.latitude !== null && record.longitude !== null;

export function score(value) {
  return Number.isInteger(value) ? String(value) : value.toPrecision(4);
}

export function metres(length) {
  return length >= 1000 ? `${+(length / 1000).toPrecision(3)} km` : `${+length.toPrecision(2)} m`;
}
