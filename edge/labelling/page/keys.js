// The keyboard: every function of the page has a key.

import { isOpen } from "./dialogs.js";

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const TOOLS = { d: "brush", e: "erase", o: "polygon", h: "hand" };

/** Listen to the keys. clicks: the functions of the buttons by their id. */
export function listenToKeys(app, clicks) {
  let spaceHeld = false;
  const { editor, view, network } = app;
  const middle = () => [view.stage.clientWidth / 2, view.stage.clientHeight / 2];
  const plain = {
    g: clicks.good,
    b: clicks.bad,
    s: clicks.skip,
    n: clicks.next,
    p: clicks.back,
    l: clicks.list,
    u: clicks["take-back"],
    z: clicks.undo,
    y: clicks.redo,
    r: clicks.revert,
    k: () => app.newKind(),
    j: () => network.step(),
    a: () => network.accept(),
    c: () => network.correct(),
    x: () => network.dismiss(),
    v: () => network.toggleSeverity(),
    0: clicks.fit,
    "+": () => view.zoom(1.3, ...middle()),
    "=": () => view.zoom(1.3, ...middle()),
    "-": () => view.zoom(1 / 1.3, ...middle()),
    "[": () => app.setRadius(editor.radius - Math.max(1, Math.round(editor.radius / 5))),
    "]": () => app.setRadius(editor.radius + Math.max(1, Math.round(editor.radius / 5))),
    "?": clicks.help,
    Backspace: () => editor.removePoint(),
    Escape: () => editor.dropPolygon(),
  };
  const shifted = {
    b: clicks["bad-kind"],
    a: () => network.acceptAll(),
    z: clicks.redo,
  };

  window.addEventListener("keydown", (event) => {
    if (isOpen() || event.altKey || event.target.matches("input:not([type=range]), select")) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    let act = null;
    if (event.ctrlKey || event.metaKey) {
      if (key === "s") act = () => app.decide("bad", { stay: true });
      else if (key === "z") act = event.shiftKey ? clicks.redo : clicks.undo;
      else if (key === "y") act = clicks.redo;
    } else if (ARROWS[key] && !event.target.matches("input")) {
      const [dx, dy] = ARROWS[key];
      const step = event.shiftKey ? 10 : 1;
      act = () => editor.moveCursor(dx * step, dy * step, spaceHeld);
    } else if (key === " " && !event.target.matches("button, input")) {
      act = () => {
        if (!spaceHeld) editor.drawAtCursor();
        spaceHeld = true;
      };
    } else if (key === "Enter" && editor.draft) {
      act = () => editor.closePolygon();
    } else if (/^[1-9]$/.test(key)) {
      const kind = app.kinds[Number(key) - 1];
      act = () => kind && app.chooseKind(kind);
    } else if (TOOLS[key]) {
      act = () => app.chooseTool(TOOLS[key]);
    } else {
      act = (event.shiftKey && shifted[key]) || (event.repeat && "gbsn".includes(key) ? null : plain[key]);
    }
    if (!act) return;
    event.preventDefault();
    act();
  });
  window.addEventListener("keyup", (event) => {
    if (event.key === " ") spaceHeld = false;
  });
}
