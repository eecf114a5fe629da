// Shows the numbers under the pointer or the arrow keys, hides curves and chooses panels. All that
// it shows stands on the page without it as well.
(() => {
  const tip = document.createElement("output");
  tip.className = "tip";
  tip.hidden = true;
  document.body.append(tip);

  const show = (text, x, y) => {
    tip.textContent = text;
    tip.hidden = false;
    const { width, height } = tip.getBoundingClientRect();
    tip.style.left = Math.max(4, Math.min(x + 14, innerWidth - width - 4)) + "px";
    tip.style.top = Math.max(4, y - height - 12) + "px";
  };
  const hide = () => { tip.hidden = true; };
  const clamp = (x, low, high) => Math.max(low, Math.min(high, x));

  // A place is a column and a row of a map, or a step of curves.
  const map = (data) => ({
    at: (x, y) => {
      const [left, top, width, height] = data.cell;
      const place = [Math.floor((x - left) / width), Math.floor((y - top) / height)];
      const inside = place[0] >= 0 && place[0] < data.columns.length && place[1] >= 0 && place[1] < data.rows.length;
      return inside ? place : null;
    },
    moved: (place, dx, dy) => [
      clamp((place ? place[0] : 0) + dx, 0, data.columns.length - 1),
      clamp((place ? place[1] : 0) + dy, 0, data.rows.length - 1),
    ],
    point: ([column, row]) => {
      const [left, top, width, height] = data.cell;
      return [left + width * (column + 0.5), top + height * (row + 0.5)];
    },
    text: ([column, row]) => {
      const value = data.values[row][column];
      const text = data.texts && data.texts[row][column];
      const own = text && text !== value ? `  “${text}”` : "";
      return `${data.rows[row]} · ${data.columns[column]}: ${value ?? "empty"}${own}`;
    },
    marks: ([column, row]) => {
      const [left, top, width, height] = data.cell;
      return `M${left + width * column} ${top + height * row}h${width}v${height}h${-width}z`;
    },
  });

  const lines = (data) => {
    const steps = [...new Set(data.series.flatMap((s) => s.points.map((p) => p[0])))].sort((a, b) => a - b);
    const [left, top, right, bottom] = data.plane;
    const [low, high] = data.x;
    const across = (step) => left + ((right - left) * (step - low)) / (high - low || 1);
    return {
      at: (x, y) => {
        if (!steps.length || x < left - 8 || x > right + 8 || y < top || y > bottom) return null;
        const distance = (i) => Math.abs(across(steps[i]) - x);
        let near = 0;
        steps.forEach((_, i) => { if (distance(i) < distance(near)) near = i; });
        return [near, 0];
      },
      moved: (place, dx) => [clamp((place ? place[0] : 0) + dx, 0, steps.length - 1), 0],
      point: ([i]) => [across(steps[i]), top + 12],
      text: ([i], hidden) => {
        const found = data.series.map((s, n) => {
          const point = s.points.find((p) => p[0] === steps[i]);
          return point && !hidden.has(n) ? `${s.label ? s.label + " " : ""}${point[1]}` : null;
        });
        return `${data.over} ${steps[i]}\n${found.filter((f) => f !== null).join("\n")}`;
      },
      marks: ([i]) => `M${across(steps[i])} ${top}V${bottom}`,
    };
  };

  const hover = (svg) => {
    const data = JSON.parse(svg.dataset.hover);
    const kind = data.kind === "map" ? map(data) : lines(data);
    const cursor = document.createElementNS("http://www.w3.org/2000/svg", "path");
    cursor.setAttribute("class", "cursor");
    svg.append(cursor);
    const hidden = new Set();
    let place = null;
    const say = (x, y) => {
      cursor.setAttribute("d", place ? kind.marks(place) : "");
      if (place) show(kind.text(place, hidden), x, y); else hide();
    };
    const leave = () => { place = null; say(0, 0); };
    svg.addEventListener("pointermove", (event) => {
      const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
      place = kind.at(x, y);
      say(event.clientX, event.clientY);
    });
    svg.addEventListener("pointerleave", leave);
    svg.addEventListener("blur", leave);
    svg.addEventListener("keydown", (event) => {
      const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (event.key === "Escape") leave();
      if (!move || event.target !== svg) return;
      event.preventDefault();
      place = kind.moved(place, ...move);
      const at = new DOMPoint(...kind.point(place)).matrixTransform(svg.getScreenCTM());
      say(at.x, at.y);
    });
    // A click on the name of a curve hides it.
    svg.querySelectorAll("g.label[data-series]").forEach((label) => {
      const series = Number(label.dataset.series);
      const toggle = () => {
        const off = !hidden.has(series);
        if (off) hidden.add(series); else hidden.delete(series);
        svg.querySelectorAll(`g[data-series="${series}"]`).forEach((g) => g.classList.toggle("off-line", off));
      };
      label.style.cursor = "pointer";
      label.addEventListener("click", toggle);
    });
    // Digits do the same by keyboard.
    svg.addEventListener("keydown", (event) => {
      const label = svg.querySelector(`g.label[data-series="${Number(event.key) - 1}"]`);
      if (label && /^[1-9]$/.test(event.key)) label.dispatchEvent(new MouseEvent("click"));
    });
  };
  document.querySelectorAll("svg[data-hover]").forEach(hover);

  // A select above many panels shows one of them alone.
  document.querySelectorAll(".grid-of-panels").forEach((grid) => {
    const panels = [...grid.children];
    if (panels.length < 5) return;
    const choice = document.createElement("select");
    choice.setAttribute("aria-label", "Panel to show");
    choice.append(new Option("all panels", ""));
    panels.forEach((panel, i) => choice.append(new Option(panel.querySelector(".panel-title").textContent, i)));
    choice.addEventListener("change", () => {
      panels.forEach((panel, i) => { panel.hidden = choice.value !== "" && Number(choice.value) !== i; });
      grid.classList.toggle("one", choice.value !== "");
    });
    grid.before(choice);
  });
})();
