// Dialogs work as popovers without scripts. With scripts they become modal: focus is held and returns to the opener.
export function start() {
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[popovertarget]");
    const dialog = opener && document.getElementById(opener.getAttribute("popovertarget"));
    if (dialog instanceof HTMLDialogElement) {
      event.preventDefault();
      if (opener.hasAttribute("data-dialog-close")) dialog.close();
      else if (!dialog.open) openModal(dialog);
    }
    if (event.target.closest("[data-help-open]")) {
      document.getElementById("account-menu")?.hidePopover();
      openModal(document.getElementById("keyboard-help"));
    }
    if (event.target instanceof HTMLDialogElement && event.target.open) event.target.close(); // a click on the backdrop
  });
  for (const input of document.querySelectorAll("[data-must-equal]")) {
    const confirm = input.form.querySelector("[type=submit]");
    const check = () => { confirm.disabled = input.value !== input.dataset.mustEqual; };
    input.addEventListener("input", check);
    check();
  }
}

export function openModal(dialog) {
  if (!dialog || dialog.open) return;
  const opener = document.activeElement;
  dialog.addEventListener("close", () => opener?.focus?.(), { once: true });
  dialog.showModal();
}
