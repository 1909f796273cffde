// Requests and responses of the platform, each with one crossing of the boundary.

/** Names of the headers that are read of every request. */
let read = [];
/** Headers that every answer begins with. */
let always = new Headers();

/** Says once which headers are read (a name a line) and which are always sent (name and value, a line each). */
export function prepare(names, lines) {
  read = names.split('\n');
  always = new Headers();
  put(always, lines);
}

/** Method, address and headers, a line each. A header that is absent is a line that no header can be. */
export function look(request) {
  const { headers } = request;
  let text = `${request.method}\n${request.url}`;
  for (const name of read) text += `\n${headers.get(name) ?? '\r'}`;
  return text;
}

/** An answer with these headers of its own: name and value, a line each. */
export function respond(status, body, lines) {
  // What is handed over is a view of memory that will be used again.
  const response = new Response(body?.slice(), { status, headers: always });
  put(response.headers, lines);
  return response;
}

function put(headers, text) {
  const lines = text.split('\n');
  for (let i = 0; i + 1 < lines.length; i += 2) headers.set(lines[i], lines[i + 1]);
}
