// A decision of the operator: who and why, a preview of what will happen, and the confirmation.

import { Away, operate, Refused } from "./api.js";
import { announce, element, notice, swap } from "./parts.js";

let defaultOperator = "";

/** Who decides, unless the operator writes another name. */
export const setOperator = (name) => (defaultOperator = name);

/** Ask, show the plan, and carry it out: `words` is the verb, `fields` are further options that the operator
 * fills in ({option, label, and attributes of the input}), `announces` is the plan of a verb that has none, and
 * `then` is called after it is done. */
export function decide({ title, words, fields = [], byOperator = false, reason = false, announces = "", then }) {
  const status = element("div", { "aria-live": "polite" });
  const operator = element("input", { id: "operator", required: true, maxlength: "255", value: sessionStorage.getItem("operator") ?? defaultOperator });
  const why = element("input", { id: "reason", required: true, maxlength: "255" });
  const go = element("button", { type: "submit" }, announces ? "Do it" : "Preview");
  const cancel = element("button", { type: "button", class: "plain", onclick: () => dialog.close() }, "Cancel");
  let plan = announces || null;
  const more = fields.map(({ option, label, ...attributes }) => {
    const input = element("input", { id: option, autocomplete: "off", maxlength: "200", ...attributes });
    return { option, input, shown: element("p", {}, element("label", { for: option }, label), input) };
  });
  // As one word each, so that a value may begin with a hyphen.
  const given = () => [
    ...words,
    ...more.map(({ option, input }) => [option, input.value.trim()]).filter(([, value]) => value).map(([option, value]) => `--${option}=${value}`),
    ...(byOperator ? [`--operator=${operator.value.trim()}`] : []),
    ...(reason ? [`--reason=${why.value.trim()}`] : []),
  ];
  const form = element(
    "form",
    { method: "dialog", onsubmit: (event) => (event.preventDefault(), submit()) },
    element("h2", { id: "decision" }, title),
    more.map(({ shown }) => shown),
    byOperator ? element("p", {}, element("label", { for: "operator" }, "Your name, for the journal"), operator) : null,
    reason ? element("p", {}, element("label", { for: "reason" }, "Reason, for the journal: nothing personal"), why) : null,
    announces ? element("p", {}, announces) : null,
    status,
    element("p", { class: "row" }, go, cancel),
  );
  const dialog = element("dialog", { "aria-labelledby": "decision", onclose: () => (dialog.remove(), then?.()) }, form);

  async function submit() {
    go.disabled = true;
    try {
      if (byOperator) sessionStorage.setItem("operator", operator.value.trim());
      if (plan === null) await preview();
      else await confirmed();
    } catch (error) {
      // The verb is safe to repeat, so one whose answer was lost is repeated as it is.
      const hint = error instanceof Away ? " Nobody knows whether it was done: repeat it; what was done is not done twice." : "";
      swap(status, notice("bad", error.message, hint));
      announce(error.message);
    } finally {
      go.disabled = false;
    }
  }

  async function preview() {
    try {
      await operate(...given());
      finish("Done: there was nothing to confirm.");
    } catch (error) {
      if (!(error instanceof Refused) || !error.plan) throw error;
      plan = error.plan;
      for (const input of [operator, why, ...more.map(({ input }) => input)]) input.readOnly = true;
      swap(status, notice("wait", `${plan}?`));
      go.textContent = "Do it";
      go.focus();
    }
  }

  async function confirmed() {
    const result = await operate(...given(), ...(announces ? [] : ["--yes"]));
    finish(result.requested ? `Asked for, not done: another operator has to approve it in Queues, as ${result.requested}.` : "Done.", result);
  }

  function finish(text, result) {
    announce(text);
    swap(status, notice("good", text), result ? element("details", {}, element("summary", {}, "Result"), element("pre", {}, JSON.stringify(result, null, 2))) : null);
    go.hidden = true;
    cancel.textContent = "Close";
    cancel.focus();
  }

  document.body.append(dialog);
  dialog.showModal();
}
