// Choosing a case proposes its own reason; the officer may write a narrower one.
const other = document.querySelector("header a[hreflang]");
const picker = document.getElementById("case"), reason = document.getElementById("reason");
picker.addEventListener("change", () => {
  reason.value = picker.selectedOptions[0].dataset.reason;
  if (picker.value) picker.form.requestSubmit();
});
// The other language shows what the address says now: pages write what is looked at into it.
for (const on of ["pointerdown", "focus", "click"]) other.addEventListener(on, () => {
  const address = new URL(location.href);
  address.searchParams.set("lang", other.hreflang);
  other.href = address.href;
});
