// Passkeys need a script: the browser's own call has no form. This file makes that call for the one form on the page
// that asks for it, puts the answer into the form and sends it. Nothing else happens here; the server decides. Where this
// file does not run, the form stays hidden and the page says why.

const form = document.querySelector("form[data-passkey]");

const bytes = (text) => {
  const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(plain, (one) => one.charCodeAt(0));
};

const text = (buffer) => {
  const plain = String.fromCharCode(...new Uint8Array(buffer));
  return btoa(plain).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
};

const known = (list) => (list || []).map((one) => ({ ...one, id: bytes(one.id) }));

const make = async (asked) => {
  const options = { ...asked, challenge: bytes(asked.challenge), user: { ...asked.user, id: bytes(asked.user.id) } };
  options.excludeCredentials = known(asked.excludeCredentials);
  const made = await navigator.credentials.create({ publicKey: options });
  const answer = made.response;
  return {
    ...described(made),
    response: {
      clientDataJSON: text(answer.clientDataJSON),
      attestationObject: text(answer.attestationObject),
      transports: answer.getTransports ? answer.getTransports() : [],
    },
  };
};

const use = async (asked) => {
  const options = { ...asked, challenge: bytes(asked.challenge), allowCredentials: known(asked.allowCredentials) };
  const used = await navigator.credentials.get({ publicKey: options });
  const answer = used.response;
  return {
    ...described(used),
    response: {
      clientDataJSON: text(answer.clientDataJSON),
      authenticatorData: text(answer.authenticatorData),
      signature: text(answer.signature),
      userHandle: answer.userHandle ? text(answer.userHandle) : null,
    },
  };
};

const described = (credential) => ({
  id: credential.id,
  rawId: text(credential.rawId),
  type: credential.type,
  clientExtensionResults: credential.getClientExtensionResults(),
  authenticatorAttachment: credential.authenticatorAttachment,
});

if (form && window.PublicKeyCredential) {
  form.hidden = false;
  document.querySelectorAll("[data-passkey-missing]").forEach((one) => { one.hidden = true; });
  const problem = form.querySelector("[data-passkey-problem]");
  form.addEventListener("submit", async (event) => {
    if (form.elements.answer.value) return;
    event.preventDefault();
    problem.textContent = "";
    try {
      const asked = JSON.parse(form.dataset.options);
      const answer = await (form.dataset.passkey === "make" ? make(asked) : use(asked));
      form.elements.answer.value = JSON.stringify(answer);
      form.submit();
    } catch (error) {
      problem.textContent =
        error.name === "InvalidStateError" ? form.dataset.twice || form.dataset.failed : form.dataset.failed;
    }
  });
}
