// Choosing a case proposes its own reason; the officer may write a narrower one.
const picker = document.getElementById("case"), reason = document.getElementById("reason");
picker.addEventListener("change", () => {
  reason.value = picker.selectedOptions[0].dataset.reason;
  if (picker.value) picker.form.requestSubmit();
});
