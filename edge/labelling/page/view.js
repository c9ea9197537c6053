// The picture on the screen: layers, zoom, and the drawing of the label map and of the marks above.

const MOST_ZOOM = 40;
const COLOURS = [
  [255, 77, 77], [64, 156, 255], [255, 176, 46], [178, 102, 255], [0, 200, 140],
  [255, 105, 180], [160, 200, 30], [0, 200, 220], [230, 120, 40], [150, 150, 255],
];
const SVG = "http://www.w3.org/2000/svg";

/** Return the colour of a kind, [red, green, blue]. value: its number, from 1. */
export function colourOf(value) {
  return COLOURS[(value - 1) % COLOURS.length];
}

export function cssColour(value) {
  return `rgb(${colourOf(value).join(" ")})`;
}

export class View {
  constructor(stage) {
    this.stage = stage;
    this.layers = stage.querySelector("#layers");
    this.picture = stage.querySelector("#picture");
    this.severity = stage.querySelector("#severity");
    this.labels = stage.querySelector("#labels");
    this.marks = stage.querySelector("#marks");
    this.scale = 1;
    this.left = 0;
    this.top = 0;
    this.width = 1;
    this.height = 1;
    this.drawMarks = () => {};
    this.fitted = true;
    new ResizeObserver(() => (this.fitted ? this.fit() : this.place())).observe(stage);
  }

  /** Show a picture, and the whole of it. */
  show(bitmap) {
    this.width = bitmap.width;
    this.height = bitmap.height;
    for (const layer of [this.picture, this.severity, this.labels]) {
      layer.width = bitmap.width;
      layer.height = bitmap.height;
    }
    this.picture.getContext("2d").drawImage(bitmap, 0, 0);
    this.severity.hidden = true;
    this.fit();
  }

  showSeverity(bitmap) {
    this.severity.getContext("2d").drawImage(bitmap, 0, 0);
    this.severity.hidden = false;
  }

  /** Draw the changed part of the label map: filled, with an opaque outline. */
  paint(map) {
    const area = map.takeDirty();
    if (!area) return;
    const left = Math.max(0, area[0] - 1);
    const top = Math.max(0, area[1] - 1);
    const right = Math.min(map.width - 1, area[2] + 1);
    const bottom = Math.min(map.height - 1, area[3] + 1);
    const context = this.labels.getContext("2d");
    const image = context.createImageData(right - left + 1, bottom - top + 1);
    const { data, width, height } = map;
    let at = 0;
    for (let y = top; y <= bottom; y += 1) {
      for (let x = left; x <= right; x += 1, at += 4) {
        const place = y * width + x;
        const value = data[place];
        if (!value) continue;
        const rim =
          (x > 0 && data[place - 1] !== value) ||
          (x < width - 1 && data[place + 1] !== value) ||
          (y > 0 && data[place - width] !== value) ||
          (y < height - 1 && data[place + width] !== value);
        const colour = colourOf(value);
        image.data[at] = colour[0];
        image.data[at + 1] = colour[1];
        image.data[at + 2] = colour[2];
        image.data[at + 3] = rim ? 255 : 90;
      }
    }
    context.putImageData(image, left, top);
  }

  fit() {
    const { clientWidth, clientHeight } = this.stage;
    this.scale = Math.min((clientWidth - 16) / this.width, (clientHeight - 16) / this.height, 8);
    this.scale = Math.max(this.scale, 0.01);
    this.left = (clientWidth - this.width * this.scale) / 2;
    this.top = (clientHeight - this.height * this.scale) / 2;
    this.place();
    this.fitted = true;
  }

  get position() {
    return [this.scale, this.left, this.top, this.fitted];
  }

  set position([scale, left, top, fitted]) {
    [this.scale, this.left, this.top] = [scale, left, top];
    this.place();
    if (fitted) this.fit();
  }

  /** Zoom by a factor around a point of the stage. */
  zoom(factor, x, y) {
    const least = Math.min(this.stage.clientWidth / this.width, this.stage.clientHeight / this.height) / 2;
    const scale = Math.min(MOST_ZOOM, Math.max(Math.min(least, 1), this.scale * factor));
    this.left = x - ((x - this.left) * scale) / this.scale;
    this.top = y - ((y - this.top) * scale) / this.scale;
    this.scale = scale;
    this.place();
  }

  /** Show an area of pixels large enough to move points in it; a large one stays as it is. */
  focus(left, top, right, bottom) {
    const { clientWidth, clientHeight } = this.stage;
    const fill = Math.min(clientWidth / (right - left + 1), clientHeight / (bottom - top + 1)) / 2;
    const scale = Math.min(16, Math.max(this.scale, fill));
    const [x, y] = [(left + right + 1) / 2, (top + bottom + 1) / 2];
    this.scale = scale;
    this.left = clientWidth / 2 - x * scale;
    this.top = clientHeight / 2 - y * scale;
    this.place();
  }

  pan(dx, dy) {
    this.left += dx;
    this.top += dy;
    this.place();
  }

  /** Move the picture so that a pixel is visible. */
  reveal(x, y) {
    const [sx, sy] = this.toScreen(x, y);
    const rim = 40;
    const { clientWidth, clientHeight } = this.stage;
    const dx = sx < rim ? rim - sx : Math.min(0, clientWidth - rim - sx);
    const dy = sy < rim ? rim - sy : Math.min(0, clientHeight - rim - sy);
    if (dx || dy) this.pan(dx, dy);
  }

  place() {
    this.fitted = false;
    const { clientWidth, clientHeight } = this.stage;
    // A part of the picture stays visible, whatever is dragged.
    const rim = 40;
    this.left = Math.min(clientWidth - rim, Math.max(rim - this.width * this.scale, this.left));
    this.top = Math.min(clientHeight - rim, Math.max(rim - this.height * this.scale, this.top));
    this.layers.style.transform = `translate(${this.left}px, ${this.top}px) scale(${this.scale})`;
    this.layers.classList.toggle("sharp", this.scale >= 2);
    this.drawMarks();
  }

  /** Return the place of an event on the stage, in CSS pixels. */
  onStage(event) {
    const box = this.stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  /** Return the pixel at a place of the stage; it may lie outside the picture. */
  toPixel(x, y) {
    return [Math.floor((x - this.left) / this.scale), Math.floor((y - this.top) / this.scale)];
  }

  /** Return the place of the centre of a pixel on the stage. */
  toScreen(x, y) {
    return [(x + 0.5) * this.scale + this.left, (y + 0.5) * this.scale + this.top];
  }

  /** Replace the marks. shapes: [element, attributes]. */
  setMarks(shapes) {
    this.marks.replaceChildren(
      ...shapes.map(([element, attributes]) => {
        const shape = document.createElementNS(SVG, element);
        for (const [key, value] of Object.entries(attributes)) shape.setAttribute(key, value);
        return shape;
      }),
    );
  }
}
