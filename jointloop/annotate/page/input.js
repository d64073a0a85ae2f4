// What keys and the pointer do.

import { HIDDEN, OUTSIDE, VISIBLE } from "./model.js";

const FURTHER = { plain: 1, shift: 10, alt: 0.1 };
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const key = (keys, text, run, more = {}) => ({
  keys,
  text,
  run,
  fits: (event) => keys.includes(event.key) && Boolean(more.ctrl) === (event.ctrlKey || event.metaKey),
});

function flag(app, value) {
  const at = app.placeOf(app.selected) ?? app.view.centre;
  app.picture.put(app.selected, [...at], value);
  app.changed();
}

function move(app, event) {
  const [dx, dy] = ARROWS[event.key];
  const step = event.shiftKey ? FURTHER.shift : event.altKey ? FURTHER.alt : FURTHER.plain;
  const [x, y] = app.placeOf(app.selected) ?? app.view.centre;
  app.picture.put(app.selected, [x + dx * step, y + dy * step]);
  app.view.reveal(app.picture.marks.pixels[app.selected]);
  app.changed();
}

function remove(app) {
  app.picture.rejected.add(app.selected);
  app.picture.change((marks) => {
    marks.pixels[app.selected] = null;
    marks.flags[app.selected] = OUTSIDE;
  });
  app.changed();
}

function propose(app) {
  const spots = app.session.keypoints.map((_, j) => app.picture.proposedAt(j));
  if (!spots.some(Boolean)) return;
  app.picture.change((marks) => spots.forEach((at, j) => {
    if (at) { marks.pixels[j] = at; marks.flags[j] = HIDDEN; }
  }));
  app.changed();
}

function again(app, moved) {
  if (moved) app.changed();
}

/** Every key: its names, what help says of it, and what it does. */
export const KEYS = [
  key(["Tab"], "the next keypoint; with Shift the one before",
    (app, event) => app.select(app.selected + (event.shiftKey ? -1 : 1))),
  { keys: ["1 … 9"], text: "the keypoint of that number", run: (app, event) => app.select(event.key - 1),
    fits: (event) => !event.ctrlKey && !event.metaKey && /^[1-9]$/.test(event.key) },
  key(Object.keys(ARROWS), "move the mark by 1 px; with Shift by 10, with Alt by 0.1", move),
  key([" "], "mark here: take the guess or the proposal, else the middle of the view",
    (app) => flag(app, app.picture.marks.flags[app.selected] || VISIBLE)),
  key(["v"], "visible", (app) => flag(app, VISIBLE)),
  key(["h"], "hidden", (app) => flag(app, HIDDEN)),
  key(["o", "Delete", "Backspace"], "outside the picture, or not to be told: no mark", remove),
  key(["p"], "take all proposals of the kinematics as hidden", propose),
  key(["a"], "take all guesses of the detector", (app) => {
    app.picture.accept(app.picture.marks.done);
    app.changed();
  }),
  key(["Enter"], "take all guesses, done: the next picture", (app) => {
    app.picture.accept(true);
    app.changed();
    app.go(app.place + 1);
  }),
  key(["n", "PageDown"], "the next picture", (app) => app.go(app.place + 1)),
  key(["b", "PageUp"], "the picture before", (app) => app.go(app.place - 1)),
  key(["u"], "undo", (app) => again(app, app.picture.undo())),
  key(["z"], "with Ctrl: undo", (app) => again(app, app.picture.undo()), { ctrl: true }),
  key(["r"], "redo", (app) => again(app, app.picture.redo())),
  key(["y"], "with Ctrl: redo", (app) => again(app, app.picture.redo()), { ctrl: true }),
  key(["+", "="], "nearer, up to 800 %", (app) => zoom(app, 1.25)),
  key(["-"], "farther", (app) => zoom(app, 0.8)),
  key(["0"], "the whole picture", (app) => { app.view.fit(); app.refresh(); }),
  key(["c"], "the selected keypoint into the middle", (app) => {
    app.view.centre = [...(app.placeOf(app.selected) ?? app.view.centre)];
    app.refresh();
  }),
  key(["l"], "the loupe, on or off", (app) => {
    app.view.loupeOn = !app.view.loupeOn;
    app.refresh();
  }),
  key(["?"], "these keys", (app) => app.help()),
];

function zoom(app, factor) {
  app.view.zoom(factor, app.placeOf(app.selected) ?? app.view.centre);
  app.refresh();
}

/** Dragging marks, placing them, moving the view, zooming with the wheel. */
export function pointer(canvas, app) {
  let dragged = null;
  const spot = (event) => [event.offsetX, event.offsetY];
  canvas.addEventListener("pointerdown", (event) => {
    if (!app.picture) return;
    canvas.setPointerCapture(event.pointerId);
    const [x, y] = spot(event);
    if (event.button !== 0 || event.ctrlKey) {
      dragged = { pan: [x, y] };
      return;
    }
    const near = app.view.at(x, y), at = app.view.toPicture(x, y);
    if (near >= 0) app.select(near);
    const j = app.selected, from = app.placeOf(j);
    // A mark that is taken hold of beside its middle does not jump.
    const hold = near >= 0 ? [from[0] - at[0], from[1] - at[1]] : [0, 0];
    dragged = { j, hold };
    app.picture.put(j, [at[0] + hold[0], at[1] + hold[1]]);
    app.changed(true);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!app.picture) return;
    const [x, y] = spot(event), at = app.view.toPicture(x, y);
    app.view.eye = at;
    if (dragged?.pan) {
      app.view.pan(x - dragged.pan[0], y - dragged.pan[1]);
      dragged.pan = [x, y];
    } else if (dragged) {
      const place = [at[0] + dragged.hold[0], at[1] + dragged.hold[1]];
      app.view.eye = place;
      app.picture.put(dragged.j, place, undefined, true);
      app.changed(true);
    } else {
      app.view.draw();
    }
  });
  const end = () => {
    if (dragged && !dragged.pan) app.changed();
    dragged = null;
  };
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    app.view.zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2, app.view.toPicture(...spot(event)));
    app.refresh();
  }, { passive: false });
}
