// Street tiles, asked for only while they are wanted; the latest are kept.

const SIDE = 256;
const DEEPEST = 19;
const KEPT = 160;

export class Tiles {
  constructor(url, changed) {
    this.url = url;
    this.changed = changed;
    this.wanted = false;
    this.images = new Map();
  }

  draw(pen, view) {
    const level = Math.max(0, Math.min(DEEPEST, Math.round(Math.log2(view.scale / SIDE))));
    const count = 2 ** level;
    const side = view.scale / count;
    const [left, top] = view.toWorld(0, 0);
    const [right, bottom] = view.toWorld(view.width, view.height);
    const last = Math.min(count - 1, Math.floor(bottom * count));
    for (let row = Math.max(0, Math.floor(top * count)); row <= last; row += 1) {
      for (let column = Math.floor(left * count); column <= Math.floor(right * count); column += 1) {
        const image = this.image(level, ((column % count) + count) % count, row);
        if (!image.complete || !image.naturalWidth) continue;
        const [x, y] = view.toScreen(column / count, row / count);
        pen.drawImage(image, Math.floor(x), Math.floor(y), Math.ceil(side) + 1, Math.ceil(side) + 1);
      }
    }
  }

  image(level, column, row) {
    const address = this.url.replace("{z}", level).replace("{x}", column).replace("{y}", row);
    let image = this.images.get(address);
    if (image === undefined) {
      image = new Image();
      image.addEventListener("load", this.changed);
      image.src = address;
    }
    this.images.delete(address);
    this.images.set(address, image);
    if (this.images.size > KEPT) this.images.delete(this.images.keys().next().value);
    return image;
  }
}
