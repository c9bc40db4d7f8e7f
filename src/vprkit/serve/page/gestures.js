// Moving and zooming a view: mouse, touch (one finger moves, two zoom), wheel, keys.

const STEP = 80;
const CLICK = 5;

const KEYS = {
  ArrowLeft: (view) => view.pan(STEP, 0),
  ArrowRight: (view) => view.pan(-STEP, 0),
  ArrowUp: (view) => view.pan(0, STEP),
  ArrowDown: (view) => view.pan(0, -STEP),
  "+": (view) => view.zoom(1.5),
  "=": (view) => view.zoom(1.5),
  "-": (view) => view.zoom(1 / 1.5),
};

// told: {changed(), clicked(x, y), hovered(x, y), key(event)}
export function listen(canvas, view, told) {
  const fingers = new Map();
  let travelled = 0;

  const at = (event) => {
    const frame = canvas.getBoundingClientRect();
    return [event.clientX - frame.left, event.clientY - frame.top];
  };

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, at(event));
    if (fingers.size === 1) travelled = 0;
    canvas.classList.add("moving");
  });

  canvas.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    const now = at(event);
    if (before === undefined) {
      told.hovered(...now);
      return;
    }
    const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
    if (other === undefined) {
      view.pan(now[0] - before[0], now[1] - before[1]);
    } else {
      const apart = (point) => Math.max(1, Math.hypot(point[0] - other[0], point[1] - other[1]));
      view.pan((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
      view.zoom(apart(now) / apart(before), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
    }
    travelled += Math.hypot(now[0] - before[0], now[1] - before[1]);
    fingers.set(event.pointerId, now);
    told.changed();
  });

  const lifted = (event) => {
    if (!fingers.delete(event.pointerId)) return;
    if (!fingers.size) canvas.classList.remove("moving");
    if (event.type === "pointerup" && !fingers.size && travelled < CLICK) told.clicked(...at(event));
  };
  canvas.addEventListener("pointerup", lifted);
  canvas.addEventListener("pointercancel", lifted);

  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    view.zoom(Math.exp(-Math.max(-300, Math.min(300, event.deltaY * lines)) / 300), ...at(event));
    told.changed();
  }, { passive: false });

  canvas.addEventListener("dblclick", (event) => {
    view.zoom(2, ...at(event));
    told.changed();
  });

  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const move = KEYS[event.key];
    if (move !== undefined) {
      move(view);
      told.changed();
    } else if (!told.key(event.key)) {
      return;
    }
    event.preventDefault();
  });
}
