// Acts that change something: choose, see before and after, save. History and help.
import { call, count, debounced, el, key, label, number } from "./elements.js";

const TITLES = {
  move: (question) => [question.assigns ? "Assign " : "Move ", label(question.label), ` to the ${question.target_level.replaceAll("_", " ")}`],
  name: (question) => ["Name the group of ", label(question.label)],
  take: (question) => ["Take out of ", label(question.label)],
  rename: (question) => ["Rename ", label(question.place.group)],
  merge: (question) => ["Merge ", label(question.place.group), " into"],
  split: (question) => ["Split ", label(question.place.group)],
  unsure: (question) => ["Unsure about ", question.members.length ? count(question.members.length, question.members_level.replaceAll("_", " ")) : label(question.label)],
};

const STAYS = "Nothing moves; it is kept with your note until somebody decides.";

/**
 * Let the reviewer fill in an act and see its effect; `save(body)` is called with the request, gives an error or "".
 * `choices` are the places to choose from, `preset` is chosen already.
 */
export async function openAct(act, question, choices, preset, save, taken = []) {
  const box = document.getElementById("act-dialog");
  const form = { to: preset || "", parent: "", new: false, members: taken, reason: "" };
  const effect = el("div", { class: "effect", "aria-live": "polite" });
  const saveButton = el("button", { type: "submit", class: "primary", disabled: true }, "Save ", key("Enter"));
  const parents = el("fieldset", { class: "parents-choice", hidden: true });
  const written = () => act === "take" && !form.to.trim() ? "exclude" : act === "take" || act === "name" ? "move" : act;
  const body = () => ({ act: written(), leaves: act === "take" && Boolean(form.to.trim()), level: question.level, label: question.label, seen: question.seen, ...form });
  let turn = 0;
  let chosen = Boolean(preset); // then Enter saves; while a name is typed, Enter chooses

  async function preview() {
    const mine = ++turn;
    saveButton.disabled = true;
    const ready = (act === "take" && !question.of_groups) || act === "unsure" || (form.to.trim() && (act !== "split" || form.members.length));
    if (!ready) {
      parents.hidden = true;
      return effect.replaceChildren(el("p", { class: "quiet" }, act === "split" ? "Choose what to take out and a name to see the effect." : "Enter, or a click, chooses a place and shows the effect."));
    }
    if (act === "move") await askParent();
    if (mine !== turn) return undefined;
    if (!parents.hidden && !form.parent && !form.new) {
      if (chosen) parents.querySelector("input, select").focus();
      return effect.replaceChildren(el("p", {}, "A new group: say where it stands."));
    }
    const found = await call("preview", body());
    if (mine !== turn) return undefined;
    effect.replaceChildren(...(found.error ? [el("p", { class: "error" }, found.error)] : describe(found.effect, found.line, found.finest, act === "unsure" ? STAYS : undefined)));
    saveButton.disabled = Boolean(found.error || found.effect.refused);
    if (chosen && !saveButton.disabled) saveButton.focus();
    return undefined;
  }
  let looking = null; // the last preview, which makes those before it void
  const look = () => { looking = preview(); return looking; };
  const soon = debounced(() => chosen || look()); // a choice has its preview already

  /** Enter may come before the preview of what was typed, and that of the last key may come in between. */
  async function lookNow() {
    look();
    for (let waited = null; waited !== looking;) {
      waited = looking;
      await waited;
    }
  }

  let asked = ""; // the name whose parent is on the form

  async function askParent() {
    const known = await call("parent_of", { level: question.target_level, label: form.to });
    parents.hidden = !known.new;
    if (!known.new) {
      form.parent = "";
      form.new = false;
    } else if (asked !== form.to) {
      asked = form.to;
      form.parent = known.parent;
      form.new = false;
      parents.replaceChildren(...parentFields(known, form, look));
    }
  }

  const take = (name) => { form.to = name; chosen = true; look(); };
  const typed = (name) => { form.to = name; chosen = false; soon(); };
  const names = act === "move" || act === "merge" || act === "take"
    ? chooser(choices, form.to, take, typed, act !== "merge")
    : act === "unsure" ? null : nameField(act, question, typed);
  if (act === "rename") form.to = "";
  const members = act === "split" ? await memberPicker(question, (chosen) => { form.members = chosen; soon(); }) : null;
  const reason = el("input", { type: "text", placeholder: act === "unsure" ? "What is unsure about it" : "Reason (optional)", "aria-label": act === "unsure" ? "Note" : "Reason (optional)", autocomplete: "off", oninput: (event) => { form.reason = event.target.value; } });

  box.replaceChildren(el("form", {
    method: "dialog",
    onsubmit: async (event) => {
      event.preventDefault();
      if (saveButton.disabled) await lookNow();
      if (saveButton.disabled || !box.open) return undefined;
      saveButton.disabled = true;
      const error = await save(body());
      if (error) effect.replaceChildren(el("p", { class: "error" }, error));
      else box.close();
      return undefined;
    },
  },
  el("h2", { id: "act-title" }, TITLES[act](question)),
  members, act === "take" ? el("p", {}, "Out go ", listed(taken), question.of_groups ? ". Where to?" : ". Where to? Nothing means elsewhere.") : null,
  act === "name" ? el("p", {}, "These belong together: ", listed(taken), ".") : null,
  names, parents, effect, reason,
  el("div", { class: "dialog-buttons" },
    el("button", { type: "button", onclick: () => box.close() }, "Cancel ", key("Esc")), saveButton)));
  box.showModal();
  look();
  if (!preset) { box.querySelector("input").focus(); box.querySelector("input").select?.(); }
}

/** Where a new group stands: a choice for few parents, a list for many, a yes on the coarsest level. */
export function parentFields(known, form, changed) {
  if (!known.parents.length) {
    return [el("legend", {}, "New on the coarsest level"), el("label", {},
      el("input", { type: "checkbox", onchange: (event) => { form.new = event.target.checked; changed(); } }), "Make it")];
  }
  const legend = el("legend", {}, "New group; it stands in");
  const choose = (name) => { form.parent = name; changed(); };
  if (known.parents.length <= 5) {
    return [legend, ...known.parents.map((name) => el("label", {},
      el("input", { type: "radio", name: "parent", value: name, checked: name === form.parent, onchange: () => choose(name) }), label(name)))];
  }
  return [legend, el("select", { "aria-label": "Its group", onchange: (event) => choose(event.target.value) },
    el("option", { value: "" }, "Choose"), known.parents.map((name) => el("option", { value: name, selected: name === form.parent }, name)))];
}

export function listed(names) {
  return [names.slice(0, 20).map((name, i) => [i ? ", " : "", label(name)]), names.length > 20 ? ` and ${number(names.length - 20)} more` : ""];
}

function nameField(act, question, typed) {
  return el("input", {
    type: "text", value: act === "rename" ? question.place.group : "", dir: "auto", autocomplete: "off",
    "aria-label": act === "rename" ? "New name" : "Name of the new group", placeholder: "Name of the new group",
    oninput: (event) => typed(event.target.value),
    // a browser sends no form whose button is disabled, as it is until the preview has come
    onkeydown: (event) => { if (event.key === "Enter") { event.preventDefault(); event.target.form.dispatchEvent(new SubmitEvent("submit", { cancelable: true })); } },
  });
}

/** A field with a list of places below it: type to narrow, arrows and Enter (or a click) to choose. */
export function chooser(choices, preset, take, typed, mayBeNew) {
  const list = el("ul", { class: "choices", role: "listbox", id: "choices", "aria-label": "Places" });
  let shown = [];
  let at = preset ? -1 : 0;
  const field = el("input", {
    type: "text", value: preset, dir: "auto", autocomplete: "off", spellcheck: "false", role: "combobox",
    "aria-expanded": "true", "aria-controls": "choices", "aria-label": "Place", placeholder: "Type to find a place",
    oninput: () => { at = 0; list.hidden = false; draw(); typed(meant()); },
    onkeydown: (event) => {
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        at = Math.max(0, Math.min(shown.length - 1, at + (event.key === "ArrowDown" ? 1 : -1)));
        draw();
        typed(meant());
        event.preventDefault();
      } else if (event.key === "Enter" && shown[at] && !list.hidden) {
        event.preventDefault();
        choose(shown[at].name);
      }
    },
  });
  const folded = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().trim();
  const meant = () => exact() || (shown[at]?.fresh ? field.value.trim() : ""); // another place that is marked is meant once it is chosen
  const exact = () => choices.find((choice) => folded(choice.name) === folded(field.value))?.name;
  function choose(name) {
    field.value = name;
    list.hidden = true;
    take(name);
  }
  function draw() {
    const wanted = folded(field.value);
    const hits = choices.filter((choice) => folded(choice.name).includes(wanted));
    hits.sort((a, b) => folded(b.name).startsWith(wanted) - folded(a.name).startsWith(wanted));
    shown = hits.slice(0, 8);
    if (mayBeNew && wanted && !exact()) shown.push({ name: field.value.trim(), fresh: true });
    list.replaceChildren(...shown.map((choice, place) => el("li", {
      role: "option", id: `choice-${place}`, "aria-selected": `${place === at}`, onclick: () => choose(choice.name),
    }, choice.fresh ? el("small", {}, "new: ") : null, label(choice.name), choice.note ? el("small", { class: "quiet" }, choice.note) : null)));
    field.setAttribute("aria-activedescendant", shown[at] ? `choice-${at}` : "");
  }
  draw();
  list.hidden = Boolean(preset);
  return el("div", { class: "chooser" }, field, list);
}

async function memberPicker(question, changed) {
  const found = await call("children", { level: question.place.level, label: question.place.group });
  const children = found.children || [];
  const chosen = new Set(!question.is_group && children.includes(question.label) ? [question.label] : []);
  const list = el("ul", { class: "picker" }, children.map((name) => el("li", {}, el("label", {},
    el("input", {
      type: "checkbox", checked: chosen.has(name),
      onchange: (event) => { if (event.target.checked) chosen.add(name); else chosen.delete(name); changed([...chosen]); },
    }), label(name)))));
  changed([...chosen]);
  return el("fieldset", { class: "members-choice" }, el("legend", {}, "To take out"), children.length ? list : el("p", {}, "Nothing is in it that has a place of its own."));
}

/** Before and after, per level and per group. */
export function describe(effect, line, finest, ifNothing = "Nothing moves; it is marked as decided by a person.") {
  if (effect.refused) return [el("p", { class: "error" }, effect.refused)];
  const levels = effect.levels.filter((level) => level.n_labels)
    .map((level) => `${count(level.n_images, "image")} of ${count(level.n_labels, finest.replaceAll("_", " "))} change ${level.level.replaceAll("_", " ")}`);
  const side = (holding) => holding ? [number(holding.n_images)] : [el("span", { class: "quiet" }, "–")];
  const rows = effect.groups.slice(0, 12).map((change) => el("tr", {
    class: !change.before ? "added" : !change.after ? "removed" : "",
  },
  el("td", {}, el("b", { "aria-hidden": "true" }, !change.before ? "+" : !change.after ? "−" : "±"), label(change.name)),
  el("td", {}, side(change.before)), el("td", {}, side(change.after)),
  el("td", {}, pathChange(change))));
  const rest = effect.groups.length - rows.length;
  return [
    el("p", { class: "summary" }, levels.length ? `${levels.join("; ")}.` : ifNothing),
    rows.length ? el("table", {},
      el("thead", {}, el("tr", {}, ["Group", "Before", "After", "In"].map((title) => el("th", { scope: "col" }, title)))),
      el("tbody", {}, rows)) : null,
    rest > 0 ? el("p", { class: "quiet" }, `and ${count(rest, "more group")}`) : null,
    effect.examples.length ? el("p", { class: "examples" }, "Such as ", effect.examples.map((name, i) => [i ? ", " : "", label(name)]), ".") : null,
    effect.stale.length ? el("p", { class: "error" }, `${count(effect.stale.length, "earlier decision")} would no longer match.`) : null,
    el("details", {}, el("summary", {}, line.includes("\n") ? "The lines that are written" : "The line that is written"), el("code", { dir: "auto" }, line)),
  ].filter(Boolean);
}

function pathChange(change) {
  const shown = (holding) => holding.path.join(" › ");
  if (change.before && change.after && shown(change.before) !== shown(change.after)) return `${shown(change.before)} → ${shown(change.after)}`;
  return shown(change.after || change.before);
}

/** What a decision says, in words. */
export function sentence(decision) {
  if (decision.act === "skip") return el("span", {}, "Skipped ", label(decision.label));
  const thing = decision.act !== "split" && decision.members.length ? el("span", {}, listed(decision.members)) : label(decision.label);
  const to = label(decision.to);
  switch (decision.act) {
    case "accept": return el("span", {}, "Accepted ", thing, " in ", to);
    case "move": return el("span", {}, "Moved ", thing, " to ", to);
    case "assign": return el("span", {}, "Assigned ", thing, " to ", to);
    case "unsure": return el("span", {}, "Unsure about ", thing, decision.to ? [" in ", to] : null);
    case "exclude": return el("span", {}, "Took ", thing, " out of ", to);
    case "add_level": return el("span", {}, "Added the level ", to, " above ", decision.level);
    case "remove_level": return el("span", {}, "Took away the level ", decision.level);
    case "rename": return el("span", {}, "Renamed ", thing, " to ", to);
    case "merge": return el("span", {}, "Merged ", thing, " into ", to);
    case "split": return el("span", {}, "Split ", to, " from ", thing);
    default: return el("span", {}, "Took back decision ", decision.of);
  }
}

const KEYS = [
  ["A", "Accept: it is right as it stands"], ["1 – 9", "Move it to a suggestion"],
  ["M", "Move (or assign) it to a place you choose; a new name makes a group"], ["X", "It belongs elsewhere, or take the chosen out of a group"], ["E", "Name a group of undecided members"], ["B", "Choose the smaller of its two branches"],
  ["F", "Flag it as unsure, with a note: asked after all else"], ["R", "Rename its group"], ["G", "Merge its group into another"],
  ["P", "Split: take some out of its group"], ["S", "Skip: not in this session"], ["L", "Add a level, or take one away"],
  ["U", "Undo your last decision"], ["/", "Search labels and groups"],
  ["W", "The wall of photographs, of the group in question; again: back to the questions"],
  ["H", "History, with an undo for each line"], ["N", "Back to the next question"], ["?", "This help"], ["Esc", "Close what is open"],
];

const WALL_KEYS = [
  ["Arrows", "Go from photo to photo"], ["Space", "Select it; with Shift all from the last one"], ["Enter", "Enlarge it; Esc closes"], ["*", "Select all that are shown, loaded or not"],
  ["A", "Accept the selected where they stand"], ["M", "Move them to a group (or drag them onto the tree)"], ["P", "Split them out into a new group"],
  ["X", "They belong elsewhere"], ["F", "Flag them as unsure, with a note"], ["Esc", "Select nothing"],
];

/** The levels, with a way to add one above each and to take one of groups away; `save(body)` gives an error or "". */
export function openLevels(state, save) {
  const box = document.getElementById("levels-dialog");
  const error = el("p", { class: "error", hidden: true });
  const write = async (body) => {
    const wrong = await save(body);
    error.textContent = wrong;
    error.hidden = !wrong;
    if (!wrong) box.close();
  };
  const row = (level, rank) => {
    const name = el("input", { type: "text", placeholder: "Name of a level above it", "aria-label": `Name of a level above ${level}`, autocomplete: "off" });
    return el("li", {}, el("form", { onsubmit: (event) => { event.preventDefault(); if (name.value.trim()) write({ act: "add_level", level, name: name.value }); } },
      el("strong", {}, level), name, el("button", { type: "submit" }, "Add"),
      rank > 0 && state.levels.length > 2 ? el("button", { type: "button", onclick: () => write({ act: "remove_level", level }) }, "Take away") : null));
  };
  box.replaceChildren(el("h2", { id: "levels-title" }, "Levels, coarse to fine"),
    el("p", { class: "quiet" }, "A new level has a group for each of the level below, of the same name: merge and name them."),
    el("ul", { class: "levels" }, state.levels.map(row).reverse()), error, closeButton(box));
  box.showModal();
}

export function openHelp(state) {
  const box = document.getElementById("help-dialog");
  box.replaceChildren(el("h2", { id: "help-title" }, "Keys"),
    keyList(KEYS), el("h3", {}, "On the wall"), keyList(WALL_KEYS),
    el("p", { class: "quiet" }, "Each act adds one line to ", el("code", {}, `decisions/${state.file}`),
      " at once. Close the page whenever you like; then commit the file and run ", el("code", {}, "dvc repro"), "."),
    closeButton(box));
  box.showModal();
}

function keyList(keys) {
  return el("dl", { class: "keys" }, keys.map(([name, does]) => [el("dt", {}, el("kbd", {}, name)), el("dd", {}, does)]));
}

export function closeButton(box) {
  return el("div", { class: "dialog-buttons" }, el("button", { type: "button", autofocus: true, onclick: () => box.close() }, "Close ", key("Esc")));
}
