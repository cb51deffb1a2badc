// Validates the lines of a file in messages of two on one stream, and prints the verdicts; then waits for the first message
// of a stream that only the server ends.
import { readFileSync } from "node:fs";
import { createFileRegistry, create, fromBinary, fromJson, toJson } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";

const [baseUrl, key, path] = process.argv.slice(2);
const interceptors = [(next) => (request) => {
  request.header.set("authorization", `Bearer ${key}`);
  return next(request);
}];
const transport = createGrpcTransport({ baseUrl, interceptors });
const described = await fetch(`${baseUrl}/descriptors`);
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, new Uint8Array(await described.arrayBuffer())));
const validation = registry.getService("nopic.entry_validation.v1.EntryValidationService");
const lines = readFileSync(path, "utf8").split("\n").filter((line) => line.trim()).map((line) => JSON.parse(line));
async function* batches() {
  for (let at = 0; at < lines.length; at += 2) {
    yield fromJson(validation.method.validateStream.input, { lines: lines.slice(at, at + 2) });
  }
}
for await (const answer of createClient(validation, transport).validateStream(batches())) {
  for (const verdict of toJson(validation.method.validateStream.output, answer).verdicts ?? []) {
    console.log(JSON.stringify(verdict));
  }
}
const changes = registry.getService("nopic.registry.v1.RegistryService");
const stop = new AbortController();
try {
  for await (const _ of createClient(changes, transport).watchChanges(create(changes.method.watchChanges.input), { signal: stop.signal })) {
    console.log("watched");
    stop.abort();
  }
} catch (error) {
  if (!stop.signal.aborted) throw error;
}
