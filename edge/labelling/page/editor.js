// The tools: brush, eraser, polygon and hand, by mouse, pen, fingers and keys.

import { cssColour } from "./view.js";

const NEAR_MOUSE_PX = 10;
const NEAR_TOUCH_PX = 22;
const TAP_PX = 6;

export class Editor {
  constructor(view) {
    this.view = view;
    this.map = null;
    this.tool = "brush";
    this.radius = 6;
    this.value = 0; // the number of the chosen kind; 0: none is chosen
    this.readOnly = true;
    this.draft = null; // {points, closed, value}: the polygon that is being drawn or corrected
    this.before = null; // the position of the view before an outline was shown large
    this.cursor = null; // [x, y] of the keyboard
    this.proposals = [];
    this.chosen = -1;
    this.pointers = new Map();
    this.pinch = null;
    this.stroke = null;
    this.penSeen = false;
    this.hover = null;
    this.needsKind = () => {};
    this.changed = () => {};
    this.pick = () => {};
    view.drawMarks = () => this.drawMarks();
    const { stage } = view;
    stage.addEventListener("pointerdown", (event) => this.#down(event));
    stage.addEventListener("pointermove", (event) => this.#move(event));
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
      stage.addEventListener(end, (event) => this.#up(event));
    }
    stage.addEventListener("pointerleave", () => {
      this.hover = null;
      this.drawMarks();
    });
    stage.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    stage.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  /** Begin with another picture. */
  start(map, readOnly) {
    this.map = map;
    this.readOnly = readOnly;
    this.draft = null;
    this.before = null;
    this.cursor = null;
    this.stroke = null;
    this.proposals = [];
    this.chosen = -1;
    this.pinch = null;
    this.refresh();
  }

  refresh() {
    if (this.map) this.view.paint(this.map);
    this.drawMarks();
    this.changed();
  }

  get isDrawing() {
    return this.stroke !== null || (this.draft !== null && this.draft.points.length > 0);
  }

  // Polygon

  /** Correct an outline: its points can be moved, and points added on its edges. */
  correct(points, value) {
    this.tool = "polygon";
    this.draft = { points: points.map((point) => [...point]), closed: true, value };
    this.before = this.view.position;
    const [xs, ys] = [points.map((point) => point[0]), points.map((point) => point[1])];
    this.view.focus(Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys));
    this.refresh();
  }

  /** Fill the polygon. Returns false where it has fewer than three points. */
  closePolygon() {
    const { draft } = this;
    if (!draft || draft.points.length < 3 || this.readOnly) return false;
    this.map.begin();
    this.map.fillPolygon(draft.points, draft.value);
    this.map.commit();
    this.#endDraft();
    return true;
  }

  dropPolygon() {
    this.#endDraft();
  }

  #endDraft() {
    this.draft = null;
    if (this.before) this.view.position = this.before;
    this.before = null;
    this.refresh();
  }

  removePoint() {
    if (!this.draft) return;
    this.draft.points.pop();
    if (!this.draft.points.length) this.draft = null;
    this.refresh();
  }

  // Keyboard

  /** Move the cursor of the keyboard; draw is true while the space bar is held. */
  moveCursor(dx, dy, draw) {
    if (!this.map) return;
    const { width, height } = this.map;
    const from = this.cursor ?? [Math.floor(width / 2), Math.floor(height / 2)];
    const to = this.cursor
      ? [Math.min(width - 1, Math.max(0, from[0] + dx)), Math.min(height - 1, Math.max(0, from[1] + dy))]
      : from;
    this.cursor = to;
    if (draw && this.#canDraw() && (this.tool === "brush" || this.tool === "erase")) {
      this.map.begin();
      this.map.stroke(from[0], from[1], to[0], to[1], this.radius, this.#ink());
      this.map.commit();
    }
    this.view.reveal(to[0], to[1]);
    this.refresh();
  }

  /** Draw at the cursor: one touch of the brush, or a point of the polygon. */
  drawAtCursor() {
    if (!this.cursor) this.moveCursor(0, 0, false);
    if (this.tool === "polygon") this.#addPoint(this.cursor);
    else this.moveCursor(0, 0, true);
    this.refresh();
  }

  // Marks

  drawMarks() {
    const shapes = [];
    const { view } = this;
    const at = (points) => points.map(([x, y]) => view.toScreen(x, y).join(",")).join(" ");
    this.proposals.forEach((proposal, number) => {
      shapes.push([
        "polygon",
        { points: at(proposal.outline), class: number === this.chosen ? "proposal chosen" : "proposal" },
      ]);
    });
    if (this.draft) {
      const { points, closed, value } = this.draft;
      shapes.push([closed ? "polygon" : "polyline", { points: at(points), class: "draft", stroke: cssColour(value) }]);
      points.forEach(([x, y], number) => {
        const [cx, cy] = view.toScreen(x, y);
        shapes.push(["circle", { cx, cy, r: number ? 5 : 7, class: "point", fill: cssColour(value) }]);
      });
    }
    if (this.cursor) {
      const [x, y] = view.toScreen(...this.cursor);
      shapes.push(["path", { d: `M${x - 14} ${y}h10M${x + 4} ${y}h10M${x} ${y - 14}v10M${x} ${y + 4}v10`, class: "cursor" }]);
    }
    const place = this.cursor ? view.toScreen(...this.cursor) : this.hover;
    if (place && !this.readOnly && (this.tool === "brush" || this.tool === "erase")) {
      const [cx, cy] = place;
      shapes.push(["circle", { cx, cy, r: Math.max(1, (this.radius + 0.5) * view.scale), class: "brush" }]);
    }
    view.setMarks(shapes);
  }

  // Pointers

  #ink() {
    return this.tool === "erase" ? 0 : this.value;
  }

  #canDraw() {
    if (this.readOnly || !this.map) return false;
    if (this.tool !== "erase" && !this.value) {
      this.needsKind();
      return false;
    }
    return true;
  }

  #down(event) {
    if (!this.map || event.target.closest("button")) return;
    this.view.stage.focus({ preventScroll: true });
    this.cursor = null;
    try {
      this.view.stage.setPointerCapture(event.pointerId);
    } catch {
      return; // the pointer is gone already
    }
    this.pointers.set(event.pointerId, this.view.onStage(event));
    if (event.pointerType === "pen") this.penSeen = true;
    if (event.pointerType === "touch" && this.pointers.size === 2) {
      this.#cancelStroke();
      this.#beginPinch();
      return;
    }
    if (this.pointers.size > 1) return;
    const [x, y] = this.view.onStage(event);
    const palm = event.pointerType === "touch" && this.penSeen; // with a pen, fingers move the picture
    if (this.tool === "hand" || event.button === 1 || palm) {
      this.stroke = { kind: "pan", last: [x, y], start: [x, y] };
    } else if (event.button === 0) {
      this.#beginTool(event, x, y);
    }
  }

  #beginTool(event, x, y) {
    const pixel = this.view.toPixel(x, y);
    if (this.tool === "polygon") {
      this.#beginPoint(event, x, y, pixel);
      return;
    }
    if (!this.#canDraw()) return;
    this.map.begin();
    this.map.stroke(pixel[0], pixel[1], pixel[0], pixel[1], this.radius, this.#ink());
    this.stroke = { kind: "brush", last: pixel, start: [x, y] };
    this.refresh();
  }

  #beginPoint(event, x, y, pixel) {
    if (!this.draft) {
      const hit = this.#proposalAt(pixel);
      if (hit >= 0 && !this.isDrawing) {
        this.pick(hit);
        return;
      }
    }
    if (!this.#canDraw()) return;
    const near = event.pointerType === "touch" ? NEAR_TOUCH_PX : NEAR_MOUSE_PX;
    const place = this.#pointNear(x, y, near);
    if (place >= 0) {
      this.stroke = { kind: "point", place, start: [x, y], moved: false };
      return;
    }
    if (this.draft?.closed) {
      const edge = this.#edgeNear(x, y, near);
      if (edge < 0) return;
      this.draft.points.splice(edge + 1, 0, pixel);
      this.stroke = { kind: "point", place: edge + 1, start: [x, y], moved: true };
    } else {
      this.#addPoint(pixel);
      this.stroke = { kind: "point", place: this.draft.points.length - 1, start: [x, y], moved: true };
    }
    this.refresh();
  }

  #addPoint([x, y]) {
    if (!this.#canDraw()) return;
    const point = [Math.min(this.map.width - 1, Math.max(0, x)), Math.min(this.map.height - 1, Math.max(0, y))];
    if (!this.draft) this.draft = { points: [], closed: false, value: this.value };
    this.draft.points.push(point);
  }

  #move(event) {
    const place = this.view.onStage(event);
    if (event.pointerType !== "touch") this.hover = place;
    if (this.pointers.has(event.pointerId)) this.pointers.set(event.pointerId, place);
    if (this.pinch) {
      this.#movePinch();
    } else if (this.stroke && this.pointers.has(event.pointerId)) {
      const events = event.getCoalescedEvents?.() ?? [];
      for (const each of events.length ? events : [event]) this.#moveTool(this.view.onStage(each));
      this.refresh();
    } else {
      this.drawMarks();
    }
  }

  #moveTool([x, y]) {
    const { stroke } = this;
    const pixel = this.view.toPixel(x, y);
    if (stroke.kind === "pan") {
      this.view.pan(x - stroke.last[0], y - stroke.last[1]);
      stroke.last = [x, y];
    } else if (stroke.kind === "brush") {
      this.map.stroke(stroke.last[0], stroke.last[1], pixel[0], pixel[1], this.radius, this.#ink());
      stroke.last = pixel;
    } else if (this.draft) {
      if (Math.hypot(x - stroke.start[0], y - stroke.start[1]) > TAP_PX) stroke.moved = true;
      if (stroke.moved) {
        this.draft.points[stroke.place] = [
          Math.min(this.map.width - 1, Math.max(0, pixel[0])),
          Math.min(this.map.height - 1, Math.max(0, pixel[1])),
        ];
      }
    }
  }

  #up(event) {
    if (!this.pointers.delete(event.pointerId)) return;
    if (this.pinch) {
      if (!this.pointers.size) this.pinch = null;
      return;
    }
    const { stroke } = this;
    this.stroke = null;
    if (!stroke) return;
    if (stroke.kind === "brush") {
      if (event.type === "pointercancel") this.map.cancel();
      else this.map.commit();
    } else if (stroke.kind === "point" && !stroke.moved && stroke.place === 0 && this.draft && !this.draft.closed) {
      this.closePolygon();
    }
    this.refresh();
  }

  #cancelStroke() {
    const { stroke } = this;
    this.stroke = null;
    if (stroke?.kind === "brush") this.map.cancel();
    // The first of two fingers has set a point that nobody wanted.
    if (stroke?.kind === "point" && this.draft && !this.draft.closed) this.draft.points.splice(stroke.place, 1);
    if (this.draft && !this.draft.points.length) this.draft = null;
    this.refresh();
  }

  #beginPinch() {
    this.pinch = this.#spread();
  }

  #movePinch() {
    if (this.pointers.size < 2) return;
    const now = this.#spread();
    const { pinch } = this;
    this.view.pan(now.x - pinch.x, now.y - pinch.y);
    if (pinch.distance > 0 && now.distance > 0) this.view.zoom(now.distance / pinch.distance, now.x, now.y);
    this.pinch = now;
  }

  #spread() {
    const [[ax, ay], [bx, by]] = [...this.pointers.values()];
    return { x: (ax + bx) / 2, y: (ay + by) / 2, distance: Math.hypot(ax - bx, ay - by) };
  }

  #wheel(event) {
    event.preventDefault();
    if (!this.map) return;
    const [x, y] = this.view.onStage(event);
    const lines = event.deltaMode === 1 ? 16 : 1;
    this.view.zoom(Math.exp(-event.deltaY * lines * 0.0015), x, y);
  }

  #pointNear(x, y, near) {
    if (!this.draft) return -1;
    let found = -1;
    let least = near;
    this.draft.points.forEach(([px, py], number) => {
      const [sx, sy] = this.view.toScreen(px, py);
      const distance = Math.hypot(sx - x, sy - y);
      if (distance <= least) [found, least] = [number, distance];
    });
    return found;
  }

  #edgeNear(x, y, near) {
    const { points } = this.draft;
    return points.findIndex((point, number) => {
      const [ax, ay] = this.view.toScreen(...point);
      const [bx, by] = this.view.toScreen(...points[(number + 1) % points.length]);
      const length = (bx - ax) ** 2 + (by - ay) ** 2;
      const along = length ? Math.min(1, Math.max(0, ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length)) : 0;
      return Math.hypot(ax + along * (bx - ax) - x, ay + along * (by - ay) - y) <= near;
    });
  }

  #proposalAt([x, y]) {
    if (x < 0 || y < 0 || x >= this.map.width || y >= this.map.height) return -1;
    const place = y * this.map.width + x;
    return this.proposals.findIndex((proposal) => {
      const { runs } = proposal;
      for (let at = 0; at < runs.length; at += 2) {
        if (place >= runs[at] && place < runs[at] + runs[at + 1]) return true;
      }
      return false;
    });
  }
}
