// Exact frames by identity: a picture is drawn only under the PTS that the server labelled it with,
// and a box only on the frame it was observed on.
const KEEP = 240, RUN = 20;

function localTime(ms) {
  const text = new Date(ms + 7 * 3600e3).toISOString();
  return `${text.slice(8, 10)}/${text.slice(5, 7)}/${text.slice(0, 4)} ${text.slice(11, 23)}`;
}

export function render({ model, el }) {
  const words = model.words;
  const root = document.createElement("div");
  root.className = "player"; root.tabIndex = 0;
  root.innerHTML = `
    <div class="stamp"><span class="big" data-part="local"></span><span class="muted" data-part="utc"></span>
      <span class="muted"><span data-word="frame"></span> <b data-part="number"></b></span>
      <span class="muted">PTS <b class="mono" data-part="pts"></b></span><span class="muted small" data-part="sigma"></span>
      <span class="way"><a class="button" data-part="accident"></a></span></div>
    <div class="stage"><canvas></canvas><div class="message" hidden></div></div>
    <div class="controls">
      <button type="button" class="button" data-do="first">⏮</button><button type="button" class="button" data-do="back">◀</button>
      <button type="button" class="button main" data-do="play"></button>
      <button type="button" class="button" data-do="next">▶</button><button type="button" class="button" data-do="last">⏭</button>
      <input type="range" min="0" max="0" value="0" step="1">
      <label><span data-word="speed"></span><select><option value="0.25">¼×</option><option value="0.5">½×</option><option value="1" selected>1×</option><option value="2">2×</option></select></label>
      <label><input type="checkbox" checked data-part="overlay"><span data-word="boxes"></span></label>
    </div>
    <div class="coverage"><div class="track"></div><div class="ends"><span></span><span class="middle"></span><span></span></div></div>`;
  const part = (name) => root.querySelector(`[data-part=${name}]`);
  const canvas = root.querySelector("canvas"), context = canvas.getContext("2d");
  const slider = root.querySelector("input[type=range]"), message = root.querySelector(".message");
  const speed = root.querySelector("select"), playButton = root.querySelector("[data-do=play]");
  for (const span of root.querySelectorAll("[data-word]")) span.textContent = words[span.dataset.word];
  for (const button of root.querySelectorAll("[data-do]")) {
    button.title = words[`${button.dataset.do}_title`]; button.setAttribute("aria-label", button.title);
  }
  playButton.textContent = words.play;
  part("accident").textContent = words.accident; part("accident").title = words.accident_title;

  let view = {}, boxes = new Map(), pictures = new Map(), loading = new Map();
  let wanted = 0, shown = -1, playing = false, basis = null, generation = 0;

  // rounded to the microsecond before it is cut to milliseconds: 350 must not become 349.9999
  const ms = (pts) => Math.round((view.utc_ms + ((pts - view.first_pts) * view.tick[0] * 1000) / view.tick[1]) * 1e3) / 1e3;
  const address = (path, more) => `${view.media_url}/${path}?grant=${encodeURIComponent(view.token)}${more || ""}`;

  function keep(kind, pts, picture) {
    pictures.set(`${kind}:${pts}`, picture);
    while (pictures.size > KEEP) pictures.delete(pictures.keys().next().value);
  }
  async function still(pts) {
    const known = pictures.get(`still:${pts}`);
    if (known) return known;
    const answer = await fetch(address(`still/${view.segment}/${pts}.jpg`), { credentials: "include" });
    if (!answer.ok) throw new Error(String(answer.status));
    if (answer.headers.get("X-Pts") !== String(pts)) throw new Error("another frame");
    const picture = await createImageBitmap(await answer.blob());
    keep("still", pts, picture);
    return picture;
  }
  function run(index) {
    // chunks begin at multiples of RUN, so that the server's decoder goes straight on
    const first = index - (index % RUN);
    if (first >= view.pts.length) return Promise.resolve();
    const key = `${generation}:${first}`;
    if (!loading.has(key)) {
      loading.set(key, (async () => {
        const answer = await fetch(address(`run/${view.segment}/${view.pts[first]}.bin`, `&count=${RUN}`), { credentials: "include" });
        if (!answer.ok) throw new Error(String(answer.status));
        const data = await answer.arrayBuffer(), seen = new DataView(data);
        for (let offset = 0; offset < data.byteLength;) {
          const pts = Number(seen.getBigInt64(offset)), length = seen.getUint32(offset + 8);
          keep("run", pts, await createImageBitmap(new Blob([new Uint8Array(data, offset + 12, length)], { type: "image/jpeg" })));
          offset += 12 + length;
        }
      })().finally(() => setTimeout(() => loading.delete(key), 4000)));
    }
    return loading.get(key);
  }

  function say(text) { message.hidden = !text; message.textContent = text || ""; }

  function draw(index, picture) {
    const pts = view.pts[index];
    // small pictures are drawn larger, so that lines and letters over them stay sharp
    const scale = Math.max(1, Math.round(1280 / picture.width)), wide = picture.width * scale, high = picture.height * scale;
    if (canvas.width !== wide || canvas.height !== high) { canvas.width = wide; canvas.height = high; }
    context.drawImage(picture, 0, 0, wide, high);
    if (part("overlay").checked) {
      for (const seen of boxes.get(pts) || []) outline({ ...seen, box: seen.box.map((edge) => edge * scale) }, wide);
    }
    shown = index;
    root.dataset.pts = pts; root.dataset.index = index; root.dataset.segment = view.segment;
    root.dataset.boxes = (boxes.get(pts) || []).length;
    part("local").textContent = localTime(ms(pts));
    part("utc").textContent = `${new Date(ms(pts)).toISOString().slice(0, 23)}Z`;
    part("accident").href = `${view.accident}&pts=${pts}`;
    part("pts").textContent = pts; part("number").textContent = `${index + 1}/${view.pts.length}`;
    slider.value = index;
    const now = root.querySelector(".coverage .now");
    if (now) now.style.left = `${(100 * (ms(pts) - view.from_ms)) / (view.to_ms - view.from_ms)}%`;
    say("");
  }
  function outline(seen, width) {
    const line = Math.max(1.5, width / 420);
    context.lineWidth = line; context.strokeStyle = seen.chosen ? "#ffb72b" : "#4fd1ff";
    context.strokeRect(seen.box[0], seen.box[1], seen.box[2], seen.box[3]);
    if (!seen.label) return;
    const size = Math.max(11, width / 62);
    context.font = `600 ${size}px system-ui, sans-serif`;
    const wide = context.measureText(seen.label).width + 8;
    const top = seen.box[1] > size + 6 ? seen.box[1] - size - 6 : seen.box[1] + line;
    context.fillStyle = "rgba(9,16,23,.78)"; context.fillRect(seen.box[0], top, wide, size + 6);
    context.fillStyle = context.strokeStyle; context.fillText(seen.label, seen.box[0] + 4, top + size);
  }

  async function go(index) {
    if (!view.pts || !view.pts.length) return;
    wanted = Math.max(0, Math.min(view.pts.length - 1, index));
    const mine = wanted, round = generation;
    root.dataset.asked = view.pts[mine]; root.dataset.state = "waiting";
    try {
      const picture = await still(view.pts[mine]);
      if (mine !== wanted || round !== generation || playing) return;
      draw(mine, picture);
      root.dataset.state = "still";
    } catch (error) {
      if (mine === wanted && round === generation) { root.dataset.state = "failed"; say(error.message === "403" || error.message === "401" ? words.no_leave : words.no_frame); }
    }
  }
  function play(on) {
    if (!view.pts || !view.pts.length) return;
    playing = on; basis = null;
    playButton.textContent = on ? words.pause : words.play;
    if (on) {
      if (wanted >= view.pts.length - 1) wanted = 0;
      root.dataset.skipped = 0;
      requestAnimationFrame(frame);
    } else { go(shown < 0 ? wanted : shown); }
  }
  function frame(now) {
    if (!playing) return;
    const tick = view.tick[0] / view.tick[1];
    let index = wanted;
    if (basis) {
      const due = basis.pts + ((now - basis.now) / 1000) * Number(speed.value) / tick;
      while (index + 1 < view.pts.length && view.pts[index + 1] <= due) index += 1;
    }
    const picture = pictures.get(`run:${view.pts[index]}`);
    run(index).then(() => run(index + RUN)).catch(() => { play(false); });
    if (!picture) {
      // not there yet: time stands still until it is, nothing is shown in its place
      basis = null; root.dataset.state = "waiting";
    } else {
      if (!basis) basis = { now, pts: view.pts[index] };
      root.dataset.skipped = Number(root.dataset.skipped) + Math.max(0, index - wanted - 1);
      wanted = index; root.dataset.asked = view.pts[index]; root.dataset.state = "playing";
      if (shown !== index) draw(index, picture);
      if (index === view.pts.length - 1) { play(false); return; }
    }
    requestAnimationFrame(frame);
  }
  const acts = {
    first: () => { play(false); go(0); }, last: () => { play(false); go(view.pts.length - 1); },
    back: () => { if (playing) play(false); go(wanted - 1); }, next: () => { if (playing) play(false); go(wanted + 1); },
    play: () => play(!playing),
  };
  for (const button of root.querySelectorAll("[data-do]")) button.addEventListener("click", () => { acts[button.dataset.do](); root.focus(); });
  slider.addEventListener("input", () => { if (playing) play(false); go(Number(slider.value)); });
  speed.addEventListener("change", () => { basis = null; });
  part("overlay").addEventListener("change", () => go(wanted));
  function key(event) {
    const target = event.composedPath()[0];
    if (/^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName) && target.type !== "range" && target.type !== "checkbox") return;
    const act = { ArrowLeft: "back", ArrowRight: "next", " ": "play", Home: "first", End: "last" }[event.key];
    if (!act || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    acts[act]();
  }
  document.addEventListener("keydown", key);

  const track = root.querySelector(".track");
  function coverage() {
    track.replaceChildren();
    const whole = view.to_ms - view.from_ms || 1;
    for (const [from, to, segment] of view.spans || []) {
      const have = document.createElement("div");
      have.className = segment === view.segment ? "have current" : "have";
      have.style.left = `${(100 * (from - view.from_ms)) / whole}%`;
      have.style.width = `max(2px, ${(100 * (to - from)) / whole}%)`;
      have.title = `${localTime(from)} – ${localTime(to).slice(11)}`;
      track.append(have);
    }
    const now = document.createElement("div");
    now.className = "now";
    track.append(now);
    const ends = root.querySelectorAll(".ends span");
    ends[0].textContent = view.from_ms ? localTime(view.from_ms).slice(0, 19) : "";
    ends[1].textContent = view.gaps || "";
    ends[2].textContent = view.to_ms ? localTime(view.to_ms).slice(0, 19) : "";
  }
  track.addEventListener("click", (event) => {
    const at = track.getBoundingClientRect();
    const when = view.from_ms + ((event.clientX - at.left) / at.width) * (view.to_ms - view.from_ms);
    const here = (view.spans || []).find(([from, to]) => when >= from && when < to);
    if (!here) { say(words.gap); return; }
    if (here[2] !== view.segment) { model.send_msg({ segment: here[2], at_ms: Math.round(when) }); return; }
    let index = view.pts.findIndex((pts) => ms(pts) > when);
    if (playing) play(false);
    go(index < 0 ? view.pts.length - 1 : Math.max(0, index - 1));
  });

  function load() {
    generation += 1; playing = false; basis = null; playButton.textContent = words.play;
    view = model.view; pictures.clear(); loading.clear(); boxes = new Map(); shown = -1;
    // no number stands for a frame that is not shown, nor a label for no number
    for (const name of ["pts", "index", "segment"]) delete root.dataset[name];
    root.classList.toggle("unchosen", !view.segment);
    for (const one of root.querySelectorAll(".controls :is(button, input, select)")) one.disabled = !view.segment;
    if (!view.segment) { say(view.says || words.choose); return; }
    for (const seen of view.tracks) {
      seen.pts.forEach((pts, at) => {
        if (!boxes.has(pts)) boxes.set(pts, []);
        boxes.get(pts).push({ box: seen.box.slice(4 * at, 4 * at + 4), label: seen.label, chosen: seen.chosen });
      });
    }
    slider.max = view.pts.length - 1;
    part("sigma").textContent = view.sigma;
    coverage();
    const start = view.pts.indexOf(view.start_pts);
    go(start < 0 ? 0 : start);
  }
  model.on("view", load);
  model.on("remove", () => { playing = false; generation += 1; document.removeEventListener("keydown", key); });
  load();
  return root;
}
