// The console's server: it runs a verb of the operations for whoever has the token.

/** The verb was refused; `plan` says what it would change, if only the confirmation is missing. */
export class Refused extends Error {
  constructor(message, plan) {
    super(message);
    this.plan = plan;
  }
}

/** The token comes once, in the fragment of the printed address, and stays in this tab. */
export function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!given) return;
  sessionStorage.setItem("token", given);
  history.replaceState(null, "", "#live");
}

async function post(path, content) {
  const response = await fetch(path, {
    method: "POST",
    headers: { authorization: `Bearer ${sessionStorage.getItem("token") ?? ""}`, "content-type": "application/json" },
    body: JSON.stringify(content),
  });
  const answer = await response.json();
  if (!response.ok || answer.error) throw new Refused(answer.error, answer.plan);
  return answer;
}

/** {system, operator} */
export const about = () => post("/about", {});

/** The result of a verb, for example operate("parked", "list"). Throws Refused. */
export const operate = async (...words) => (await post("/operations", { words: words.map(String) })).result;
