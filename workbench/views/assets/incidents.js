// The open incidents. Texts are set as text, never as HTML; closing asks for a note in its own row.
function lasting(seconds) {
  const two = (n) => String(n).padStart(2, "0"), whole = Math.floor(seconds);
  const clock = `${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
  if (whole < 3600) return clock;
  return whole < 86400 ? `${Math.floor(whole / 3600)}:${clock}` : `${Math.floor(whole / 86400)} d ${Math.floor(whole / 3600) % 24} h`;
}

export function render({ model }) {
  const words = model.words, box = document.createElement("div");
  box.className = "incidents"; box.setAttribute("aria-live", "polite");
  let began = performance.now(), writing = null;
  const make = (tag, part, text, into) => {
    const one = document.createElement(tag);
    one.className = part; one.textContent = text || "";
    if (tag === "button") one.type = "button";
    into.append(one);
    return one;
  };

  function draw() {
    // a note that is being written is not torn away
    if (writing && writing.isConnected && model.incidents.some((one) => one.id === writing.dataset.id)) return;
    writing = null;
    began = performance.now();
    box.replaceChildren();
    if (model.trouble) make("p", "trouble", model.trouble, box).setAttribute("role", "alert");
    if (!model.incidents.length) make("p", "none", words.none, box);
    for (const one of model.incidents) {
      const row = make("article", one.seen ? "seen" : "", "", box);
      row.dataset.incident = one.id;
      const head = make("div", "head", "", row);
      make("b", "", one.what, head);
      make("span", "cameras", one.cameras, head);
      const age = make("span", "age", "", head);
      age.title = one.opened; age._from = one.age_s;
      if (one.cause) make("p", "cause", one.cause, row);
      for (const done of one.done) make("p", "done", done, row);
      if (one.checks.length) make("p", one.task ? "check task" : "check", `${words.check}: ${one.checks.join("; ")}`, row);
      if (one.note) make("p", "note", one.note, row);
      const foot = make("div", "foot", one.seen ? `${words.seen} ${one.seen}` : "", row);
      if (!one.seen) make("button", "button", words.acknowledge, foot).addEventListener("click", () => act("acknowledge", one.id, ""));
      make("button", "button", words.close, foot).addEventListener("click", () => write(row, foot, one.id));
    }
    tick();
  }

  function write(row, foot, id) {
    foot.replaceChildren();
    const form = writing = make("form", "", "", foot);
    form.dataset.id = id;
    const note = make("input", "", "", form);
    note.placeholder = words.note; note.maxLength = 500; note.required = true;
    note.setAttribute("aria-label", words.note);
    const send = make("button", "button main", words.close, form);
    send.type = "submit";
    make("button", "button", words.back, form).addEventListener("click", () => { writing = null; draw(); });
    form.addEventListener("submit", (event) => { event.preventDefault(); writing = null; act("close", id, note.value.trim()); });
    note.focus();
  }

  function act(what, id, note) { model.send_msg({ act: what, id, note }); }

  function tick() {
    const since = (performance.now() - began) / 1000;
    for (const one of box.querySelectorAll(".age")) {
      const text = lasting(one._from + since);
      if (one.textContent !== text) one.textContent = text;
    }
  }

  const timer = setInterval(tick, 1000);
  for (const what of ["incidents", "trouble"]) model.on(what, draw);
  model.on("remove", () => clearInterval(timer));
  draw();
  return box;
}
