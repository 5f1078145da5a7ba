// A still, or roads as lines, with marks in its pixels: a click begins one, dragging or an arrow key moves one.
// The wheel zooms about the pointer, dragging beside the marks moves what is seen of the still.
const NS = "http://www.w3.org/2000/svg", MARK_PX = 9, CLICK_PX = 4, CLOSEST = 16;
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function made(name, given) {
  const one = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(given)) one.setAttribute(key, value);
  return one;
}

export function render({ model, el }) {
  const [wide, high] = model.size;
  const [left, upper, width] = model.view.length ? model.view : [0, 0, wide];
  let view = { x: left, y: upper, w: width }, held = null;
  const at = new Map(), waits = new Map(), drawn = new Map();
  const svg = made("svg", { class: model.still ? "picks" : "picks ground", role: "group", "aria-label": model.words.picture || "" });
  svg.style.aspectRatio = `${wide} / ${high}`;
  const lines = made("g", {}), marks = made("g", {});
  if (model.still) svg.append(made("image", { href: model.still, width: wide, height: high }));
  for (const one of model.roads) svg.append(made("polyline", { class: "road", points: one.join(" ") }));
  const here = made("path", { class: "here", d: "M0 -8L7 6H-7Z" });
  if (model.here.length) svg.append(here);
  svg.append(lines, marks);

  const round = (value) => Math.round(value * 10) / 10;
  const within = (value, most) => Math.min(Math.max(value, 0), most);
  function pixel(event) {
    const there = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    return [there.x, there.y];
  }
  function look() {
    view.w = Math.min(Math.max(view.w, wide / CLOSEST), wide);
    const h = (view.w * high) / wide;
    view.x = Math.min(Math.max(view.x, 0), wide - view.w);
    view.y = Math.min(Math.max(view.y, 0), high - h);
    svg.setAttribute("viewBox", `${view.x} ${view.y} ${view.w} ${h}`);
    if (model.here.length) here.setAttribute("transform", `translate(${model.here}) scale(${scale()})`);
    for (const id of drawn.keys()) place(id);
  }
  const scale = () => view.w / Math.max(svg.clientWidth, 1);
  function place(id) {
    const [x, y] = at.get(id), [east, per, north, down] = model.axes;
    const one = drawn.get(id);
    one.setAttribute("transform", `translate(${x} ${y}) scale(${scale()})`);
    one.dataset.x = x.toFixed(1); one.dataset.y = y.toFixed(1);
    one.setAttribute("aria-label", `${model.words.mark || ""} ${one.dataset.label}: ${(east + per * x).toFixed(1)}, ${(north + down * y).toFixed(1)}`);
    for (const line of lines.children) {
      if (line.dataset.from === id) { line.setAttribute("x1", x); line.setAttribute("y1", y); }
      if (line.dataset.to === id) { line.setAttribute("x2", x); line.setAttribute("y2", y); }
    }
  }
  function move(id, x, y) { at.set(id, [round(within(x, wide)), round(within(y, high))]); place(id); }
  function tell(id) {
    const [x, y] = at.get(id);
    waits.set(id, [x, y]);
    model.send_msg({ moved: id, x, y });
  }
  function draw() {
    const now = new Set(model.marks.map((one) => one.id));
    for (const [id, one] of drawn) if (!now.has(id)) { one.remove(); drawn.delete(id); at.delete(id); waits.delete(id); }
    lines.replaceChildren();
    for (const one of model.marks) {
      if (one.to && now.has(one.to)) {
        const line = made("line", { class: "length" });
        line.dataset.from = one.id; line.dataset.to = one.to;
        lines.append(line);
      }
      if (!drawn.has(one.id)) {
        const mark = made("g", { class: "mark", tabindex: 0, role: "button" });
        mark.dataset.id = one.id;
        const name = made("text", { x: MARK_PX, y: -MARK_PX });
        mark.append(made("circle", { r: 2 * MARK_PX }), made("path", { d: `M${-MARK_PX} 0H${MARK_PX}M0 ${-MARK_PX}V${MARK_PX}` }), name);
        marks.append(mark);
        drawn.set(one.id, mark);
      }
      const mark = drawn.get(one.id);
      mark.dataset.label = one.label; mark.lastChild.textContent = one.label;
      // what was moved here stands until the server has heard it: a quick second step must not jump back
      const wait = waits.get(one.id);
      if (wait && wait[0] === one.x && wait[1] === one.y) waits.delete(one.id);
      if (!(held && held.id === one.id) && !waits.has(one.id)) at.set(one.id, [one.x, one.y]);
    }
    for (const id of drawn.keys()) place(id);
  }

  svg.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const mark = event.target.closest("[data-id]"), [x, y] = pixel(event);
    held = { id: mark ? mark.dataset.id : null, x: event.clientX, y: event.clientY, moved: false, view: { ...view } };
    if (mark) {
      const [from, down] = at.get(held.id);
      held.off = [from - x, down - y];  // taken beside its middle, it does not jump
      mark.focus();
    }
    svg.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  svg.addEventListener("pointermove", (event) => {
    if (!held) return;
    if (Math.hypot(event.clientX - held.x, event.clientY - held.y) >= CLICK_PX) held.moved = true;
    if (!held.moved) return;
    if (held.id) {
      const [x, y] = pixel(event);
      if (drawn.has(held.id)) move(held.id, x + held.off[0], y + held.off[1]);
    } else {
      view.x = held.view.x - (event.clientX - held.x) * scale();
      view.y = held.view.y - (event.clientY - held.y) * scale();
      look();
    }
  });
  svg.addEventListener("pointerup", (event) => {
    if (!held) return;
    const { id, moved } = held, [x, y] = pixel(event);
    held = null;
    if (id && moved && drawn.has(id)) tell(id);
    if (!id && !moved && x >= 0 && y >= 0 && x <= wide && y <= high) model.send_msg({ tapped: true, x: round(x), y: round(y) });
  });
  svg.addEventListener("pointercancel", () => { held = null; draw(); });
  svg.addEventListener("keydown", (event) => {
    const mark = event.target.closest("[data-id]"), step = STEPS[event.key];
    if (!mark || !step) return;
    const [x, y] = at.get(mark.dataset.id);
    move(mark.dataset.id, x + step[0], y + step[1]);
    tell(mark.dataset.id);
    event.preventDefault();
  });
  svg.addEventListener("wheel", (event) => {
    const [x, y] = pixel(event), before = view.w;
    view.w = Math.min(Math.max(before * Math.exp(event.deltaY / 500), wide / CLOSEST), wide);
    view.x = x - (x - view.x) * (view.w / before);
    view.y = y - (y - view.y) * (view.w / before);
    look();
    event.preventDefault();
  }, { passive: false });
  const sized = new ResizeObserver(look);
  sized.observe(svg);
  model.on("marks", draw);
  model.on("remove", () => sized.disconnect());
  draw();
  look();
  return svg;
}
