// Which part of the world a canvas shows: a centre, and pixels per unit of the projection's square.

import { metresPerUnit } from "./projection.js";

const MOST = 2 ** 31;
const LEAST_METRES = 60;

export class View {
  constructor() {
    this.x = 0.5;
    this.y = 0.5;
    this.scale = 256;
    this.width = 1;
    this.height = 1;
  }

  toScreen(x, y) {
    return [(x - this.x) * this.scale + this.width / 2, (y - this.y) * this.scale + this.height / 2];
  }

  toWorld(left, top) {
    return [(left - this.width / 2) / this.scale + this.x, (top - this.height / 2) / this.scale + this.y];
  }

  // Everything within bounds, with a margin of pixels; a single point gets a neighbourhood.
  fit([left, top, right, bottom], margin = 56) {
    if (!Number.isFinite(left)) return;
    this.x = (left + right) / 2;
    this.y = (top + bottom) / 2;
    const least = LEAST_METRES / metresPerUnit(this.y);
    const across = Math.max(40, this.width - 2 * margin) / Math.max(right - left, least);
    const down = Math.max(40, this.height - 2 * margin) / Math.max(bottom - top, least);
    this.scale = Math.min(across, down, MOST);
  }

  pan(left, top) {
    this.x -= left / this.scale;
    this.y = Math.max(0, Math.min(1, this.y - top / this.scale));
  }

  // What lies under a pixel stays there.
  zoom(factor, left = this.width / 2, top = this.height / 2) {
    const [x, y] = this.toWorld(left, top);
    this.scale = Math.max(128, Math.min(MOST, this.scale * factor));
    const [after, below] = this.toWorld(left, top);
    this.x += x - after;
    this.y += y - below;
  }

  get metresPerPixel() {
    return metresPerUnit(this.y) / this.scale;
  }
}
