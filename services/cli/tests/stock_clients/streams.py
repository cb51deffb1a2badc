"""Validates the lines of a file in messages of two on one stream, and prints the verdicts; then waits for the first
message of a stream that only the server ends."""

import json
import sys

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

channel = grpc.insecure_channel(sys.argv[1])
pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
metadata = [("authorization", f"Bearer {sys.argv[2]}")]


def method_of(service, name):
    method = pool.FindServiceByName(service).methods_by_name[name]
    made = channel.stream_stream if method.client_streaming else channel.unary_stream
    request = GetMessageClass(method.input_type)
    call = made(
        f"/{service}/{name}",
        request_serializer=request.SerializeToString,
        response_deserializer=GetMessageClass(method.output_type).FromString,
    )
    return request, call


request, validate = method_of("nopic.entry_validation.v1.EntryValidationService", "ValidateStream")
with open(sys.argv[3], encoding="utf-8") as file:
    lines = [json.loads(line) for line in file if line.strip()]
batches = (json_format.ParseDict({"lines": lines[at : at + 2]}, request()) for at in range(0, len(lines), 2))
for answer in validate(batches, metadata=metadata, timeout=30):
    for verdict in answer.verdicts:
        print(json.dumps(json_format.MessageToDict(verdict)))
request, watch = method_of("nopic.registry.v1.RegistryService", "WatchChanges")
changes = watch(request(), metadata=metadata, timeout=30)
next(changes)
changes.cancel()
print("watched")
