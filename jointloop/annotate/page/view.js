// Draws the picture, its marks and the loupe; knows what part of it is shown.

import { HIDDEN } from "./model.js";

const LARGEST = 8, LOUPE_ZOOM = 8, NEAR = 12;
const MARK = "#3ddc84", RED = "#ff3030", GUESS = "#ffd23f", POSE = "#ff40a0";

export class View {
  constructor(canvas, loupe) {
    this.canvas = canvas;
    this.loupe = loupe;
    this.scale = 1; // screen pixels per picture pixel
    this.centre = [0, 0]; // of the view, in picture pixels
    this.eye = [0, 0]; // where the loupe looks
    this.loupeOn = true;
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  async show(picture, url, session) {
    const image = new Image();
    image.src = url;
    await image.decode();
    Object.assign(this, { picture, image, session });
    this.fit();
  }

  fit() {
    const { width, height } = this.picture;
    const { clientWidth, clientHeight } = this.canvas;
    this.scale = Math.min(clientWidth / width, clientHeight / height, LARGEST);
    this.centre = [(width - 1) / 2, (height - 1) / 2];
    this.draw();
  }

  /** Zoom by a factor about a place, which stays where it is on the screen. */
  zoom(factor, about = this.centre) {
    const least = 0.5 * Math.min(1, this.canvas.clientWidth / this.picture.width);
    const scale = Math.min(Math.max(this.scale * factor, least), LARGEST);
    const share = this.scale / scale;
    this.centre = this.centre.map((c, i) => about[i] + (c - about[i]) * share);
    this.scale = scale;
    this.draw();
  }

  pan(dx, dy) {
    this.centre = [this.centre[0] - dx / this.scale, this.centre[1] - dy / this.scale];
    this.draw();
  }

  /** Bring a place into view. */
  reveal(at) {
    const [x, y] = this.toScreen(at), { clientWidth: w, clientHeight: h } = this.canvas;
    if (x < 20 || y < 20 || x > w - 20 || y > h - 20) this.centre = [...at];
    this.eye = [...at];
    this.draw();
  }

  toScreen([x, y]) {
    return [(x - this.centre[0]) * this.scale + this.canvas.clientWidth / 2,
      (y - this.centre[1]) * this.scale + this.canvas.clientHeight / 2];
  }

  toPicture(x, y) {
    return [(x - this.canvas.clientWidth / 2) / this.scale + this.centre[0],
      (y - this.canvas.clientHeight / 2) / this.scale + this.centre[1]];
  }

  /** The keypoint whose mark or guess lies at a place of the screen, or -1. */
  at(x, y) {
    let best = -1, least = NEAR;
    this.picture.marks.pixels.forEach((mark, j) => {
      const place = mark ?? this.picture.guessAt(j);
      if (!place) return;
      const [a, b] = this.toScreen(place);
      const away = Math.hypot(a - x, b - y);
      if (away < least) [best, least] = [j, away];
    });
    return best;
  }

  draw() {
    if (!this.image) return;
    const { canvas } = this, ratio = devicePixelRatio;
    canvas.width = canvas.clientWidth * ratio;
    canvas.height = canvas.clientHeight * ratio;
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.imageSmoothingEnabled = this.scale < 2;
    const [x, y] = this.toScreen([-0.5, -0.5]); // pixel centres lie at integers
    pen.drawImage(this.image, x, y, this.image.width * this.scale, this.image.height * this.scale);
    this.#lines(pen);
    this.picture.marks.pixels.forEach((_, j) => this.#keypoint(pen, j));
    this.#lens();
  }

  #lines(pen) {
    const { picture } = this, pose = picture.advice?.pose ?? [];
    for (const [a, b] of this.session.skeleton) {
      if (pose[a] && pose[b]) this.#line(pen, pose[a], pose[b], POSE, [4, 4]);
      const ends = [a, b].map((j) => picture.marks.pixels[j] ?? picture.guessAt(j));
      if (ends[0] && ends[1]) this.#line(pen, ...ends, MARK, []);
    }
  }

  #line(pen, a, b, colour, dash) {
    pen.beginPath();
    pen.setLineDash(dash);
    pen.moveTo(...this.toScreen(a));
    pen.lineTo(...this.toScreen(b));
    pen.strokeStyle = colour;
    pen.lineWidth = 1.5;
    pen.stroke();
    pen.setLineDash([]);
  }

  #keypoint(pen, j) {
    const { picture } = this, mark = picture.marks.pixels[j];
    const red = mark && picture.advice?.red[j];
    if (mark) {
      this.#dot(pen, mark, red ? RED : MARK, picture.marks.flags[j] !== HIDDEN);
      if (red) this.#text(pen, mark, `${picture.advice.residuals[j] ?? "?"} σ`, RED);
    } else if (picture.guessAt(j)) {
      const at = picture.guessAt(j);
      this.#dot(pen, at, GUESS, false);
      this.#text(pen, at, picture.guess.scores[j].toFixed(2), GUESS);
    } else if (picture.proposedAt(j)) {
      this.#dot(pen, picture.proposedAt(j), POSE, false);
    }
    const place = mark ?? picture.guessAt(j) ?? picture.proposedAt(j);
    if (place && j === this.selected) this.#ring(pen, place);
  }

  #dot(pen, at, colour, filled) {
    const [x, y] = this.toScreen(at);
    pen.beginPath();
    pen.arc(x, y, 5, 0, 7);
    pen.lineWidth = 2;
    pen.strokeStyle = colour;
    pen.fillStyle = `${colour}88`;
    if (filled) pen.fill();
    pen.stroke();
    pen.fillStyle = colour;
    pen.fillRect(x - 0.5, y - 0.5, 1, 1);
  }

  #ring(pen, at) {
    const [x, y] = this.toScreen(at);
    pen.beginPath();
    pen.arc(x, y, 10, 0, 7);
    pen.strokeStyle = "#fff";
    pen.lineWidth = 1.5;
    pen.stroke();
  }

  #text(pen, at, text, colour) {
    const [x, y] = this.toScreen(at);
    pen.font = "12px system-ui";
    pen.lineWidth = 3;
    pen.strokeStyle = "#000a";
    pen.strokeText(text, x + 9, y - 7);
    pen.fillStyle = colour;
    pen.fillText(text, x + 9, y - 7);
  }

  #lens() {
    const { loupe, eye } = this, side = loupe.width, pen = loupe.getContext("2d");
    loupe.hidden = !this.loupeOn;
    const [x, y] = this.toScreen(eye); // out of the way of what it shows
    loupe.classList.toggle("left", y < 220 && x > this.canvas.clientWidth - 220);
    pen.imageSmoothingEnabled = false;
    pen.fillStyle = "#222";
    pen.fillRect(0, 0, side, side);
    const zoom = Math.max(LOUPE_ZOOM, 2 * this.scale), part = side / zoom;
    pen.drawImage(this.image, eye[0] + 0.5 - part / 2, eye[1] + 0.5 - part / 2, part, part,
      0, 0, side, side);
    pen.strokeStyle = "#fff";
    pen.lineWidth = 1;
    pen.beginPath();
    for (const [a, b] of [[0, side / 2 - 6], [side / 2 + 6, side]]) {
      pen.moveTo(a, side / 2);
      pen.lineTo(b, side / 2);
      pen.moveTo(side / 2, a);
      pen.lineTo(side / 2, b);
    }
    pen.stroke();
  }
}
