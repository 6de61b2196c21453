// The place on the page as the address has it: a permalink for every state, back and reload keep it.

/** What the address says: {view, level, label, ...filters}; all values are text. */
export const placeNow = () => Object.fromEntries(new URLSearchParams(location.hash.slice(1)));

/** The address of a place; empty values are left out. */
export function addressOf(place) {
  const said = Object.entries(place).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return `#${new URLSearchParams(said.map(([name, value]) => [name, `${value}`]))}`;
}

/** Put a place into the address: a new step of the browser's history, or in place of the last. */
export function setPlace(place, replace = false) {
  const address = addressOf(place);
  if (address === (location.hash || "#")) return;
  if (replace) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
}

/** Call `run` whenever the browser goes back or forth, or a link of the page is followed. */
export function onPlace(run) {
  window.addEventListener("popstate", run);
}
