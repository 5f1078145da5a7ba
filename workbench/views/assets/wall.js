// The grid of tiles: DOM stamps over one canvas that a worker draws on. A tile says how old its
// picture is by this page's own steady clock, set against the server's: it ages when nothing comes.
const STALE_S = 3;
const AHEAD_S = 1; // a picture from farther ahead was made before a clock was set back: its age is unknown
const AGE_MS = 250; // what tiles say is looked at so often
const load = (name) => import(new URL(`/assets/${name}`, location.href).href);

function localTime(ms, { date = false, millis = false } = {}) {
  const text = new Date(Math.floor(ms) + 7 * 3600e3).toISOString();
  const time = text.slice(11, millis ? 23 : 19);
  return date ? `${text.slice(8, 10)}/${text.slice(5, 7)}/${text.slice(0, 4)} ${time}` : time;
}

function lasting(seconds, lang) {
  if (seconds < 1) return "< 1 s"; // stands still while all is well: a change would cost a new frame
  if (seconds < 60) return `${seconds.toLocaleString(lang, { minimumFractionDigits: 1, maximumFractionDigits: 1 })} s`;
  const whole = Math.floor(seconds), two = (n) => String(n).padStart(2, "0");
  const clock = `${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
  return whole < 3600 ? clock : `${Math.floor(whole / 3600)}:${clock}`;
}

export function render({ model, el }) {
  const words = model.words, lang = model.lang;
  const wall = document.createElement("div");
  wall.className = "wall";
  const canvas = document.createElement("canvas");
  const head = document.createElement("div");
  head.className = "head";
  const cut = document.createElement("div");
  cut.className = "cut"; cut.setAttribute("role", "alert");
  wall.append(canvas, head, cut);
  const tiles = new Map(), sections = new Map(), marks = new Set();
  let large = "", offset_ms = null, link = "wait", lost_at = 0, aged = 0, feed = null, choices = null, care = null, asked = 0;
  const steady = () => performance.timeOrigin + performance.now();
  const now = () => steady() + (offset_ms === null ? Date.now() - steady() : offset_ms);

  function tileOf(camera, site) {
    const tile = document.createElement("div");
    tile.className = "tile"; tile.tabIndex = 0;
    tile.setAttribute("role", "button"); tile.setAttribute("aria-label", `${camera.id} ${camera.name}`);
    tile.dataset.camera = camera.id; tile.dataset.state = "waiting"; tile.dataset.drawn = "0";
    tile.title = camera.name;
    for (const [part, text] of [["veil", ""], ["silence", words.waiting], ["stamps", ""], ["name", `${camera.id} · ${site.name}`], ["what", ""], ["when", ""], ["age", ""]]) {
      const span = document.createElement("span");
      span.className = part; span.textContent = text;
      tile.append(span);
      tile["_" + part] = span;
    }
    tile._said = { state: "waiting" };
    tile.addEventListener("click", (event) => {
      if (event.ctrlKey || event.shiftKey) mark(tile); else enlarge(tile);
    });
    return tile;
  }

  function build() {
    const known = new Map(tiles);
    tiles.clear();
    for (const section of sections.values()) section.remove();
    sections.clear();
    for (const site of model.sites) {
      if (model.site && site.id !== model.site && !(choices && choices.layout)) continue;
      for (const camera of site.cameras) {
        if (choices && !choices.shows(camera.id, site)) continue;
        if (!sections.has(site.neighbourhood)) {
          const section = document.createElement("section");
          const title = document.createElement("div");
          title.className = "site"; title.textContent = site.neighbourhood;
          const grid = document.createElement("div");
          grid.className = "tiles";
          section.append(title, grid);
          wall.append(section);
          sections.set(site.neighbourhood, section);
        }
        // a tile that stays keeps what it shows: the server sends a picture once
        const tile = known.get(camera.id) || tileOf(camera, site);
        tiles.set(camera.id, tile);
        sections.get(site.neighbourhood).lastChild.append(tile);
      }
    }
    if (!tiles.size) {
      const empty = document.createElement("section");
      empty.innerHTML = '<div class="site"></div>';
      empty.firstChild.textContent = model.sites.length ? words.none_here : words.nothing;
      wall.append(empty);
      sections.set("", empty);
    }
    if (!tiles.has(large)) large = "";
    feeding(); caring();
    layout(); age();
  }

  // --- one tile large, with its own video ---------------------------------------------------------

  function enlarge(tile) {
    large = large === tile.dataset.camera ? "" : tile.dataset.camera;
    feeding(); caring(); layout(); age();
    tile.scrollIntoView({ block: "nearest" });
  }

  function shrink() {
    if (document.fullscreenElement) return false; // Escape leaves full screen first
    if (!large) return false;
    const tile = tiles.get(large);
    large = "";
    feeding(); caring(); layout(); age();
    if (tile) tile.focus();
    return true;
  }

  function feeding() {
    if (feed && feed.camera !== large) { feed.close(); feed = null; }
    if (!large || feed) return;
    const camera = large;
    load("wall_feed.js").then(({ Feed }) => {
      if (large !== camera || feed || !wall.isConnected) return;
      feed = new Feed({ url: model.url.replace("/wall?", `/feed/${camera}?`), words, now, changed: () => { age(); if (feed && feed.was !== feed.state) { feed.was = feed.state; layout(); } } });
      feed.camera = camera;
      tiles.get(camera).insertBefore(feed.el, tiles.get(camera).firstChild);
      layout();
    });
  }

  // --- how an enlarged camera does ------------------------------------------------------------------

  const CARE_MS = 10_000;
  const asking = new Map();
  function caring() {
    if (care && care.camera !== large) { care.close(); care = null; }
    if (!large) return;
    if (care) { tiles.get(large).after(care.el); return; }
    const camera = large;
    load("wall_care.js").then(({ Care }) => {
      if (large !== camera || care || !wall.isConnected) return;
      care = new Care({
        words: words.care, send: (message) => model.send_msg(message),
        picture: (of) => new Promise((resolve) => { asking.set(of, resolve); worker.postMessage({ give: of }); }),
        shown: (of) => { const tile = tiles.get(of); return tile ? shownNow(tile) : null; },
      });
      care.camera = camera;
      tiles.get(camera).after(care.el);
      ask(); layout();
    });
  }
  function ask() { if (care && !document.hidden) { asked = steady(); model.send_msg({ care: care.camera }); } }

  const playing = (camera) => feed && feed.camera === camera && feed.state === "playing";

  // --- where tiles are ----------------------------------------------------------------------------

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
      const bottom = window.innerHeight;
      for (const [id, tile] of tiles) {
        const at = tile.getBoundingClientRect();
        rects[id] = { x: Math.round(at.left - base.left), y: Math.round(at.top - base.top + wall.scrollTop), w: Math.round(at.width), h: Math.round(at.height) };
        // beside its own video a tile needs no large pictures
        if (at.bottom > 0 && at.top < bottom && at.width) visible[id] = playing(id) ? 250 : Math.round(at.width);
      }
      worker.postMessage({ size, rects, visible });
    });
  }

  // --- what tiles say -------------------------------------------------------------------------------

  worker.onmessage = ({ data }) => {
    if (data.link) {
      if (data.link !== "open" && link !== data.link) lost_at = steady();
      link = data.link; wall.dataset.link = link;
      age();
      return;
    }
    if (data.given) {
      const resolve = asking.get(data.given);
      asking.delete(data.given);
      if (resolve) resolve(data.bitmap); else if (data.bitmap) data.bitmap.close();
      return;
    }
    offset_ms = data.offset_ms;
    for (const said of data.drawn) {
      const tile = tiles.get(said.camera);
      if (!tile) continue;
      const last = tile._said;
      tile._said = said.place ? said : { ...said, at_ms: last.at_ms, made_ms: last.made_ms, was: last.was || last.state };
      if (said.place) {
        tile.dataset.made = said.made_ms; tile.dataset.at = said.at_ms;
        tile.dataset.drawn = Number(tile.dataset.drawn) + 1;
      }
    }
    if (steady() - aged > AGE_MS) age();
  };

  function note(tile, key, value) { if (tile.dataset[key] !== value) tile.dataset[key] = value; }

  function put(part, text) { if (part.textContent !== text) part.textContent = text; }

  function lines(part, texts) {
    const text = texts.filter(Boolean).join("\n");
    if (part._text === text) return;
    part._text = text;
    part.replaceChildren(...texts.filter(Boolean).map((line) => { const one = document.createElement("span"); one.textContent = line; return one; }));
  }

  // what a tile must say now: its state, the words over the picture, the stamps on it
  function judge(tile, at, own) {
    const said = tile._said, health = said.health, recorder = health && health.state;
    // what may not be shown says nothing of the signal
    if (link === "ended") return { state: "silent", what: "", text: [words.ended] };
    if (own && own.mode === "back") return { state: "back", text: [] };
    if (link === "lost") return { state: "cut", text: [words.cut, words.again] };
    if (said.state === "outside") return { state: "silent", what: "", text: [words.outside] };
    const old = at === null || now() - at > STALE_S * 1000 || at - now() > AHEAD_S * 1000;
    if (old && (recorder === "lost" || recorder === "stopped")) {
      const cause = words.causes[health.cause] || "";
      return { state: "silent", text: [`${words.lost_since} ${localTime(health.since_ms, { date: now() - health.since_ms > 12 * 3600e3 })}`, cause, health.why] };
    }
    if (said.state === "waiting" || (at === null && (recorder || said.state === "opening"))) return { state: "waiting", text: [recorder === "opening" || said.state === "opening" ? words.opening : words.waiting] };
    if (said.state === "silent" && !recorder && !own) return { state: "silent", text: [said.since_ms ? `${words.since} ${localTime(said.since_ms, { date: true })}` : words.never] };
    if (old) return { state: "stale", text: [`${words.no_new} ${localTime(tile.dataset.at && said.state !== "replay" ? Number(at) : Number(said.at_ms), { date: said.state === "replay" })}`] };
    return { state: own ? "live" : said.state, text: [] };
  }

  // what the care panel may call "now": the judged state of the worker's own picture and its time,
  // not those of the enlarged tile's video
  function shownNow(tile) {
    const said = tile._said, replayed = said.state === "replay" || said.was === "replay";
    const scene = said.at_ms ?? null;
    const { state } = judge(tile, replayed ? said.made_ms ?? null : scene, null);
    return { live: state === "live", state, at: scene === null ? "" : localTime(scene, { date: true }) };
  }

  const WHAT = { live: words.live, replay: words.replay, stale: words.stale, silent: words.no_signal, cut: words.unlinked, waiting: "" };

  function age() {
    const at_now = now();
    aged = steady();
    for (const [id, tile] of tiles) {
      const said = tile._said, own = playing(id) ? feed : null;
      const replayed = (said.state === "replay" || said.was === "replay") && !own;
      // a replayed scene is old; what ages is the replay
      const scene = own && own.shown_ms ? own.shown_ms : said.at_ms ?? null;
      const at = replayed ? said.made_ms ?? null : scene;
      const { state, text, what } = judge(tile, at, own);
      note(tile, "state", state);
      const seconds = at === null || at - at_now > AHEAD_S * 1000 ? null : Math.max(0, (at_now - at) / 1000);
      tile.dataset.age = seconds === null ? "" : seconds.toFixed(2);
      put(tile._what, state === "back" ? `${words.back} ${lasting(seconds || 0, lang)}` : what ?? WHAT[state] ?? "");
      put(tile._when, scene === null ? "" : localTime(scene, { date: replayed, millis: Boolean(own) }));
      put(tile._age, seconds === null || state === "back" ? "" : lasting(seconds, lang));
      lines(tile._silence, text);
      // what the recorder said holds only while it can be heard
      const heard = link === "open" && ["live", "stale", "back"].includes(state);
      const faults = heard && said.health && said.health.state !== "lost" ? said.health.faults : [];
      // a picture that moves is no proof of a recording
      const lost = said.health && ["lost", "stopped"].includes(said.health.state);
      const unkept = state === "live" && link === "open" && (lost || !said.health) ? [lost ? `${words.unrecorded} ${words.from} ${localTime(said.health.since_ms)}` : words.unrecorded] : [];
      lines(tile._stamps, [...faults.map((fault) => words.faults[fault] || fault), ...unkept]);
      const why = faults.length && said.health.why ? said.health.why : "";
      const title = why ? `${tile._name.textContent}\n${why}` : tile._name.textContent;
      if (tile.title !== title) tile.title = title;
      note(tile, "faults", faults.join(" "));
      note(tile, "recording", link === "open" && said.health && said.health.state === "recording" ? "1" : "");
    }
    const text = link === "lost" ? `${words.cut} · ${words.again} · ${lasting((steady() - lost_at) / 1000, lang)}` : "";
    put(cut, text);
  }

  // --- choosing -------------------------------------------------------------------------------------

  function mark(tile) {
    const id = tile.dataset.camera;
    if (!marks.delete(id)) marks.add(id);
    tile.classList.toggle("marked", marks.has(id));
  }

  let deaf = () => {};
  load("wall_keys.js").then(({ Choices, listen }) => {
    choices = new Choices({
      words, actor: model.actor, changed: build,
      shown: () => [...tiles.keys()],
      marked: () => [...marks],
      unmark: () => { for (const id of marks) if (tiles.has(id)) tiles.get(id).classList.remove("marked"); marks.clear(); },
    });
    head.append(choices.el);
    neighbourhoods(); layout();
    deaf = listen({
      wall, tiles: () => [...tiles.values()], enlarge, shrink, mark,
      choose: (number) => choices.choose(number),
      live: () => { if (!large || !playing(large)) return false; feed.live(); return true; },
      back: () => { if (!large || !playing(large)) return false; feed.wind(feed.video.currentTime - 5); return true; },
      pause: (tile) => { if (!playing(tile.dataset.camera)) return false; feed.toggle(); return true; },
    });
  });

  function neighbourhoods() {
    if (choices) choices.offer([...new Set(model.sites.map((site) => site.neighbourhood))]);
  }

  function seen() {
    // a page in a hidden tab draws nothing: it asks for nothing either
    if (document.hidden) worker.postMessage({ visible: {} }); else layout();
    age();
  }

  const clock = setInterval(() => { age(); if (care && steady() - asked > CARE_MS) ask(); }, AGE_MS);
  const observer = new ResizeObserver(layout);
  observer.observe(wall);
  document.addEventListener("scroll", layout, true);
  document.addEventListener("fullscreenchange", layout);
  document.addEventListener("visibilitychange", seen);
  model.on("sites", () => { neighbourhoods(); build(); });
  model.on("site", () => { if (choices) choices.leave(); build(); });
  model.on("care", () => { if (care && model.care.camera === care.camera) { care.show(model.care); layout(); } });
  model.on("url", () => worker.postMessage({ url: model.url }));
  build();
  worker.postMessage({ url: model.url });
  model.on("remove", () => {
    clearInterval(clock); observer.disconnect(); deaf();
    if (feed) feed.close();
    if (care) care.close();
    document.removeEventListener("scroll", layout, true);
    document.removeEventListener("fullscreenchange", layout);
    document.removeEventListener("visibilitychange", seen);
    worker.postMessage({ end: true });
  });
  return wall;
}
