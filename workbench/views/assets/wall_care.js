// Under an enlarged camera: its picture now beside its reference, the last check, the last hours.
const COLOURS = ["#33414e", "#3d8fdd", "#e69f00", "#d8455a"]; // not checked, well, faulty, lost
const BRIGHT = "#ffd08a", SHARP = "#8fd0c0";
const W = 720, H = 56, TOP = 14;

export class Care {
  constructor({ words, send, picture, shown }) {
    Object.assign(this, { words, send, picture, shown });
    this.el = document.createElement("div");
    this.el.className = "care";
    // acts of its own: they neither shrink the tile nor move along the wall
    for (const kind of ["click", "keydown"]) this.el.addEventListener(kind, (event) => { if (event.key !== "Escape") event.stopPropagation(); });
    this.timer = setInterval(() => this.compare(), 1000);
  }

  make(tag, part, text, into = this.el) {
    const one = document.createElement(tag);
    one.className = part; one.textContent = text || "";
    if (tag === "button") one.type = "button";
    into.append(one);
    return one;
  }

  show(told) {
    const words = this.words, asking = this.el.querySelector(".asking");
    // a question stands, unless nothing may be asked any more
    if (asking && !told.refused && this.told && this.told.camera === told.camera) return;
    this.told = told;
    this.el.replaceChildren();
    this.el.dataset.camera = told.camera;
    this.canvas = null;
    if (told.refused) { this.make("p", "bad refused", told.refused); this.told = null; return; }
    const light = told.references.find((one) => one.light === this.light) || told.references[0];
    const pictures = this.make("div", "pictures");
    const before = this.make("figure", "reference", "", pictures);
    if (light) {
      const img = this.make("img", "", "", before);
      img.src = light.src; img.alt = words.reference;
      const caption = this.make("figcaption", "", `${words.reference} (${words[light.light]}) · ${light.at}`, before);
      if (told.references.length > 1) {
        const other = told.references.find((one) => one !== light);
        this.make("button", "button small", words[other.light], caption).addEventListener("click", () => { this.light = other.light; this.show(told); });
      }
    } else this.make("p", "none", words.no_reference, before);
    const now = this.make("figure", "current", "", pictures);
    this.canvas = this.make("canvas", "", "", now);
    this.canvas.width = 320; this.canvas.height = 180;
    this.caption = this.make("figcaption", "", words.current, now);

    const facts = this.make("div", "check");
    const check = told.check;
    if (!check.at) this.make("p", "none", words.not_checked, facts);
    else {
      const title = check.faults.length ? check.faults.join(" · ") : check.connected ? words.no_fault : words.no_signal;
      this.make("p", check.faults.length || !check.connected ? "bad" : "good", title, facts);
      const list = this.make("dl", "", "", facts);
      for (const [name, value] of check.numbers) { this.make("dt", "", name, list); this.make("dd", "", value, list); }
      this.make("p", "at", `${words.checked_at} ${check.at}`, facts);
    }
    const right = this.make("div", "hours");
    const strip = this.make("canvas", "strip", "", right);
    strip.width = W; strip.height = H;
    this.draw(strip, told.strip);
    const ends = this.make("div", "ends", "", right);
    this.make("span", "", told.from, ends);
    const key = this.make("span", "key", "", ends);
    const states = [words.well, words.faulty, words.lost, words.unchecked].map((text, n) => [text, COLOURS[[1, 2, 3, 0][n]], ""]);
    // the lines beside the states, not on the picture: that is stretched with the page
    for (const [text, colour, kind] of [...states, [words.brightness, BRIGHT, "line"], [words.sharpness, SHARP, "line"]]) {
      const one = this.make("span", "", "", key);
      this.make("i", kind, "", one).style.background = colour;
      one.append(text);
    }
    this.make("span", "", told.until, ends);
    this.foot(this.make("div", "foot", "", right), told.trouble, told.said);
    this.compare();
  }

  foot(foot, trouble, said) {
    const words = this.words;
    foot.replaceChildren();
    if (trouble) this.make("span", "bad", trouble, foot);
    else if (said) this.make("span", "good", said, foot);
    this.make("button", "button set", words.set_reference, foot).addEventListener("click", () => {
      foot.replaceChildren();
      const ask = this.make("span", "asking", words.set_question, foot);
      for (const light of ["day", "night"]) this.make("button", "button main", words[light], ask).addEventListener("click", () => { ask.remove(); this.send({ reference: this.told.camera, light }); this.foot(foot, "", words.setting); });
      this.make("button", "button", words.no, ask).addEventListener("click", () => this.foot(foot));
    });
  }

  // the wall's own picture, in the checks' grey and size; only one of now stands beside the reference
  compare() {
    if (!this.canvas || !this.canvas.isConnected || document.hidden) return;
    const canvas = this.canvas;
    this.picture(this.el.dataset.camera).then((bitmap) => {
      const shown = this.shown(this.el.dataset.camera), live = Boolean(shown && shown.live);
      const text = live ? this.words.current : shown && shown.at ? `${this.words.not_now} ${shown.at}` : this.words.no_picture;
      if (this.caption.textContent !== text) this.caption.textContent = text;
      this.caption.classList.toggle("bad", !live);
      canvas.dataset.state = shown ? shown.state : "";
      const pen = canvas.getContext("2d");
      if (!bitmap || !live) {
        pen.clearRect(0, 0, canvas.width, canvas.height);
        delete canvas.dataset.drawn;
        if (bitmap) bitmap.close();
        return;
      }
      pen.filter = "grayscale(1)";
      pen.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
      bitmap.close();
      canvas.dataset.drawn = Number(canvas.dataset.drawn || 0) + 1;
    });
  }

  draw(canvas, { state, brightness, sharpness }) {
    const pen = canvas.getContext("2d"), step = W / state.length;
    state.forEach((kind, n) => {
      pen.fillStyle = COLOURS[kind];
      pen.fillRect(n * step, 0, Math.ceil(step), TOP - 4);
      // for who cannot tell the colours apart: the worse, the deeper
      if (kind > 1) pen.fillRect(n * step, 0, Math.ceil(step), kind === 3 ? TOP : TOP - 2);
    });
    const line = (values, most, colour) => {
      pen.strokeStyle = colour; pen.lineWidth = 1.5; pen.beginPath();
      let on = false;
      values.forEach((value, n) => {
        if (value === null) { on = false; return; }
        const y = H - 1 - (Math.min(value, most) / most) * (H - TOP - 3);
        if (on) pen.lineTo((n + 0.5) * step, y); else { pen.moveTo((n + 0.5) * step - 1, y); pen.lineTo((n + 0.5) * step, y); }
        on = true;
      });
      pen.stroke();
    };
    line(brightness, 255, BRIGHT); line(sharpness, 1.5, SHARP);
  }

  close() { clearInterval(this.timer); this.el.remove(); }
}
