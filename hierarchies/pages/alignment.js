/* Two outlines row by row: a label stands beside its like; where the other tree has none in that place, there is a gap. */

class Alignment {
  /* `twin(side, id)`: what a node of the tree on that side is in the other tree, or undefined. */
  constructor(outlines, twin) {
    Object.assign(this, { outlines, twin });
    outlines.forEach((outline, side) => {
      outline.pair = this;
      outline.box.addEventListener("scroll", () => { outlines[1 - side].box.scrollTop = outline.box.scrollTop; });
    });
    this.layout();
  }

  /* Opens or closes in the other tree what was opened or closed in one. */
  mirror(outline, id) {
    const side = this.outlines.indexOf(outline), other = this.outlines[1 - side], twin = this.twin(side, id);
    if (twin === undefined) return;
    if (outline.opened.has(id)) other.opened.add(twin);
    else other.opened.delete(twin);
  }

  layout() {
    const [left, right] = this.outlines, rows = [];
    const walk = (parents, depth, all) => {
      const kids = this.outlines.map((outline, side) => parents[side] === undefined ? [] : [...outline.kids(parents[side], all[side])]);
      const own = new Set(kids[0]), like = new Map(), alone = [];
      for (const id of kids[1]) {
        const twin = this.twin(1, id);
        if (own.has(twin)) like.set(twin, id);
        else alone.push([undefined, id]);
      }
      const place = kids.map(ids => new Map(ids.map((id, i) => [id, i + 1])));
      for (const pair of [...kids[0].map(id => [id, like.get(id)]), ...alone]) {
        rows.push(pair.map((id, side) => id === undefined ? null : { id, depth, place: place[side].get(id), of: kids[side].length }));
        const isOpen = pair.some((id, side) => id !== undefined && this.outlines[side].opened.has(id));
        if (isOpen) walk(pair, depth + 1, pair.map((id, side) => id !== undefined && this.outlines[side].showsAll(id, all[side])));
      }
    };
    walk([0, 0], 1, this.outlines.map(outline => !outline.found));
    left.take(rows.map(([line]) => line));
    right.take(rows.map(([, line]) => line));
  }
}
