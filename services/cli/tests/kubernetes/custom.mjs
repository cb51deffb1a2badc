// Prints what is wrong with custom resources, a line each. Their types say which fields there are: TypeScript refuses any
// other in a literal. Their validators say what a field may hold.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const PACKAGES = {
  "cert-manager.io": "cert-manager",
  "gateway.networking.k8s.io": "gateway-api",
  "monitoring.coreos.com": "prometheus-operator",
};

const custom = [];
for (const object of JSON.parse(readFileSync(process.argv[2], "utf8"))) {
  const name = PACKAGES[object.apiVersion.split("/")[0]];
  if (name) {
    custom.push({ object, module: `@kubernetes-models/${name}/${object.apiVersion}/${object.kind}` });
  }
}

const say = ({ object }, what) => console.log(`${object.kind} ${object.metadata.name}: ${what}`);

// Two lines for each: its type, and the object as a literal of it.
const text = custom.map(({ object, module }, index) =>
  `import type { I${object.kind} as Kind${index} } from "${module}";\n` +
  `export const object${index}: Kind${index} = ${JSON.stringify(object)};\n`).join("");
// It is nowhere but in memory, and yet beside the packages.
const file = fileURLToPath(new URL("objects.ts", import.meta.url));
const options = {
  strict: true,
  noEmit: true,
  skipLibCheck: true,
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
};
const host = ts.createCompilerHost(options);
const { fileExists, readFile } = host;
host.fileExists = (name) => name === file || fileExists(name);
host.readFile = (name) => (name === file ? text : readFile(name));
const program = ts.createProgram([file], options, host);
for (const problem of ts.getPreEmitDiagnostics(program)) {
  const what = ts.flattenDiagnosticMessageText(problem.messageText, " ");
  if (problem.file?.fileName !== file) {
    throw new Error(what);
  }
  const { line } = problem.file.getLineAndCharacterOfPosition(problem.start);
  say(custom[Math.floor(line / 2)], what);
}

for (const each of custom) {
  try {
    const Model = (await import(each.module))[each.object.kind];
    new Model(each.object).validate();
  } catch (error) {
    say(each, error.message);
  }
}
