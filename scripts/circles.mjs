// Finds circles of imports between the files of a crate: node scripts/circles.mjs CRATE...
//
// An import is a path to another module of the crate, in a `use` or anywhere else: by `crate`, `super` or `self`, or by the
// name of a child or of a module that a `use` has brought in. It counts for the file of the innermost module that the path
// names, so that what a file re-exports counts as its own. A `mod` by itself is no import. Comments, strings, and what is
// there only for tests (`#[cfg(test)]`, whole files included) or for the documentation (`#[cfg(doc)]`) do not count.

import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

const SILENT = /\/\/.*|\/\*[^]*?\*\/|\bb?r(#*)"[^]*?"\1|"(?:\\[^]|[^"\\])*"|'(?:\\.[^']*|[^'\\])'/g;
const USE = /\buse\s+([^;]+);/g;
const PATH = /(?<![\w:])\w+(?:::\w+)+/g;

/** The code without the items for tests and documentation: each ends with its block, or with a semicolon outside of any. */
function shipped(code) {
  const attribute = /#\[cfg\((?:all\()?(?:test|doc)\b[^\]]*\]/.exec(code);
  if (!attribute) return code;
  let end = attribute.index + attribute[0].length;
  for (let depth = 0, over = false; end < code.length && !over; end++) {
    depth += '([{'.includes(code[end]) - ')]}'.includes(code[end]);
    over = depth < 0 || (depth === 0 && ';}'.includes(code[end]));
  }
  return shipped(`${code.slice(0, attribute.index)} ${code.slice(end)}`);
}

/** Every module of a crate, by its path: its file, its code and where it is, as a list of names. */
function modulesOf(crate) {
  const modules = new Map();
  const visit = (file, at) => {
    const code = shipped(readFileSync(file, 'utf8').replace(SILENT, ' '));
    modules.set(at.join('::'), { file, code, at });
    const folder = ['lib.rs', 'mod.rs'].includes(basename(file)) ? dirname(file) : file.slice(0, -'.rs'.length);
    for (const [, child] of code.matchAll(/\bmod\s+(\w+)\s*;/g)) {
      const flat = join(folder, `${child}.rs`);
      visit(existsSync(flat) ? flat : join(folder, child, 'mod.rs'), [...at, child]);
    }
  };
  visit(join(crate, 'src/lib.rs'), []);
  return modules;
}

/** The paths of a use tree: its innermost braces are multiplied out until there are none. */
function pathsOf(tree) {
  const multiplied = (_, head, parts) => parts.split(',').filter((part) => part.trim()).map((part) => head + part).join();
  const flat = tree.replace(/([\w:\s]*)\{([^{}]*)\}/, multiplied);
  return flat === tree ? flat.split(',') : pathsOf(flat);
}

/** The files that a module imports. */
function importsOf({ file, code, at: here }, modules) {
  const [files, brought] = [new Set(), new Map()];
  const follow = ([first, ...rest], name) => {
    const child = modules.get([...here, first].join('::'))?.at;
    let at = { crate: [], self: here, super: here.slice(0, -1) }[first] ?? child ?? brought.get(first);
    if (!at) return;
    for (; rest[0] === 'super'; rest.shift()) at = at.slice(0, -1);
    while (rest.length > 0 && modules.has([...at, rest[0]].join('::'))) at = [...at, rest.shift()];
    if (name && rest.length === 0) brought.set(name, at);
    files.add(modules.get(at.join('::')).file);
  };
  for (const used of [...code.matchAll(USE)].flatMap(([, tree]) => pathsOf(tree))) {
    const [path, name] = used.trim().split(/\s+as\s+/);
    const names = path.replace(/::\s*self$/, '').split(/\s*::\s*/);
    follow(names, name ?? names.at(-1));
  }
  for (const [path] of code.replace(USE, ' ').matchAll(PATH)) follow(path.split('::'));
  return files;
}

let circles = 0;
for (const crate of process.argv.slice(2)) {
  const modules = modulesOf(crate);
  const imports = new Map([...modules.values()].map((module) => [module.file, importsOf(module, modules)]));
  const done = new Set();
  const visit = (file, chain) => {
    if (chain.at(-1) === file || done.has(file)) return;
    const circle = chain.includes(file) && [...chain.slice(chain.indexOf(file)), file];
    if (circle) circles += 1, console.log(circle.join(' -> '));
    else imports.get(file).forEach((next) => visit(next, [...chain, file]));
    if (!circle) done.add(file);
  };
  [...imports.keys()].forEach((file) => visit(file, []));
}
process.exit(circles === 0 ? 0 : 1);
