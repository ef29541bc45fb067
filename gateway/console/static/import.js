// A preview without leaving the page: the file stays chosen, and is the one that is imported then.
const form = document.getElementById("import");
const result = document.getElementById("result");
const apply = document.getElementById("apply");

form.file.addEventListener("change", () => {
  apply.disabled = true;
  result.replaceChildren();
});

form.addEventListener("submit", async (event) => {
  if (event.submitter?.value !== "preview") return;
  event.preventDefault();
  event.stopPropagation();
  const answer = await fetch(form.action, { method: "POST", body: new FormData(form, event.submitter) }).catch(() => null);
  if (!answer || answer.redirected) return location.reload();
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const id of ["result", "import-wrong"]) document.getElementById(id).replaceChildren(...(fresh.getElementById(id)?.childNodes ?? []));
  apply.disabled = fresh.getElementById("apply")?.disabled ?? true;
  if (!apply.disabled) form.reason.required = true;
});
