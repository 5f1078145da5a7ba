// Between the page and the map's frame: messages are taken from that frame only.
function localTime(ms) { return new Date(ms + 7 * 3600e3).toISOString().slice(11, 19); }

export function render({ model, el }) {
  let frame = null, playing = false, moved = false, last = 0, at = 0;
  const post = (message) => { if (frame) frame.postMessage({ wbMap: model.map_name, ...message }, window.origin); };

  const box = document.createElement("div");
  box.className = "travel";
  const play = document.createElement("button");
  play.className = "button"; play.type = "button";
  const slider = document.createElement("input");
  slider.type = "range"; slider.step = "100"; slider.setAttribute("aria-label", model.words.time || "");
  const label = document.createElement("span");
  label.className = "at";
  const speed = document.createElement("span");
  speed.className = "muted small"; speed.textContent = model.words.speed || "";
  box.append(play, slider, label, speed);

  function place(ms) {
    let best = null;
    for (const piece of model.pieces) {
      if (ms < piece.from_ms || ms > piece.to_ms) continue;
      if (!best || piece.points.length > best.points.length) best = piece;
    }
    if (!best) return null;
    const points = best.points;
    for (let n = 1; n < points.length; n++) {
      if (ms <= points[n][2]) {
        const [a, b] = [points[n - 1], points[n]];
        const part = b[2] === a[2] ? 1 : (ms - a[2]) / (b[2] - a[2]);
        return [a[0] + (b[0] - a[0]) * part, a[1] + (b[1] - a[1]) * part];
      }
    }
    return [points[points.length - 1][0], points[points.length - 1][1]];
  }
  function show(ms) {
    at = ms; moved = true; slider.value = ms; label.textContent = localTime(ms);
    const here = place(ms);
    box.dataset.lat = here ? here[0] : ""; box.dataset.lon = here ? here[1] : "";
    post({ at: here });
  }
  function setPlaying(on) {
    playing = on; play.textContent = on ? model.words.pause : model.words.play; last = 0;
    if (on && at >= Number(slider.max)) show(Number(slider.min));
    if (on) requestAnimationFrame(step);
  }
  function step(now) {
    if (!playing) return;
    if (last) {
      const next = Math.min(Number(slider.max), at + (now - last) * 10);
      show(next);
      if (next >= Number(slider.max)) { setPlaying(false); return; }
    }
    last = now;
    requestAnimationFrame(step);
  }
  play.addEventListener("click", () => setPlaying(!playing));
  slider.addEventListener("input", () => show(Number(slider.value)));

  function reset() {
    setPlaying(false);
    const none = !model.pieces.length;
    // a map without a journey has nothing to play; one that can have none shows no controls
    box.style.display = model.words.play ? "" : "none";
    play.disabled = slider.disabled = none;
    if (none) { label.textContent = ""; post({ at: null }); return; }
    slider.min = Math.min(...model.pieces.map((piece) => piece.from_ms));
    slider.max = Math.max(...model.pieces.map((piece) => piece.to_ms));
    at = Number(slider.min); slider.value = at; label.textContent = localTime(at); moved = false;
    post({ at: null });
  }
  function heard(event) {
    const said = event.data;
    if (event.origin !== window.origin || !said || said.wbMap !== model.map_name) return;
    if (said.ready) {
      frame = event.source;
      tell();
      post({ reach: model.reach });
      post({ kind: model.kind, highlight: model.highlight });
      post({ around: model.around });
      if (moved && model.pieces.length) show(at);
    }
    if (event.source !== frame) return;
    if (said.site) model.send_msg({ site: said.site });
    if (said.sighting) model.send_msg({ sighting: said.sighting });
  }
  function tell() { if (model.legend.length) post({ states: model.states, branches: model.branches, legend: model.legend }); }
  window.addEventListener("message", heard);
  for (const what of ["states", "branches", "legend"]) model.on(what, tell);
  model.on("pieces", reset);
  model.on("reach", () => post({ reach: model.reach }));
  model.on("highlight", () => post({ kind: model.kind, highlight: model.highlight }));
  model.on("around", () => post({ around: model.around }));
  model.on("remove", () => { playing = false; window.removeEventListener("message", heard); });
  reset();
  const whole = document.createElement("div"), legend = document.createElement("div");
  legend.className = "legend";
  for (const one of model.legend) {
    const entry = document.createElement("span"), sign = document.createElement("b");
    sign.dataset.state = one.state; sign.textContent = one.sign; sign.setAttribute("aria-hidden", "true");
    entry.append(sign, one.text); legend.append(entry);
  }
  whole.append(box, legend);
  return whole;
}
