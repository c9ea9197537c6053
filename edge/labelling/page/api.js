// Requests to the server. A change carries the token of the page; an answer is JSON or an error.

export class ApiError extends Error {
  constructor(status, data) {
    super(data.error || `the server answered with status ${status}`);
    this.status = status;
    this.data = data;
  }
}

let token = document.querySelector('meta[name="outfeed-token"]').content;
let askCode = async () => "";

/** Set the function that asks for the code after a restart of the server. */
export function onLocked(ask) {
  askCode = ask;
}

function sessionOf() {
  let known = sessionStorage.getItem("session");
  if (!known) {
    known = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
      byte.toString(16).padStart(2, "0"),
    ).join("");
    sessionStorage.setItem("session", known);
  }
  return known;
}

/** Identity of this tab. */
export const session = sessionOf();

async function send(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new ApiError(0, { error: "The server does not answer. Nothing is lost here; try again." });
  }
  return answer;
}

async function checked(path, make) {
  let answer = await send(path, make());
  let refused = "";
  while (answer.status === 403) {
    const code = await askCode(refused);
    const entered = await send("/login", { method: "POST", body: JSON.stringify({ code }) });
    if (entered.ok) {
      token = (await entered.json()).token;
      answer = await send(path, make());
    } else {
      refused = (await entered.json()).error;
    }
  }
  return answer;
}

async function json(answer) {
  const data = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new ApiError(answer.status, data);
  return data;
}

/** Return the JSON of a GET request. */
export async function get(path, name) {
  return json(await checked(name === undefined ? path : named(path, name), () => ({})));
}

/** Return the picture of a GET request as a bitmap. */
export async function bitmap(path, name) {
  const answer = await checked(named(path, name), () => ({}));
  if (!answer.ok) await json(answer);
  return createImageBitmap(await answer.blob());
}

/** Send a change of this tab and return the JSON of the answer. */
export async function post(path, person, fields, keepalive = false) {
  const body = JSON.stringify({ session, person, ...fields });
  const make = () => ({
    method: "POST",
    body,
    keepalive,
    headers: { "content-type": "application/json", "x-outfeed-token": token },
  });
  return json(keepalive ? await send(path, make()) : await checked(path, make));
}

function named(path, name) {
  return `${path}?name=${encodeURIComponent(name)}`;
}
