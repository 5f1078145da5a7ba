// Inside the map's own frame: clicks go out to the page, highlights and the moving marker come in.
window.wbMap = (() => {
  const layers = { site: new Map(), sighting: new Map() };
  let name = "", map = null, mover = null;

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
    if (facts.pick) pick(facts.pick, facts.id, layer);
  }
  function marker(layer, kind, id, label) {
    if (label) layer.bindTooltip(words(label), { direction: "top", offset: [0, -10] });
    if (kind) pick(kind, id, layer);
  }
  function highlight(kind, id) {
    for (const [key, found] of layers[kind]) for (const layer of found) {
      const on = key === id;
      if (layer.setStyle) layer.setStyle(on ? { color: "#a11d1d", weight: 4 } : { color: "#0b559f", weight: 2 });
      if (layer.getElement && layer.getElement()) layer.getElement().classList.toggle("chosen", on);
    }
    const first = (layers[kind].get(id) || [])[0];
    if (first && first.getLatLng && !map.getBounds().pad(-0.1).contains(first.getLatLng())) map.panTo(first.getLatLng());
  }
  function connect(theMap, theName) {
    map = theMap; name = theName;
    window.addEventListener("message", (event) => {
      if (event.source !== window.parent || !event.data || event.data.wbMap !== name) return;
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
    map.on("dragstart zoomstart", (event) => { if (map.wbUser) map.wbMoved = true; });
    map.getContainer().addEventListener("pointerdown", () => { map.wbUser = true; });
    map.getContainer().addEventListener("wheel", () => { map.wbUser = true; }, { passive: true });
    L.control.scale({ imperial: false }).addTo(map);
    document.body.dataset.ready = name;
    tell({ ready: true });
  }
  return { feature, marker, connect };
})();
