/* Texts of the page that are cut, lie on another, or reach beyond the window; run as the body of a function. */
const shown = [], found = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const dialog = document.querySelector("dialog[open]");
const ends = style => style.textOverflow === "ellipsis" || style.webkitLineClamp !== "none";
const scrolls = (style, way) => ["auto", "scroll"].includes(style[`overflow${way}`]);
/* The part of a text that its ancestors leave to be seen, and the first that cuts it without saying so. */
const seen = (element, rect) => {
  let box = { left: rect.left, top: rect.top, right: rect.right, bottom: rect.bottom }, cutBy = null, end = false, fixed = false;
  for (let at = element; at && at !== document.documentElement; at = at.parentElement) {
    const style = getComputedStyle(at);
    end ||= ends(style);
    const edge = at.getBoundingClientRect();
    if (style.overflowX !== "visible" && at !== document.body && !(style.display === "inline")) {
      const gone = box.right > edge.right + 2 || box.left < edge.left - 2;
      if (gone && !end && !scrolls(style, "X")) cutBy ??= at;
      box.left = Math.max(box.left, edge.left); box.right = Math.min(box.right, edge.right);
    }
    if (style.overflowY !== "visible" && at !== document.body && !(style.display === "inline")) {
      const gone = box.bottom > edge.bottom + 4 || box.top < edge.top - 4;
      if (gone && !end && !scrolls(style, "Y")) cutBy ??= at;
      box.top = Math.max(box.top, edge.top); box.bottom = Math.min(box.bottom, edge.bottom);
    }
    fixed ||= ["fixed", "sticky"].includes(style.position);
  }
  return { ...box, cutBy, fixed };
};
while (walker.nextNode()) {
  const text = walker.currentNode, element = text.parentElement, words = text.textContent.trim();
  if (!words || element.closest("script, style, noscript, option, [aria-hidden=true], .skip-link") || (dialog && !dialog.contains(element))) continue;
  if (!element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
  const range = document.createRange();
  range.selectNodeContents(text);
  for (const rect of range.getClientRects()) {
    if (rect.width < 2 || rect.height < 2) continue;
    const box = seen(element, rect);
    if (box.cutBy) found.push(`cut by ${box.cutBy.tagName}.${box.cutBy.className}: ${words.slice(0, 60)}`);
    if (box.right - box.left < 2 || box.bottom - box.top < 2) continue;
    if (!box.fixed && (box.right > innerWidth + 1 || box.left < -1)) found.push(`beyond the window: ${words.slice(0, 60)}`);
    shown.push({ ...box, element, words });
  }
}
for (let i = 0; i < shown.length; i++) for (let j = i + 1; j < shown.length; j++) {
  const a = shown[i], b = shown[j];
  if (a.element === b.element || a.fixed || b.fixed) continue;
  const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left), tall = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  if (wide > 2 && tall > Math.max(3, .3 * Math.min(a.bottom - a.top, b.bottom - b.top))) found.push(`“${a.words.slice(0, 40)}” lies on “${b.words.slice(0, 40)}”`);
}
if (document.documentElement.scrollWidth > innerWidth) found.push(`wider than the window: ${document.documentElement.scrollWidth} > ${innerWidth}`);
return [...new Set(found)].slice(0, 12);
