// Several cameras on one clock. The clock is nanoseconds from the start of the span; every tile shows
// the frame of the same instant, and all tiles change together.
const { Tile, Pictures } = await import(new URL("/assets/accident_tile.js", location.href).href);
const SPEEDS = [0.1, 0.25, 0.5, 1, 2, 4, 8, 16];
const PACE_MS = 1000, TEN = 10, ZOOM = 1.25, SHIFT = 0.1;

const TEMPLATE = `
  <div class="stamp"><span class="big" data-part="local"></span><span class="muted" data-part="utc"></span>
    <span class="muted" data-part="by"></span><span class="muted" data-part="pace"></span>
    <form class="opening"><label><span data-word="start"></span><input name="start" size="23" autocomplete="off" spellcheck="false"></label>
      <label><span data-word="span"></span><select name="span"></select></label><button class="button" data-word="open"></button></form></div>
  <div class="tiles"></div>
  <div class="message" hidden></div>
  <div class="bars"><div class="rows"></div><div class="loop" hidden></div><div class="marks"></div><div class="now"></div></div>
  <div class="controls">
    <button type="button" class="button" data-do="first">⏮</button><button type="button" class="button" data-do="back">◀</button>
    <button type="button" class="button main" data-do="play"></button>
    <button type="button" class="button" data-do="next">▶</button><button type="button" class="button" data-do="last">⏭</button>
    <label><span data-word="speed"></span><select data-part="speed"></select></label>
    <button type="button" class="button" data-do="a">A</button><button type="button" class="button" data-do="b">B</button>
    <label data-part="looping"><input type="checkbox" data-part="loop"><span data-word="loop"></span></label>
    <span class="grow"></span>
    <button type="button" class="button" data-do="save" data-word="save"></button>
    <form class="marking"><input name="note" size="22" autocomplete="off"><button class="button" data-do="mark" data-word="mark"></button></form>
  </div>`;

export function render({ model, el }) {
  const words = model.words;
  const root = document.createElement("div");
  root.className = "together"; root.tabIndex = 0; root.innerHTML = TEMPLATE;
  const part = (name) => root.querySelector(`[data-part=${name}]`);
  const grid = root.querySelector(".tiles"), message = root.querySelector(".message"), bars = root.querySelector(".bars");
  const opening = root.querySelector(".opening"), marking = root.querySelector(".marking");
  const speed = part("speed"), playButton = root.querySelector("[data-do=play]");
  for (const one of root.querySelectorAll("[data-word]")) one.textContent = words[one.dataset.word];
  for (const one of root.querySelectorAll("[data-do]")) { one.title = words[`${one.dataset.do}_title`]; one.setAttribute("aria-label", one.title); }
  part("looping").title = words.loop_title;
  marking.note.placeholder = words.note; marking.note.maxLength = words.most_note; marking.note.setAttribute("aria-label", words.note);
  speed.append(...SPEEDS.map((one) => new Option(`${one}×`, one, one === 1, one === 1)));
  playButton.textContent = words.play;

  let view = null, tiles = [], chosen = 0, generation = 0;
  let wanted = 0, playing = false, basis = null, loop = { a: null, b: null }, pace = null;

  // -- the clock --------------------------------------------------------------------------------
  function instant(at) {
    const ms = Number((BigInt(view.start) + BigInt(at)) / 1000000n);
    return { local: new Date(ms + 7 * 3600e3).toISOString(), utc: new Date(ms).toISOString() };
  }
  const inside = (at) => Math.min(view.length - 1, Math.max(0, Math.round(at)));
  function label(at) {
    const { local, utc } = instant(at);
    root.dataset.at = at;
    part("local").textContent = `${local.slice(8, 10)}/${local.slice(5, 7)}/${local.slice(0, 4)} ${local.slice(11, 23)}`;
    part("utc").textContent = utc;
    bars.querySelector(".now").style.left = `${(100 * at) / view.length}%`;
  }
  function say(text) { message.hidden = !text; message.textContent = text || ""; }
  // what is looked at stands in the address: it can be reloaded, or handed on inside the case
  function remember(at) {
    const address = new URL(location.href), asked = address.searchParams;
    for (const name of ["segment", "pts", "camera"]) asked.delete(name);
    const facts = { cameras: view.tiles.map((tile) => tile.camera).join(","), from: view.start, span: view.asked_s, at: BigInt(view.start) + BigInt(at) };
    for (const [name, value] of Object.entries(facts)) asked.set(name, String(value));
    history.replaceState(history.state, "", address);
  }
  function trouble(error) { root.dataset.state = "failed"; say(error.status === 401 || error.status === 403 ? words.no_leave : words.no_frame); }

  // -- standing still: the exact frames -----------------------------------------------------------
  async function go(at, ahead = 0) {
    wanted = inside(at);
    const mine = wanted, round = generation;
    root.dataset.asked = mine; root.dataset.state = "waiting";
    const numbers = tiles.map((tile) => tile.shown(mine));
    try {
      const pictures = await Promise.all(tiles.map((tile, n) => (numbers[n] < 0 ? null : tile.still(numbers[n]))));
      if (mine !== wanted || round !== generation || playing) return;
      tiles.forEach((tile, n) => tile.draw(mine, numbers[n], pictures[n]));
      label(mine); say("");
      root.dataset.state = "still";
      remember(mine);
      model.send_msg({ here: { at: mine } });
      if (ahead) fetchAhead(tiles[chosen].step(mine, ahead));
    } catch (error) { if (mine === wanted && round === generation) trouble(error); }
  }
  function fetchAhead(at) {
    for (const tile of tiles) { const number = tile.shown(at); if (number >= 0) tile.still(number).catch(() => {}); }
  }
  function step(frames) {
    if (!tiles.length) return;
    if (playing) stop(false);
    go(tiles[chosen].step(wanted, frames), Math.sign(frames));
  }

  // -- playing: frames in a row, all tiles or none --------------------------------------------------
  function play() {
    for (const tile of tiles) tile.fit();
    playing = true; basis = null; pace = null; playButton.textContent = words.pause;
    const [from, to] = bounds();
    if (wanted < from || wanted >= to - 1) wanted = from;
    model.send_msg({ playing: {} }); // no frame stands: nothing of one can be corrected
    requestAnimationFrame(frame);
  }
  function stop(show = true) {
    playing = false; basis = null; playButton.textContent = words.play; part("pace").textContent = "";
    if (show) go(wanted);
  }
  function bounds() {
    if (!part("loop").checked || loop.a === null || loop.b === null) return [0, view.length];
    return [Math.min(loop.a, loop.b), Math.max(loop.a, loop.b) + 1];
  }
  function frame(now) {
    if (!playing) return;
    const rate = Number(speed.value), [from, to] = bounds();
    let at = basis ? basis.at + (now - basis.now) * 1e6 * rate : wanted, ended = false;
    if (at >= to) {
      if (part("loop").checked) { at = from; basis = null; } else { at = to - 1; ended = true; }
    }
    at = inside(at);
    const strides = tiles.map((tile) => tile.stride(rate)), numbers = tiles.map((tile, n) => tile.played(at, strides[n]));
    const pictures = tiles.map((tile, n) => tile.playing(numbers[n]));
    tiles.forEach((tile, n) => {
      // in a gap the frames behind it are asked for, so that it goes on without a halt
      const next = numbers[n] >= 0 ? numbers[n] : tile.played(tile.step(at, 1), strides[n]);
      tile.ahead(next, strides[n]).catch((error) => { if (playing) { stop(false); trouble(error); } });
    });
    if (pictures.some((picture) => picture === undefined)) {
      // not there yet: the clock stands until it is, in every tile; nothing is shown in its place
      basis = null; root.dataset.state = "waiting";
    } else {
      if (!basis) basis = { now, at };
      wanted = at; root.dataset.state = "playing";
      const moved = tiles.map((tile, n) => !tile.drawn || tile.drawn.number !== numbers[n] || numbers[n] < 0);
      tiles.forEach((tile, n) => { if (moved[n]) tile.draw(at, numbers[n], pictures[n], true); });
      if (moved.some(Boolean)) label(at);
      if (ended) { stop(); return; }
    }
    measure(now, rate);
    requestAnimationFrame(frame);
  }
  // what pictures could not keep up with is said
  function measure(now, rate) {
    if (!pace || wanted < pace.at) { pace = { now, at: wanted }; return; }
    if (now - pace.now < PACE_MS) return;
    const attained = (wanted - pace.at) / 1e6 / (now - pace.now);
    root.dataset.pace = attained.toFixed(2);
    part("pace").textContent = attained < 0.9 * rate ? words.pace.replace("{pace}", attained.toPrecision(2)) : "";
    pace = { now, at: wanted };
  }

  // -- what the person does -------------------------------------------------------------------------
  function choose(number) {
    if (!tiles[number]) return;
    chosen = number;
    tiles.forEach((tile, n) => tile.box.classList.toggle("chosen", n === number));
    const { facts } = tiles[number];
    part("by").textContent = words.by.replace("{camera}", facts.camera).replace("{ms}", (facts.step / 1e6).toPrecision(3));
  }
  function mark(which) {
    loop = { ...loop, [which]: wanted };
    if (loop.a !== null && loop.b !== null) part("loop").checked = true;
    showLoop();
  }
  function showLoop() {
    const shade = bars.querySelector(".loop"), ends = [loop.a, loop.b].filter((one) => one !== null).sort((a, b) => a - b);
    shade.hidden = !ends.length;
    if (!ends.length) return;
    root.dataset.loop = ends.join(" ");
    shade.style.left = `${(100 * ends[0]) / view.length}%`;
    shade.style.width = `max(2px, ${(100 * (ends[ends.length - 1] - ends[0])) / view.length}%)`;
  }
  const acts = {
    first: () => { if (playing) stop(false); go(0); }, last: () => { if (playing) stop(false); go(view.length - 1); },
    back: () => step(-1), next: () => step(1), ten_back: () => step(-TEN), ten_on: () => step(TEN),
    play: () => (playing ? stop() : play()),
    a: () => mark("a"), b: () => mark("b"),
    loop: () => { part("loop").checked = !part("loop").checked; },
    save: () => {
      const { drawn, facts } = tiles[chosen];
      if (playing || !drawn || drawn.number < 0) return;
      model.send_msg({ snapshot: { segment: tiles[chosen].fileOf(drawn.number).segment, pts: facts.pts[drawn.number] } });
    },
    mark: () => marking.note.focus(),
    larger: () => tiles[chosen].zoomBy(ZOOM), smaller: () => tiles[chosen].zoomBy(1 / ZOOM), whole: () => tiles[chosen].moveTo(0.5, 0.5, 1),
  };
  for (const button of root.querySelectorAll("[data-do]:not([data-do=mark])")) button.addEventListener("click", () => { if (view) acts[button.dataset.do](); root.focus(); });
  speed.addEventListener("change", () => { basis = null; pace = null; root.focus(); });
  opening.addEventListener("submit", (event) => {
    event.preventDefault();
    model.send_msg({ open: { start: opening.start.value, span_s: Number(opening.span.value) } });
  });
  marking.addEventListener("submit", (event) => {
    event.preventDefault();
    if (playing) stop();
    model.send_msg({ bookmark: { at: wanted, note: marking.note.value } });
    marking.note.value = ""; root.focus();
  });
  const KEYS = {
    ArrowLeft: "back", ArrowRight: "next", PageUp: "ten_back", PageDown: "ten_on", " ": "play", Home: "first", End: "last",
    "[": "a", "]": "b", l: "loop", s: "save", b: "mark", "+": "larger", "=": "larger", "-": "smaller", 0: "whole",
  };
  const PAN = { ArrowLeft: [SHIFT, 0], ArrowRight: [-SHIFT, 0], ArrowUp: [0, SHIFT], ArrowDown: [0, -SHIFT] };
  function key(event) {
    const target = event.composedPath()[0];
    if (!view || !tiles.length || event.ctrlKey || event.altKey || event.metaKey) return;
    if (/^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName) && target.type !== "checkbox") return;
    // what has the focus is pressed by the space bar, and a list goes by its own arrows
    if (event.key === " " && /^(BUTTON|A)$/.test(target.tagName)) return;
    if (event.key === "Escape") { root.focus(); return; } // from a point that was taken, back to the frames
    if (event.shiftKey && PAN[event.key]) { tiles[chosen].moveBy(...PAN[event.key]); event.preventDefault(); return; }
    if (/^[1-9]$/.test(event.key)) { choose(Number(event.key) - 1); return; }
    const act = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    event.preventDefault();
    acts[act]();
  }
  document.addEventListener("keydown", key);

  function listen(tile, number) {
    let held = null;
    tile.box.addEventListener("pointerdown", (event) => { choose(number); held = tile.place(event); tile.box.setPointerCapture(event.pointerId); root.focus(); });
    tile.box.addEventListener("pointermove", (event) => {
      if (!held) return;
      const here = tile.place(event);
      tile.moveBy(here.u - held.u, here.v - held.v); held = here;
    });
    for (const end of ["pointerup", "pointercancel"]) tile.box.addEventListener(end, () => { held = null; });
    tile.box.addEventListener("focusin", () => choose(number)); // a mark of it was taken
    tile.box.addEventListener("dblclick", () => tile.moveTo(0.5, 0.5, 1));
    tile.box.addEventListener("wheel", (event) => {
      event.preventDefault();
      const { u, v } = tile.place(event);
      tile.zoomBy(event.deltaY < 0 ? ZOOM : 1 / ZOOM, u, v);
    }, { passive: false });
  }
  bars.addEventListener("click", (event) => {
    if (!view) return;
    const at = bars.getBoundingClientRect();
    if (playing) stop(false);
    go(((event.clientX - at.left) / at.width) * view.length);
  });

  // -- what the page gives ---------------------------------------------------------------------------
  function drawBars() {
    const rows = tiles.map(({ facts }) => {
      const row = document.createElement("div");
      row.className = "row"; row.title = facts.camera;
      for (const [from, to] of facts.gaps) {
        const hole = document.createElement("i");
        hole.style.left = `${(100 * from) / view.length}%`; hole.style.width = `${(100 * (to - from)) / view.length}%`;
        row.append(hole);
      }
      return row;
    });
    bars.querySelector(".rows").replaceChildren(...rows);
  }
  function drawMarks() {
    if (!view) return;
    bars.querySelector(".marks").replaceChildren(...model.marks.map(([at, note]) => {
      const one = document.createElement("i");
      one.style.left = `${(100 * at) / view.length}%`; one.title = note;
      return one;
    }));
  }
  function load() {
    generation += 1; playing = false; basis = null; pace = null; playButton.textContent = words.play; loop = { a: null, b: null };
    part("loop").checked = false; part("pace").textContent = "";
    view = { ...model.view, time: (at) => instant(at).local.slice(11, 23) };
    const pictures = new Pictures(), zooms = new Map(tiles.map((tile) => [tile.facts.camera, tile.zoom]));
    for (const tile of tiles) tile.end();
    tiles = view.tiles.map((facts) => new Tile(facts, view, pictures, words, (moved) => model.send_msg({ moved })));
    tiles.forEach((tile, n) => { tile.zoom = zooms.get(tile.facts.camera) || tile.zoom; listen(tile, n); tile.follow(model.track); });
    grid.replaceChildren(...tiles.map((tile) => tile.box));
    grid.style.setProperty("--columns", Math.ceil(Math.sqrt(tiles.length)));
    grid.style.setProperty("--rows", Math.ceil(tiles.length / Math.ceil(Math.sqrt(tiles.length))));
    opening.start.value = view.from;
    opening.span.replaceChildren(...view.spans_s.map((one) => new Option(
      (one < 60 ? words.seconds : words.minutes).replace("{count}", one < 60 ? one : one / 60), one)));
    opening.span.value = view.span_s;
    // the finest steps first: no camera's frame is stepped over
    const steps = tiles.map(({ facts }) => facts.step || Infinity);
    choose(steps.indexOf(Math.min(...steps)));
    drawBars(); drawMarks(); showLoop();
    go(view.at);
  }
  function hand() {
    const { name, png } = model.saved;
    if (!name) return;
    const bytes = Uint8Array.from(atob(png), (sign) => sign.charCodeAt(0));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([bytes], { type: "image/png" })); link.download = name;
    link.click();
    root.dataset.saved = name;
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }
  model.on("view", load);
  model.on("marks", drawMarks);
  model.on("saved", hand);
  model.on("track", () => { for (const tile of tiles) tile.follow(model.track); });
  model.on("seek", () => { if (playing) stop(false); go(model.seek[0]); });
  model.on("remove", () => { playing = false; generation += 1; for (const tile of tiles) tile.end(); document.removeEventListener("keydown", key); });
  if (model.view.start) load();
  return root;
}
