// One websocket, one canvas. The newest picture of a camera wins; every batch is acknowledged after
// it was drawn, which is what sets the server's pace. The last picture of each camera is kept, so
// that a tile that moves, or whose camera fell silent, still shows it.
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
  const drawn = [], fresh = [];
  await Promise.all(head.tiles.map(async (tile) => {
    const bytes = new Uint8Array(data, offset, tile.size);
    offset += tile.size;
    if (!tile.size) { drawn.push(tile); return; }
    try {
      fresh.push([tile, await createImageBitmap(new Blob([bytes], { type: "image/jpeg" }))]);
    } catch (_error) { /* a picture that does not decode is not shown, and its tile grows old */ }
  }));
  // when the browser is done with the frame before: else frames queue up unseen, and grow old
  await Promise.race([new Promise((resolve) => requestAnimationFrame(resolve)), new Promise((resolve) => setTimeout(resolve, 400))]);
  // all at once: every change of the canvas costs the browser a whole new frame
  for (const [tile, bitmap] of fresh) {
    const last = pictures.get(tile.camera);
    // two batches are decoded at once: the later one may be done first
    if (last && last.link === mine && last.n > head.n) { bitmap.close(); continue; }
    if (last) last.bitmap.close();
    pictures.set(tile.camera, { bitmap, link: mine, n: head.n });
    paint(tile.camera);
    drawn.push(tile);
  }
  if (mine.readyState === 1) mine.send(JSON.stringify({ ack: head.n }));
  postMessage({ drawn, offset_ms });
}

function paint(camera) {
  const at = rects[camera], known = pictures.get(camera);
  if (!at || !known || !context) return;
  const { bitmap } = known;
  const scale = Math.min(at.w / bitmap.width, at.h / bitmap.height);
  const w = Math.round(bitmap.width * scale), h = Math.round(bitmap.height * scale);
  const x = at.x + ((at.w - w) >> 1), y = at.y + ((at.h - h) >> 1);
  if (w < at.w || h < at.h) {
    context.fillStyle = "#0c1218";
    context.fillRect(at.x, at.y, at.w, at.h);
  }
  context.drawImage(bitmap, x, y, w, h);
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
    if (!known) postMessage({ given: data.give, bitmap: null });
    else createImageBitmap(known.bitmap).then((bitmap) => postMessage({ given: data.give, bitmap }, [bitmap]), () => postMessage({ given: data.give, bitmap: null }));
  }
  if (data.end) { ended = true; if (socket) socket.close(); close(); }
};
