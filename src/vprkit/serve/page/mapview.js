// The map: database points, and the answer over them. It needs no network.

import { byId, degrees, hasPlace } from "./dom.js";
import { colours, drawBadges, drawEstimate, drawGrid, drawPoints, drawScale, placeBadges } from "./drawing.js";
import { listen } from "./gestures.js";
import { boundsOf, decodePoints, metresPerUnit, project } from "./projection.js";
import { Tiles } from "./tiles.js";
import { View } from "./view.js";

const TOUCH = 20;

export class MapView {
  // opened(id) is called when a hit on the map is chosen, pointed(id or null) when one is pointed at.
  constructor(told, tiles, opened, pointed) {
    this.canvas = byId("map");
    this.pen = this.canvas.getContext("2d");
    this.view = new View();
    this.points = decodePoints(told);
    this.home = boundsOf(this.points);
    this.hits = [];
    this.badges = [];
    this.estimate = null;
    this.chosen = null;
    this.opened = opened;
    this.pointed = pointed;
    this.touched = false;
    this.colour = colours();
    this.canvas.setAttribute("aria-label", `Map of ${told.count} photos`);
    this.#listen();
    this.#offerTiles(tiles);
  }

  // Show hits and an estimate, and move to where they are.
  show(hits, estimate) {
    this.hits = hits.filter(hasPlace).map((hit) => {
      const [x, y] = project(hit.latitude, hit.longitude);
      return { ...hit, x, y };
    });
    this.estimate = null;
    if (estimate !== null) {
      const [x, y] = project(estimate.latitude, estimate.longitude);
      this.estimate = { x, y, spread: estimate.spread_m };
    }
    this.touched = false;
    this.fit();
    const where = estimate === null ? "no position" : `position ${degrees(estimate)}`;
    this.canvas.setAttribute("aria-label", `Map: ${this.hits.length} hits, ${where}`);
  }

  // A hit stands out.
  choose(id) {
    this.chosen = id;
    this.redraw();
  }

  // The answer with some ground around it, or all points where there is none.
  fit() {
    const places = this.hits.flatMap((hit) => [hit.x, hit.y]);
    if (this.estimate !== null) {
      const reach = Math.max(40, this.estimate.spread) / metresPerUnit(this.estimate.y);
      const { x, y } = this.estimate;
      places.push(x - reach, y - reach, x + reach, y + reach);
    }
    this.view.fit(places.length ? boundsOf(places) : this.home, places.length ? 72 : 40);
    this.redraw();
  }

  redraw() {
    this.pending ??= requestAnimationFrame(() => {
      this.pending = null;
      this.#draw();
    });
  }

  #draw() {
    const { pen, view, colour } = this;
    const ratio = window.devicePixelRatio || 1;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.fillStyle = colour.land;
    pen.fillRect(0, 0, view.width, view.height);
    const tiled = this.tiles?.wanted ?? false;
    if (tiled) this.tiles.draw(pen, view);
    else drawGrid(pen, view, colour);
    drawPoints(pen, view, this.points, colour, tiled);
    if (this.estimate !== null) drawEstimate(pen, view, this.estimate, colour);
    this.badges = placeBadges(view, this.hits);
    drawBadges(pen, this.badges, this.chosen, colour);
    drawScale(pen, view, colour);
  }

  #resize() {
    const ratio = window.devicePixelRatio || 1;
    this.view.width = this.canvas.clientWidth;
    this.view.height = this.canvas.clientHeight;
    this.canvas.width = Math.round(this.view.width * ratio);
    this.canvas.height = Math.round(this.view.height * ratio);
    if (!this.touched) this.fit();
    this.#draw();
  }

  #at(left, top) {
    return this.badges.find((badge) => Math.hypot(badge.left - left, badge.top - top) < TOUCH)?.hit.id ?? null;
  }

  #moved() {
    this.touched = true;
    this.redraw();
  }

  #listen() {
    listen(this.canvas, this.view, {
      changed: () => this.#moved(),
      clicked: (left, top) => {
        const id = this.#at(left, top);
        if (id !== null) this.opened(id);
      },
      hovered: (left, top) => {
        const id = this.#at(left, top);
        this.canvas.classList.toggle("over", id !== null);
        if (id !== this.chosen) this.pointed(id);
      },
      key: (key) => this.#key(key),
    });
    byId("zoom-in").addEventListener("click", () => this.#zoomed(1.6));
    byId("zoom-out").addEventListener("click", () => this.#zoomed(1 / 1.6));
    byId("fit").addEventListener("click", () => this.#all());
    new ResizeObserver(() => this.#resize()).observe(this.canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.colour = colours();
      this.redraw();
    });
  }

  #zoomed(factor) {
    this.view.zoom(factor);
    this.#moved();
  }

  #all() {
    this.view.fit(this.home, 40);
    this.#moved();
  }

  // True where a key means something here.
  #key(key) {
    const all = key === "0" || key === "Home";
    if (all) this.#all();
    return all;
  }

  #offerTiles(tiles) {
    if (tiles === null) return;
    this.tiles = new Tiles(tiles.url, () => this.redraw());
    byId("tiles-row").hidden = false;
    byId("attribution").textContent = tiles.attribution;
    byId("tiles").addEventListener("change", (event) => {
      this.tiles.wanted = event.target.checked;
      byId("attribution").hidden = !event.target.checked;
      this.redraw();
    });
  }
}
