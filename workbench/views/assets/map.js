// Inside the map's own frame: clicks go out to the page, highlights and the moving marker come in.
window.wbMap = (() => {
  const layers = { site: new Map(), sighting: new Map() };
  const BASE = { color: "#0b559f", weight: 2 };
  const COLOURS = { recording: "#0072b2", faulty: "#e69f00", lost: "#a3122a", none: "#ffffff" };
  const EDGES = { recording: "#00456c", faulty: "#5c3f00", lost: "#4d0812", none: "#5d6b78" };
  let name = "", map = null, mover = null, chosen = "";
  const signs = new Map(), labels = new Map(), styles = new Map();
  let drawn = [], beside = [];

  function tell(message) {
    if (window.parent !== window) window.parent.postMessage({ wbMap: name, ...message }, window.origin);
  }
  function words(text) {
    const box = document.createElement("span");
    box.textContent = text;
    return box;
  }
  function pick(kind, id, layer) {
    if (!layers[kind].has(id)) layers[kind].set(id, []);
    layers[kind].get(id).push(layer);
    layer.on("click", (event) => { L.DomEvent.stopPropagation(event); tell({ [kind]: id }); });
  }
  function feature(data, layer) {
    const facts = data.properties || {};
    if (facts.label) layer.bindTooltip(words(facts.label), { sticky: true });
    if (facts.pick === "site") labels.set(facts.id, facts.label);
    if (facts.pick) pick(facts.pick, facts.id, layer);
  }
  function marker(layer, kind, id, label) {
    if (label) layer.bindTooltip(words(label), { direction: "top", offset: [0, -10] });
    if (kind) pick(kind, id, layer);
  }
  function linesOf(texts) {
    const box = document.createElement("span");
    box.className = "wb-lines";
    for (const text of texts) { const one = document.createElement("span"); one.textContent = text; box.append(one); }
    return box;
  }
  // how each site stands: a colour, a sign for who cannot tell the colours apart, and the words
  function tellStates(states, branches, keys) {
    const signOf = Object.fromEntries(keys.map((one) => [one.state, one.sign]));
    for (const [id, found] of layers.site) {
      const known = states[id];
      document.body.dataset[`site${id.replace(/\W/g, "")}`] = known ? known.state : "";
      for (const layer of found) {
        if (!layer.setStyle) continue;
        const style = known ? { color: EDGES[known.state], weight: 1.5, fill: true, fillColor: COLOURS[known.state], fillOpacity: 1 } : { ...BASE, fillColor: "#ffffff", fillOpacity: 1 };
        styles.set(id, style);
        layer.setStyle(id === chosen ? { ...style, color: "#18242f", weight: 4 } : style);
        if (layer.setRadius) layer.setRadius(known ? 8 : 5);
        layer.setTooltipContent(linesOf([labels.get(id), ...(known ? known.lines : [])]));
        let sign = signs.get(id);
        if (!sign && layer.getLatLng) {
          sign = L.marker(layer.getLatLng(), { icon: L.divIcon({ className: "wb-sign", iconSize: [16, 16] }), interactive: false, keyboard: false, zIndexOffset: 500 }).addTo(map);
          signs.set(id, sign);
        }
        if (!sign) continue;
        const icon = sign.getElement();
        icon.textContent = known ? signOf[known.state] || "" : "";
        icon.dataset.state = known ? known.state : "";
      }
    }
    for (const layer of drawn) layer.remove();
    drawn = branches.flatMap((branch) => branch.lines.map((line) =>
      L.polyline(line, { color: "#a3122a", weight: 5, opacity: 0.75, dashArray: branch.kind === "fibre" ? "14 7" : "2 9", lineCap: "round", className: `wb-branch wb-${branch.kind}` }).bindTooltip(linesOf(branch.text), { sticky: true }).addTo(map)));
    // above roads and areas, below the sites
    for (const layer of drawn) layer.bringToFront();
    for (const found of layers.site.values()) for (const layer of found) if (layer.bringToFront) layer.bringToFront();
    thin();
  }
  // a name that would lie over another one, or over another site, is left out until there is room:
  // those of lost and faulty sites first; each is in its site's own words all the same
  function thin() {
    const state = (id) => document.body.dataset[`site${id.replace(/\W/g, "")}`] || "";
    const rank = (id) => (id === chosen ? 0 : { lost: 1, faulty: 2, recording: 3 }[state(id)] || 4);
    const names = [...document.querySelectorAll(".wb-name")].map((el) => ({ el, id: el.textContent, at: el.getBoundingClientRect() }));
    const width = (one) => 6.6 * one.id.length + 2;
    const base = map.getContainer().getBoundingClientRect(), circles = [];
    for (const [id, found] of layers.site) for (const layer of found) if (layer.getLatLng) {
      const { x, y } = map.latLngToContainerPoint(layer.getLatLng());
      circles.push({ id, x: x + base.left, y: y + base.top, r: layer.getRadius ? layer.getRadius() : 5 });
    }
    const kept = [];
    for (const one of names.sort((a, b) => rank(a.id) - rank(b.id))) {
      const [l, r, t, b] = [one.at.left, one.at.left + width(one), one.at.top, one.at.top + 12];
      const hit = circles.some((c) => c.id !== one.id && c.x + c.r > l && c.x - c.r < r && c.y + c.r > t && c.y - c.r < b)
        || kept.some((o) => o.l < r && o.r > l && o.t < b && o.b > t);
      const shown = !hit || one.id === chosen;
      one.el.style.visibility = shown ? "" : "hidden";
      if (shown) kept.push({ l, r, t, b });
    }
  }
  function highlight(kind, id) {
    if (kind === "site") chosen = id;
    for (const [key, found] of layers[kind]) for (const layer of found) {
      const on = key === id;
      if (layer.setStyle) layer.setStyle(on ? { color: "#18242f", weight: 4 } : styles.get(key) || BASE);
      if (layer.getElement && layer.getElement()) layer.getElement().classList.toggle("chosen", on);
    }
    const first = (layers[kind].get(id) || [])[0];
    if (first && first.getLatLng && !map.getBounds().pad(-0.1).contains(first.getLatLng())) map.panTo(first.getLatLng());
    thin();
  }
  // around a chosen leg: ways to sightings that may be the next one instead, cameras that were out
  function tellAround({ leg, lines = [], marks = [] }) {
    for (const layer of beside) layer.remove();
    for (const line of document.querySelectorAll(".wb-legline")) line.classList.toggle("chosen", Boolean(leg) && line.classList.contains(`wb-line-${leg}`));
    beside = lines.flatMap(({ line, text }) => {
      const drawn = L.polyline(line, { color: "#45525e", weight: 3, dashArray: "2 7", className: "wb-rival" }).addTo(map);
      const end = L.circleMarker(line[line.length - 1], { radius: 5, color: "#45525e", weight: 2, fillColor: "#fff", fillOpacity: 1 })
        .bindTooltip(words(text), { permanent: true, direction: "right", offset: [6, 0], className: "wb-rival-text" }).addTo(map);
      return [drawn, end];
    }).concat(marks.map(({ at, text }) =>
      L.marker(at, { icon: L.divIcon({ className: "wb-out", html: "∅", iconSize: [18, 18], iconAnchor: [32, 9] }), keyboard: false, zIndexOffset: 400 }).bindTooltip(linesOf(text.split(": ")), { direction: "top", offset: [0, -8] }).addTo(map)));
  }
  // what lines and marks mean
  function key(theMap, title, entries) {
    if (!entries.length) return;
    const control = L.control({ position: "bottomright" });
    control.onAdd = () => {
      const box = document.createElement("details"), head = document.createElement("summary");
      box.className = "wb-key"; head.textContent = title; box.append(head);
      for (const { colour, dash, sign, text } of entries) {
        const row = document.createElement("div"), mark = document.createElement("span");
        if (colour) {
          mark.innerHTML = '<svg width="26" height="8"><line x1="0" y1="4" x2="26" y2="4" stroke-width="4"/></svg>';
          const line = mark.querySelector("line");
          line.setAttribute("stroke", colour); line.setAttribute("stroke-dasharray", dash);
        } else if (sign) { mark.className = "wb-key-sign"; mark.textContent = sign; }
        else mark.innerHTML = '<svg width="26" height="10"><path d="M0 4.2 L26 1 L26 9 L0 5.8 Z"/></svg>';
        row.append(mark, words(text)); box.append(row);
      }
      L.DomEvent.disableClickPropagation(box);
      return box;
    };
    control.addTo(theMap);
  }
  function connect(theMap, theName) {
    map = theMap; name = theName;
    let calling = 0;
    window.addEventListener("message", (event) => {
      if (event.source !== window.parent || !event.data || event.data.wbMap !== name) return;
      clearInterval(calling);
      if (event.data.states) tellStates(event.data.states, event.data.branches, event.data.legend);
      if ("around" in event.data) tellAround(event.data.around);
      if (event.data.reach) wbReach.draw(map, event.data.reach);
      if ("highlight" in event.data) highlight(event.data.kind, event.data.highlight);
      if ("at" in event.data) {
        if (!event.data.at) { if (mover) { mover.remove(); mover = null; } return; }
        if (!mover) mover = L.marker(event.data.at, { icon: L.divIcon({ className: "wb-mover", iconSize: [18, 18] }), zIndexOffset: 900, interactive: false }).addTo(map);
        mover.setLatLng(event.data.at);
      }
    });
    const fit = () => map.fitBounds(map.wbBounds, { paddingTopLeft: [46, 30], paddingBottomRight: [78, 30], maxZoom: 18 });
    fit();
    // the frame is often laid out after its script ran
    new ResizeObserver(() => { map.invalidateSize(); if (!map.wbMoved) fit(); }).observe(map.getContainer());
    map.on("zoomend moveend resize", thin);
    map.on("dragstart zoomstart", (event) => { if (map.wbUser) map.wbMoved = true; });
    map.getContainer().addEventListener("pointerdown", () => { map.wbUser = true; });
    map.getContainer().addEventListener("wheel", () => { map.wbUser = true; }, { passive: true });
    L.control.scale({ imperial: false }).addTo(map);
    document.body.dataset.ready = name;
    tell({ ready: true });
    // the page's own script may not listen yet
    calling = setInterval(() => tell({ ready: true }), 300);
  }
  return { feature, marker, key, connect };
})();
