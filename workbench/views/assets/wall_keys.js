// The wall's strip of choices: neighbourhoods, saved layouts, full screen; and its keyboard.
const MOST = 9;

export class Choices {
  constructor({ words, actor, changed, shown, marked, unmark }) {
    Object.assign(this, { words, changed, shown, marked, unmark });
    this.key = `workbench.wall.layouts.${actor}`;
    this.neighbourhood = ""; this.layout = null;
    this.layouts = this.read();
    this.el = document.createElement("div");
    this.el.className = "choices";
    this.draw();
  }

  read() {
    try {
      const known = JSON.parse(localStorage.getItem(this.key) || "[]");
      return known.filter((one) => one && typeof one.name === "string" && Array.isArray(one.cameras)).slice(0, MOST);
    } catch (_error) { return []; }
  }

  write() { try { localStorage.setItem(this.key, JSON.stringify(this.layouts)); } catch (_error) { /* a browser that keeps nothing */ } }

  // whether a camera is shown by what was chosen here
  shows(camera, site) {
    if (this.layout) return this.layout.cameras.includes(camera);
    return !this.neighbourhood || site.neighbourhood === this.neighbourhood;
  }

  offer(neighbourhoods) {
    if (String(neighbourhoods) === String(this.offered)) return;
    this.offered = neighbourhoods;
    if (!neighbourhoods.includes(this.neighbourhood)) this.neighbourhood = "";
    this.draw();
  }

  choose(number) {
    const layout = number ? this.layouts[number - 1] : null;
    if (number && !layout) return;
    this.layout = layout;
    if (!layout) this.neighbourhood = "";
    this.draw(); this.changed();
  }

  // a choice made elsewhere on the page replaces a layout
  leave() { if (this.layout) { this.layout = null; this.draw(); } }

  save(name) {
    const picked = this.marked(), cameras = picked.length ? picked : this.shown();
    if (!name || !cameras.length) return;
    const layout = { name: name.slice(0, 40), cameras };
    const at = this.layouts.findIndex((one) => one.name === layout.name);
    if (at >= 0) this.layouts[at] = layout; else this.layouts.push(layout);
    this.layouts = this.layouts.slice(-MOST);
    this.write(); this.unmark();
    this.choose(this.layouts.indexOf(layout) + 1);
  }

  remove() {
    this.layouts = this.layouts.filter((one) => one !== this.layout);
    this.write(); this.choose(0);
  }

  draw() {
    const make = (tag, text, part, title) => {
      const one = document.createElement(tag);
      one.textContent = text; one.className = part || "";
      if (title) one.title = title;
      if (tag === "button") one.type = "button";
      this.el.append(one);
      return one;
    };
    this.el.replaceChildren();
    const choice = make("select", "", "neighbourhood");
    choice.setAttribute("aria-label", this.words.neighbourhoods);
    for (const name of ["", ...(this.offered || [])]) {
      const option = document.createElement("option");
      option.value = name; option.textContent = name || this.words.neighbourhoods;
      choice.append(option);
    }
    choice.value = this.neighbourhood;
    choice.addEventListener("change", () => { this.neighbourhood = choice.value; this.layout = null; this.draw(); this.changed(); });
    const row = document.createElement("span");
    row.className = "layouts";
    this.el.append(row);
    [{ name: this.words.everything }, ...this.layouts].forEach((layout, number) => {
      const one = make("button", "", "layout");
      const digit = document.createElement("kbd");
      digit.textContent = number;
      one.append(digit, layout.name);
      one.setAttribute("aria-pressed", number ? layout === this.layout : !this.layout);
      one.addEventListener("click", () => this.choose(number));
      row.append(one);
    });
    const form = document.createElement("form");
    const name = document.createElement("input");
    name.placeholder = this.words.layout_name; name.maxLength = 40; name.required = true;
    name.setAttribute("aria-label", this.words.layout_name);
    const save = document.createElement("button");
    save.textContent = this.words.save_layout; save.title = this.words.save_hint;
    form.append(name, save);
    form.addEventListener("submit", (event) => { event.preventDefault(); this.save(name.value.trim()); });
    this.el.append(form);
    if (this.layout) make("button", this.words.delete_layout, "delete").addEventListener("click", () => this.remove());
    make("span", this.words.keys, "keys", this.words.keys);
  }
}

const WRITING = new Set(["INPUT", "SELECT", "TEXTAREA"]);

// the next tile in a direction: the nearest one in the row beyond, or the neighbour in the row
export function nextTile(tiles, from, key) {
  const shown = tiles.filter((tile) => tile.offsetParent !== null || tile.getClientRects().length);
  if (!shown.length) return null;
  if (!from || !shown.includes(from)) return shown[0];
  const centre = (tile) => { const at = tile.getBoundingClientRect(); return { x: at.left + at.width / 2, y: at.top + at.height / 2 }; };
  const here = centre(from), flat = key === "ArrowLeft" || key === "ArrowRight", sign = key === "ArrowRight" || key === "ArrowDown" ? 1 : -1;
  let best = null, least = Infinity;
  for (const tile of shown) {
    const at = centre(tile), along = sign * (flat ? at.x - here.x : at.y - here.y), across = Math.abs(flat ? at.y - here.y : at.x - here.x);
    if (tile === from || along <= 4 || (flat && across > 20)) continue;
    const cost = flat ? along : along * 4 + across;
    if (cost < least) { least = cost; best = tile; }
  }
  if (best || !flat) return best || from;
  // at the end of a row: on to the next row, as one reads
  const order = shown.map((tile) => [tile, centre(tile)]).sort(([, a], [, b]) => (Math.abs(a.y - b.y) > 20 ? a.y - b.y : a.x - b.x)).map(([tile]) => tile);
  return order[order.indexOf(from) + sign] || from;
}

export function listen({ wall, tiles, enlarge, shrink, mark, choose, pause, live, back }) {
  const hear = (event) => {
    const target = event.composedPath()[0];
    if (event.ctrlKey || event.metaKey || event.altKey || !wall.isConnected || WRITING.has(target.tagName)) return;
    const tile = target.closest ? target.closest(".tile") : null, key = event.key;
    if (key.startsWith("Arrow")) {
      const next = nextTile(tiles(), tile || wall.querySelector(".tile.large"), key);
      if (next) { next.focus(); next.scrollIntoView({ block: "nearest" }); }
    } else if (key === "Enter" && tile) enlarge(tile);
    else if (key === "Escape") { if (!shrink()) return; }
    else if (key === " " && tile) { if (!pause(tile)) mark(tile); }
    else if (key === "l" || key === "L" || key === "End") { if (!live()) return; }
    else if (key === "j" || key === "J") { if (!back()) return; }
    else if (/^[0-9]$/.test(key)) choose(Number(key));
    else if (key === "f" || key === "F") {
      if (document.fullscreenElement) document.exitFullscreen(); else wall.requestFullscreen().catch(() => {});
    } else return;
    event.preventDefault();
  };
  document.addEventListener("keydown", hear);
  return () => document.removeEventListener("keydown", hear);
}
