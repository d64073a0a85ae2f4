// Ties pictures, view, keys and server together.

import { KEYS, pointer } from "./input.js";
import { Picture, Server } from "./model.js";
import { View } from "./view.js";

const $ = (id) => document.getElementById(id);
const FLAGS = ["outside", "hidden", "visible"];

class App {
  async start(by) {
    this.server = new Server(by, (text, failed) => {
      $("saved").textContent = text;
      $("saved").classList.toggle("failed", failed);
    });
    this.session = await this.server.open();
    this.pictures = this.session.pictures.map((said, number) => new Picture(number, said));
    for (const picture of this.pictures) {
      const unsaved = this.server.unsaved(picture.number);
      if (unsaved) {
        picture.marks = unsaved;
        this.server.save(picture.number, unsaved);
      }
    }
    $("robot").textContent = `Jointloop: ${this.session.robot}`;
    this.view ??= new View($("view"), $("loupe"));
    this.#list();
    const next = this.session.order.findIndex((n) => !this.pictures[n].marks.done);
    await this.go(Math.max(next, 0));
  }

  /** Show the picture that has a place in the order. */
  async go(place) {
    this.place = (place + this.pictures.length) % this.pictures.length;
    this.picture = this.pictures[this.session.order[this.place]];
    $("name").textContent = this.picture.name;
    const { picture } = this;
    try {
      await this.view.show(picture, this.server.picture(picture.number), this.session);
    } catch {
      $("saved").textContent = `${picture.name} cannot be shown`;
      $("saved").classList.add("failed");
    }
    this.select(Math.max(picture.marks.pixels.findIndex((at) => !at), 0));
    this.refresh();
    this.advise();
    $("view").focus();
  }

  select(j) {
    const count = this.session.keypoints.length;
    this.selected = this.view.selected = (j + count) % count;
    const at = this.placeOf(this.selected);
    if (at) this.view.reveal(at);
    this.refresh();
  }

  placeOf(j) {
    const { picture } = this;
    return picture.marks.pixels[j] ?? picture.guessAt(j) ?? picture.proposedAt(j);
  }

  /** After a change: save, draw, ask what the kinematics say. */
  changed(quick = false) {
    if (!quick) this.server.save(this.picture.number, this.picture.marks);
    this.refresh();
    this.advise(quick);
  }

  /** Ask for advice; while an answer is awaited only the newest question is kept. */
  async advise(quick = false) {
    this.asked = { picture: this.picture, quick };
    if (this.asking) return;
    this.asking = true;
    while (this.asked) {
      const { picture, quick: hasty } = this.asked;
      this.asked = null;
      try {
        picture.advice = await this.server.advice(picture.number, picture.marks, hasty);
      } catch (error) {
        picture.advice = null;
        $("advice").textContent = error.message;
      }
      if (picture === this.picture) this.refresh();
    }
    this.asking = false;
  }

  refresh() {
    const { picture, view } = this;
    $("keypoints").replaceChildren(...this.session.keypoints.map((name, j) => this.#row(name, j)));
    const { advice } = picture;
    if (advice) {
      const fine = advice.checked ? "a pose of the robot has these marks"
        : "too few marks to be checked";
      const red = this.session.keypoints.filter((_, j) => advice.red[j]).join(", ");
      $("advice").textContent = advice.faults.join("\n") || (red ? `at odds: ${red}` : fine);
    }
    $("pictures").childNodes.forEach((item, place) => {
      const own = this.pictures[this.session.order[place]];
      item.firstChild.setAttribute("aria-current", own === picture);
      item.firstChild.classList.toggle("done", own.marks.done);
    });
    $("where").textContent = `${Math.round(100 * view.scale)} %`;
    view.draw();
  }

  #row(name, j) {
    const { picture } = this, row = document.createElement("tr");
    const mark = picture.marks.pixels[j], at = mark ?? picture.guessAt(j);
    const flag = mark ? FLAGS[picture.marks.flags[j]] : at ? "guess" : "–";
    const residual = picture.advice?.residuals[j];
    row.dataset.keypoint = name;
    row.setAttribute("aria-selected", j === this.selected);
    row.classList.toggle("red", Boolean(mark && picture.advice?.red[j]));
    row.classList.toggle("guess", Boolean(at && !mark));
    const cells = [`${j + 1} ${name}`, flag, at ? at.map((v) => v.toFixed(1)).join(", ") : "",
      mark && residual !== null && residual !== undefined ? residual.toFixed(1) : ""];
    row.append(...cells.map((text) => {
      const cell = document.createElement("td");
      cell.textContent = text;
      return cell;
    }));
    row.addEventListener("click", () => this.select(j));
    return row;
  }

  #list() {
    $("pictures").replaceChildren(...this.session.order.map((number, place) => {
      const item = document.createElement("li"), button = document.createElement("button");
      button.textContent = this.pictures[number].name;
      button.addEventListener("click", () => this.go(place));
      item.append(button);
      return item;
    }));
  }
}

function help() {
  $("keys").replaceChildren(...KEYS.map(({ keys, text }) => {
    const row = document.createElement("tr"), left = row.insertCell(), right = row.insertCell();
    left.append(...keys.map((key) => {
      const kbd = document.createElement("kbd");
      kbd.textContent = key === " " ? "Space" : key;
      return kbd;
    }));
    right.textContent = text;
    return row;
  }));
  $("help").showModal();
}

const app = new App();
app.help = help;
$("help-button").addEventListener("click", help);
$("by").value = localStorage.getItem("by") ?? "";
$("by").addEventListener("change", () => {
  if (!$("by").checkValidity()) return;
  localStorage.setItem("by", $("by").value);
  open();
});
addEventListener("keydown", (event) => {
  if (event.target === $("by") || $("help").open || !app.picture) return;
  const key = KEYS.find((one) => one.fits(event));
  if (!key) return;
  event.preventDefault();
  key.run(app, event);
});
pointer($("view"), app);

async function open() {
  try {
    await app.start($("by").value);
  } catch (error) {
    $("saved").textContent = error.message;
    $("saved").classList.add("failed");
  }
}
open();
