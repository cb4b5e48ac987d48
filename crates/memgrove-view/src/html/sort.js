// A click on a column's heading sorts the table by it; a second click turns the order round.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  table.querySelectorAll("thead th").forEach((head, column) => {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      table.querySelectorAll("thead th").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = (row) => row.cells[column].dataset.sort ?? row.cells[column].textContent;
      const order = (a, b) => key(a).localeCompare(key(b), undefined, { numeric: true });
      const numbers = (a, b) => Number(key(a)) - Number(key(b));
      const compare = head.classList.contains("number") ? numbers : order;
      const rows = [...body.rows].sort((a, b) => (down ? compare(b, a) : compare(a, b)) || 0);
      body.append(...rows);
    });
  });
}
