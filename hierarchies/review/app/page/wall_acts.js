// Acts on what is selected on a wall: say what, see the effect, save.
import { chooser, describe, listed, parentFields } from "./dialogs.js";
import { call, count, debounced, el, key } from "./elements.js";

const TITLES = { accept: "Accept", move: "Move", split: "Split out", exclude: "Take out", unsure: "Flag as unsure" };

/**
 * Let the reviewer say where the selected go, or what is unsure about them. `choices` are groups, `preset` is chosen
 * already, a new group most likely stands in `parent`; `save(body)` gives an error or "".
 */
export function openSelectionAct(act, selected, { names, level, choices, preset, parent, save }) {
  const box = document.getElementById("act-dialog");
  const written = act === "split" ? "move" : act;
  const form = { to: preset, parent: "", new: false, reason: "" };
  const effect = el("div", { class: "effect", "aria-live": "polite" });
  const parents = el("fieldset", { class: "parents-choice", hidden: true });
  const saveButton = el("button", { type: "submit", class: "primary", disabled: true }, "Save ", key("Enter"));
  const body = () => ({ act: written, rows: selected.rows, groups: selected.groups, ...form });
  let turn = 0;
  let chosen = Boolean(preset);
  let asked = "";

  async function preview() {
    const mine = ++turn;
    saveButton.disabled = true;
    if (written === "move") {
      if (!form.to.trim()) return effect.replaceChildren(el("p", { class: "quiet" }, "Choose a place to see the effect."));
      await askParent();
      if (mine !== turn) return undefined;
      if (!parents.hidden && !form.parent && !form.new) {
        if (chosen) parents.querySelector("input, select").focus();
        return effect.replaceChildren(el("p", {}, "A new group: say where it stands."));
      }
    }
    const found = await call("preview_selection", body());
    if (mine !== turn) return undefined;
    effect.replaceChildren(...(found.error ? [el("p", { class: "error" }, found.error)] : describe(found.effect, found.lines.join("\n"), found.finest, written === "unsure" ? "Nothing moves; it is kept with your note until somebody decides." : undefined)));
    saveButton.disabled = Boolean(found.error || found.effect.refused);
    if (chosen && !saveButton.disabled) saveButton.focus();
    return undefined;
  }
  const soon = debounced(() => chosen || preview());

  async function askParent() {
    const known = await call("parent_of", { level, label: form.to });
    parents.hidden = !known.new;
    if (!known.new) Object.assign(form, { parent: "", new: false });
    else if (asked !== form.to) {
      asked = form.to;
      Object.assign(form, { parent: known.parent || (known.parents.includes(parent) ? parent : ""), new: false });
      parents.replaceChildren(...parentFields(known, form, preview));
    }
  }

  const note = el("input", {
    type: "text", autocomplete: "off", placeholder: act === "unsure" ? "What is unsure about it" : "Reason (optional)",
    "aria-label": act === "unsure" ? "Note" : "Reason (optional)", oninput: (event) => { form.reason = event.target.value; },
  });
  const place = written === "move" ? chooser(act === "split" ? [] : choices, preset,
    (name) => { form.to = name; chosen = true; preview(); }, (name) => { form.to = name; chosen = false; soon(); }, true) : null;
  box.replaceChildren(el("form", {
    method: "dialog",
    onsubmit: async (event) => {
      event.preventDefault();
      if (saveButton.disabled) await preview();
      if (saveButton.disabled || !box.open) return;
      saveButton.disabled = true;
      const error = await save(body());
      if (error) effect.replaceChildren(el("p", { class: "error" }, error));
      else box.close();
    },
  },
  el("h2", { id: "act-title" }, `${TITLES[act]} ${count(selected.size, "label")}`),
  el("p", {}, listed(names)), act === "unsure" ? note : place, parents, effect, act === "unsure" ? null : note,
  el("div", { class: "dialog-buttons" },
    el("button", { type: "button", onclick: () => box.close() }, "Cancel ", key("Esc")), saveButton)));
  box.showModal();
  preview();
  if (!preset) box.querySelector("input")?.focus();
}
