// What is marked, undone and redone, and how it gets to the server.

export const OUTSIDE = 0, HIDDEN = 1, VISIBLE = 2;

const DEEPEST = 500; // changes that can be undone in one picture
const AGAIN_MS = 2000; // until a save that failed is tried again

/** Marks of one picture: {pixels, flags, done}; guesses of the detector are apart until accepted. */
export class Picture {
  constructor(number, said) {
    Object.assign(this, { number, ...said });
    this.past = [];
    this.future = [];
    this.advice = null;
    this.rejected = new Set(); // guesses that were deleted
  }

  /** Change the marks so that it can be undone; `merge` joins it with the change before. */
  change(edit, merge = false) {
    const before = structuredClone(this.marks);
    edit(this.marks);
    if (!merge) {
      this.past.push(before);
      if (this.past.length > DEEPEST) this.past.shift();
    }
    this.future = [];
  }

  undo() { return this.#go(this.past, this.future); }

  redo() { return this.#go(this.future, this.past); }

  #go(from, to) {
    if (!from.length) return false;
    to.push(this.marks);
    this.marks = from.pop();
    return true;
  }

  put(j, at, flag = this.marks.flags[j] || VISIBLE, merge = false) {
    this.change((marks) => { marks.pixels[j] = at; marks.flags[j] = flag; }, merge);
  }

  /** The detector's place of a keypoint that nobody marked yet. */
  guessAt(j) {
    return this.marks.pixels[j] || this.marks.done || this.rejected.has(j)
      ? null : this.guess?.pixels[j] ?? null;
  }

  /** Where the kinematics propose a keypoint that is not marked. */
  proposedAt(j) { return this.marks.pixels[j] ? null : this.advice?.proposed[j] ?? null; }

  /** Take all guesses as marks. */
  accept(done) {
    const guesses = this.marks.pixels.map((_, j) => this.guessAt(j));
    this.change((marks) => {
      guesses.forEach((at, j) => { if (at) { marks.pixels[j] = at; marks.flags[j] = VISIBLE; } });
      marks.done = done;
    });
  }
}

/** Talks to the server. What could not be saved is kept in the browser and tried again. */
export class Server {
  constructor(by, tell) {
    this.by = by;
    this.tell = tell;
    this.waiting = new Map();
    this.sending = false;
  }

  #url(path) { return `api/${path}?by=${encodeURIComponent(this.by)}`; }

  #key(number) { return `marks ${this.by} ${this.session} ${number}`; }

  async open() {
    const said = await this.#ask("session");
    this.session = said.file;
    return said;
  }

  picture(number) { return this.#url(`picture/${number}`); }

  /** Marks that an earlier page of this browser could not save. */
  unsaved(number) { return JSON.parse(localStorage.getItem(this.#key(number)) ?? "null"); }

  save(number, marks) {
    const text = JSON.stringify(marks);
    localStorage.setItem(this.#key(number), text);
    this.waiting.set(number, text);
    this.#send();
  }

  async #send() {
    if (this.sending) return;
    this.sending = true;
    while (this.waiting.size) {
      const [number, text] = this.waiting.entries().next().value;
      this.tell("saving …", false);
      try {
        const said = await this.#ask(`marks/${number}`, "PUT", text);
        if (this.waiting.get(number) === text) {
          this.waiting.delete(number);
          localStorage.removeItem(this.#key(number));
        }
        this.tell(`saved in ${said.file}, ${said.done} done`, false);
      } catch (error) {
        this.tell(`not saved, it is tried again: ${error.message}`, true);
        await new Promise((done) => setTimeout(done, AGAIN_MS));
      }
    }
    this.sending = false;
  }

  advice(number, marks, quick) {
    return this.#ask(`advice/${number}`, "POST", JSON.stringify({ ...marks, quick }));
  }

  async #ask(path, method = "GET", body = undefined) {
    const headers = body ? { "Content-Type": "application/json" } : {};
    const answer = await fetch(this.#url(path), { method, headers, body });
    const said = await answer.json();
    if (!answer.ok) throw new Error(said.error ?? answer.statusText);
    return said;
  }
}
