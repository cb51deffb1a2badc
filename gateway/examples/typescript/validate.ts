// Validates entry lines (JSON lines on standard input) over Connect, by what the gateway says of itself.
//
// NOPIC_ENDPOINT is the gateway's address, NOPIC_API_KEY a key of `nopic key create`.
import { text } from "node:stream/consumers";
import { createFileRegistry, fromBinary, fromJson, toJson, type JsonObject } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";

const baseUrl = process.env.NOPIC_ENDPOINT ?? "http://127.0.0.1:50051";
const key = process.env.NOPIC_API_KEY;
const withKey: Interceptor = (next) => (request) => {
  if (key) request.header.set("authorization", `Bearer ${key}`);
  return next(request);
};
const described = await fetch(`${baseUrl}/descriptors`);
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, new Uint8Array(await described.arrayBuffer())));
const service = registry.getService("nopic.entry_validation.v1.EntryValidationService")!;
const method = service.method.validateEntries!;
const transport = createConnectTransport({ baseUrl, httpVersion: "2", interceptors: [withKey] });
const client = createClient(service, transport) as Record<string, (request: unknown) => Promise<never>>;
const lines = (await text(process.stdin)).split("\n").filter((line) => line.trim()).map((line) => JSON.parse(line));
const answer = await client.validateEntries!(fromJson(method.input, { lines }));
for (const verdict of (toJson(method.output, answer) as JsonObject).verdicts as JsonObject[]) {
  console.log(JSON.stringify(verdict));
}
