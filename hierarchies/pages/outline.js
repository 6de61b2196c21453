/* The collapsible outline (ARIA tree): rows in sight exist, the others are numbers. */

const ROW_PX = 30, INDENT_PX = 18;

class Outline {
  constructor(box, tree, prefix, { choose, enter, changes, photo }) {
    Object.assign(this, { box, tree, prefix, choose, enter, changes, photo });
    this.open = new Set();
    this.found = null;   // what a search selects, with the nodes that it opens
    this.query = "";
    this.active = 0;     // position among the rows
    box.style.setProperty("--count", `${number(tree.total[0]).length}ch`);
    this.rows = box.appendChild(make("div", { role: "presentation" }));
    box.onscroll = () => this.paint();
    box.onkeydown = event => this.press(event);
    box.onclick = event => this.click(event);
    new ResizeObserver(() => this.paint()).observe(box);
    if (tree.children(0).length <= 6) for (const id of tree.children(0)) this.open.add(id);
    this.layout();
  }

  /* Shows only what `select` marks, opened down to the matches; null shows everything. */
  filter(shown, query) {
    this.query = query;
    this.found = shown && { shown, open: new Set() };
    if (shown) for (let id = 1; id < this.tree.start[0]; id++)
      if (shown[id] && this.tree.children(id).some(kid => shown[kid])) this.found.open.add(id);
    this.layout();
    this.box.scrollTop = 0;
  }

  get opened() { return this.found ? this.found.open : this.open; }

  /* What a node shows below it; `all`: whatever a search selects. */
  kids(id, all) {
    const kids = this.tree.children(id), shown = this.found?.shown;
    return shown && !all ? kids.filter(kid => shown[kid]) : kids;
  }

  /* Whether a node shows everything below it, although a search selects: it was found itself, and nothing below it. */
  showsAll(id, all) {
    const shown = this.found?.shown;
    return all || (shown[id] === MATCH && !this.tree.children(id).some(kid => shown[kid]));
  }

  layout() {
    if (this.pair) return this.pair.layout();
    const lines = [];
    const walk = (parent, depth, all) => {
      const kids = this.kids(parent, all);
      kids.forEach((id, place) => {
        lines.push({ id, depth, place: place + 1, of: kids.length });
        if (this.opened.has(id)) walk(id, depth + 1, this.showsAll(id, all));
      });
    };
    walk(0, 1, !this.found);
    return this.take(lines);
  }

  /* Shows these rows; null is a gap. */
  take(lines) {
    const chosen = this.lines?.[this.active]?.id;
    this.lines = lines;
    this.position = new Map(lines.flatMap((line, i) => line ? [[line.id, i]] : []));
    this.active = this.position.get(chosen) ?? Math.max(0, lines.findIndex(Boolean));
    this.rows.style.height = lines.length * ROW_PX + "px";
    this.paint();
  }

  paint() {
    const first = Math.max(0, Math.floor(this.box.scrollTop / ROW_PX) - 5);
    const last = first + Math.ceil(this.box.clientHeight / ROW_PX) + 10;
    this.rows.replaceChildren(...this.lines.slice(first, last).map((line, i) => line ? this.row(line, first + i) : this.gap(first + i)));
    const active = this.lines[this.active];
    if (active && document.getElementById(this.key(active.id))) this.box.setAttribute("aria-activedescendant", this.key(active.id));
    else this.box.removeAttribute("aria-activedescendant");
  }

  key(id) { return `${this.prefix}-${id}`; }

  gap(i) {
    const gap = make("div", { class: "gap", "aria-hidden": true });
    gap.style.top = i * ROW_PX + "px";
    return gap;
  }

  row({ id, depth, place, of }, i) {
    const { tree } = this, leaf = tree.isLeaf(id), sure = tree.fact(tree.confidence, id);
    const change = this.changes.get(id), photo = this.photo(id), ap = tree.order === "weak" ? tree.ap(id) : -1;
    const line = make("div", { role: "treeitem", id: this.key(id), class: "row", "aria-level": depth, "aria-posinset": place,
      "aria-setsize": of, "aria-selected": i === this.active, "aria-expanded": leaf ? undefined : this.opened.has(id) },
      make("span", { class: "twist", "aria-hidden": true }, leaf ? "" : "▸"),
      photo ? make("img", { src: photo, alt: "", class: "mini" }) : undefined, this.label(id),
      ap >= 0 ? make("span", { class: `tag ${certainty(ap)}`, title: "AP" }, `AP ${Math.round(ap)}`) : undefined,
      change ? make("span", { class: "tag change" }, change[0].what) : undefined,
      sure >= 0 && sure < 100 ? make("span", { class: `tag ${certainty(sure)}`, title: "confidence" }, `${sure} %`) : undefined,
      tree.word(tree.status, id) === "pending" ? make("span", { class: "tag poor" }, "pending") : undefined);
    const bar = make("i");
    bar.style.width = `${100 * tree.total[id] / Math.max(1, tree.largest[tree.parent[id]])}%`;
    line.append(make("span", { class: "share", "aria-hidden": true }, bar), make("span", { class: "count" }, number(tree.total[id])));
    line.style.top = i * ROW_PX + "px";
    line.style.paddingLeft = (depth - 1) * INDENT_PX + "px";
    return line;
  }

  label(id) {
    const name = this.tree.shortName(id), at = this.query ? name.toLowerCase().indexOf(this.query) : -1;
    const parts = at < 0 ? [name] : [name.slice(0, at), make("mark", {}, name.slice(at, at + this.query.length)), name.slice(at + this.query.length)];
    return make("bdi", { class: "name", title: name }, ...parts);
  }

  click(event) {
    const row = event.target.closest(".row");
    if (!row) return;
    const id = Number(row.id.slice(this.prefix.length + 1));
    if (event.target.closest(".twist")) this.toggle(id);
    this.activate(this.position.get(id));
    this.enter(id);
  }

  toggle(id) {
    if (this.tree.isLeaf(id)) return;
    if (!this.opened.delete(id)) this.opened.add(id);
    this.pair?.mirror(this, id);
    this.layout();
  }

  /* Makes a row the active one, in sight; `tell`: and the chosen node of the page. */
  activate(i, tell = true) {
    const step = i < this.active ? -1 : 1;
    let row = Math.max(0, Math.min(this.lines.length - 1, i));
    while (this.lines[row] === null) row += step;
    if (!this.lines[row]) return;
    this.active = row;
    const top = this.active * ROW_PX, { scrollTop, clientHeight } = this.box;
    if (top < scrollTop) this.box.scrollTop = top;
    else if (top + ROW_PX > scrollTop + clientHeight) this.box.scrollTop = top + ROW_PX - clientHeight;
    this.paint();
    if (tell) this.choose(this.lines[this.active].id);
  }

  /* Opens what is above a node and makes it the active row. */
  reveal(id, tell = true) {
    if (this.found && !this.found.shown[id]) this.found = null;
    for (const above of this.tree.path(this.tree.parent[id])) this.opened.add(above);
    this.layout();
    if (this.position.has(id)) this.activate(this.position.get(id), tell);
  }

  press(event) {
    const line = this.lines[this.active];
    if (!line || event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor(this.box.clientHeight / ROW_PX) - 1), open = this.opened.has(line.id);
    const keys = {
      ArrowDown: () => this.activate(this.active + 1), ArrowUp: () => this.activate(this.active - 1),
      PageDown: () => this.activate(this.active + page), PageUp: () => this.activate(this.active - page),
      Home: () => this.activate(0), End: () => this.activate(this.lines.findLastIndex(Boolean)),
      ArrowRight: () => open ? this.activate(this.active + 1) : this.toggle(line.id),
      ArrowLeft: () => open ? this.toggle(line.id) : this.activate(this.position.get(this.tree.parent[line.id]) ?? this.active),
      Enter: () => this.enter(line.id), " ": () => this.enter(line.id),
    };
    const act = keys[event.key] ?? (event.key.length === 1 && event.key !== "/" ? () => this.leap(fold(event.key)) : null);
    if (!act) return;
    event.preventDefault();
    act();
  }

  /* To the next row whose name begins with a letter. */
  leap(letter) {
    const n = this.lines.length;
    for (let step = 1; step <= n; step++) {
      const i = (this.active + step) % n;
      if (this.lines[i] && this.tree.folded(this.lines[i].id).startsWith(letter)) return this.activate(i);
    }
  }
}
