// The drawing of one picture: one byte for each pixel, 0 for sound surface, else the number of a kind.

const MOST_STEPS = 200;
const MOST_BYTES = 256 << 20; // of the steps that can be undone

export class LabelMap {
  constructor(width, height) {
    this.width = width;
    this.height = height;
    this.data = new Uint8Array(width * height);
    this.done = [];
    this.undone = [];
    this.before = null; // the pixels at the beginning of the step that is being drawn
    this.dirty = null;
    this.changed = () => {};
  }

  get isEmpty() {
    return this.values().length === 0;
  }

  /** Set the pixels of runs (start, length, …) to a kind. */
  fillRuns(runs, value) {
    for (let at = 0; at < runs.length; at += 2) {
      const start = runs[at];
      const end = start + runs[at + 1];
      this.data.fill(value, start, end);
      const top = Math.floor(start / this.width);
      const bottom = Math.floor((end - 1) / this.width);
      const one = top === bottom;
      this.#touch(one ? start % this.width : 0, top, one ? (end - 1) % this.width : this.width - 1, bottom);
    }
  }

  /** Return the runs of a kind. */
  runsOf(value) {
    const runs = [];
    const { data } = this;
    for (let at = data.indexOf(value); at >= 0; at = data.indexOf(value, at)) {
      const start = at;
      while (at < data.length && data[at] === value) at += 1;
      runs.push(start, at - start);
    }
    return runs;
  }

  /** Return the kinds that are drawn. */
  values() {
    const seen = new Uint8Array(256);
    const { data } = this;
    for (let at = 0; at < data.length; at += 1) seen[data[at]] = 1;
    return Array.from(seen.keys()).filter((value) => value > 0 && seen[value]);
  }

  /** Return whether the drawing is that of another array of its size. */
  equals(other) {
    const { data } = this;
    for (let at = 0; at < data.length; at += 1) if (data[at] !== other[at]) return false;
    return true;
  }

  /** Draw a line of a round brush between the centres of two pixels. */
  stroke(x0, y0, x1, y1, radius, value) {
    const left = Math.max(0, Math.min(x0, x1) - radius);
    const right = Math.min(this.width - 1, Math.max(x0, x1) + radius);
    const top = Math.max(0, Math.min(y0, y1) - radius);
    const bottom = Math.min(this.height - 1, Math.max(y0, y1) + radius);
    const reach = radius * radius + radius;
    const [dx, dy] = [x1 - x0, y1 - y0];
    const length = dx * dx + dy * dy;
    for (let y = top; y <= bottom; y += 1) {
      for (let x = left; x <= right; x += 1) {
        let along = length ? ((x - x0) * dx + (y - y0) * dy) / length : 0;
        along = Math.min(1, Math.max(0, along));
        const [ex, ey] = [x - x0 - along * dx, y - y0 - along * dy];
        if (ex * ex + ey * ey <= reach) this.data[y * this.width + x] = value;
      }
    }
    if (left <= right && top <= bottom) this.#touch(left, top, right, bottom);
  }

  /** Fill a polygon, with the pixels of its outline. points: [x, y] of pixels. */
  fillPolygon(points, value) {
    const ys = points.map((point) => point[1]);
    const top = Math.max(0, Math.min(...ys));
    const bottom = Math.min(this.height - 1, Math.max(...ys));
    for (let y = top; y <= bottom; y += 1) {
      const crossings = [];
      points.forEach(([ax, ay], number) => {
        const [bx, by] = points[(number + 1) % points.length];
        if (ay <= y !== by <= y) crossings.push(ax + ((y - ay) * (bx - ax)) / (by - ay));
      });
      crossings.sort((a, b) => a - b);
      for (let at = 0; at + 1 < crossings.length; at += 2) {
        const from = Math.max(0, Math.ceil(crossings[at]));
        const to = Math.min(this.width - 1, Math.floor(crossings[at + 1]));
        if (from > to) continue;
        this.data.fill(value, y * this.width + from, y * this.width + to + 1);
        this.#touch(from, y, to, y);
      }
    }
    points.forEach((point, number) => {
      const [bx, by] = points[(number + 1) % points.length];
      this.stroke(point[0], point[1], bx, by, 0, value);
    });
  }

  /** Remove everything. */
  clear() {
    this.data.fill(0);
    this.#touch(0, 0, this.width - 1, this.height - 1);
  }

  /** Begin a step that can be undone. */
  begin() {
    if (this.before === null) this.before = this.data.slice();
    this.stepArea = null;
  }

  /** End the step. A step that changed nothing is not recorded. */
  commit() {
    const { before, stepArea } = this;
    this.before = null;
    if (before === null || !stepArea) return;
    const step = { area: stepArea, before: this.#cut(before, stepArea), after: this.#cut(this.data, stepArea) };
    if (step.before.every((value, at) => value === step.after[at])) return;
    this.done.push(step);
    this.undone = [];
    let bytes = 0;
    for (let at = this.done.length - 1; at >= 0; at -= 1) {
      bytes += 2 * this.done[at].before.length;
      if (bytes > MOST_BYTES || this.done.length - at > MOST_STEPS) {
        this.done.splice(0, at + 1);
        break;
      }
    }
    this.changed();
  }

  /** Drop what the step has drawn. */
  cancel() {
    if (this.before === null) return;
    this.data.set(this.before);
    this.before = null;
    if (this.stepArea) this.#touch(...this.stepArea);
  }

  undo() {
    return this.#step(this.done, this.undone, "before");
  }

  redo() {
    return this.#step(this.undone, this.done, "after");
  }

  /** Return the changed area since the last call, [left, top, right, bottom], or null. */
  takeDirty() {
    const area = this.dirty;
    this.dirty = null;
    return area;
  }

  #step(from, to, side) {
    const step = from.pop();
    if (!step) return false;
    const [left, top, right, bottom] = step.area;
    const width = right - left + 1;
    for (let y = top; y <= bottom; y += 1) {
      const row = step[side].subarray((y - top) * width, (y - top + 1) * width);
      this.data.set(row, y * this.width + left);
    }
    this.#touch(left, top, right, bottom);
    to.push(step);
    this.changed();
    return true;
  }

  #cut(data, [left, top, right, bottom]) {
    const width = right - left + 1;
    const part = new Uint8Array(width * (bottom - top + 1));
    for (let y = top; y <= bottom; y += 1) {
      const start = y * this.width + left;
      part.set(data.subarray(start, start + width), (y - top) * width);
    }
    return part;
  }

  #touch(left, top, right, bottom) {
    this.dirty = united(this.dirty, [left, top, right, bottom]);
    if (this.before !== null) this.stepArea = united(this.stepArea, [left, top, right, bottom]);
  }
}

function united(area, other) {
  if (!area) return other;
  return [
    Math.min(area[0], other[0]),
    Math.min(area[1], other[1]),
    Math.max(area[2], other[2]),
    Math.max(area[3], other[3]),
  ];
}
