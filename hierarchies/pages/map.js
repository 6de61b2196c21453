/* The drawing: an icicle of the node in focus, coarse on the left; heights are shares of the images. */

const COLUMN_PX = 150, THINNEST_PX = 2, LABEL_PX = 15, PHOTO_PX = 44;

class TreeMap {
  constructor(box, crumbs, tree, { enter, photo, changes, hue }) {
    Object.assign(this, { box, crumbs, tree, enter, photo, changes, hue, lit: null });
    this.focus = 0;
    this.chosen = -1;
    this.colours = "branch";
    box.onclick = event => {
      const part = event.target.closest("[data-id]");
      if (part) this.enter(Number(part.dataset.id));
    };
    new ResizeObserver(() => this.draw()).observe(box);
  }

  show(id) {
    this.focus = this.tree.isLeaf(id) ? this.tree.parent[id] : id;
    this.chosen = id;
    this.draw();
  }

  /* Shows what a search found: the rest is dimmed; null lights everything. */
  light(shown) {
    this.lit = shown;
    this.draw();
  }

  /* Outlines a node if it is in the drawing. */
  choose(id) {
    this.chosen = id;
    this.box.querySelector(".chosen")?.classList.remove("chosen");
    this.box.querySelector(`[data-id="${id}"]`)?.classList.add("chosen");
  }

  draw() {
    const { tree, box } = this, width = box.clientWidth, height = box.clientHeight;
    if (!width) return;
    const below = tree.rank[this.focus];
    const n = 1 + Math.min(below, Math.max(2, Math.round(width / COLUMN_PX) - 1));
    const first = Math.min(.7 * width / n, COLUMN_PX), step = (width - first) / Math.max(1, n - 1), parts = [];
    const place = (id, column, top, tall) => {
      parts.push(this.part(id, column ? first + (column - 1) * step : 0, column ? step : first, top, tall));
      if (column === n - 1) return;
      let y = top, drawn = 0;
      const kids = tree.largestFirst(id), whole = tree.total[id] || 1;
      for (const kid of kids) {
        const share = tall * tree.total[kid] / whole;
        if (share < THINNEST_PX) break;
        place(kid, column + 1, y, share);
        y += share;
        drawn++;
      }
      if (drawn < kids.length && top + tall - y >= THINNEST_PX)
        parts.push(this.rest(kids.length - drawn, tree.levels[tree.rank[id] - 1], first + column * step, step, y, top + tall - y));
    };
    place(this.focus, 0, 0, height);
    box.replaceChildren(...parts);
    this.choose(this.chosen);
    this.trail();
  }

  part(id, left, wide, top, tall) {
    const { tree } = this, name = tree.shortName(id), photo = id && tall >= PHOTO_PX ? this.photo(id) : undefined;
    const part = make("div", { "data-id": id, title: `${name}\n${number(tree.total[id])}`, class: `${this.depth(id)} ${this.tint(id)}` });
    if (id && this.colours === "branch") part.style.setProperty("--hue", this.hue(id).toFixed(1));
    if (photo) part.append(make("img", { src: photo, alt: "" }));
    if (tall >= LABEL_PX) part.append(make("span", {}, make("bdi", {}, name)), make("small", {}, number(tree.total[id])));
    if (this.lit && id) part.classList.add(this.lit[id] === MATCH ? "lit" : this.lit[id] ? "above" : "dim");
    if (this.changes.has(id)) part.classList.add("touched");
    return this.lay(part, left, wide, top, tall);
  }

  rest(n, level, left, wide, top, tall) {
    const part = make("div", { class: "rest d3", title: `${number(n)} more ${level}` });
    if (tall >= LABEL_PX) part.append(make("span", {}, `${number(n)} more`));
    return this.lay(part, left, wide, top, tall);
  }

  lay(part, left, wide, top, tall) {
    Object.assign(part.style, { left: `${left}px`, width: `${Math.max(1, wide - 2)}px`, top: `${top}px`,
      height: `${Math.max(1, tall - (tall > 5 ? 1.5 : 0.5))}px` });
    return part;
  }

  /* The coarser, the stronger: by the level alone, so that nothing changes its colour when the focus does. */
  depth(id) { return id ? `d${Math.min(3, this.tree.levels.length - this.tree.rank[id])}` : "d0"; }

  tint(id) {
    if (this.colours === "branch") return id ? "branch" : "";
    return certainty(this.colours === "weak" ? this.tree.ap(id) : this.tree.sure(id));
  }

  trail() {
    const path = [0, ...this.tree.path(this.focus).reverse()];
    this.crumbs.replaceChildren(...path.map(id => make("button", { type: "button", onclick: () => this.enter(id),
      "aria-current": id === this.focus ? "true" : undefined }, make("bdi", {}, this.tree.shortName(id)))));
  }
}
