// The past: a history that can be searched, and decisions that wait to be settled, with photographs of both sides.
import { closeButton, sentence } from "./dialogs.js";
import { call, count, debounced, el, number } from "./elements.js";
import { placeNow, setPlace } from "./place.js";

/** Open the history; `undo(id)` takes a decision back. What is looked for stands in the address. */
export async function openHistory(state, undo) {
  const box = document.getElementById("history-dialog");
  const place = placeNow();
  const asked = { text: place.said || "", author: place.by || "", standing: place.standing === "yes" };
  const list = el("ul", { class: "history" });
  const total = el("p", { class: "quiet", role: "status" });
  const more = el("button", { type: "button", hidden: true, onclick: () => load(list.children.length) }, "Show more");
  const said = () => setPlace({ ...placeNow(), past: "open", said: asked.text, by: asked.author, standing: asked.standing ? "yes" : "" }, true);
  let turn = 0;

  async function load(offset = 0) {
    const mine = ++turn;
    const found = await call("history", { ...asked, offset });
    if (mine !== turn) return;
    if (found.error) { total.textContent = found.error; return; }
    const rows = found.items.map((decision) => row(decision, (id) => { box.close(); undo(id); }));
    if (offset) list.append(...rows); else list.replaceChildren(...rows);
    more.hidden = list.children.length >= found.total;
    total.replaceChildren(found.total ? `${count(found.total, "decision")} of ` : "Nothing of the kind in ", el("code", {}, state.file), found.total ? ", the last first, of every reviewer" : "");
  }
  const search = debounced(() => { said(); load(); }, 200);
  box.replaceChildren(el("h2", { id: "history-title" }, "History"),
    el("div", { class: "history-filters" },
      el("input", { type: "text", role: "searchbox", "aria-label": "Search the history", placeholder: "Search: a name, an act, a reason, a date", value: asked.text, autocomplete: "off", oninput: (event) => { asked.text = event.target.value; search(); } }),
      el("select", { "aria-label": "Reviewer", onchange: (event) => { asked.author = event.target.value; search(); } },
        el("option", { value: "" }, "any reviewer"), state.reviewers.map((name) => el("option", { value: name, selected: name === asked.author }, name === state.author ? `mine (${name})` : name))),
      el("label", { class: "check" }, el("input", { type: "checkbox", checked: asked.standing, onchange: (event) => { asked.standing = event.target.checked; search(); } }), "only what stands")),
    total, list, more, closeButton(box));
  box.onclose = () => setPlace({ ...placeNow(), past: "", said: "", by: "", standing: "" }, true);
  said();
  if (!box.open) box.showModal();
  box.querySelector("input").focus();
  await load();
}

function row(decision, undo) {
  const about = decision.undone ? el("small", { class: "quiet" }, "It said: ", sentence(decision.undone)) : null;
  return el("li", { class: decision.standing || decision.act === "undo" ? "" : "undone" },
    el("div", {}, sentence(decision), about, el("small", { class: "quiet" },
      [decision.author, decision.date.replace("T", " ").slice(0, 16), decision.reason].filter(Boolean).join(" · "))),
    decision.standing && decision.act !== "undo" ? el("button", { type: "button", onclick: () => undo(decision.id) }, "Undo") : null);
}

/** What contradicts and what matches nothing any more, as notices; `undo(id)` takes one side back. */
export async function settleNotices(state, undo) {
  if (!state.conflicts.length && !state.stale.length) return [];
  const found = await call("to_settle");
  if (found.error) return [el("div", { class: "notice" }, el("p", {}, found.error))];
  return [
    found.conflicts.length ? el("div", { class: "notice" },
      el("p", {}, el("strong", {}, `${count(state.conflicts.length, "decision")} contradict each other.`),
        " The review stage stops until all but one of each are taken back:"),
      el("ul", { class: "settle" }, found.conflicts.map((clash) => el("li", {}, photosOf(clash.rows, state),
        el("div", { class: "sides" }, clash.sides.map((side) => sideOf(side, side.there, state, undo)))))) ) : null,
    found.stale.length ? el("details", { class: "notice stale" },
      el("summary", {}, el("strong", {}, count(found.stale.length, "decision")), " no longer match anything: kept in the file, without effect."),
      el("ul", { class: "settle" }, found.stale.map((side) => el("li", {}, el("div", { class: "sides" }, sideOf(side, [...side.rows, ...side.there], state, undo)))))) : null,
  ].filter(Boolean);
}

function sideOf(side, rows, state, undo) {
  return el("div", {}, el("p", {}, sentence(side), el("small", { class: "quiet" }, ` ${side.author || "somebody"}: ${side.why}`)),
    photosOf(rows.slice(0, 6), state),
    side.standing ? el("p", {}, el("button", { type: "button", onclick: () => undo(side.id) }, "Undo this")) : null);
}

function photosOf(rows, state) {
  if (!state.has_photos || !rows.length) return null;
  return el("div", { class: "side-photos" }, rows.map((row_) => el("img", { src: `photo/${row_}/0`, alt: `Photo ${number(row_)}`, loading: "lazy", width: 84, height: 63 })));
}
