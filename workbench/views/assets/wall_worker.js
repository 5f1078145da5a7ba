// One websocket, one canvas. The newest picture of a camera wins; every batch is acknowledged after
// it was drawn, which is what sets the server's pace.
let canvas, context, socket, url, visible = {}, rects = {}, retry = 500, ended = false;

function connect() {
  if (ended) return;
  socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => { retry = 500; postMessage({ link: "open" }); say(); };
  socket.onmessage = (event) => draw(event.data);
  socket.onclose = (event) => {
    postMessage({ link: event.code === 4403 ? "ended" : "lost" });
    if (event.code === 4403 || ended) return;
    setTimeout(connect, retry);
    retry = Math.min(retry * 2, 8000);
  };
}

function say() {
  if (socket && socket.readyState === 1) socket.send(JSON.stringify({ visible }));
}

async function draw(data) {
  const mine = socket, view = new DataView(data), length = view.getUint32(0);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  let offset = 4 + length;
  const drawn = [];
  await Promise.all(head.tiles.map(async (tile) => {
    const bytes = new Uint8Array(data, offset, tile.size);
    offset += tile.size;
    if (!tile.size) { drawn.push(tile); return; }
    try {
      const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/jpeg" }));
      const at = rects[tile.camera];
      if (at && context) {
        const scale = Math.min(at.w / bitmap.width, at.h / bitmap.height);
        const w = bitmap.width * scale, h = bitmap.height * scale;
        if (w < at.w - 1 || h < at.h - 1) { context.fillStyle = "#0c1218"; context.fillRect(at.x, at.y, at.w, at.h); }
        context.drawImage(bitmap, at.x + (at.w - w) / 2, at.y + (at.h - h) / 2, w, h);
      }
      bitmap.close();
      drawn.push(tile);
    } catch (_error) { /* a picture that does not decode is not shown, and its tile grows old */ }
  }));
  if (mine.readyState === 1) mine.send(JSON.stringify({ ack: head.n }));
  postMessage({ drawn, now_ms: head.now_ms });
}

onmessage = ({ data }) => {
  if (data.canvas) { canvas = data.canvas; context = canvas.getContext("2d"); }
  if (data.size && canvas && (canvas.width !== data.size.w || canvas.height !== data.size.h)) {
    canvas.width = data.size.w; canvas.height = data.size.h;
  }
  if (data.rects) rects = data.rects;
  if (data.visible) { visible = data.visible; say(); }
  if (data.url && data.url !== url) { url = data.url; if (socket) { socket.onclose = null; socket.close(); } connect(); }
  if (data.end) { ended = true; if (socket) socket.close(); close(); }
};
