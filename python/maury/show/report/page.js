"use strict";
// Colours, filters, and labels and spectrum of a star. Bokeh draws; text is set by textContent, so that names are never HTML.
(() => {
  const element = (id) => document.getElementById(id);
  const facts = JSON.parse(element("facts").textContent);
  const withSpectrum = new Set(facts.with_spectra);
  const NEAR = 12, CELL = 2; // pixels of the screen
  let model, stars, wanted, turn = 0;

  const unpack = async (base64) => {
    const raw = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    const stream = new Blob([raw]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  };

  // Rarely used data are unpacked when first requested.
  const once = (make) => {
    const kept = new Map();
    return (key) => kept.get(key) ?? kept.set(key, make(key)).get(key);
  };
  const parsed = once((id) => JSON.parse(element(id).textContent));
  const readTexts = once(async () => JSON.parse(new TextDecoder().decode(await unpack(facts.texts))));
  const readColumn = once(async (name) => {
    if (Object.hasOwn(stars.data, name)) return stars.data[name];
    const planes = await unpack(parsed("columns")[name]);
    const n = planes.length / 4;
    return new Float32Array(planes.map((_, i) => planes[(i % 4) * n + (i >> 2)]).buffer);
  });

  // The inverse of pack_spectrum in data.py.
  const readSpectrum = async (packed) => {
    const bytes = await unpack(packed);
    const n = bytes.length / 10; // four bytes of wavelength and three times two
    const wave = new Float64Array(n);
    for (let i = 0, sum = 0; i < n; i++) {
      sum += bytes[i] | (bytes[n + i] << 8) | (bytes[2 * n + i] << 16) | (bytes[3 * n + i] << 24);
      wave[i] = sum * facts.wave_step;
    }
    const [flux, model, sigma] = [4, 6, 8].map((start) => Float64Array.from({length: n}, (_, i) => {
      const whole = bytes[start * n + i] | (bytes[(start + 1) * n + i] << 8);
      return whole === facts.missing ? NaN : whole * facts.step + facts.lowest;
    }));
    const residual = flux.map((f, i) => f - model[i]);
    const upper = sigma.map((s) => Number.isFinite(s) ? s : 0);
    return {wave, flux, model, residual, upper, lower: upper.map((s) => -s)};
  };

  const percentile = (values, part) => {
    const sorted = values.filter(Number.isFinite).sort();
    return sorted.length ? sorted[Math.floor(part * (sorted.length - 1))] : NaN;
  };

  const colourBy = async (name) => {
    const {low, high, log, title} = facts.columns[name];
    const values = await readColumn(name);
    stars.data._colour = log ? Float32Array.from(values, Math.log10) : values;
    model("colours").setv({low, high});
    for (const diagram of facts.diagrams) {
      model(diagram + "_bar").title = (log ? "log10 " : "") + title;
    }
    stars.change.emit();
  };

  const showRows = (choice) => {
    const flags = stars.data._flags;
    wanted = {
      all: () => true,
      valid,
      good: (i) => flags[i] === 0,
      spectrum: (i) => withSpectrum.has(i),
    }[choice] ?? ((i) => (flags[i] & Number(choice)) !== 0);
    stars.selected.indices = [];
    element("count").textContent = `${rowsWhere(wanted).length} of ${flags.length} rows`;
  };

  const valid = (i) => (stars.data._flags[i] & facts.do_not_use) === 0;
  const rowsWhere = (is) => Array.from(stars.data._flags.keys()).filter(is);

  // In all diagrams, and of all rows that are shown, drawn or not.
  const select = ([x, y], {x0, x1, y0, y1}) => {
    const inside = (value, a, b) => value >= Math.min(a, b) && value <= Math.max(a, b);
    const rows = rowsWhere((i) => wanted(i) && inside(stars.data[x][i], x0, x1) && inside(stars.data[y][i], y0, y1));
    stars.selected.indices = rows;
    element("count").textContent = `${rows.length} rows selected`;
  };

  const saveRows = async () => {
    const chosen = stars.selected.indices;
    const names = Object.keys(facts.columns).filter((name) => name !== "flags");
    const columns = await Promise.all(names.map(readColumn));
    const texts = await readTexts();
    const quoted = (text) => `"${text.replaceAll('"', '""')}"`;
    const lines = [["row", "name", ...names, "flags", ...Object.keys(texts)].map(quoted)];
    for (const i of chosen.length ? chosen : rowsWhere(wanted)) {
      const numbers = columns.map((values) => Number.isFinite(values[i]) ? Number(values[i].toPrecision(7)) : "");
      lines.push([i, quoted(stars.data._name[i]), ...numbers, stars.data._flags[i], ...Object.values(texts).map((t) => quoted(t[i]))]);
    }
    const file = new Blob([lines.map((cells) => cells.join(",") + "\n").join("")], {type: "text/csv"});
    const link = Object.assign(document.createElement("a"), {href: URL.createObjectURL(file), download: "stars.csv"});
    link.click();
    URL.revokeObjectURL(link.href);
  };

  // Draws the first row of each cell of the screen: rows left out would be hidden anyway, and appear on zooming in.
  const draw = (name) => {
    const [figure, [x, y]] = [model(name), facts.axes[name]];
    const {across, up} = places(figure);
    const [nx, ny] = [figure.inner_width, figure.inner_height].map((size) => Math.max(1, Math.round(size / CELL)));
    const taken = new Uint8Array(nx * ny), drawn = [];
    const xs = stars.data[x], ys = stars.data[y];
    for (let i = 0; i < xs.length; i++) {
      const u = across(xs[i]), v = up(ys[i]);
      if (!(u >= 0 && u < 1 && v >= 0 && v < 1)) continue;
      const cell = Math.floor(u * nx) * ny + Math.floor(v * ny);
      if (taken[cell] || !wanted(i)) continue;
      taken[cell] = 1;
      drawn.push(i);
    }
    model(name + "_valid").indices = drawn.filter(valid);
    model(name + "_not_valid").indices = drawn.filter((i) => !valid(i));
  };

  const drawWhenStill = (name) => {
    let timer;
    const later = () => {
      clearTimeout(timer);
      timer = setTimeout(() => draw(name), 120);
    };
    const figure = model(name);
    for (const range of [figure.x_range, figure.y_range]) range.change.connect(later);
    figure.properties.inner_width.change.connect(later);
  };

  const write = (value, digits) => Number.isFinite(value) ? value.toFixed(digits).replace("-", "\u2212") : "none";

  const labelLines = async (row) => {
    const number = async (name, digits) => Object.hasOwn(facts.columns, name) ? write((await readColumn(name))[row], digits) : "none";
    const lines = [];
    for (const {name, title, unit, digits} of facts.labels) {
      lines.push([title, `${await number(name, digits)} \u00b1 ${await number(name + "_err", digits)} ${unit}`]);
    }
    for (const [title, name, digits] of facts.numbers) lines.push([title, await number(name, digits)]);
    const words = facts.flags.filter(([bit]) => stars.data._flags[row] & bit).map(([, name]) => name);
    lines.push(["flags", words.join(", ") || "none"]);
    for (const [name, texts] of Object.entries(await readTexts())) {
      if (texts[row]) lines.push([name, texts[row]]);
    }
    return lines;
  };

  const showTable = (lines) => {
    element("labels").replaceChildren(...lines.map((cells) => {
      const line = document.createElement("tr");
      line.append(...cells.map((text) => Object.assign(document.createElement("td"), {textContent: text})));
      return line;
    }));
    element("labels").hidden = false;
  };

  const showSpectrum = (pixels) => {
    const limits = [
      Math.min(percentile(pixels.flux, 0.003), percentile(pixels.model, 0)),
      Math.max(percentile(pixels.flux, 0.997), percentile(pixels.model, 1)),
    ].map((limit, i) => Number.isFinite(limit) ? limit : percentile(pixels.flux, [0.003, 0.997][i]));
    const [low, high] = limits.every(Number.isFinite) ? limits : [0, 1.5];
    const margin = 0.06 * (high - low) || 0.1;
    const half = Math.max(1.4 * percentile(pixels.residual.map(Math.abs), 0.98), 1e-3) || 0.1;
    model("pixels").data = pixels;
    // The axes must not keep the range of the previous star.
    const ends = {start: pixels.wave[0], end: pixels.wave[pixels.wave.length - 1]};
    model("wave_range").setv({...ends, reset_start: ends.start, reset_end: ends.end});
    model("flux_range").setv({start: low - margin, end: high + margin});
    model("residual_range").setv({start: -half, end: half});
  };

  const pick = async (row) => {
    const point = Object.fromEntries(Object.keys(model("picked").data).map((name) => [name, [stars.data[name][row]]]));
    const mine = ++turn; // another star may be selected while this one is being read
    model("picked").data = point;
    element("star").textContent = stars.data._name[row];
    const has = withSpectrum.has(row);
    const lines = await labelLines(row);
    const pixels = has ? await readSpectrum(parsed("spectra")[row]) : null;
    if (mine !== turn) return;
    showTable(lines);
    element("note").textContent = has
      ? "Normalised flux and, in red, the model; below, flux minus model, and the expected error in blue."
      : `The spectrum of this star is not in this page. ${facts.spectra_words}`;
    element("plots").hidden = !has;
    if (has) showSpectrum(pixels);
    document.body.dataset.star = row;
  };

  // Position of a value between the ends of an axis, 0 to 1.
  const along = (range, scale) => {
    const f = scale.type === "LogScale" ? Math.log : (x) => x;
    const start = f(range.start), span = f(range.end) - start;
    return (value) => (f(value) - start) / span;
  };
  const places = (figure) => ({across: along(figure.x_range, figure.x_scale), up: along(figure.y_range, figure.y_scale)});

  // The nearest star on the screen among all selected rows; one pass is fast enough without an index.
  const nearest = (figure, [x, y], event) => {
    const {across, up} = places(figure);
    const xs = stars.data[x], ys = stars.data[y];
    const u = across(event.x), v = up(event.y);
    let best = -1, least = NEAR ** 2;
    for (let i = 0; i < xs.length; i++) {
      const distance = ((across(xs[i]) - u) * figure.inner_width) ** 2 + ((up(ys[i]) - v) * figure.inner_height) ** 2;
      if (distance < least && wanted(i)) [best, least] = [i, distance];
    }
    return best;
  };

  const find = (part) => {
    const wanted = part.trim().toLowerCase();
    const names = stars.data._name;
    const row = wanted ? names.findIndex((name) => name.toLowerCase().includes(wanted)) : -1;
    if (row >= 0) pick(row);
    else if (wanted) element("count").textContent = `no star is named ${part}`;
  };

  const start = () => {
    const page = Bokeh.documents[0];
    if (!page?.is_idle) return requestAnimationFrame(start);
    model = (name) => page.get_model_by_name(name);
    stars = model("stars");
    for (const [name, axes] of Object.entries(facts.axes)) {
      for (const kind of ["tap", "doubletap"]) { // a quick second click comes as the latter
        model(name).on_event(kind, (event) => {
          const row = nearest(model(name), axes, event);
          if (row >= 0) pick(row);
        });
      }
      model(name).on_event("selectiongeometry", ({geometry, final}) => { if (final) select(axes, geometry); });
      model(name).on_event("reset", () => showRows(element("rows").value));
      drawWhenStill(name);
    }
    element("colour").addEventListener("change", (event) => colourBy(event.target.value));
    element("rows").addEventListener("change", (event) => {
      showRows(event.target.value);
      facts.diagrams.forEach(draw);
    });
    element("csv").addEventListener("click", saveRows);
    element("find").addEventListener("change", (event) => find(event.target.value));
    element("controls").addEventListener("submit", (event) => event.preventDefault());
    showRows("all");
    document.body.dataset.ready = performance.now().toFixed(0);
  };
  start();
})();
