// Passkeys: buttons with data-passkey run a WebAuthn ceremony (Level 3 JSON) and say beside them what came of it.
const ADDRESSES = { register: "/webauthn/register", assert: "/webauthn/assert" };

export function start() {
  for (const button of document.querySelectorAll("[data-passkey]")) {
    const sign = document.getElementById(button.getAttribute("aria-describedby"));
    if (!globalThis.PublicKeyCredential?.parseCreationOptionsFromJSON) {
      button.disabled = true;
      say(sign, "This browser cannot use passkeys here.");
      continue;
    }
    button.addEventListener("click", async () => {
      button.disabled = true;
      say(sign, "Follow your browser’s prompt.");
      try {
        await run(button);
      } catch (error) {
        say(sign, words(error));
        button.disabled = false;
      }
    });
  }
}

async function run(button) {
  const kind = button.dataset.passkey;
  const options = await send(`${ADDRESSES[kind]}/options`, {});
  let credential;
  if (kind === "register") {
    credential = await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) });
    const name = document.getElementById("passkey-name")?.value ?? "";
    await send(ADDRESSES.register, { ...credential.toJSON(), name });
    location.reload();
    return;
  }
  credential = await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
  const next = encodeURIComponent(button.dataset.next ?? "/");
  location.assign((await send(`${ADDRESSES.assert}?next=${next}`, credential.toJSON())).next);
}

async function send(address, body) {
  const answer = await fetch(address, {
    method: "POST", credentials: "same-origin", headers: { "content-type": "application/json", accept: "application/json" }, body: JSON.stringify(body),
  });
  const said = await answer.json().catch(() => ({}));
  if (answer.ok) return said;
  const refusal = new Error([said.detail, said.mend].filter(Boolean).join(". ") || "This did not work. Try again.");
  refusal.name = "Refused";
  throw refusal;
}

function words(error) {
  if (error.name === "Refused") return error.message[0].toUpperCase() + error.message.slice(1);
  if (error.name === "InvalidStateError") return "This authenticator holds a passkey of yours already.";
  if (error.name === "SecurityError") return "Passkeys do not work at this address. Open the site by its name.";
  return "No passkey was used. Try again, or use another way.";
}

function say(sign, text) {
  if (sign) sign.textContent = text;
}
