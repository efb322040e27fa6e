// A patch that is clicked is shown large, with the ledger of the number that saw it.
const told = JSON.parse(document.getElementById("ledgers").textContent);
const box = document.querySelector("dialog");
const row = (words) => {
  const line = document.createElement("tr");
  for (const word of words) line.insertCell().textContent = word;
  return line;
};

const show = (button) => {
  const one = told[button.id];
  box.querySelector("h3").textContent = one.title;
  box.querySelector("img").src = button.querySelector("img").src;
  box.querySelector("img").alt = button.querySelector("img").alt;
  box.querySelector(".where").textContent = one.where;
  box.querySelector("pre").textContent = one.equation || "";
  const table = box.querySelector("table");
  table.replaceChildren(...one.rows.map(row));
  box.querySelector(".more").textContent = one.more;
  if (!box.open) box.showModal();
  history.replaceState(null, "", `#${button.id}`);
};

document.addEventListener("click", (event) => {
  const button = event.target.closest(".patches button");
  if (button) show(button);
  else if (event.target === box) box.close();
});
box.addEventListener("close", () => history.replaceState(null, "", location.pathname + location.search));
document.getElementById("doubtful").addEventListener("change", (event) => {
  document.body.classList.toggle("doubtful", event.target.checked);
});
const linked = document.getElementById(decodeURIComponent(location.hash.slice(1)));
if (linked && linked.matches(".patches button")) show(linked);
