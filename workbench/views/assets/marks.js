// Marks on a picture, in pixels of that picture however large it is shown: dragged by a pointer or a
// finger, or moved by arrow keys. `told(id, x, y)` hears where one was left; it stands there until
// `show` says the same, so that a quick second step does not jump back.
const NS = "http://www.w3.org/2000/svg", MARK_PX = 9, CLICK_PX = 4, FAR = 10;
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export function made(name, given) {
  const one = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(given)) one.setAttribute(key, value);
  return one;
}

export class Marks {
  constructor(svg, [wide, high], { told, word = "", axes = [0, 1, 0, 1] }) {
    Object.assign(this, { svg, wide, high, told, word, axes, held: null, at: new Map(), waits: new Map(), drawn: new Map() });
    this.lines = made("g", {}); this.group = made("g", {});
    svg.append(this.lines, this.group);
    svg.addEventListener("pointerdown", (event) => this.take(event));
    svg.addEventListener("pointermove", (event) => this.drag(event));
    svg.addEventListener("pointerup", () => this.leave());
    svg.addEventListener("pointercancel", () => { this.held = null; this.show(this.list); });
    svg.addEventListener("keydown", (event) => this.key(event));
    this.sized = new ResizeObserver(() => this.look());
    this.sized.observe(svg);
    this.list = [];
  }
  end() { this.sized.disconnect(); }
  // pixel of the picture under a pointer; what lies between (zoom, black bars, size) is the browser's to know
  pixel(event) {
    const there = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.svg.getScreenCTM().inverse());
    return [there.x, there.y];
  }
  // marks stay as large on the screen whatever is enlarged
  look() {
    const shown = this.svg.getScreenCTM();
    this.scale = shown && shown.a > 0 ? 1 / shown.a : 1;
    for (const id of this.drawn.keys()) this.place(id);
  }
  place(id) {
    const [x, y] = this.at.get(id), [east, per, north, down] = this.axes, one = this.drawn.get(id);
    one.setAttribute("transform", `translate(${x} ${y}) scale(${this.scale || 1})`);
    one.dataset.x = x.toFixed(1); one.dataset.y = y.toFixed(1);
    if (one.dataset.id) one.setAttribute("aria-label", `${this.word} ${one.dataset.label}: ${(east + per * x).toFixed(1)}, ${(north + down * y).toFixed(1)}`);
    for (const line of this.lines.children) {
      if (line.dataset.from === id) { line.setAttribute("x1", x); line.setAttribute("y1", y); }
      if (line.dataset.to === id) { line.setAttribute("x2", x); line.setAttribute("y2", y); }
    }
  }
  move(id, x, y) {
    const within = (value, most) => Math.round(Math.min(Math.max(value, 0), most) * 10) / 10;
    this.at.set(id, [within(x, this.wide), within(y, this.high)]);
    this.place(id);
  }
  tell(id) {
    const [x, y] = this.at.get(id);
    this.waits.set(id, [x, y]);
    this.told(id, x, y);
  }
  // {id, x, y, label}; `to`: another's id, a line is drawn to it; `fixed`: a kind that nobody can move; `left`: its label stands there
  show(list) {
    this.list = list;
    const now = new Set(list.map((one) => one.id));
    for (const [id, one] of this.drawn) if (!now.has(id)) { one.remove(); for (const known of [this.drawn, this.at, this.waits]) known.delete(id); }
    this.lines.replaceChildren();
    for (const one of list) {
      if (one.to && now.has(one.to)) {
        const line = made("line", { class: one.fixed || "length" });
        line.dataset.from = one.id; line.dataset.to = one.to;
        this.lines.append(line);
      }
      if (!this.drawn.has(one.id)) {
        const mark = one.fixed ? made("g", { class: `fixed ${one.fixed}` }) : made("g", { class: "mark", tabindex: 0, role: "button" });
        if (!one.fixed) mark.dataset.id = one.id;
        mark.append(made("circle", { r: one.fixed ? MARK_PX / 4 : 2 * MARK_PX }), made("path", { d: `M${-MARK_PX} 0H${MARK_PX}M0 ${-MARK_PX}V${MARK_PX}` }), made("text", { x: MARK_PX, y: -MARK_PX }));
        if (one.fixed) this.group.prepend(mark); else this.group.append(mark);
        this.drawn.set(one.id, mark);
      }
      const mark = this.drawn.get(one.id);
      mark.dataset.label = one.label; mark.lastChild.textContent = one.label;
      mark.lastChild.setAttribute("x", one.left ? -MARK_PX : MARK_PX); mark.lastChild.setAttribute("text-anchor", one.left ? "end" : "start");
      const wait = this.waits.get(one.id);
      if (wait && wait[0] === one.x && wait[1] === one.y) this.waits.delete(one.id);
      if (!(this.held && this.held.id === one.id) && !this.waits.has(one.id)) this.at.set(one.id, [one.x, one.y]);
    }
    for (const id of this.drawn.keys()) this.place(id);
  }
  marked(event) { return event.target.closest("[data-id]"); }
  take(event) {
    const mark = this.marked(event);
    if (!mark || event.button !== 0) return;
    const [x, y] = this.pixel(event), [from, down] = this.at.get(mark.dataset.id);
    // taken beside its middle, it does not jump
    this.held = { id: mark.dataset.id, x: event.clientX, y: event.clientY, off: [from - x, down - y], moved: false };
    mark.focus();
    mark.setPointerCapture(event.pointerId);
    event.preventDefault(); event.stopPropagation(); // a tile below would be moved, too
  }
  drag(event) {
    const { held } = this;
    if (!held) return;
    if (Math.hypot(event.clientX - held.x, event.clientY - held.y) >= CLICK_PX) held.moved = true;
    if (!held.moved || !this.drawn.has(held.id)) return;
    const [x, y] = this.pixel(event);
    this.move(held.id, x + held.off[0], y + held.off[1]);
  }
  leave() {
    const { held } = this;
    this.held = null;
    if (held && held.moved && this.drawn.has(held.id)) this.tell(held.id);
  }
  key(event) {
    const mark = this.marked(event), step = STEPS[event.key];
    if (!mark || !step || event.ctrlKey || event.altKey || event.metaKey) return;
    const [x, y] = this.at.get(mark.dataset.id), far = event.shiftKey ? FAR : 1;
    this.move(mark.dataset.id, x + far * step[0], y + far * step[1]);
    this.tell(mark.dataset.id);
    event.preventDefault(); event.stopPropagation();
  }
}
