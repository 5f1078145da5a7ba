// One websocket, one canvas. The newest picture of a camera wins; every batch is acknowledged after
// it was drawn, which is what sets the server's pace. Pictures come in sheets, many in one JPEG: each
// image that a browser is given costs it more than its pixels do. The last picture of each camera is
// kept, so that a tile that moves, or whose camera fell silent, still shows it.
const MUTE_MS = 3500; // the server says something every second: so long a silence is a lost link
let canvas, context, socket, url, visible = {}, rects = {}, retry = 500, ended = false, heard = 0, again = 0;
const pictures = new Map();

function connect() {
  if (ended) return;
  clearTimeout(again);
  const mine = socket = new WebSocket(url);
  mine.binaryType = "arraybuffer";
  heard = performance.now();
  mine.onopen = () => { retry = 500; heard = performance.now(); postMessage({ link: "open" }); say(); };
  mine.onmessage = (event) => { heard = performance.now(); draw(event.data, mine); };
  mine.onclose = (event) => lost(mine, event.code);
}

function lost(mine, code) {
  if (mine !== socket) return;
  socket = null;
  postMessage({ link: code === 4403 ? "ended" : "lost" });
  if (code === 4403 || ended) return;
  again = setTimeout(connect, retry);
  retry = Math.min(retry * 2, 8000);
}

setInterval(() => {
  // a cable that was pulled closes nothing
  if (socket && performance.now() - heard > MUTE_MS) { const mine = socket; mine.onclose = null; mine.close(); lost(mine, 0); }
}, 500);

function say() {
  if (socket && socket.readyState === 1) socket.send(JSON.stringify({ visible }));
}

async function draw(data, mine) {
  const view = new DataView(data), length = view.getUint32(0);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  // the page's own steady clock against the server's
  const offset_ms = head.now_ms - (performance.timeOrigin + performance.now());
  let offset = 4 + length;
  const sheets = await Promise.all(head.sheets.map(async (size) => {
    const bytes = new Uint8Array(data, offset, size);
    offset += size;
    try {
      return { bitmap: await createImageBitmap(new Blob([bytes], { type: "image/jpeg" })), all: 0, kept: 0 };
    } catch (_error) { return null; /* pictures that do not decode are not shown, and their tiles grow old */ }
  }));
  const drawn = [];
  // when the browser is done with the frame before: else frames queue up unseen, and grow old
  await Promise.race([new Promise((resolve) => requestAnimationFrame(resolve)), new Promise((resolve) => setTimeout(resolve, 400))]);
  // all at once: every change of the canvas costs the browser a whole new frame
  for (const tile of head.tiles) {
    if (!tile.place) { drawn.push(tile); continue; }
    const [number, top, w, h] = tile.place, sheet = sheets[number], last = pictures.get(tile.camera);
    if (!sheet) continue;
    sheet.all += 1;
    // two batches are decoded at once: the later one may be done first
    if (last && last.link === mine && last.n > head.n) continue;
    sheet.kept += 1;
    // its first and last line took colour from its neighbours in the sheet
    pictures.set(tile.camera, { sheet, top: top + 1, w, h: h - 2, link: mine, n: head.n });
    if (last) letGo(last.sheet);
    paint(tile.camera);
    drawn.push(tile);
  }
  for (const sheet of sheets) if (sheet && !sheet.kept) sheet.bitmap.close();
  thin();
  if (mine.readyState === 1) mine.send(JSON.stringify({ ack: head.n }));
  postMessage({ drawn, offset_ms });
}

function letGo(sheet) {
  sheet.kept -= 1;
  if (!sheet.kept) sheet.bitmap.close();
}

// a sheet that is kept for a few old pictures is cut down to them
function thin() {
  for (const known of pictures.values()) {
    if (known.sheet.kept * 4 > known.sheet.all) continue;
    const bitmap = copy(known);
    letGo(known.sheet);
    Object.assign(known, { sheet: { bitmap, all: 1, kept: 1 }, top: 0 });
  }
}

function copy({ sheet, top, w, h }) {
  const one = new OffscreenCanvas(w, h);
  one.getContext("2d", { alpha: false }).drawImage(sheet.bitmap, 0, top, w, h, 0, 0, w, h);
  return one.transferToImageBitmap();
}

function paint(camera) {
  const at = rects[camera], known = pictures.get(camera);
  if (!at || !known || !context) return;
  const scale = Math.min(at.w / known.w, at.h / known.h);
  // a line that is left out or rounded away leaves no border
  const fit = (size, most) => (most - size < 3 ? most : size);
  const w = fit(Math.round(known.w * scale), at.w), h = fit(Math.round(known.h * scale), at.h);
  const x = at.x + ((at.w - w) >> 1), y = at.y + ((at.h - h) >> 1);
  if (w < at.w || h < at.h) {
    context.fillStyle = "#0c1218";
    context.fillRect(at.x, at.y, at.w, at.h);
  }
  context.drawImage(known.sheet.bitmap, 0, known.top, known.w, known.h, x, y, w, h);
}

function clear() {
  context.fillStyle = "#1a232c";
  context.fillRect(0, 0, canvas.width, canvas.height);
}

onmessage = ({ data }) => {
  if (data.canvas) { canvas = data.canvas; context = canvas.getContext("2d", { alpha: false }); }
  if (data.rects) {
    rects = data.rects;
    if (canvas.width !== data.size.w || canvas.height !== data.size.h) { canvas.width = data.size.w; canvas.height = data.size.h; }
    clear();
    for (const camera of Object.keys(rects)) paint(camera);
  }
  if (data.visible && JSON.stringify(data.visible) !== JSON.stringify(visible)) { visible = data.visible; say(); }
  if (data.url && data.url !== url) { url = data.url; if (socket) { const old = socket; socket = null; old.onclose = null; old.close(); } connect(); }
  if (data.give) {
    const known = pictures.get(data.give);
    const bitmap = known ? copy(known) : null;
    postMessage({ given: data.give, bitmap }, bitmap ? [bitmap] : []);
  }
  if (data.end) { ended = true; if (socket) socket.close(); close(); }
};
