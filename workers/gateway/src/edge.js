// Requests and responses of the platform, each with one crossing of the boundary.

/** Names of the headers that are read of every request, and of one that may have a body. */
let read = [];
let readWithBody = [];
/** Headers that every answer begins with, and every one in JSON. */
let always = new Headers();
let alwaysJson = new Headers();

/** Says once which headers are read (a name a line), of every request so many, and which are always sent (name and value, a line each). */
export function prepare(names, of_every, lines) {
  readWithBody = names.split('\n');
  read = readWithBody.slice(0, of_every);
  always = new Headers();
  put(always, lines);
  alwaysJson = new Headers(always);
  alwaysJson.set('Content-Type', 'application/json');
}

/** Method, address and headers, a line each; fewer headers of a `GET`. A header that is absent is a line that no header can be. */
export function look(request) {
  const { headers, method } = request;
  let text = `${method}\n${request.url}`;
  for (const name of method === 'GET' ? read : readWithBody) text += `\n${headers.get(name) ?? '\r'}`;
  return text;
}

/** An answer with these headers of its own: name and value, a line each. */
export function respond(status, body, json, lines) {
  // What is handed over is a view of memory that will be used again.
  const response = new Response(body?.slice(), { status, headers: json ? alwaysJson : always });
  put(response.headers, lines);
  return response;
}

function put(headers, text) {
  const lines = text.split('\n');
  for (let i = 0; i + 1 < lines.length; i += 2) headers.set(lines[i], lines[i + 1]);
}
