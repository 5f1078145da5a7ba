// One tile: which frame of its camera shows an instant, its picture, and how it is drawn.
// The rule is that of workbench.archive.strips: the last frame not after the instant, and none in a
// gap. A picture is drawn only under the PTS that the server labelled it with.
const { Marks, made } = await import(new URL("/assets/marks.js", location.href).href);
const CHUNK = 10, SMOOTH_HZ = 15;
const KEEP_PIXELS = 120e6; // of all tiles together: half a gigabyte of decoded pictures
const PLAYED_PIXELS = 0.8 * KEEP_PIXELS; // two chunks of every tile, or playing would throw out what it needs next
const LEAST_WIDE = 320, MOST_ZOOM = 16;
const AROUND = 4, SAME_PX = 0.05; // so many points before and after the frame's own are drawn with it

export class Pictures {
  // decoded pictures of all tiles, the one unused longest goes first
  constructor() { this.known = new Map(); this.pixels = 0; }
  get(key) {
    const picture = this.known.get(key);
    if (picture !== undefined) { this.known.delete(key); this.known.set(key, picture); }
    return picture;
  }
  keep(key, picture) {
    this.drop(key);
    this.known.set(key, picture);
    this.pixels += picture ? picture.width * picture.height : 0;
    while (this.pixels > KEEP_PIXELS && this.known.size > 1) this.drop(this.known.keys().next().value);
  }
  drop(key) {
    const picture = this.known.get(key);
    if (picture) this.pixels -= picture.width * picture.height; // not closed: it may be about to be drawn
    this.known.delete(key);
  }
}

// the last number in sorted `list` that is not after `value`; -1 where all are
export function lastNotAfter(list, value) {
  let low = 0, high = list.length;
  while (low < high) { const middle = (low + high) >> 1; if (list[middle] <= value) low = middle + 1; else high = middle; }
  return low - 1;
}

export class Tile {
  constructor(facts, view, pictures, words, moved) {
    Object.assign(this, { facts, view, pictures, words, moved, track: null, away: null, zoom: { k: 1, x: 0.5, y: 0.5 }, loading: new Map(), drawn: null });
    this.firsts = facts.files.map((file) => file.first);
    const box = this.box = document.createElement("figure");
    box.className = "tile"; box.dataset.camera = facts.camera;
    box.innerHTML = `<div class="seen"><canvas></canvas><i class="over"></i></div><div class="none"><b></b><span></span></div>
      <figcaption><b class="camera"></b><span class="name"></span><span class="residual"></span><span class="sigma"></span><span class="base"></span><span class="mono pts"></span></figcaption>`;
    this.canvas = box.querySelector("canvas"); this.context = this.canvas.getContext("2d");
    this.over = box.querySelector(".over");
    this.part = (name) => box.querySelector(`.${name}`);
    box.querySelector("figcaption").title = words.tile_title;
    this.part("camera").textContent = facts.camera; this.part("name").textContent = facts.name;
  }

  // -- which frame ------------------------------------------------------------------------------
  gapAt(at) { return this.facts.gaps.find(([from, to]) => at >= from && at < to); }
  shown(at) { return this.gapAt(at) ? -1 : lastNotAfter(this.facts.at, at); }
  fileOf(number) { return this.facts.files[lastNotAfter(this.firsts, number)]; }
  step(at, frames) {
    if (!this.facts.at.length) return at;
    let number = lastNotAfter(this.facts.at, at);
    if (frames < 0 && this.shown(at) < 0) number += 1;
    number = Math.min(Math.max(number + frames, 0), this.facts.at.length - 1);
    return Math.max(0, this.facts.at[number]);
  }
  // at high speed each so many frames is enough to see, and as much as can be sent
  stride(speed) { return speed <= 1 || !this.facts.step ? 1 : Math.max(1, Math.ceil((speed * 1e9) / this.facts.step / SMOOTH_HZ)); }
  played(at, stride) {
    const number = this.shown(at);
    if (number < 0 || stride === 1) return number;
    const first = this.fileOf(number).first;
    return number - ((number - first) % stride);
  }

  // -- pictures ---------------------------------------------------------------------------------
  address(path, more = "") { return `${this.view.media_url}/${path}?grant=${encodeURIComponent(this.view.token)}${more}`; }
  key(kind, number) { return `${kind}:${this.fileOf(number).segment}:${this.facts.pts[number]}`; }
  // playing asks for pictures as wide as the tile shows them
  fit() {
    const { width = 0, height = 1 } = this.facts.files[0] || {}, each = PLAYED_PIXELS / (this.view.tiles.length * 2 * CHUNK);
    const seen = Math.ceil((this.canvas.clientWidth * devicePixelRatio * this.zoom.k) / 160) * 160;
    this.wide = Math.round(Math.min(width, Math.sqrt((each * width) / height), Math.max(LEAST_WIDE, seen)));
  }
  async fetched(address) {
    const answer = await fetch(address, { credentials: "include" });
    if (!answer.ok) { const error = new Error(String(answer.status)); error.status = answer.status; throw error; }
    return answer;
  }
  // the exact frame, whole; null where it cannot be decoded
  async still(number) {
    const key = this.key("still", number), known = this.pictures.get(key);
    if (known !== undefined) return known;
    if (!this.loading.has(key)) {
      this.loading.set(key, (async () => {
        const { segment } = this.fileOf(number), pts = this.facts.pts[number];
        let picture = null;
        try {
          const answer = await this.fetched(this.address(`still/${segment}/${pts}.jpg`));
          if (answer.headers.get("X-Pts") !== String(pts) || answer.headers.get("X-Segment") !== segment) throw new Error("another frame");
          picture = await createImageBitmap(await answer.blob());
        } catch (error) { if (error.status !== 404 && error.status !== 410) throw error; }
        this.pictures.keep(key, picture);
        return picture;
      })().finally(() => this.loading.delete(key)));
    }
    return this.loading.get(key);
  }
  // frames in a row for playing: chunks follow each other in the server's decoder
  chunk(number, stride) {
    const file = this.fileOf(number), first = number - ((number - file.first) % (CHUNK * stride));
    const numbers = [];
    for (let at = first; at < Math.min(first + CHUNK * stride, this.facts.pts.length) && this.fileOf(at) === file; at += stride) numbers.push(at);
    return numbers;
  }
  async run(number, stride) {
    if (number < 0 || number >= this.facts.pts.length) return;
    const numbers = this.chunk(number, stride), { wide } = this, kind = `run${wide}`;
    if (numbers.every((at) => at < number || this.pictures.get(this.key(kind, at)) !== undefined)) return;
    const key = `${kind}:${numbers[0]}:${stride}`;
    if (!this.loading.has(key)) {
      this.loading.set(key, (async () => {
        const { segment } = this.fileOf(number);
        const answer = await this.fetched(this.address(`run/${segment}/${this.facts.pts[numbers[0]]}.bin`, `&count=${numbers.length}&every=${stride}&width=${wide}`));
        const data = await answer.arrayBuffer(), seen = new DataView(data);
        for (let offset = 0; offset < data.byteLength;) {
          const pts = Number(seen.getBigInt64(offset)), length = seen.getUint32(offset + 8);
          this.pictures.keep(`${kind}:${segment}:${pts}`, await createImageBitmap(new Blob([new Uint8Array(data, offset + 12, length)], { type: "image/jpeg" })));
          offset += 12 + length;
        }
        // what the file should have and the server left out is broken: nothing stands in its place
        for (const at of numbers) if (this.pictures.get(this.key(kind, at)) === undefined) this.pictures.keep(this.key(kind, at), null);
      })().finally(() => this.loading.delete(key)));
    }
    await this.loading.get(key);
  }
  // `undefined`: on its way
  playing(number) { return number < 0 ? null : this.pictures.get(this.key(`run${this.wide}`, number)); }
  async ahead(number, stride) {
    await this.run(number, stride);
    if (number >= 0) await this.run(this.chunk(number, stride).at(-1) + stride, stride);
  }

  // -- drawing ----------------------------------------------------------------------------------
  draw(at, number, picture, moving = false) {
    this.moving = moving;
    const { box, facts, words } = this, gap = number < 0 ? this.gapAt(at) || [0, this.view.length] : null;
    this.drawn = { at, number, picture };
    box.dataset.state = gap ? "gap" : picture ? "shown" : "failed";
    for (const name of ["pts", "segment", "residual"]) delete box.dataset[name];
    if (number >= 0) {
      const file = this.fileOf(number), residual = facts.at[number] - at;
      Object.assign(box.dataset, { pts: facts.pts[number], segment: file.segment, residual });
      const late = Math.round(residual / 1e6);
      this.part("residual").textContent = `${late > 0 ? "+" : late < 0 ? "−" : "±"}${Math.abs(late)} ms`;
      this.part("residual").title = words.residual.replace("{ms}", (residual / 1e6).toFixed(3));
      this.part("residual").classList.toggle("far", facts.step > 0 && -residual > 2 * facts.step);
      this.part("sigma").textContent = file.sigma; this.part("sigma").title = file.about;
      this.part("base").textContent = file.base; this.part("base").title = file.base_title;
      this.part("pts").textContent = `PTS ${facts.pts[number]}`;
    } else for (const name of ["residual", "sigma", "base", "pts"]) this.part(name).textContent = "";
    const [what, when] = box.querySelectorAll(".none > *");
    what.textContent = gap ? words.gap : picture ? "" : words.no_frame;
    when.textContent = gap ? this.between(gap) : "";
    if (!picture) this.context.clearRect(0, 0, this.canvas.width, this.canvas.height); else this.paint();
    this.point();
  }
  // a gap that reaches the edge of what is shown may be longer than that
  between([from, to]) {
    const start = from <= 0 ? "…" : this.view.time(from), stop = to >= this.view.length ? "…" : this.view.time(to);
    return this.words.from_to.replace("{start}", start).replace("{stop}", stop);
  }
  paint() {
    const { drawn, canvas, context, zoom } = this;
    if (!drawn || !drawn.picture) return;
    const { picture } = drawn, file = this.fileOf(drawn.number);
    if (canvas.width !== file.width || canvas.height !== file.height) { canvas.width = file.width; canvas.height = file.height; }
    const wide = picture.width / zoom.k, high = picture.height / zoom.k;
    context.imageSmoothingEnabled = zoom.k === 1; // enlarged pixels stay pixels: nothing is made up between them
    context.drawImage(picture, zoom.x * picture.width - wide / 2, zoom.y * picture.height - high / 2, wide, high, 0, 0, canvas.width, canvas.height);
    this.box.dataset.zoom = zoom.k.toFixed(2);
    this.look();
  }

  // -- the points of a track ----------------------------------------------------------------------
  follow(track) { this.track = track.camera === this.facts.camera ? track : null; this.away = null; this.point(); }
  // of the frame shown: its point, which is moved while nothing plays, where it was, and its neighbours in time
  point() {
    const { drawn, track } = this, file = drawn && drawn.number >= 0 && drawn.picture ? this.fileOf(drawn.number) : null;
    const pts = file ? this.facts.pts[drawn.number] : null;
    if (this.away && this.away.pts !== pts) this.away = null; // what was not kept goes with its frame
    const here = file && track && track.segment === file.segment ? lastNotAfter(track.pts, pts) : null;
    if (here !== null) this.marksOf(file).show(this.around(here, pts)); else if (this.marks) this.marks.show([]);
  }
  marksOf({ width, height }) {
    if (!this.marks || this.marks.wide !== width || this.marks.high !== height) {
      const over = made("svg", { class: "over" });
      if (this.marks) this.marks.end();
      this.over.replaceWith(over);
      this.over = over;
      this.marks = new Marks(over, [width, height], { word: this.words.point, told: (_id, x, y) => this.left(x, y) });
      over.addEventListener("dblclick", (event) => event.stopPropagation());
      this.look();
    }
    return this.marks;
  }
  end() { if (this.marks) this.marks.end(); }
  // the same part of the picture in the same place as the canvas has it: marks lie on their pixels
  look() {
    if (!this.marks || !this.drawn || !this.drawn.picture) return;
    const { zoom, over } = this, { width, height } = this.fileOf(this.drawn.number), wide = width / zoom.k, high = height / zoom.k;
    over.setAttribute("viewBox", `${zoom.x * width - wide / 2} ${zoom.y * height - high / 2} ${wide} ${high}`);
    this.marks.look();
  }
  around(here, pts) {
    const { track, words } = this, own = here >= 0 && track.pts[here] === pts && track.at[here], near = own ? [here] : [];
    for (let k = here - (own ? 1 : 0), left = AROUND; k >= 0 && left; k -= 1) if (track.at[k]) { near.unshift(k); left -= 1; }
    for (let k = here + 1, left = AROUND; k < track.pts.length && left; k += 1) if (track.at[k]) { near.push(k); left -= 1; }
    const list = near.map((k, n) => ({ id: `near${k}`, x: track.at[k][0], y: track.at[k][1], label: "", fixed: "near", to: `near${near[n + 1]}` }));
    if (!own) return list;
    const [x, y] = this.away || own, id = `${this.moving ? "own" : "point"}${pts}`, seen = [[x, y]];
    for (const [name, spot] of [["found", track.found[here]], ["before", own]]) {
      if (!spot || seen.some(([a, b]) => Math.abs(a - spot[0]) < SAME_PX && Math.abs(b - spot[1]) < SAME_PX)) continue;
      seen.push(spot);
      list.push({ id: `${name}${pts}`, x: spot[0], y: spot[1], label: words[name], left: spot[0] < x, fixed: "old", to: id });
    }
    return [...list, { id, x, y, label: "", ...(this.moving ? { fixed: "own" } : {}) }];
  }
  left(x, y) {
    const { number } = this.drawn;
    this.away = Object.assign([x, y], { pts: this.facts.pts[number] });
    this.point();
    this.moved({ segment: this.fileOf(number).segment, pts: this.away.pts, x, y });
  }

  // keep what lies under (u, v), parts of the tile, in its place; the picture never leaves the tile
  zoomBy(factor, u = 0.5, v = 0.5) {
    const { zoom } = this, k = Math.min(MOST_ZOOM, Math.max(1, zoom.k * factor));
    this.moveTo(zoom.x + (u - 0.5) * (1 / zoom.k - 1 / k), zoom.y + (v - 0.5) * (1 / zoom.k - 1 / k), k);
  }
  moveBy(du, dv) { this.moveTo(this.zoom.x - du / this.zoom.k, this.zoom.y - dv / this.zoom.k, this.zoom.k); }
  moveTo(x, y, k) {
    const half = 0.5 / k, inside = (value) => Math.min(1 - half, Math.max(half, value));
    this.zoom = { k, x: inside(x), y: inside(y) };
    this.fit();
    this.paint();
  }
  // where on the picture a pointer is, as parts of it (it stands letterboxed in the tile)
  place(event) {
    const { canvas } = this, at = canvas.getBoundingClientRect();
    const scale = Math.min(at.width / canvas.width, at.height / canvas.height) || 1;
    const wide = canvas.width * scale, high = canvas.height * scale;
    return { u: (event.clientX - at.left - (at.width - wide) / 2) / wide, v: (event.clientY - at.top - (at.height - high) / 2) / high };
  }
}
