"""Validates entry lines (JSON lines on standard input) over gRPC, by what the gateway says of itself.

NOPIC_ENDPOINT is the gateway's host and port, NOPIC_API_KEY a key of `nopic key create`.
"""

import json
import os
import sys

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

key = os.environ.get("NOPIC_API_KEY")
metadata = [("authorization", f"Bearer {key}")] if key else []
# In production: grpc.secure_channel(endpoint, grpc.ssl_channel_credentials())
channel = grpc.insecure_channel(os.environ.get("NOPIC_ENDPOINT", "127.0.0.1:50051"))
pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
method = pool.FindServiceByName("nopic.entry_validation.v1.EntryValidationService").methods_by_name["ValidateEntries"]
request_class, answer_class = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
validate = channel.unary_unary(
    f"/{method.containing_service.full_name}/{method.name}",
    request_serializer=request_class.SerializeToString,
    response_deserializer=answer_class.FromString,
)
lines = [json.loads(line) for line in sys.stdin if line.strip()]
answer = validate(json_format.ParseDict({"lines": lines}, request_class()), metadata=metadata, timeout=30)
for verdict in answer.verdicts:
    print(json.dumps(json_format.MessageToDict(verdict)))
