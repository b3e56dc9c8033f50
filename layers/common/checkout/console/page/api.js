// The console's server: it runs a verb of the operations for whoever has the token.

/** The verb was refused; `plan` says what it would change, if only the confirmation is missing. */
export class Refused extends Error {
  constructor(message, plan) {
    super(message);
    this.plan = plan;
  }
}

/** The console's server, its operations or a database does not answer; nothing is known meanwhile. */
export class Away extends Error {}

/** The token comes once, in the fragment of the printed address, and stays in this tab. */
export function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!given) return;
  sessionStorage.setItem("token", given);
  history.replaceState(null, "", "#live");
}

async function post(path, content, seconds) {
  let response;
  let answer;
  try {
    response = await fetch(path, {
      method: "POST",
      headers: { authorization: `Bearer ${sessionStorage.getItem("token") ?? ""}`, "content-type": "application/json" },
      body: JSON.stringify(content),
      signal: seconds ? AbortSignal.timeout(1000 * seconds) : null,
    });
    answer = await response.json();
  } catch (error) {
    const late = error.name === "TimeoutError";
    throw new Away(late ? `The console's server has not answered for ${seconds} s.` : "The console's server does not answer: does it still run?");
  }
  if (response.status >= 500) throw new Away(answer.error);
  if (!response.ok || answer.error) throw new Refused(answer.error, answer.plan);
  return answer;
}

/** {system, operator, has_switchboard} */
export const about = () => post("/about", {});

/** The result of a verb, for example operate("parked", "list"). Throws Refused and Away. */
export const operate = async (...words) => (await post("/operations", { words: words.map(String) })).result;

/** The same of a verb that only reads, and is away if it takes longer than 20 s. */
export const read = async (...words) => (await post("/operations", { words: words.map(String) }, 20)).result;

/** All switches, after the act if one is given: turn("PostgreSQL", "stop"). Throws Refused and Away. */
export const turn = async (name, act) => (await post("/switchboard", name ? { switch: name, act } : {})).switches;
