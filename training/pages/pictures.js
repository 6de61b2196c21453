/* The images of a dataset: their labels, and small pictures cut from sheets; what is large is read when it is asked for. */

class Images {
  constructor() {
    const { n, splits, split, labels, n_queries: nQueries } = read("images"), tree = read("tree");
    Object.assign(this, { n, splits, nQueries, levels: tree.levels, names: tree.names, parents: tree.parents });
    this.split = unpack(split, Uint16Array);
    this.labels = labels.map(column => unpack(column, Int32Array));   // by level, fine to coarse
    this.picture = read("picture");
    this.credit = unpack(this.picture.credit, Int32Array);
    this.pages = read("pages");
    this.hues = labelHues(tree.names, tree.parents);
    this.rules = new CSSStyleSheet();
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, this.rules];
    this.sheets = new Set();
    this.pictured = this.picture.of && unpack(this.picture.of, Int32Array);   // images with a picture, where not all have one
  }

  get ids() { return this.idsRead ??= read("ids"); }

  /* The image of that id; undefined where there is none. */
  at(id) {
    if (!id) return undefined;
    this.places ??= new Map(this.ids.map((each, i) => [each, i]));
    return this.places.get(id);
  }

  /* Which of the small pictures is an image's; -1 where it has none. */
  pictureOf(i) {
    if (this.picture.none) return -1;
    if (!this.pictured) return i;
    let low = 0, high = this.pictured.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.pictured[middle] < i) low = middle + 1; else high = middle;
    }
    return this.pictured[low] === i ? low : -1;
  }

  code(i, rank) { return this.labels[rank][i]; }
  name(i, rank) { return this.code(i, rank) < 0 ? "no label" : this.names[rank][this.code(i, rank)]; }
  path(i) { return this.levels.map((_, rank) => this.name(i, rank)); }
  node(i, rank) { return `${this.levels[rank]}/${this.name(i, rank)}`; }

  /* How many levels two images share, from the coarsest on. */
  shared(i, j) {
    let rank = this.levels.length;
    while (rank > 0 && this.code(i, rank - 1) >= 0 && this.code(i, rank - 1) === this.code(j, rank - 1)) rank--;
    return this.levels.length - rank;
  }

  /* A node of the address as its level and class index; undefined where there is none. */
  find(text = "") {
    const cut = text.indexOf("/"), rank = this.levels.indexOf(text.slice(0, cut));
    const code = rank < 0 ? -1 : this.names[rank].indexOf(text.slice(cut + 1));
    return code < 0 ? undefined : { rank, code };
  }

  /* Which images have a label with this text in it; null for no text. */
  matching(text) {
    const wanted = fold(text.trim());
    if (!wanted) return null;
    this.folded ??= this.names.map(names => names.map(fold));
    const hits = this.folded.map(names => Uint8Array.from(names, name => Number(name.includes(wanted))));
    return i => hits.some((codes, rank) => codes[this.code(i, rank)] === 1);
  }

  /* A small picture, as large as the style sheet says; names where the licence lets nobody show it. */
  tile(i) {
    const place = this.pictureOf(i);
    if (place < 0) return make("span", { class: "tile named" }, make("bdi", {}, shortened(this.name(i, 0))));
    const { per_sheet: each, columns } = this.picture, sheet = Math.floor(place / each), at = place % each;
    if (!this.sheets.has(sheet)) {
      this.rules.insertRule(`.sheet${sheet} { background-image: url("${read(`sheet-${sheet}`)}"); }`);
      this.sheets.add(sheet);
    }
    const tile = make("span", { class: `tile sheet${sheet}`, role: "img", "aria-label": shortened(this.name(i, 0)) });
    const rows = Math.ceil(Math.min(each, (this.pictured?.length || this.n) - sheet * each) / columns), row = Math.floor(at / columns);
    tile.style.backgroundSize = `${100 * columns}% ${100 * rows}%`;
    tile.style.backgroundPosition = `${100 * (at % columns) / (columns - 1)}% ${rows > 1 ? 100 * row / (rows - 1) : 0}%`;
    return tile;
  }

  /* Links to where an image or its label stands on the other pages. */
  links(i, without) {
    const to = { tree: [{ node: this.node(i, 0) }, "in the tree"], map: [{ image: this.ids[i] }, "on the map"],
      retrieval: [{ query: this.ids[i] }, "what is found for it"] };
    return Object.entries(this.pages).filter(([page]) => page !== without && to[page]).map(([page, file]) =>
      make("a", { href: `${file}#${new URLSearchParams(to[page][0])}` }, to[page][1]));
  }

  /* An image with its labels in a dialog; `acts` are further elements. */
  enlarge(box, i, without, ...acts) {
    box.replaceChildren(...[
      make("div", { class: "large" }, this.tile(i)),
      make("h2", {}, make("bdi", {}, this.name(i, 0))),
      make("p", { class: "soft" }, make("bdi", {}, this.path(i).slice(1).join(" < "))),
      make("p", { class: "soft" }, `${this.splits[this.split[i]]} · `, make("bdi", {}, this.ids[i])),
      this.credit.length && this.picture.credits[this.credit[i]] ? make("p", { class: "soft" }, make("bdi", {}, this.picture.credits[this.credit[i]])) : undefined,
      make("p", { class: "acts" }, ...acts, ...this.links(i, without),
        make("button", { type: "button", class: "plain", onclick: () => box.close() }, "Close (Esc)"))].filter(Boolean));
    if (!box.open) box.showModal();
  }
}
