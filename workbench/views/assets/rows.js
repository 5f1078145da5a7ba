// A table of typed cells. Texts are set as text, never as HTML.
function plate(cell) {
  const box = document.createElement("span");
  box.className = "plate";
  if (cell.approximate) {
    const sign = document.createElement("span");
    sign.className = "approx"; sign.textContent = "≈"; sign.title = cell.title || "";
    box.append(sign);
  }
  for (const part of cell.parts) {
    const piece = document.createElement(part.differs ? "mark" : "span");
    piece.textContent = part.text;
    if (part.differs) piece.title = part.differs;
    box.append(piece);
  }
  return box;
}

function fill(td, cell) {
  if (cell === null || cell === undefined) return;
  if (typeof cell !== "object") { td.textContent = cell; return; }
  if (cell.kind === "image") {
    const img = document.createElement("img");
    img.loading = "lazy"; img.alt = cell.alt || ""; img.src = cell.src;
    td.append(img);
  } else if (cell.kind === "plate") {
    td.append(plate(cell));
  } else {
    const span = document.createElement("span");
    span.className = cell.class || ""; span.textContent = cell.text;
    td.append(span);
  }
  if (cell.sub) {
    const sub = document.createElement("span");
    sub.className = "sub"; sub.textContent = cell.sub;
    td.append(sub);
  }
}

export function render({ model, el }) {
  const holder = document.createElement("div");
  const draw = () => {
    holder.replaceChildren();
    if (!model.rows.length) {
      const empty = document.createElement("div");
      empty.className = "empty"; empty.textContent = model.empty;
      holder.append(empty);
      return;
    }
    const table = document.createElement("table");
    table.className = "rows";
    const head = table.createTHead().insertRow();
    for (const column of model.columns) {
      const th = document.createElement("th");
      th.textContent = column.title; th.className = column.class || "";
      head.append(th);
    }
    const body = table.createTBody();
    for (const row of model.rows) {
      const tr = body.insertRow();
      if (row.class) tr.className = row.class;
      if (row.key) {
        tr.dataset.key = row.key; tr.tabIndex = 0;
        tr.addEventListener("click", () => { model.send_msg({ chosen: row.key }); });
        tr.addEventListener("keydown", (event) => {
          if (event.key === "Enter") model.send_msg({ chosen: row.key });
          const next = { ArrowDown: tr.nextElementSibling, ArrowUp: tr.previousElementSibling }[event.key];
          if (next) { next.focus(); event.preventDefault(); }
        });
      }
      row.cells.forEach((cell, at) => {
        const td = tr.insertCell();
        td.className = (model.columns[at] || {}).class || "";
        fill(td, cell);
      });
    }
    holder.append(table);
    mark();
  };
  const mark = () => {
    for (const tr of holder.querySelectorAll("tr[data-key]")) {
      const chosen = tr.dataset.key === model.chosen;
      tr.classList.toggle("chosen", chosen);
      tr.setAttribute("aria-selected", chosen);
      if (chosen) tr.scrollIntoView({ block: "nearest" });
    }
  };
  model.on("rows", draw);
  model.on("empty", draw);
  model.on("columns", draw);
  model.on("chosen", mark);
  draw();
  return holder;
}
