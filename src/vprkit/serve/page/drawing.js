// What the map's canvas shows: a grid of metres, the database's points, the estimate, numbered hits, a scale bar.

import { metres } from "./dom.js";

const BADGE = 13;

export function colours() {
  const style = getComputedStyle(document.documentElement);
  const names = ["land", "grid", "dot", "accent", "on-accent", "ink", "paper", "muted", "halo"];
  return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

// 1, 2 or 5 times a power of ten, just below a length.
export function roundLength(length) {
  const power = 10 ** Math.floor(Math.log10(length));
  return power * [5, 2, 1].find((step) => step * power <= length);
}

export function drawGrid(pen, view, colour) {
  const step = roundLength(140 * view.metresPerPixel) / view.metresPerPixel;
  const [left, top] = view.toScreen(0, 0);
  pen.strokeStyle = colour.grid;
  pen.lineWidth = 1;
  pen.beginPath();
  for (let x = ((left % step) + step) % step; x < view.width; x += step) {
    pen.moveTo(Math.round(x) + 0.5, 0);
    pen.lineTo(Math.round(x) + 0.5, view.height);
  }
  for (let y = ((top % step) + step) % step; y < view.height; y += step) {
    pen.moveTo(0, Math.round(y) + 0.5);
    pen.lineTo(view.width, Math.round(y) + 0.5);
  }
  pen.stroke();
}

export function drawPoints(pen, view, points, colour, onTiles) {
  const many = points.length > 8000;
  const size = many ? 3 : 5;
  pen.globalAlpha = onTiles ? 0.9 : many ? 0.5 : 0.7;
  pen.fillStyle = onTiles ? colour.accent : colour.dot;
  for (let i = 0; i < points.length; i += 2) {
    const [x, y] = view.toScreen(points[i], points[i + 1]);
    if (x > -size && y > -size && x < view.width + size && y < view.height + size) {
      pen.beginPath();
      pen.arc(x, y, size / 2, 0, 2 * Math.PI);
      pen.fill();
    }
  }
  pen.globalAlpha = 1;
}

export function drawEstimate(pen, view, estimate, colour) {
  const [x, y] = view.toScreen(estimate.x, estimate.y);
  const radius = Math.max(18, estimate.spread / view.metresPerPixel);
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  pen.globalAlpha = 0.18;
  pen.fillStyle = colour.accent;
  pen.fill();
  pen.globalAlpha = 1;
  pen.strokeStyle = colour.accent;
  pen.lineWidth = 2;
  pen.stroke();
  for (const [width, ink] of [[5, colour.halo], [2, colour.accent]]) {
    pen.lineWidth = width;
    pen.strokeStyle = ink;
    pen.beginPath();
    pen.moveTo(x - 9, y);
    pen.lineTo(x + 9, y);
    pen.moveTo(x, y - 9);
    pen.lineTo(x, y + 9);
    pen.stroke();
  }
}

// Badges of the hits, the best on top; each stands over its place, a little higher where another is in the way.
export function placeBadges(view, hits) {
  const placed = [];
  for (const hit of hits) {
    const [x, ground] = view.toScreen(hit.x, hit.y);
    let y = ground - 20;
    while (placed.some((other) => Math.hypot(other.left - x, other.top - y) < 2 * BADGE)) y -= 2 * BADGE;
    placed.push({ hit, left: x, top: y, ground });
  }
  return placed;
}

export function drawBadges(pen, badges, chosen, colour) {
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  for (const { hit, left, top, ground } of [...badges].reverse()) {
    const best = hit.rank === 1;
    const ink = best ? colour.accent : colour.ink;
    const radius = hit.id === chosen ? BADGE + 3 : BADGE;
    pen.strokeStyle = ink;
    pen.lineWidth = 2;
    pen.beginPath();
    pen.moveTo(left, top);
    pen.lineTo(left, ground);
    pen.stroke();
    pen.fillStyle = ink;
    pen.beginPath();
    pen.arc(left, ground, 3, 0, 2 * Math.PI);
    pen.fill();
    pen.beginPath();
    pen.arc(left, top, radius, 0, 2 * Math.PI);
    pen.fill();
    pen.strokeStyle = colour.halo;
    pen.stroke();
    pen.fillStyle = best ? colour["on-accent"] : colour.paper;
    pen.font = `700 ${hit.rank > 99 ? 10 : 12}px system-ui, sans-serif`;
    pen.fillText(String(hit.rank), left, top + 0.5);
  }
}

export function drawScale(pen, view, colour) {
  const length = roundLength(Math.min(160, view.width / 3) * view.metresPerPixel);
  const wide = length / view.metresPerPixel;
  const [left, bottom] = [16, view.height - 16];
  pen.font = "12px system-ui, sans-serif";
  pen.textAlign = "left";
  pen.textBaseline = "alphabetic";
  for (const [width, ink] of [[5, colour.halo], [2, colour.ink]]) {
    pen.strokeStyle = ink;
    pen.lineWidth = width;
    pen.beginPath();
    pen.moveTo(left, bottom - 5);
    pen.lineTo(left, bottom);
    pen.lineTo(left + wide, bottom);
    pen.lineTo(left + wide, bottom - 5);
    pen.stroke();
  }
  pen.lineWidth = 4;
  pen.strokeStyle = colour.halo;
  pen.strokeText(metres(length), left + 6, bottom - 6);
  pen.fillStyle = colour.ink;
  pen.fillText(metres(length), left + 6, bottom - 6);
}
