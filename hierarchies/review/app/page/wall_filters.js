// What of a wall is shown, and in which order: each choice stands in the address.
import { debounced, el } from "./elements.js";
import { levelName } from "./question.js";

const SHOW = { open: "undecided", doubt: "in doubt", unsure: "flagged unsure", decided: "decided", all: "everything" };
const ORDER = { doubt: "most in doubt", sure: "surest", images: "most images", name: "name", next: "next best group" };
const BELOW = { "": "any confidence", 0.95: "below 95 %", 0.8: "below 80 %", 0.5: "below 50 %" };
const PHOTOS = { "": "with or without photos", some: "with photos", none: "no photos" };
const PER = { 1: "one photo each", 4: "four photos each" };

/** The filters of a place as the server asks for them. */
export function filtersOf(place) {
  return {
    show: place.show in SHOW ? place.show : "open", order: place.order in ORDER ? place.order : "doubt", text: place.text || "", kind: place.kind || "",
    below: Number(place.below) || 1.01, photos: place.photos in PHOTOS ? place.photos : "", disputed: place.disputed === "yes", reviewer: place.reviewer || "", second: place.second || "",
  };
}

/** Fields for all filters; `change({name: value})` shows the wall anew. */
export function filterBar(place, found, state, change) {
  const choice = (name, title, options, now) => el("select", { "aria-label": title, "data-filter": name, onchange: (event) => change({ [name]: event.target.value }) },
    Object.entries(options).map(([value, text]) => el("option", { value, selected: value === `${now ?? ""}` }, text)));
  const named = (first, names) => Object.fromEntries([["", first], ...names.map((name) => [name, name.slice(0, 60)])]);
  const mine = state.reviewers.includes(state.author) ? { [state.author]: `mine (${state.author})` } : {};
  const reviewers = { ...named("any reviewer", state.reviewers), ...mine };
  const typed = debounced((value) => change({ text: value }), 350);
  const search = el("input", { type: "search", "data-filter": "text", value: place.text || "", placeholder: "Filter by name, type, group", "aria-label": "Filter by name, type or group", autocomplete: "off", oninput: (event) => typed(event.target.value) });
  const narrow = matchMedia("(max-width: 40rem)").matches;
  return el("details", { class: "wall-filters-box", open: !narrow }, el("summary", {}, "Filters and order"), el("div", { class: "wall-filters", role: "search", "aria-label": "Filters" },
    search,
    choice("show", "Which", SHOW, place.show || "open"), choice("order", "Order", ORDER, place.order || "doubt"), choice("below", "Confidence", BELOW, place.below),
    found.kinds.length ? choice("kind", levelName(state.levels.at(-1)), named(`any ${state.levels.at(-1).replaceAll("_", " ")}`, found.kinds), place.kind) : null,
    choice("second", "Next best group", named("any next best", found.seconds), place.second),
    state.has_photos ? choice("photos", "Photos", PHOTOS, place.photos) : null, state.has_photos ? choice("per", "Photos of each", PER, place.per || 1) : null,
    choice("reviewer", "Reviewer", reviewers, place.reviewer),
    el("label", { class: "check" }, el("input", { type: "checkbox", "data-filter": "disputed", checked: place.disputed === "yes", onchange: (event) => change({ disputed: event.target.checked ? "yes" : "" }) }), "text and photos disagree")));
}
