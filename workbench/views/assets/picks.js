// A still, or roads as lines, with marks in its pixels: a click begins one, dragging or an arrow key moves one.
// The wheel zooms about the pointer, dragging beside the marks moves what is seen of the still.
const { Marks, made } = await import(new URL("/assets/marks.js", location.href).href);
const CLICK_PX = 4, CLOSEST = 16;

export function render({ model, el }) {
  const [wide, high] = model.size;
  const [left, upper, width] = model.view.length ? model.view : [0, 0, wide];
  let view = { x: left, y: upper, w: width }, held = null;
  const svg = made("svg", { class: model.still ? "picks" : "picks ground", role: "group", "aria-label": model.words.picture || "" });
  svg.style.aspectRatio = `${wide} / ${high}`;
  if (model.still) svg.append(made("image", { href: model.still, width: wide, height: high }));
  for (const one of model.roads) svg.append(made("polyline", { class: "road", points: one.join(" ") }));
  const here = made("path", { class: "here", d: "M0 -8L7 6H-7Z" });
  if (model.here.length) svg.append(here);
  const marks = new Marks(svg, [wide, high], { word: model.words.mark || "", axes: model.axes, told: (id, x, y) => model.send_msg({ moved: id, x, y }) });

  const round = (value) => Math.round(value * 10) / 10;
  const scale = () => view.w / Math.max(svg.clientWidth, 1);
  function look() {
    view.w = Math.min(Math.max(view.w, wide / CLOSEST), wide);
    const h = (view.w * high) / wide;
    view.x = Math.min(Math.max(view.x, 0), wide - view.w);
    view.y = Math.min(Math.max(view.y, 0), high - h);
    svg.setAttribute("viewBox", `${view.x} ${view.y} ${view.w} ${h}`);
    if (model.here.length) here.setAttribute("transform", `translate(${model.here}) scale(${scale()})`);
    marks.look();
  }

  svg.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || marks.marked(event)) return;
    held = { x: event.clientX, y: event.clientY, moved: false, view: { ...view } };
    svg.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  svg.addEventListener("pointermove", (event) => {
    if (!held) return;
    if (Math.hypot(event.clientX - held.x, event.clientY - held.y) >= CLICK_PX) held.moved = true;
    if (!held.moved) return;
    view.x = held.view.x - (event.clientX - held.x) * scale();
    view.y = held.view.y - (event.clientY - held.y) * scale();
    look();
  });
  svg.addEventListener("pointerup", (event) => {
    if (!held) return;
    const { moved } = held, [x, y] = marks.pixel(event);
    held = null;
    if (!moved && x >= 0 && y >= 0 && x <= wide && y <= high) model.send_msg({ tapped: true, x: round(x), y: round(y) });
  });
  svg.addEventListener("pointercancel", () => { held = null; });
  svg.addEventListener("wheel", (event) => {
    const [x, y] = marks.pixel(event), before = view.w;
    view.w = Math.min(Math.max(before * Math.exp(event.deltaY / 500), wide / CLOSEST), wide);
    view.x = x - (x - view.x) * (view.w / before);
    view.y = y - (y - view.y) * (view.w / before);
    look();
    event.preventDefault();
  }, { passive: false });
  const sized = new ResizeObserver(look);
  sized.observe(svg);
  model.on("marks", () => marks.show(model.marks));
  model.on("remove", () => { sized.disconnect(); marks.end(); });
  marks.show(model.marks);
  look();
  return svg;
}
