// Calls every unary method with an empty message; prints each with the code of its answer.
import { createFileRegistry, create, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import * as node from "@connectrpc/connect-node";
import * as web from "@connectrpc/connect-web";

const [baseUrl, key, form] = process.argv.slice(2);
const interceptors = [(next) => (request) => {
  request.header.set("authorization", `Bearer ${key}`);
  return next(request);
}];
const transports = {
  "node-connect": () => node.createConnectTransport({ baseUrl, httpVersion: "2", interceptors }),
  "node-connect-json": () => node.createConnectTransport({ baseUrl, httpVersion: "1.1", interceptors, useBinaryFormat: false }),
  "node-grpc": () => node.createGrpcTransport({ baseUrl, interceptors }),
  "node-grpc-web": () => node.createGrpcWebTransport({ baseUrl, httpVersion: "1.1", interceptors }),
  "web-connect": () => web.createConnectTransport({ baseUrl, interceptors }),
  "web-grpc-web": () => web.createGrpcWebTransport({ baseUrl, interceptors }),
};
const transport = transports[form]();
const described = await fetch(`${baseUrl}/descriptors`);
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, new Uint8Array(await described.arrayBuffer())));
const services = [...registry].filter((one) => one.kind === "service" && one.typeName.startsWith("nopic."));
services.sort((one, other) => (one.typeName < other.typeName ? -1 : 1));
for (const service of services) {
  for (const method of service.methods.filter((method) => method.methodKind === "unary")) {
    let code = "ok";
    try {
      await transport.unary(method, undefined, 20_000, undefined, create(method.input));
    } catch (error) {
      code = Code[ConnectError.from(error).code].replace(/(?<!^)([A-Z])/g, "_$1").toLowerCase();
    }
    console.log(`${service.typeName}/${method.name} ${code}`);
  }
}
