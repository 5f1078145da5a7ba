// What can be reached, over the roads: lines in shades of time, a sign for each site.
window.wbReach = (() => {
  const SHADES = ["#08306b", "#2171b5", "#5b9fd0", "#94c4df", "#c6dbef"];
  let drawn = null;
  function words(text) { const box = document.createElement("span"); box.textContent = text; return box; }
  function draw(map, data) {
    if (drawn) { drawn.remove(); drawn = null; }
    document.body.dataset.reach = (data.lines || []).length;
    if (!data.lines) return;
    drawn = L.layerGroup();
    // late ones first: what can be reached early lies on top
    for (const line of [...data.lines].sort((a, b) => b.band - a.band))
      L.polyline(line.points, { color: SHADES[line.band], weight: 7, opacity: 0.8, lineCap: "butt", className: `wb-reach b${line.band}` })
        .bindTooltip(words(line.label), { sticky: true }).addTo(drawn);
    for (const site of data.sites) {
      // beside a sighting's number at the same place, and never over it: that one is to be clicked
      const icon = L.divIcon({ className: `wb-verdict ${site.verdict}`, html: words(site.sign), iconSize: [18, 18], iconAnchor: [-5, 25] });
      L.marker(site.at, { icon, zIndexOffset: site.verdict === "cannot" ? 300 : 600, keyboard: false })
        .bindTooltip(words(site.label), { direction: "top" }).addTo(drawn);
    }
    drawn.addTo(map);
  }
  return { draw };
})();
