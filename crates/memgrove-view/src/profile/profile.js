// The flame graph: frames are buttons, so that a keyboard reaches them; text enters as text only.
{
  const { texts, frames } = JSON.parse(document.getElementById("flame-data").textContent);
  const rows = document.getElementById("flame-rows");
  const said = document.getElementById("flame-said");
  const search = document.getElementById("flame-search");
  const buttons = [...document.querySelectorAll("#flame .metrics button")];
  const PARENT = 0, FUNCTION = 1, PLACE = 2, INLINED = 3, OWN = 4;
  const ROW_REM = 1.4, LEAST_PIXELS = 2;

  const children = frames.map(() => []);
  frames.forEach((frame, at) => { if (at > 0) children[frame[PARENT]].push(at); });
  const depth = frames.map(() => 0);
  frames.forEach((frame, at) => { if (at > 0) depth[at] = depth[frame[PARENT]] + 1; });

  let metric = 0, unit = "bytes", focus = 0, totals = [];
  const name = (at) => texts[frames[at][FUNCTION]];
  const place = (at) => texts[frames[at][PLACE]];

  const size = (value) => {
    if (unit !== "bytes") return value.toLocaleString("en") + (value === 1 ? " allocation" : " allocations");
    for (const [power, word] of [[30, "GiB"], [20, "MiB"], [10, "KiB"]]) {
      if (value >= 2 ** power) return (value / 2 ** power).toFixed(1) + " " + word;
    }
    return value + (value === 1 ? " byte" : " bytes");
  };
  const percent = (part, whole) => whole ? (100 * part / whole).toFixed(1) + " %" : "0 %";

  const count = () => {
    totals = frames.map((frame) => frame[OWN][metric]);
    for (let at = frames.length - 1; at > 0; at--) totals[frames[at][PARENT]] += totals[at];
  };
  const hue = (text) => {
    let hash = 7;
    for (const letter of text) hash = (hash * 31 + letter.codePointAt(0)) >>> 0;
    return 18 + hash % 190;
  };
  const say = (at) => {
    const where = at === 0 ? "" : ", " + place(at);
    said.textContent = `${name(at)}${where}: ${size(totals[at])}, ${percent(totals[at], totals[0])} of all; ` +
      `${size(frames[at][OWN][metric])} of its own`;
  };
  const found = (at, words) => (name(at) + " " + place(at)).toLowerCase().includes(words);

  const draw = () => {
    const words = search.value.trim().toLowerCase();
    const width = rows.clientWidth, all = totals[focus];
    const path = [];
    for (let at = focus; at !== 0; at = frames[at][PARENT]) path.unshift(frames[at][PARENT]);
    const drawn = document.createDocumentFragment();
    let deepest = path.length;
    const put = (at, left, part, above) => {
      const button = document.createElement("button");
      button.type = "button";
      button.style.cssText = `left:${left}%;width:${part}%;top:${depth[at] * ROW_REM}rem;--hue:${hue(name(at))}`;
      if (part / 100 * width > 20) button.textContent = name(at); else button.className = "thin";
      button.setAttribute("aria-label", `${name(at)}, ${place(at)}, ${size(totals[at])}`);
      if (frames[at][INLINED]) button.classList.add("inlined");
      if (above) button.classList.add("above");
      if (words && found(at, words)) button.classList.add("found");
      button.addEventListener("click", () => { focus = at; draw(); say(at); });
      button.addEventListener("mouseenter", () => say(at));
      button.addEventListener("focus", () => say(at));
      drawn.append(button);
    };
    path.forEach((at) => put(at, 0, 100, true));
    const waiting = all > 0 ? [[focus, 0, 100]] : [];
    while (waiting.length > 0) {
      const [at, left, part] = waiting.pop();
      put(at, left, part, false);
      deepest = Math.max(deepest, depth[at]);
      let start = left;
      const wide = children[at].filter((child) => totals[child] > 0).sort((a, b) => totals[b] - totals[a]);
      for (const child of wide) {
        const share = 100 * totals[child] / all;
        if (share / 100 * width < LEAST_PIXELS) break;
        waiting.push([child, start, share]);
        start += share;
      }
    }
    rows.replaceChildren(drawn);
    rows.style.height = (deepest + 1) * ROW_REM + "rem";
    rows.classList.toggle("searching", words !== "");
    if (words) {
      // What lies under a frame that was found is not counted again.
      const under = frames.map(() => false);
      let sum = 0;
      frames.forEach((frame, at) => {
        under[at] = (at > 0 && under[frame[PARENT]]) || found(at, words);
        if (under[at] && !(at > 0 && under[frame[PARENT]])) sum += totals[at];
      });
      said.textContent = `found: ${size(sum)}, ${percent(sum, totals[0])} of all`;
    } else if (all === 0) {
      said.textContent = "nothing to show: " + size(0);
    } else {
      say(focus);
    }
  };
  buttons.forEach((button) => button.addEventListener("click", () => {
    buttons.forEach((other) => other.setAttribute("aria-pressed", other === button));
    metric = Number(button.dataset.metric);
    unit = button.dataset.unit;
    focus = 0;
    count();
    draw();
  }));
  search.addEventListener("input", draw);
  addEventListener("resize", draw);
  count();
  draw();
}
