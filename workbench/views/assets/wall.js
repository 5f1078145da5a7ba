// The grid of tiles: DOM stamps over one canvas that a worker draws on.
const STALE_MS = 3000;

function localTime(ms, date) {
  const text = new Date(ms + 7 * 3600e3).toISOString();
  const time = text.slice(11, 19);
  return date ? `${text.slice(8, 10)}/${text.slice(5, 7)}/${text.slice(0, 4)} ${time}` : time;
}

export function render({ model, el }) {
  const words = model.words;
  const wall = document.createElement("div");
  wall.className = "wall";
  const canvas = document.createElement("canvas");
  wall.append(canvas);
  const tiles = new Map();
  let large = "", skew = 0, link = "wait";

  function tileOf(camera, site) {
    const tile = document.createElement("button");
    tile.type = "button"; tile.className = "tile";
    tile.dataset.camera = camera.id; tile.dataset.state = "waiting"; tile.dataset.drawn = "0";
    tile.title = camera.name;
    for (const [part, text] of [["silence", words.waiting], ["name", `${camera.id} · ${site.name}`], ["what", ""], ["when", ""], ["age", ""]]) {
      const span = document.createElement("span");
      span.className = part; span.textContent = text;
      tile.append(span);
      tile["_" + part] = span;
    }
    tile.addEventListener("click", () => { large = large === camera.id ? "" : camera.id; layout(); tile.scrollIntoView({ block: "nearest" }); });
    return tile;
  }

  function build() {
    for (const section of wall.querySelectorAll("section")) section.remove();
    const known = new Map(tiles);
    tiles.clear();
    const grids = new Map();
    for (const site of model.sites) {
      if (!grids.has(site.neighbourhood)) {
        const section = document.createElement("section");
        const title = document.createElement("div");
        title.className = "site"; title.textContent = site.neighbourhood;
        const grid = document.createElement("div");
        grid.className = "tiles";
        section.append(title, grid);
        wall.append(section);
        grids.set(site.neighbourhood, grid);
      }
      for (const camera of site.cameras) {
        // a tile that stays keeps what it shows: the server sends a picture once
        const tile = known.get(camera.id) || tileOf(camera, site);
        tiles.set(camera.id, tile);
        grids.get(site.neighbourhood).append(tile);
      }
    }
    if (!model.sites.length) {
      const empty = document.createElement("section");
      empty.innerHTML = '<div class="site"></div>';
      empty.firstChild.textContent = words.nothing;
      wall.append(empty);
    }
    if (!tiles.has(large)) large = "";
    layout();
  }

  const worker = new Worker(model.worker_url);
  const surface = canvas.transferControlToOffscreen();
  worker.postMessage({ canvas: surface }, [surface]);

  let queued = false;
  function layout() {
    for (const [id, tile] of tiles) tile.classList.toggle("large", id === large);
    if (queued) return;
    queued = true;
    requestAnimationFrame(() => {
      queued = false;
      const base = wall.getBoundingClientRect();
      // the canvas is laid over the scrolled content, so it moves with the tiles
      const size = { w: Math.max(1, Math.round(base.width)), h: Math.max(1, Math.round(wall.scrollHeight)) };
      canvas.style.width = `${size.w}px`; canvas.style.height = `${size.h}px`;
      const rects = {}, visible = {};
      const top = 0, bottom = window.innerHeight;
      for (const [id, tile] of tiles) {
        const at = tile.getBoundingClientRect();
        rects[id] = { x: Math.round(at.left - base.left), y: Math.round(at.top - base.top), w: Math.round(at.width), h: Math.round(at.height) };
        if (at.bottom > top && at.top < bottom && at.width) visible[id] = Math.round(at.width);
      }
      worker.postMessage({ size, rects, visible });
    });
  }

  worker.onmessage = ({ data }) => {
    if (data.link) { link = data.link; wall.dataset.link = link; age(); return; }
    skew = Date.now() - data.now_ms;
    for (const tile of data.drawn) {
      const el = tiles.get(tile.camera);
      if (!el) continue;
      el.dataset.state = tile.state;
      if (tile.size) {
        el.dataset.made = tile.made_ms; el.dataset.at = tile.at_ms;
        el.dataset.drawn = Number(el.dataset.drawn) + 1;
        el._what.textContent = words[tile.state];
        el._when.textContent = localTime(tile.at_ms, tile.state === "replay");
      } else {
        silence(el, tile.state, tile.since_ms);
      }
    }
    age();
  };

  function silence(el, state, since) {
    el.dataset.state = "silent";
    el._what.textContent = words.no_signal;
    el._when.textContent = "";
    el._silence.textContent = state === "outside" ? words.outside
      : since ? `${words.since} ${localTime(since, true)}` : words.never;
  }

  function age() {
    const now = Date.now() - skew;
    for (const el of tiles.values()) {
      if (el.dataset.state !== "replay" && el.dataset.state !== "live") {
        if (link === "ended") el._silence.textContent = words.ended;
        continue;
      }
      const seconds = Math.max(0, (now - Number(el.dataset.made)) / 1000);
      el._age.textContent = `${seconds.toFixed(1)} s`;
      if (seconds * 1000 > STALE_MS) {
        el.dataset.state = "silent";
        el._what.textContent = words.no_signal;
        el._silence.textContent = link === "ended" ? words.ended : `${words.since} ${localTime(Number(el.dataset.at), true)}`;
      }
    }
  }

  const clock = setInterval(age, 500);
  const observer = new ResizeObserver(layout);
  observer.observe(wall);
  document.addEventListener("scroll", layout, true);
  model.on("sites", build);
  model.on("url", () => worker.postMessage({ url: model.url }));
  build();
  worker.postMessage({ url: model.url });
  model.on("remove", () => {
    clearInterval(clock); observer.disconnect();
    document.removeEventListener("scroll", layout, true);
    worker.postMessage({ end: true });
  });
  return wall;
}
