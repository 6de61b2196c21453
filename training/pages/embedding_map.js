/* The map: every image a point, like near like; a lasso makes a wall of pictures, a label's node lights its points. */

const BATCH = 150, NEAR_PX = 12, LISTED = 24, MOST_ZOOM = 200, MOST_DRAWN = 150000, CELL_PX = 3, CELLS = 256;
const images = new Images();
const places = unpack(byId("places").textContent.slice(1, -1), Uint16Array);   // x, y of each image
const nearest = unpack(byId("nearest").textContent.slice(1, -1), Int32Array);  // the image that the model finds first
const usual = { colours: `level:${images.levels[Math.min(1, images.levels.length - 1)]}`, search: "", node: "", lasso: "", image: "", view: "" };
const everything = Int32Array.from({ length: images.n }, (_, i) => i);
function withPicturesFirst() {
  const order = new Int32Array(images.n);
  order.set(images.pictured);
  order.set(everything.filter(i => images.pictureOf(i) < 0), images.pictured.length);
  return order;
}
const picturesFirst = images.pictured ? withPicturesFirst() : everything;
let state = {}, chosen = null, wall = picturesFirst, shownTiles = 0, view = { x: .5, y: .5, zoom: 1 };
let groups = [], shades = [], groupOf = new Int32Array(images.n);   // groups of points of one colour, its pixel, the group of each image

const x = i => places[2 * i] / 65535, y = i => places[2 * i + 1] / 65535;

// ---- what is chosen ---------------------------------------------------------------------------------------

/* Points of the lasso, a flat list of coordinates, as the address has them. */
const outline = () => state.lasso ? state.lasso.split(",").map(Number) : [];

function inside(points, px, py) {
  let within = false;
  for (let i = 0, j = points.length - 2; i < points.length; j = i, i += 2)
    if ((points[i + 1] > py) !== (points[j + 1] > py)
      && px < (points[j] - points[i]) * (py - points[i + 1]) / (points[j + 1] - points[i + 1]) + points[i]) within = !within;
  return within;
}

/* Whether an image lies in a lasso; null for none. */
function within(lasso) {
  if (lasso.length < 6) return null;
  const xs = lasso.filter((_, i) => i % 2 === 0), ys = lasso.filter((_, i) => i % 2), points = Float64Array.from(lasso);
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  return i => x(i) >= left && x(i) <= right && y(i) >= top && y(i) <= bottom && inside(points, x(i), y(i));
}

/* The images that search, node and lasso leave; null for all. */
function choose() {
  const text = images.matching(state.search), place = images.find(state.node), lasso = within(outline()), one = images.at(state.image);
  chosen = null;
  wall = picturesFirst;
  if (text || place || lasso || one !== undefined) {
    const only = text || place || lasso ? undefined : one;
    chosen = new Uint8Array(images.n);
    for (let i = 0; i < images.n; i++)
      chosen[i] = only === undefined ? Number((!place || images.code(i, place.rank) === place.code) && (!text || text(i)) && (!lasso || lasso(i))) : Number(i === only);
    wall = picturesFirst.filter(i => chosen[i]);
  }
  byId("count").textContent = `${number(wall.length)} of ${number(images.n)} images`;
}

// ---- colours ----------------------------------------------------------------------------------------------

/* Groups of points of one colour: name, tint, number of images, node. */
function colour() {
  const [kind, level] = state.colours.split(/:(.*)/s), rank = images.levels.indexOf(level), style = getComputedStyle(document.documentElement);
  const shade = name => style.getPropertyValue(name).trim();
  if (kind === "level") {
    const without = images.names[rank].length;
    groups = images.names[rank].map((name, code) => ({ name, tint: `oklch(${shade("--lum")} .15 ${images.hues[rank][code].toFixed(1)})`, node: `${level}/${name}` }));
    groups.push({ name: "no label", tint: shade("--soft"), node: "" });
    groupOf = images.labels[rank].map(code => code < 0 ? without : code);
  } else if (kind === "right") {
    const codes = images.labels[rank];
    groups = [["right", "--good"], ["wrong", "--poor"], ["not searched", "--soft"]].map(([name, tint]) => ({ name, tint: shade(tint), node: "" }));
    groupOf = everything.map(i => nearest[i] < 0 ? 2 : Number(codes[i] !== codes[nearest[i]]));
  } else {
    groups = images.splits.map((name, split) => ({ name, tint: shade(`--c${split % 10}`), node: "" }));
    groupOf = Int32Array.from(images.split);
  }
  shades = pixels(groups.map(({ tint }) => tint));
}

/* How many of some images are in each group. */
function counted(items) {
  const counts = new Uint32Array(groups.length);
  for (let at = 0; at < items.length; at++) counts[groupOf[items[at]]]++;
  return counts;
}

function legend() {
  const counts = counted(wall), present = groups.map((group, code) => ({ ...group, n: counts[code] })).filter(({ n }) => n).sort((a, b) => b.n - a.n);
  const entries = present.slice(0, LISTED).map(({ name, tint, node, n }) => {
    const entry = make("button", { type: "button", disabled: node ? undefined : "", onclick: () => go({ node }, true) }, make("bdi", {}, shortened(name)), make("small", {}, ` ${number(n)}`));
    entry.style.setProperty("--tint", tint);
    return entry;
  });
  if (present.length > LISTED) entries.push(make("small", {}, `and ${number(present.length - LISTED)} more`));
  byId("legend").replaceChildren(...entries);
}

// ---- drawing ----------------------------------------------------------------------------------------------

const canvas = byId("map"), pen = canvas.getContext("2d");
let box = { width: 0, height: 0, side: 1 };

const toScreen = (px, py) => [box.width / 2 + (px - view.x) * box.side * view.zoom, box.height / 2 + (py - view.y) * box.side * view.zoom];
const toMap = (sx, sy) => [view.x + (sx - box.width / 2) / (box.side * view.zoom), view.y + (sy - box.height / 2) / (box.side * view.zoom)];

function measure() {
  const { clientWidth: width, clientHeight: height } = canvas, density = window.devicePixelRatio || 1;
  box = { width, height, side: .94 * Math.min(width, height) };
  canvas.width = Math.round(width * density);
  canvas.height = Math.round(height * density);
  pen.setTransform(density, 0, 0, density, 0, 0);
  draw();
}

let waitingFrame = 0;
function draw() { waitingFrame ||= requestAnimationFrame(() => { waitingFrame = 0; paint(); }); }

/* The tiles of a level of detail; read when the zoom first asks for them. */
const sides = read("detail"), levels = [];
function detail(level) {
  if (!levels[level]) {
    const { items, starts } = read(`detail-${level}`);
    levels[level] = { side: sides[level], items: unpack(items, Int32Array), starts: unpack(starts, Int32Array) };
  }
  return levels[level];
}

/* The images to draw: of the levels that the zoom needs, as long as they are not too many, the tiles in sight. */
function inSight() {
  const [left, top] = toMap(0, 0), [right, bottom] = toMap(box.width, box.height), found = [];
  if (right < 0 || bottom < 0 || left > 1 || top > 1) return found;
  const needed = Math.min(sides.length - 1, Math.max(0, Math.ceil(Math.log2(box.side * view.zoom / CELLS / CELL_PX))));
  for (let level = 0, n = 0; level <= needed; level++) {
    const { side, items, starts } = detail(level), at = share => Math.max(0, Math.min(side - 1, Math.floor(share * side))), tiles = [];
    for (let row = at(top); row <= at(bottom); row++) tiles.push(items.subarray(starts[row * side + at(left)], starts[row * side + at(right) + 1]));
    n += tiles.reduce((sum, tile) => sum + tile.length, 0);
    if (level && n > MOST_DRAWN) break;
    found.push(...tiles);
  }
  return found;
}

/* Colours as pixels, red in the lowest byte. */
function pixels(tints) {
  const side = Math.max(1, Math.ceil(Math.sqrt(tints.length))), palette = make("canvas", { width: side, height: side });
  const brush = palette.getContext("2d", { willReadFrequently: true });
  tints.forEach((tint, i) => { brush.fillStyle = tint; brush.fillRect(i % side, Math.floor(i / side), 1, 1); });
  return new Uint32Array(brush.getImageData(0, 0, side, side).data.buffer);
}

/* Sets the pixels of points, discs of `size` pixels: many times faster than to draw each. */
function paintPoints(pixel, pieces, keep, size, opacity) {
  const { width, height } = canvas, density = window.devicePixelRatio || 1, scale = box.side * view.zoom * density, alpha = Math.round(255 * opacity) << 24;
  const across = Math.max(1, Math.round(size * density)), half = across / 2, middle = width / 2 - half, centre = height / 2 - half;
  const inset = Array.from({ length: across }, (_, line) => across < 3 ? 0 : Math.round(half - Math.sqrt(half * half - (line + .5 - half) ** 2)));
  for (const items of pieces) for (let at = 0; at < items.length; at++) {
    const i = items[at];
    if (!keep(i)) continue;
    const left = Math.round(middle + (x(i) - view.x) * scale), top = Math.round(centre + (y(i) - view.y) * scale);
    const bottom = Math.min(height, top + across), tint = (shades[groupOf[i]] & 0xffffff) | alpha;
    for (let line = Math.max(0, top); line < bottom; line++) {
      const right = Math.min(width, left + across - inset[line - top]);
      for (let column = Math.max(0, left + inset[line - top]); column < right; column++) pixel[line * width + column] = tint;
    }
  }
}

function paint() {
  const size = Math.max(2, Math.min(9, (images.n > 10000 ? 2.2 : images.n > 2000 ? 3.5 : 5.5) * Math.sqrt(view.zoom))), pieces = inSight();
  const field = pen.createImageData(canvas.width, canvas.height), pixel = new Uint32Array(field.data.buffer);
  if (chosen) paintPoints(pixel, pieces, i => !chosen[i], size, .13);
  paintPoints(pixel, chosen && wall.length <= MOST_DRAWN ? [wall] : pieces, chosen ? i => chosen[i] : () => true, size, .9);
  pen.putImageData(field, 0, 0);
  const line = drawn ?? outline();
  if (line.length > 3) {
    pen.strokeStyle = getComputedStyle(canvas).color;
    pen.setLineDash([5, 4]);
    pen.beginPath();
    for (let i = 0; i < line.length; i += 2) pen.lineTo(...toScreen(line[i], line[i + 1]));
    pen.closePath();
    pen.stroke();
    pen.setLineDash([]);
  }
  const ringed = hovered ?? images.at(state.image);
  if (ringed !== undefined) {
    pen.strokeStyle = getComputedStyle(canvas).color;
    pen.lineWidth = 2;
    pen.beginPath();
    pen.arc(...toScreen(x(ringed), y(ringed)), size + 2, 0, 7);
    pen.stroke();
    pen.lineWidth = 1;
  }
}

// ---- pointer and keys -------------------------------------------------------------------------------------

let hovered, drawn = null, grip = null, moves = false;
const pointers = new Map();
const at = event => { const { left, top } = canvas.getBoundingClientRect(); return [event.clientX - left, event.clientY - top]; };

/* The point nearest to a place on the screen, if one is near. */
function pointAt(sx, sy) {
  const [px, py] = toMap(sx, sy), near = NEAR_PX / (box.side * view.zoom);
  let best, least = near * near;
  for (let i = 0; i < images.n; i++) {
    if (chosen && !chosen[i]) continue;
    const dx = x(i) - px, dy = y(i) - py, far = dx * dx + dy * dy;
    if (far < least) { least = far; best = i; }
  }
  return best;
}

function hover(i, sx, sy) {
  const tip = byId("hover");
  if (hovered === i) return;
  hovered = i;
  tip.hidden = i === undefined;
  draw();
  if (i === undefined) return;
  tip.replaceChildren(images.tile(i), make("span", {}, make("b", {}, make("bdi", {}, shortened(images.name(i, 0)))), make("br"),
    make("bdi", {}, shortened(images.path(i).slice(1).join(" < ")))));
  tip.style.left = `${Math.min(sx + 14, box.width - 285)}px`;
  tip.style.top = `${Math.min(sy + 14, box.height - 110)}px`;
}

function zoom(factor, sx = box.width / 2, sy = box.height / 2) {
  const [px, py] = toMap(sx, sy);
  view.zoom = Math.max(1, Math.min(MOST_ZOOM, view.zoom * factor));
  const [nx, ny] = toMap(sx, sy);
  view.x += px - nx;
  view.y += py - ny;
  moved();
}

let settled;
function moved() {
  draw();
  clearTimeout(settled);
  settled = setTimeout(() => go({ view: view.zoom === 1 && view.x === .5 && view.y === .5 ? "" : [view.x, view.y, view.zoom].map(n => n.toFixed(4)).join(",") }), 200);
}

canvas.onpointerdown = event => {
  canvas.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, at(event));
  if (pointers.size > 1 || moves || event.button === 1 || event.shiftKey) { grip = at(event); drawn = null; } else { drawn = [...toMap(...at(event))]; }
};
canvas.onpointermove = event => {
  const [sx, sy] = at(event);
  if (!pointers.has(event.pointerId)) return hover(pointAt(sx, sy), sx, sy);
  const before = pointers.get(event.pointerId);
  pointers.set(event.pointerId, [sx, sy]);
  if (pointers.size === 2) return pinch(event.pointerId, before);
  if (grip) {
    view.x -= (sx - before[0]) / (box.side * view.zoom);
    view.y -= (sy - before[1]) / (box.side * view.zoom);
    moved();
  } else if (drawn) { drawn.push(...toMap(sx, sy)); draw(); }
  return undefined;
};
canvas.onpointerup = event => {
  const [sx, sy] = at(event), line = drawn;
  pointers.delete(event.pointerId);
  if (pointers.size) return;
  drawn = grip = null;
  if (!line) return;
  if (line.length > 8) go({ lasso: thinned(line).map(value => value.toFixed(4)).join(","), image: "" }, true);
  else { const i = pointAt(sx, sy); if (i !== undefined) enlarge(i); else draw(); }
};
canvas.onpointerleave = () => hover(undefined);
canvas.onwheel = event => { event.preventDefault(); zoom(Math.exp(-event.deltaY / 400), ...at(event)); };

function pinch(id, before) {
  const [other] = [...pointers].filter(([each]) => each !== id).map(([, place]) => place), now = pointers.get(id);
  const far = place => Math.hypot(place[0] - other[0], place[1] - other[1]);
  zoom(far(now) / Math.max(1, far(before)), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
}

/* At most sixty corners: the address stays short. */
function thinned(line) {
  const every = Math.max(1, Math.ceil(line.length / 120));
  return line.filter((_, i) => Math.floor(i / 2) % every === 0);
}

function drags(by) {
  moves = by === "move";
  for (const id of ["lasso", "move"]) byId(id).setAttribute("aria-pressed", id === by);
  canvas.classList.toggle("moving", moves);
}

function wholeMap() { view = { x: .5, y: .5, zoom: 1 }; moved(); }

document.addEventListener("keydown", event => {
  if (event.target.matches("input, select, dialog *") || event.ctrlKey || event.metaKey || event.altKey) return;
  const step = .1 / view.zoom, pan = (dx, dy) => () => { view.x += dx * step; view.y += dy * step; moved(); };
  const keys = { "+": () => zoom(1.4), "=": () => zoom(1.4), "-": () => zoom(1 / 1.4), Escape: () => go({ search: "", node: "", lasso: "", image: "" }, true),
    "/": () => { byId("search").focus(); byId("search").select(); },
    ...(event.target === canvas ? { ArrowLeft: pan(-1, 0), ArrowRight: pan(1, 0), ArrowUp: pan(0, -1), ArrowDown: pan(0, 1) } : {}) };
  if (!keys[event.key] || byId("large").open) return;
  event.preventDefault();
  keys[event.key]();
});

// ---- the wall ---------------------------------------------------------------------------------------------

function more() {
  const next = Array.from(wall.slice(shownTiles, shownTiles + BATCH));
  byId("wall").append(...next.map(i => make("li", {}, make("button", { type: "button", title: images.path(i).map(shortened).join(" < "),
    onclick: () => enlarge(i), onmouseenter: () => { hovered = i; draw(); }, onmouseleave: () => { hovered = undefined; draw(); } },
  images.tile(i), images.picture.none ? undefined : make("bdi", {}, shortened(images.name(i, 0)))))));
  shownTiles += next.length;
  byId("more").hidden = shownTiles >= wall.length;
}

function enlarge(i) {
  const box = byId("large");
  images.enlarge(box, i, "map", make("button", { type: "button", class: "plain", onclick: () => { box.close(); go({ node: images.node(i, 0), lasso: "", search: "" }, true); } }, "All of this label"));
}

// ---- state ------------------------------------------------------------------------------------------------

function go(change, step = false) {
  const before = state;
  state = { ...state, ...change };
  address.write(Object.fromEntries(Object.entries(state).map(([key, value]) => [key, value === usual[key] ? "" : value])), step);
  show(before);
}

function show(before) {
  const differs = (...keys) => keys.some(key => before[key] !== state[key]);
  for (const key of ["search", "colours"]) if (byId(key).value !== state[key]) byId(key).value = state[key];
  if (differs("colours")) colour();
  if (differs("search", "node", "lasso", "image")) {
    choose();
    byId("wall").replaceChildren();
    shownTiles = 0;
    more();
    const chips = [["node", state.node], ["lasso", state.lasso && "lasso"], ["image", state.image]].filter(([, words]) => words);
    byId("chips").replaceChildren(...chips.map(([key, words]) => make("button", { type: "button", "aria-label": `Without ${key}`,
      onclick: () => go({ [key]: "" }, true) }, `${shortened(words)} ✕`)), ...nodeLinks());
  }
  if (differs("search", "node", "lasso", "image", "colours")) legend();
  draw();
}

/* From a node to its place in the tree. */
function nodeLinks() {
  if (!state.node || !images.pages.tree) return [];
  return [make("a", { href: `${images.pages.tree}#${new URLSearchParams({ node: state.node })}` }, "in the tree")];
}

function arrive() {
  const given = address.read(), before = state;
  state = { ...usual, ...Object.fromEntries(Object.entries(given).filter(([key]) => key in usual)) };
  if (![...byId("colours").options].some(option => option.value === state.colours)) state.colours = usual.colours;
  const [px, py, zoomed] = state.view.split(",").map(Number);
  view = zoomed >= 1 ? { x: px, y: py, zoom: zoomed } : { x: .5, y: .5, zoom: 1 };
  show(before);
}

byId("colours").onchange = event => go({ colours: event.target.value }, true);
byId("lasso").onclick = () => drags("lasso");
byId("move").onclick = () => drags("move");
byId("whole").onclick = wholeMap;
byId("more").onclick = more;
let waiting;
byId("search").oninput = event => { clearTimeout(waiting); waiting = setTimeout(() => go({ search: event.target.value }), 120); };
window.addEventListener("popstate", arrive);
window.addEventListener("hashchange", arrive);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { colour(); legend(); draw(); });
new ResizeObserver(measure).observe(canvas);
arrive();
