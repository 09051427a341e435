// Shows what is typed into a password field when its owner asks for it, and says how long and good a new one is.
// Without it the fields work as they are. What is typed stays in the field: nothing is kept or sent by this.
(() => {
  "use strict";
  const SHORTEST = 12;
  const LONG = 20;

  function see(field) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "quiet see";
    button.setAttribute("aria-pressed", "false");
    button.setAttribute("aria-controls", field.id);
    button.textContent = field.dataset.ver;
    button.addEventListener("click", () => {
      const shown = field.type === "password";
      field.type = shown ? "text" : "password";
      button.textContent = shown ? field.dataset.ocultar : field.dataset.ver;
      button.setAttribute("aria-pressed", String(shown));
      field.focus();
    });
    field.after(button);
    // Nobody reads over a shoulder what was already sent.
    field.form?.addEventListener("submit", () => { field.type = "password"; });
    return button;
  }

  function measure(field, after) {
    const line = document.createElement("p");
    line.className = "help meter";
    line.setAttribute("role", "status");
    const words = field.dataset;
    field.addEventListener("input", () => {
      const typed = [...field.value];
      const kinds = new Set(typed.map((c) => c.toLowerCase())).size;
      if (typed.length === 0) line.textContent = "";
      else if (typed.length < SHORTEST) line.textContent = words.faltan.replace("{}", String(SHORTEST - typed.length));
      else if (kinds < 5) line.textContent = words.repite;
      else line.textContent = typed.length < LONG ? words.sirve : words.buena;
    });
    after.after(line);
  }

  document.querySelectorAll("input[type=password][data-ver]").forEach((field) => {
    const button = see(field);
    if (field.dataset.faltan) measure(field, button);
  });
})();
