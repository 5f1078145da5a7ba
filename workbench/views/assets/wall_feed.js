// One enlarged camera: the recording's own fragments, played by the browser as they grow on the
// server. Keeps the last minute, so that what just happened can be wound back.
const KEEP_S = 70; // what can be wound back
const RESERVE_S = 0.25; // footage in hand when the next fragment comes
const JUMP_S = 2.5; // farther behind than this is not caught up by playing faster
const JOINED_MS = 750; // files that follow so closely are played without a gap
const MUTE_MS = 3500; // a server that says nothing for so long is gone

export class Feed {
  constructor({ url, words, now, changed }) {
    Object.assign(this, { url, words, now, changed });
    this.state = "opening"; this.mode = "live"; this.shown_ms = 0; this.frames = 0; this.fps = 0;
    this.pieces = []; this.queue = []; this.retry = 500; this.last_ms = 0; this.fragment_s = 1;
    this.build(); this.connect();
    this.timer = setInterval(() => this.tick(), 200);
  }

  build() {
    const make = (tag, part, text, title) => {
      const one = document.createElement(tag);
      one.className = part; one.textContent = text || "";
      if (title) { one.title = title; one.setAttribute("aria-label", title); }
      if (tag === "button") one.type = "button";
      return one;
    };
    this.el = make("div", "feed");
    this.video = document.createElement("video");
    this.video.muted = true; this.video.playsInline = true; this.video.disableRemotePlayback = true;
    this.bar = make("div", "winding");
    this.pause = make("button", "pause", "❚❚", this.words.pause);
    this.back = make("button", "back", "−5 s", this.words.back_5);
    this.slider = make("input", "slider", "", this.words.wind);
    Object.assign(this.slider, { type: "range", step: "0.04", min: "0", max: "1", value: "1" });
    this.facts = make("span", "facts");
    this.edge = make("button", "edge", this.words.live, this.words.to_edge);
    this.bar.append(this.pause, this.back, this.slider, this.facts, this.edge);
    // a click here winds; it does not make the tile small again
    for (const kind of ["click", "keydown"]) this.bar.addEventListener(kind, (event) => event.stopPropagation());
    this.bar.addEventListener("keydown", (event) => { if (["l", "L", "End"].includes(event.key)) { event.preventDefault(); this.live(); } else if (event.key === "Escape") this.el.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true, composed: true })); });
    this.pause.addEventListener("click", () => this.toggle());
    this.back.addEventListener("click", () => this.wind(this.video.currentTime - 5));
    this.slider.addEventListener("input", () => this.wind(Number(this.slider.value)));
    // the keys of the wall work again when the mouse lets go
    this.slider.addEventListener("pointerup", () => { if (this.el.parentElement) this.el.parentElement.focus({ preventScroll: true }); });
    this.edge.addEventListener("click", () => this.live());
    this.el.append(this.video, this.bar);
    const seen = (_now, frame) => {
      if (this.ended) return;
      this.shown_ms = this.wall(frame.mediaTime);
      this.el.dataset.shown = this.shown_ms;
      this.el.dataset.presented = frame.presentedFrames;
      this.seen = this.seen || [];
      this.seen.push([frame.mediaTime, performance.now(), frame.presentedFrames]);
      while (this.seen.length > 2 && this.seen[this.seen.length - 1][1] - this.seen[0][1] > 3000) this.seen.shift();
      this.changed();
      this.video.requestVideoFrameCallback(seen);
    };
    this.video.requestVideoFrameCallback(seen);
  }

  // --- the link ---------------------------------------------------------------------------------

  connect() {
    if (this.ended) return;
    const since = this.last_ms ? `&since_ms=${Math.floor(this.last_ms)}` : "";
    const socket = this.socket = new WebSocket(this.url + since);
    socket.binaryType = "arraybuffer";
    this.heard = performance.now();
    socket.onmessage = ({ data }) => { this.heard = performance.now(); this.retry = 500; this.take(data, socket); };
    socket.onclose = (event) => {
      if (this.ended || socket !== this.socket) return;
      this.socket = null;
      this.queue = []; // what was under way comes again
      if (event.code === 4403) return;
      setTimeout(() => this.connect(), this.retry);
      this.retry = Math.min(this.retry * 2, 8000);
    };
  }

  take(data, socket) {
    const length = new DataView(data).getUint32(0);
    const head = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
    const body = new Uint8Array(data, 4 + length);
    if (head.kind === "init") {
      if (!self.MediaSource || !MediaSource.isTypeSupported(head.mime)) {
        this.become("unplayable");
        this.socket = null; socket.close();
        return;
      }
      this.queue.push({ ...head, body });
    } else if (head.kind === "fragment") {
      this.queue.push({ ...head, body, socket });
    } else if (head.kind === "skip") {
      this.missed_s = (head.to_ms - head.from_ms) / 1000; this.missed_at = performance.now();
    } else if (head.kind === "none" || head.kind === "outside") {
      this.become("none");
    }
    this.pump();
  }

  become(state) {
    if (this.state === state) return;
    this.state = state; this.el.dataset.state = state;
    this.changed();
  }

  // --- the buffer -------------------------------------------------------------------------------

  async pump() {
    if (this.pumping) return;
    this.pumping = true;
    try {
      while (this.queue.length && !this.ended) await this.put(this.queue.shift());
    } catch (_error) {
      // a broken fragment ends the source: the pictures go on, and a new source is begun
      this.restart();
    } finally { this.pumping = false; }
  }

  async put(item) {
    if (item.kind === "init") { this.header = item; return; }
    if (!this.source) await this.open(this.header.mime);
    if (this.header) await this.begin(item);
    const before = this.end();
    await this.done(() => this.buffer.appendBuffer(item.body));
    if (item.socket.readyState === 1) item.socket.send(JSON.stringify({ ack: item.n }));
    this.last_ms = item.stop_ms;
    this.fragment_s = Math.min(2, Math.max(0.1, (item.stop_ms - item.start_ms) / 1000));
    const start = this.video.buffered.length ? this.video.buffered.start(0) : 0;
    if (this.end() - start > KEEP_S + 5) await this.done(() => this.buffer.remove(0, this.end() - KEEP_S));
    this.follow(before, item.edge);
  }

  open(mime) {
    const source = this.source = new MediaSource();
    return new Promise((resolve) => {
      source.addEventListener("sourceopen", () => {
        this.buffer = source.addSourceBuffer(mime);
        this.mime = mime;
        resolve();
      }, { once: true });
      this.video.src = this.object_url = URL.createObjectURL(source);
    });
  }

  async begin(fragment) {
    const { zero_ms, mime, body } = this.header;
    this.header = null;
    if (mime !== this.mime) { this.buffer.changeType(mime); this.mime = mime; }
    let piece = this.pieces.find((one) => one.zero_ms === zero_ms);
    if (!piece) {
      let from_t = 0;
      if (this.pieces.length) {
        const end = this.end(), ahead_ms = fragment.start_ms - this.wall(end);
        from_t = ahead_ms > JOINED_MS ? end + ahead_ms / 1000 : end;
      }
      piece = { from_t, zero_t: from_t - (fragment.start_ms - zero_ms) / 1000, zero_ms };
      this.pieces.push(piece);
    }
    this.buffer.timestampOffset = piece.zero_t;
    await this.done(() => this.buffer.appendBuffer(body));
  }

  done(start) {
    return new Promise((resolve, reject) => {
      const buffer = this.buffer;
      const end = (failed) => { buffer.onupdateend = buffer.onerror = null; if (failed) reject(new Error("buffer")); else resolve(); };
      buffer.onupdateend = () => end(false);
      buffer.onerror = () => end(true);
      start();
    });
  }

  restart() {
    this.seen = []; this.pieces = []; this.queue = []; this.last_ms = 0; this.header = null;
    this.source = this.buffer = null; this.mode = "live";
    if (this.object_url) URL.revokeObjectURL(this.object_url);
    this.video.removeAttribute("src"); this.video.load();
    this.become("opening");
    if (this.socket) this.socket.close();
  }

  end() {
    const ranges = this.video.buffered;
    return ranges.length ? ranges.end(ranges.length - 1) : 0;
  }

  // the instant that a position of the timeline was filmed
  wall(position) {
    let piece = this.pieces[0];
    for (const one of this.pieces) if (one.from_t <= position + 0.001) piece = one;
    return piece ? piece.zero_ms + (position - piece.zero_t) * 1000 : 0;
  }

  // --- playing ----------------------------------------------------------------------------------

  follow(before, edge) {
    if (this.mode !== "live" || !edge) return;
    const reserve = before - this.video.currentTime, error = reserve - RESERVE_S;
    if (this.state !== "playing" || reserve > JUMP_S || reserve < -JUMP_S) {
      this.video.currentTime = Math.max(0, this.end() - this.fragment_s - RESERVE_S);
      this.video.playbackRate = 1;
      this.start();
      this.become("playing");
    } else {
      // a touch faster or slower: nobody sees it, and no frame is left out
      this.video.playbackRate = Math.abs(error) < 0.08 ? 1 : 1 + Math.min(0.08, Math.max(-0.05, error * 0.3));
      if (this.video.paused) this.start();
    }
  }

  start() { this.video.play().catch(() => {}); }

  live() {
    this.mode = "live";
    this.video.currentTime = Math.max(0, this.end() - this.fragment_s - RESERVE_S);
    this.start(); this.changed();
  }

  wind(position) {
    const ranges = this.video.buffered;
    if (!ranges.length) return;
    this.mode = "back"; this.video.playbackRate = 1;
    this.video.currentTime = Math.min(this.end() - 0.05, Math.max(ranges.start(0) + 0.01, position));
    this.changed();
  }

  toggle() {
    if (this.video.paused) this.start(); else { this.mode = "back"; this.video.pause(); }
    this.changed();
  }

  tick() {
    if (this.socket && performance.now() - this.heard > MUTE_MS) this.socket.close();
    const video = this.video, ranges = video.buffered;
    if (!ranges.length || this.state !== "playing") return;
    const at = video.currentTime;
    if (at < ranges.start(0)) video.currentTime = ranges.start(0) + 0.01;
    for (let n = 0; n + 1 < ranges.length; n++) {
      // nothing was recorded here: go on where there is footage, and the clock says so
      if (at >= ranges.end(n) - 0.12 && at < ranges.start(n + 1)) video.currentTime = ranges.start(n + 1) + 0.01;
    }
    this.slider.min = ranges.start(0); this.slider.max = this.end();
    this.slider.value = this.mode === "live" ? this.end() : at;
    this.pause.textContent = video.paused ? "▶" : "❚❚";
    this.el.dataset.mode = this.mode; this.el.dataset.rate = video.playbackRate.toFixed(3);
    this.el.dataset.held = (this.end() - ranges.start(0)).toFixed(1);
    const seen = this.seen || [];
    if (seen.length > 2) {
      const [, first, n0] = seen[0], [, last, n1] = seen[seen.length - 1];
      this.fps = video.paused || performance.now() - last > 1500 ? 0 : ((n1 - n0) * 1000) / (last - first);
    }
    this.el.dataset.fps = this.fps.toFixed(1);
    const quality = video.getVideoPlaybackQuality();
    this.el.dataset.dropped = quality.droppedVideoFrames;
    const late = Math.max(0, (this.now() - this.shown_ms) / 1000);
    this.el.dataset.late = late.toFixed(2);
    const missed = this.missed_at && performance.now() - this.missed_at < 6000 ? ` · ${this.words.missed} ${this.missed_s.toFixed(0)} s` : "";
    this.facts.textContent = `${video.videoWidth}×${video.videoHeight} · ${this.fps.toFixed(0)} ${this.words.fps}${missed}`;
    this.changed();
  }

  close() {
    this.ended = true;
    clearInterval(this.timer);
    if (this.socket) this.socket.close();
    this.video.pause(); this.video.removeAttribute("src"); this.video.load();
    if (this.object_url) URL.revokeObjectURL(this.object_url);
    this.el.remove();
  }
}
