// Shows openapi.json and lets every operation be tried. Text only ever becomes text nodes: nothing is parsed as HTML.

const METHODS = ['get', 'post', 'put', 'delete'];
/** Accepted everywhere; nobody types them by hand. */
const TRACING = ['X-Request-Id', 'traceparent'];
const contract = await load();

/** The document, or a page that says why there is none. */
async function load() {
  const state = document.getElementById('state');
  try {
    const response = await fetch('/openapi.json');
    if (!response.ok) throw new Error(`status ${response.status}`);
    state.remove();
    return await response.json();
  } catch (error) {
    state.textContent = `The contract could not be loaded (${error.message}). Reload the page to try again.`;
    throw error;
  }
}

/** An element with properties, attributes and children. */
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== undefined && child !== null));
  return element;
}

/** Paragraphs with `code` and **strong** words. */
function prose(text) {
  const inline = (part) => {
    if (part.startsWith('`')) return make('code', {}, part.slice(1, -1));
    return part.startsWith('**') ? make('strong', {}, part.slice(2, -2)) : part;
  };
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) =>
      make(
        'p',
        {},
        ...line
          .split(/(`[^`]+`|\*\*[^*]+\*\*)/)
          .filter(Boolean)
          .map(inline),
      ),
    );
}

/** What a reference points to, together with what stands beside it. */
function resolve(node) {
  if (!node?.$ref) return node;
  const steps = node.$ref.slice(2).split('/');
  const target = resolve(steps.reduce((at, key) => at[key.replaceAll('~1', '/').replaceAll('~0', '~')], contract));
  const { $ref, ...beside } = node;
  const properties = target.properties && { properties: { ...target.properties, ...beside.properties } };
  // A schema's required fields add up; a parameter's is a plain yes or no.
  const required = Array.isArray(target.required) && { required: [...target.required, ...(beside.required ?? [])] };
  return { ...target, ...beside, ...properties, ...required };
}

/** A schema's type and bounds in one line. */
function gist(schema) {
  const words = [];
  if ('const' in schema) words.push(JSON.stringify(schema.const));
  else if (schema.enum) words.push(schema.enum.map((value) => JSON.stringify(value)).join(' | '));
  else if (schema.type === 'array') words.push(`array of ${gist(resolve(schema.items ?? {}))}`);
  else if (schema.oneOf && !schema.type) words.push(schema.oneOf.map((one) => gist(resolve(one))).join(' or '));
  else words.push([schema.type ?? 'any'].flat().join(' | '));
  if (schema.format) words.push(`(${schema.format})`);
  if (schema.minimum !== undefined || schema.maximum !== undefined)
    words.push(`${schema.minimum ?? '…'} to ${schema.maximum ?? '…'}`);
  if (schema.pattern) words.push(schema.pattern);
  if (schema.default !== undefined) words.push(`default ${JSON.stringify(schema.default)}`);
  return words.join(' ');
}

/** A schema's fields as nested lists, down to `depth`. */
function fields(given, depth = 4) {
  let schema = resolve(given);
  if (schema.type === 'array') schema = resolve(schema.items ?? {});
  const properties = Object.entries(schema.properties ?? {});
  if (properties.length === 0 || depth === 0) return undefined;
  const line = ([name, value]) => {
    const field = resolve(value);
    const needed = schema.required?.includes(name) ? make('span', { className: 'needed' }, ' required') : undefined;
    const about = field.description ? ` – ${field.description.replaceAll('`', '')}` : '';
    return make(
      'li',
      {},
      make('span', { className: 'name' }, name),
      ' ',
      make('span', { className: 'quiet' }, gist(field)),
      needed,
      about,
      fields(field, depth - 1),
    );
  };
  return make('ul', { className: 'schema' }, ...properties.map(line));
}

/** A table of parameters. */
function parameterTable(parameters) {
  if (parameters.length === 0) return [];
  const row = (p) =>
    make(
      'tr',
      {},
      make('td', {}, make('code', {}, p.name), p.required ? make('span', { className: 'needed' }, ' required') : undefined),
      make('td', {}, p.in),
      make('td', {}, `${gist(resolve(p.schema))}. ${p.description ?? ''}`),
    );
  const head = make('tr', {}, ...['Name', 'In', 'What'].map((text) => make('th', { scope: 'col' }, text)));
  return [
    make('h3', {}, 'Parameters'),
    make('div', { className: 'wide' }, make('table', {}, make('thead', {}, head), make('tbody', {}, ...parameters.map(row)))),
  ];
}

/** The content of a body: its JSON media type, or else the first. */
function media(body) {
  const [type, content] =
    Object.entries(body?.content ?? {}).find(([name]) => name === 'application/json') ??
    Object.entries(body?.content ?? {})[0] ??
    [];
  return { type, ...content };
}

/** What comes back, by status. */
function responseList(operation) {
  const parts = Object.entries(operation.responses).map(([status, given]) => {
    const response = resolve(given);
    const { schema, example } = media(response);
    const failed = Number(status) >= 400;
    const shape = schema && !failed ? fields(schema) : undefined;
    return [
      make('p', {}, make('strong', {}, status), ' ', ...prose(response.description).flatMap((p) => [...p.childNodes])),
      shape,
      example && make('pre', { tabIndex: 0 }, JSON.stringify(example, null, 2)),
    ];
  });
  return [make('h3', {}, 'Answers'), ...parts.flat()];
}

/** One labelled input of the form to try an operation. */
function input(label, properties, tag = 'input') {
  const control = make(tag, { autocomplete: 'off', spellcheck: false, ...properties });
  return make('label', {}, label, control);
}

/** The form that calls an operation and shows the answer. */
function tryForm(path, method, operation, parameters) {
  const body = resolve(operation.requestBody);
  const { type, schema, example } = media(body);
  const sampleOf = (p) =>
    p.name === 'Idempotency-Key' ? crypto.randomUUID() : p.in === 'path' ? (resolve(p.schema).examples?.[0] ?? '') : '';
  const asked = parameters.filter((p) => !TRACING.includes(p.name));
  const inputs = asked.map((p) =>
    input(`${p.name} (${p.in})`, { name: `${p.in}:${p.name}`, value: sampleOf(p), required: p.in === 'path' }),
  );
  const sent =
    type === 'application/json'
      ? input('Body', { name: 'body', value: JSON.stringify(example ?? {}, null, 2) }, 'textarea')
      : undefined;
  const answer = make('div', { role: 'status' });
  const form = make(
    'form',
    { className: 'try' },
    make('h3', {}, 'Try it'),
    ...inputs,
    schema && sent,
    make('button', { type: 'submit' }, `Send ${method.toUpperCase()}`),
    answer,
  );
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    answer.replaceChildren(make('p', {}, 'Sending…'));
    answer.replaceChildren(...(await send(path, method, new FormData(form), operation)));
  });
  return form;
}

/** Sends what a form holds; the answer as elements. */
async function send(path, method, form, operation) {
  const headers = {};
  const query = new URLSearchParams();
  let target = path;
  for (const [name, value] of form) {
    const [place, parameter] = name.split(/:(.*)/);
    if (value === '') continue;
    if (place === 'path') target = target.replace(`{${parameter}}`, encodeURIComponent(value));
    if (place === 'query') query.set(parameter, value);
    if (place === 'header') headers[parameter] = value;
  }
  const token = document.getElementById('token').value.trim();
  if (token) headers.Authorization = `Bearer ${token}`;
  const body = form.get('body') || undefined;
  if (body) headers['Content-Type'] = 'application/json';
  const began = performance.now();
  try {
    const response = await fetch(query.size ? `${target}?${query}` : target, { method: method.toUpperCase(), headers, body });
    const text = await response.text();
    keepToken(operation, text);
    return [
      make(
        'p',
        {},
        make('strong', {}, `${response.status} ${response.statusText}`),
        ` in ${Math.round(performance.now() - began)} ms`,
      ),
      make('pre', { tabIndex: 0 }, [...response.headers].map(([name, value]) => `${name}: ${value}`).join('\n')),
      make('pre', { tabIndex: 0 }, pretty(text) || '(no body)'),
    ];
  } catch (error) {
    return [make('p', {}, `No answer: ${error.message}`)];
  }
}

/** JSON indented, anything else as it is. */
function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** After signing in, the next calls carry the token. It stays in this page and goes with it. */
function keepToken(operation, text) {
  if (!['login', 'register'].includes(operation.operationId)) return;
  const { token } = JSON.parse(text);
  if (token) document.getElementById('token').value = token;
}

/** One operation, closed until it is wanted. */
function article(path, method, item) {
  const operation = item[method];
  const parameters = [...(item.parameters ?? []), ...(operation.parameters ?? [])].map(resolve);
  const who = operation.security?.some((one) => 'bearer' in one)
    ? operation.security.length > 1
      ? 'JWT optional'
      : 'JWT needed'
    : '';
  const head = make(
    'summary',
    {},
    make('span', { className: `method ${method}` }, method),
    make('h3', {}, path),
    make('span', { className: 'quiet' }, `${operation.summary}${who && ` · ${who}`}`),
  );
  const details = make('details', {}, head);
  details.addEventListener('toggle', () => {
    if (!details.open || details.children.length > 1) return;
    const body = resolve(operation.requestBody);
    const shape = body && media(body).schema ? fields(media(body).schema) : undefined;
    details.append(
      make(
        'div',
        { className: 'inside' },
        ...prose(operation.description ?? ''),
        ...parameterTable(parameters),
        shape && make('h3', {}, 'Body'),
        shape,
        ...responseList(operation),
        tryForm(path, method, operation, parameters),
      ),
    );
  });
  const words = `${method} ${path} ${operation.summary} ${(operation['x-error-codes'] ?? []).join(' ')}`.toLowerCase();
  const element = make('article', { id: operation.operationId }, details);
  return {
    element,
    words,
    tag: operation.tags[0],
    link: make(
      'li',
      {},
      make('a', { href: `#${operation.operationId}` }, `${method.toUpperCase()} ${path.replace('/api/v1', '')}`),
    ),
  };
}

function show() {
  const main = document.getElementById('operations');
  const links = document.getElementById('links');
  const shown = Object.entries(contract.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => article(path, method, item)),
  );
  main.append(...prose(contract.info.description));
  for (const tag of contract.tags) {
    const ours = shown.filter((one) => one.tag === tag.name);
    main.append(make('section', {}, make('h2', {}, tag.name), ...prose(tag.description), ...ours.map((one) => one.element)));
    links.append(make('section', {}, make('strong', {}, tag.name), make('ul', {}, ...ours.map((one) => one.link))));
  }
  const filter = document.getElementById('filter');
  filter.addEventListener('input', () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const one of shown) one.element.hidden = one.link.hidden = !words.every((word) => one.words.includes(word));
    for (const section of document.querySelectorAll('section'))
      section.hidden = !section.querySelector('article:not([hidden]), li:not([hidden])');
  });
  document.getElementById('forget').addEventListener('click', () => {
    document.getElementById('token').value = '';
  });
  document.getElementById('sign-in').addEventListener('submit', (event) => event.preventDefault());
  addEventListener('hashchange', open);
  open();
}

/** Opens the operation that the address names. */
function open() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const details = target?.querySelector('details');
  if (!details) return;
  details.open = true;
  target.scrollIntoView();
  details.querySelector('summary').focus({ preventScroll: true });
}

show();
