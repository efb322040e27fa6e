// A link to a number moves the explorer on the page, if there is one; it then comes into view.
// Where there is none, the link opens the explorer in this tab.
for (const link of document.querySelectorAll("a.number")) {
  const frame = document.querySelector(`iframe[name="${link.target}"]`);
  if (frame === null) {
    link.removeAttribute("target");
    continue;
  }
  link.addEventListener("click", () => {
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    frame.scrollIntoView({ behavior: still ? "auto" : "smooth", block: "center" });
  });
}
// What is wider than its box can be moved with the keyboard.
for (const box of document.querySelectorAll("pre, .bd-article table")) {
  if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
}
// What opens a part of the navigation says so to those who do not see the arrow.
for (const arrow of document.querySelectorAll("summary .toctree-toggle")) {
  arrow.closest("summary").setAttribute("aria-label", "its pages");
}
